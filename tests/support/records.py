"""TFRecords of tf.train.Example written by hand, without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import google_crc32c

from odfreeze.checkpoint.table import masked

PNG = b"\x89PNG\r\n\x1a\n and the rest of it"
JPEG = b"\xff\xd8\xff\xe0 and the rest of it"
Values = Sequence[bytes | float | int]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values: Values, *, packed: bool = True) -> bytes:
    """A Feature: its list is told by the type of the first value."""
    if not values:
        return b""
    if isinstance(values[0], bytes):
        return delimited(1, b"".join(delimited(1, value) for value in values))
    if isinstance(values[0], float):
        items, number, tag = [struct.pack("<f", value) for value in values], 2, b"\x0d"
    else:
        items, number, tag = [varint(value) for value in values], 3, b"\x08"
    data = delimited(1, b"".join(items)) if packed else b"".join(tag + item for item in items)
    return delimited(number, data)


def example(features: dict[str, Values], *, packed: bool = True) -> bytes:
    """A serialized Example; a feature without values is there, and empty."""
    entries = [
        delimited(1, delimited(1, name.encode()) + delimited(2, feature(values, packed=packed)))
        for name, values in features.items()
    ]
    return delimited(1, b"".join(entries))


def detection(
    names: Sequence[str] = ("cat",),
    ids: Sequence[int] = (1,),
    boxes: Sequence[tuple[float, float, float, float]] = ((0.1, 0.2, 0.5, 0.6),),
    **others: Values,
) -> bytes:
    """An Example of an image with boxes (ymin, xmin, ymax, xmax); ``__`` in a name is ``/``."""
    sides = list(zip(*boxes, strict=True)) or [()] * 4
    features: dict[str, Values] = {
        "image/encoded": [PNG],
        "image/format": [b"png"],
        "image/object/class/text": [name.encode() for name in names],
        "image/object/class/label": list(ids),
    }
    for name, side in zip(("ymin", "xmin", "ymax", "xmax"), sides, strict=True):
        features[f"image/object/bbox/{name}"] = side
    features |= {name.replace("__", "/"): values for name, values in others.items()}
    return example({name: values for name, values in features.items() if values})


def framed(*records: bytes) -> bytes:
    """Records as a TFRecord file holds them."""
    out = b""
    for data in records:
        length = struct.pack("<Q", len(data))
        out += length + checksum(length) + data + checksum(data)
    return out


def checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked(google_crc32c.value(data)))


def write_records(path: Path, *records: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(framed(*records))
    return path


def write_label_map(path: Path, **classes: int) -> Path:
    items = [f"item {{\n  id: {number}\n  name: '{name}'\n}}\n" for name, number in classes.items()]
    path.write_text("".join(items), encoding="utf-8")
    return path
