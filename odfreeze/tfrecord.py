"""TFRecord files of ``tf.train.Example``, as far as a look at their first records needs.

A TFRecord is a length (8 bytes, little-endian), its masked CRC32C (4 bytes), that many bytes,
and their masked CRC32C; a file is one behind the other. An Example is a protocol buffer: a map
from names to lists of bytes, floats or integers. TensorFlow is not needed, and nothing of a
stranger's file is believed: lengths are checked against the file before they are used.

Sources: tensorflow/core/lib/io/record_writer.h and core/example/{example,feature}.proto.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from odfreeze.errors import DataError

__all__ = ["LARGEST_RECORD", "Feature", "parse_example", "read_records"]

#: Bytes of the largest record that is read; reading ends at a larger one.
LARGEST_RECORD = 64 << 20
_HEAD, _FOOT = struct.Struct("<QI"), struct.Struct("<I")
#: What compressed files begin with.
_COMPRESSED = {b"\x1f\x8b": "GZIP", b"\x78\x01": "ZLIB", b"\x78\x9c": "ZLIB", b"\x78\xda": "ZLIB"}
_KINDS = {1: "bytes", 2: "float", 3: "int64"}


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of an Example.

    Attributes:
      kind: ``bytes``, ``float``, ``int64``, or "" for one that holds no list.
      values: Its values, of type bytes, float or int.
    """

    kind: str
    values: tuple[bytes | float | int, ...] = ()


def read_records(path: str | os.PathLike[str], most: int) -> Iterator[bytes]:
    """Yields the first records of a file, at most so many; none of an empty file.

    Raises:
      DataError: The file cannot be read, or what is at its beginning is no TFRecord.
    """
    import google_crc32c

    from odfreeze.checkpoint.table import masked

    name = os.fspath(path)

    def broken(what: str, offset: int) -> DataError:
        return DataError(f"{name} is no TFRecord file: {what} at byte {offset}", path=name)

    try:
        with open(name, "rb") as stream:  # noqa: PTH123
            left = os.fstat(stream.fileno()).st_size
            for _ in range(most):
                offset = stream.tell()
                head = stream.read(_HEAD.size)
                if not head:
                    return
                left -= len(head)
                if len(head) < _HEAD.size:
                    raise broken("a record is cut off", offset)
                length, crc = _HEAD.unpack(head)
                if masked(google_crc32c.value(head[:8])) != crc:
                    compression = "" if offset else _COMPRESSED.get(head[:2], "")
                    if compression:
                        raise DataError(
                            f"{name} is compressed ({compression}), which the input reader does "
                            "not expect",
                            path=name,
                        )
                    raise broken("no length of a record", offset)
                if length + _FOOT.size > left:
                    raise broken("a record is cut off", offset)
                if length > LARGEST_RECORD:
                    return
                data = stream.read(length)
                (crc,) = _FOOT.unpack(stream.read(_FOOT.size))
                left -= length + _FOOT.size
                if masked(google_crc32c.value(data)) != crc:
                    raise broken("a record with a wrong checksum", offset)
                yield data
    except (OSError, struct.error) as error:
        reason = getattr(error, "strerror", None) or "it changes while it is read"
        raise DataError(f"{name} cannot be read: {reason}", path=name) from None


def parse_example(data: bytes, path: str = "<record>") -> dict[str, Feature]:
    """Returns the features of an Example, by name.

    Args:
      data: The bytes of a record.
      path: The file, for messages.

    Raises:
      DataError: The bytes are no Example.
    """
    from odfreeze.checkpoint.wire import WireError, fields

    found: dict[str, Feature] = {}
    try:
        for number, kind, start, end in fields(data, 0, len(data)):
            if number != 1 or kind != 2:
                continue
            for inner, inner_kind, entry, entry_end in fields(data, start, end):
                if inner == 1 and inner_kind == 2:
                    name, feature = _entry(data, entry, entry_end)
                    found[name] = feature
    except (WireError, UnicodeDecodeError, struct.error) as error:
        message = f"{path} holds a record that is no tf.train.Example: {error}"
        raise DataError(message, path=path) from None
    return found


def _entry(data: bytes, start: int, end: int) -> tuple[str, Feature]:
    """Returns one entry of the map: its key and its feature."""
    from odfreeze.checkpoint.wire import fields

    name, feature = "", Feature("")
    for number, kind, a, b in fields(data, start, end):
        if number == 1 and kind == 2:
            name = data[a:b].decode("utf-8")
        elif number == 2 and kind == 2:
            for which, inner_kind, c, d in fields(data, a, b):
                if which in _KINDS and inner_kind == 2:
                    feature = Feature(_KINDS[which], tuple(_values(data, c, d, which)))
    return name, feature


def _values(data: bytes, start: int, end: int, which: int) -> Iterator[bytes | float | int]:
    """Yields the values of a list, packed or not."""
    from odfreeze.checkpoint.wire import fields, signed, varint

    for number, kind, a, b in fields(data, start, end):
        if number != 1:
            continue
        if which == 1 and kind == 2:
            yield data[a:b]
        elif which == 2 and kind in (2, 5):
            yield from (value for (value,) in struct.iter_unpack("<f", data[a:b]))
        elif which == 3 and kind == 0:
            yield signed(a)
        elif which == 3 and kind == 2:
            position = a
            while position < b:
                value, position = varint(data, position, b)
                yield signed(value)
