"""Writes checkpoints without TensorFlow, for tests: valid ones, and wrong ones on purpose.

Most tests need one call::

    write_checkpoint(
        tmp_path / "ckpt-0",
        {"model/conv/kernel": ("conv/kernel", "float32", (2, 2), floats(1, 2, 3, 4))},
    )

writes ``ckpt-0.index`` and ``ckpt-0.data-00000-of-00001`` as
``tf.train.Checkpoint`` would: the variable under its object path, its name in the
object graph. ``write_named_checkpoint`` does the same for TF1, and ``BundleWriter``
lays out everything else: shards, partitioned variables, string tensors, Snappy,
a header of a big-endian machine, bytes that are wrong behind right checksums.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path

import google_crc32c

from odfreeze.checkpoint.bundle import DTYPES, Slice, slice_key
from odfreeze.checkpoint.graph import GRAPH_KEY
from odfreeze.checkpoint.model import VALUE_SUFFIX
from odfreeze.checkpoint.table import MAGIC, masked
from odfreeze.variables import DTYPE_BYTES

#: name, dtype, shape, little-endian bytes of the value (None: zeros).
Spec = tuple[str, str, Sequence[int], "bytes | None"]

NUMBERS = {name: number for number, name in DTYPES.items()}


def floats(*values: float) -> bytes:
    """Returns float32 values as a checkpoint stores them."""
    return struct.pack(f"<{len(values)}f", *values)


def write_checkpoint(
    prefix: str | os.PathLike[str],
    variables: Mapping[str, Spec],
    *,
    step: int | None = None,
    extra: Mapping[str, tuple[str, Sequence[int], bytes | None]] | None = None,
    graph: bool = True,
    shards: int = 1,
    counter: bool = True,
    **options: bool | int,
) -> Path:
    """Writes an object-based (TF2) checkpoint.

    Args:
      prefix: Where, without ``.index``.
      variables: Object path to (name, dtype, shape, bytes or None for zeros). Slots are
        given by their path, ``model/w/.OPTIMIZER_SLOT/optimizer/momentum``.
      step: Value of a ``step`` counter, or None for none.
      extra: More tensors by their whole key: (dtype, shape, bytes).
      graph: Whether to write the object graph; its data is in shard 0.
      shards: Number of data files; variables are dealt out to all but the first of
        several, as TensorFlow does.
      counter: Whether to write a ``save_counter``, as ``tf.train.Checkpoint.save`` does and
        ``write`` does not.
      **options: For ``BundleWriter.write``: block_bytes, snappy, restart_interval.

    Returns:
      The prefix as a Path.
    """
    writer = BundleWriter(shards)
    last = shards - 1
    names = {}
    for number, (path, (name, dtype, shape, data)) in enumerate(variables.items()):
        key = path + VALUE_SUFFIX
        writer.add(key, dtype, shape, data, shard=1 + number % last if last else 0)
        names[path] = name
    if step is not None:
        writer.add(f"step{VALUE_SUFFIX}", "int64", (), step.to_bytes(8, "little"), shard=last)
        names["step"] = "step"
    if counter:
        key = f"save_counter{VALUE_SUFFIX}"
        writer.add(key, "int64", (), (1).to_bytes(8, "little"), shard=last)
        names["save_counter"] = "save_counter"
    for key, (dtype, shape, data) in (extra or {}).items():
        writer.add(key, dtype, shape, data, shard=last)
    if graph:
        writer.add_strings(GRAPH_KEY, (), [object_graph(names)])
    return writer.write(prefix, **options)


def write_named_checkpoint(
    prefix: str | os.PathLike[str],
    tensors: Mapping[str, tuple[str, Sequence[int], bytes | None]],
    **options: bool | int,
) -> Path:
    """Writes a name-based (TF1) checkpoint: name to (dtype, shape, bytes or None for zeros)."""
    writer = BundleWriter()
    for name, (dtype, shape, data) in tensors.items():
        writer.add(name, dtype, shape, data)
    return writer.write(prefix, **options)


def write_state(directory: str | os.PathLike[str], latest: str, others: Iterable[str] = ()) -> Path:
    """Writes the ``checkpoint`` state file of a directory."""
    path = Path(directory) / "checkpoint"
    lines = [f'model_checkpoint_path: "{_quoted(latest)}"']
    lines += [f'all_model_checkpoint_paths: "{_quoted(name)}"' for name in (*others, latest)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class BundleWriter:
    """Collects tensors, then writes the data files and the index."""

    def __init__(self, shards: int = 1) -> None:
        self.shards = shards
        self.data = [bytearray() for _ in range(shards)]
        self.entries: dict[bytes, bytes] = {}
        self.header = _varint_field(1, shards) + _bytes_field(3, _varint_field(1, 1))

    def add(
        self,
        key: str | bytes,
        dtype: str,
        shape: Sequence[int],
        data: bytes | None = None,
        *,
        shard: int = 0,
    ) -> None:
        """Adds a tensor of a dtype with a fixed size."""
        if data is None:
            data = bytes(prod(shape) * DTYPE_BYTES[dtype])
        crc = masked(google_crc32c.value(data))
        self.add_raw(key, dtype, shape, data, crc, shard=shard)

    def add_strings(
        self, key: str, shape: Sequence[int], values: Sequence[bytes], *, shard: int = 0
    ) -> None:
        """Adds a string tensor."""
        widths = b"".join(struct.pack("<I", len(value)) for value in values)
        check = masked(google_crc32c.value(widths)).to_bytes(4, "little")
        joined = b"".join(values)
        crc = masked(google_crc32c.value(widths + check + joined))
        data = b"".join(varint(len(value)) for value in values) + check + joined
        self.add_raw(key, "string", shape, data, crc, shard=shard)

    def add_raw(
        self,
        key: str | bytes,
        dtype: str,
        shape: Sequence[int],
        data: bytes,
        crc: int,
        *,
        shard: int = 0,
    ) -> None:
        """Adds bytes with any checksum."""
        offset = len(self.data[shard])
        self.data[shard] += data
        raw = key.encode() if isinstance(key, str) else key
        self.entries[raw] = entry_proto(dtype, shape, shard, offset, len(data), crc)

    def add_partitioned(
        self,
        key: str,
        dtype: str,
        shape: Sequence[int],
        parts: Mapping[Slice, bytes],
        *,
        shards: Sequence[int] = (0,),
    ) -> None:
        """Adds a partitioned variable: ((start, length), …) to the bytes of the part."""
        for number, (piece, data) in enumerate(parts.items()):
            extent = [
                size if length == -1 else length
                for (_, length), size in zip(piece, shape, strict=True)
            ]
            self.add(slice_key(key, piece), dtype, extent, data, shard=shards[number % len(shards)])
        self.entries[key.encode()] = entry_proto(dtype, shape, slices=tuple(parts))

    def write(
        self,
        prefix: str | os.PathLike[str],
        *,
        block_bytes: int = 1 << 18,
        snappy: bool = False,
        restart_interval: int = 16,
    ) -> Path:
        """Writes everything; returns the prefix."""
        prefix = Path(prefix)
        prefix.parent.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(self.data):
            name = f"{prefix.name}.data-{number:05d}-of-{self.shards:05d}"
            prefix.with_name(name).write_bytes(data)
        prefix.with_name(prefix.name + ".index").write_bytes(
            table(
                {b"": self.header, **self.entries},
                block_bytes=block_bytes,
                snappy=snappy,
                restart_interval=restart_interval,
            )
        )
        return prefix


def entry_proto(
    dtype: str | int,
    shape: Sequence[int],
    shard: int = 0,
    offset: int = 0,
    size: int = 0,
    crc: int = 0,
    slices: Sequence[Slice] = (),
) -> bytes:
    """Returns a ``BundleEntryProto``."""
    number = NUMBERS[dtype] if isinstance(dtype, str) else dtype
    dims = b"".join(_bytes_field(2, _varint_field(1, size)) for size in shape)
    out = _varint_field(1, number) + b"\x12" + varint(len(dims)) + dims
    out += _varint_field(3, shard) + _varint_field(4, offset) + _varint_field(5, size)
    if crc:
        out += b"\x35" + struct.pack("<I", crc)
    for piece in slices:
        extents = b""
        for start, length in piece:
            inner = b"" if length == -1 else _varint_field(1, start) + b"\x10" + varint(length)
            extents += b"\x0a" + varint(len(inner)) + inner
        out += b"\x3a" + varint(len(extents)) + extents
    return out


def object_graph(names: Mapping[str, str]) -> bytes:
    """Returns a ``TrackableObjectGraph`` of these object paths (slots too) and their names."""
    nodes: list[tuple[list[bytes], list[bytes]]] = [([], [])]
    numbers = {"": 0}

    def node(path: str) -> int:
        if path not in numbers:
            numbers[path] = len(nodes)
            nodes.append(([], []))
            parent, _, last = path.rpartition("/")
            reference = _varint_field(1, numbers[path]) + _bytes_field(2, last.encode())
            nodes[node(parent)][0].append(_bytes_field(1, reference))
        return numbers[path]

    plain = [path for path in names if "/.OPTIMIZER_SLOT/" not in path]
    for path in [*plain, *(path for path in names if "/.OPTIMIZER_SLOT/" in path)]:
        if "/.OPTIMIZER_SLOT/" in path:
            variable, _, rest = path.partition("/.OPTIMIZER_SLOT/")
            optimizer, _, slot = rest.rpartition("/")
            number = numbers[path] = len(nodes)
            nodes.append(([], []))
            reference = _varint_field(1, node(variable)) + _bytes_field(2, slot.encode())
            reference += _varint_field(3, number)
            nodes[node(optimizer)][1].append(_bytes_field(3, reference))
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/.OPTIMIZER_SLOT/" not in path:
                node("/".join(parts[:depth]))
        attribute = _bytes_field(1, b"VARIABLE_VALUE") + _bytes_field(2, names[path].encode())
        attribute += _bytes_field(3, (path + VALUE_SUFFIX).encode())
        nodes[node(path)][1].append(_bytes_field(2, attribute))
    return b"".join(_bytes_field(1, b"".join(a) + b"".join(b)) for a, b in nodes)


def table(
    entries: Mapping[bytes, bytes],
    *,
    block_bytes: int = 1 << 18,
    snappy: bool = False,
    restart_interval: int = 16,
) -> bytes:
    """Returns a sorted string table of these entries."""
    out = bytearray()
    handles: dict[bytes, bytes] = {}
    pending: dict[bytes, bytes] = {}
    size = 0
    for key in sorted(entries):
        pending[key] = entries[key]
        size += len(key) + len(entries[key])
        if size >= block_bytes:
            handles[key] = append_block(out, block(pending, restart_interval), snappy=snappy)
            pending, size = {}, 0
    if pending:
        handles[key] = append_block(out, block(pending, restart_interval), snappy=snappy)
    return finish_table(out, handles, snappy=snappy)


def finish_table(out: bytearray, handles: Mapping[bytes, bytes], *, snappy: bool = False) -> bytes:
    """Returns data blocks completed by a metadata block, an index block and a footer."""
    metadata = append_block(out, block({}, 16), snappy=False)
    index = append_block(out, block(handles, 1), snappy=snappy)
    return bytes(out) + (metadata + index).ljust(40, b"\0") + MAGIC


def append_block(out: bytearray, content: bytes, *, snappy: bool = False) -> bytes:
    """Appends a block with its trailer and returns its handle."""
    if snappy:
        import cramjam

        content = bytes(cramjam.snappy.compress_raw(content))
    handle = varint(len(out)) + varint(len(content))
    content += b"\1" if snappy else b"\0"
    out += content + masked(google_crc32c.value(content)).to_bytes(4, "little")
    return handle


def block(entries: Mapping[bytes, bytes], restart_interval: int = 16) -> bytes:
    """Returns a block with prefix-compressed keys."""
    out = bytearray()
    restarts = []
    last = b""
    for number, (key, value) in enumerate(entries.items()):
        shared = 0
        if number % restart_interval == 0:
            restarts.append(len(out))
        else:
            shared = next(
                (at for at, (a, b) in enumerate(zip(last, key, strict=False)) if a != b),
                min(len(last), len(key)),
            )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def varint(value: int) -> bytes:
    """Returns a varint; negative numbers as int64."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value) if value else b""


def _bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
