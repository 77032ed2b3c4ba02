"""Tensor bundles: what the index says of each tensor, and in which file its bytes are.

Source: TensorFlow's ``core/protobuf/tensor_bundle.proto``, ``core/framework/types.proto``,
``tensor_shape.proto``, ``tensor_slice.proto`` and ``core/util/tensor_bundle/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from odfreeze.checkpoint.table import read_table
from odfreeze.checkpoint.wire import WireError, fields, signed
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
)
from odfreeze.variables import DTYPE_BYTES

__all__ = ["DTYPES", "Bundle", "Entry", "Slice", "data_path", "slice_key"]

#: Name of each dtype by its number in ``types.proto``.
DTYPES: dict[int, str] = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string",
    8: "complex64", 9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32",
    14: "bfloat16", 15: "qint16", 16: "quint16", 17: "uint16", 18: "complex128", 19: "float16",
    20: "resource", 21: "variant", 22: "uint32", 23: "uint64", 24: "float8_e5m2",
    25: "float8_e4m3fn", 29: "int4", 30: "uint4",
}  # fmt: skip
_VERSION = 1  # kTensorBundleVersion: the newest form of bundle there is
_DIMENSIONS_MOST = 254  # TensorShape::MaxDimensions()

#: What follows dtype and shape as TensorFlow writes it: shard (18), offset (20), size (28) and
#: crc32c (35), each at most once; numbers in the shortest form, below 2**63.
_REST = re.compile(
    rb"(?:\x18([\x00-\x7f]))?(?:\x20[\x80-\xff]{0,8}[\x00-\x7f])?"
    rb"(?:\x28([\x80-\xff]{0,8}[\x00-\x7f]))?\x35.{4}",
    re.DOTALL,
).fullmatch

#: A part of a partitioned variable: (start, length) for each dimension; length -1 is all of it.
Slice = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index says of one tensor.

    Attributes:
      key: Its key, such as ``model/kernel/.ATTRIBUTES/VARIABLE_VALUE``.
      shape: Dimensions; () for a scalar.
      dtype: Element type as TensorFlow names it; ``string`` and ``variant`` have
        no fixed size.
      shard: Number of the data file with its bytes, from 0.
      offset: Where its bytes begin in that file.
      size: How many there are; 0 for a partitioned tensor.
      crc32c: Their masked CRC32C.
      slices: The parts of a partitioned tensor, each with an entry of its own;
        () for a whole one.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[Slice, ...] = ()


class Bundle(Mapping[str, Entry]):
    """All named tensors of an index, decoded when asked for.

    The parts of partitioned tensors are not among the names; ``part`` finds them.

    Attributes:
      prefix: Path of the checkpoint without ``.index``.
      shards: Number of data files.
    """

    __slots__ = ("_decoded", "_kinds", "_parts", "_values", "prefix", "shards")

    def __init__(self, prefix: str) -> None:
        """Reads ``prefix.index``.

        Raises:
          CheckpointNotFoundError: There is no such file.
          CheckpointCorruptError: It contradicts itself.
          CheckpointUnsupportedError: It was written big-endian or by a version to come.
        """
        path = prefix + ".index"
        try:
            with open(path, "rb") as stream:  # noqa: PTH123  (pathlib is slow to import)
                data = stream.read()
        except OSError as error:
            raise CheckpointNotFoundError(
                f"{path} cannot be read: {error.strerror or error}", path=path
            ) from None
        self.prefix = prefix
        self._decoded: dict[str, Entry] = {}
        self._kinds: dict[bytes, tuple[str, tuple[int, ...], bytes | None]] = {}
        table = read_table(data, path)
        header = table.pop(b"", None)
        if header is None:
            raise self._corrupt("it has no header")
        self.shards = self._read_header(header)
        try:
            self._values: dict[str, bytes] = {
                key.decode(): value for key, value in table.items() if key[0]
            }
        except UnicodeDecodeError as error:
            raise self._corrupt(f"the key {error.object!r} is not UTF-8") from None
        # The others are parts of partitioned tensors: ordered codes of (0, name, slice).
        self._parts = {key: value for key, value in table.items() if not key[0]}

    def __getitem__(self, key: str) -> Entry:
        """Returns a tensor's entry; CheckpointCorruptError when it cannot be decoded."""
        entry = self._decoded.get(key)
        if entry is None:
            entry = self._decoded[key] = self._decode(key, self._values[key])
        return entry

    def __iter__(self) -> Iterator[str]:
        """Walks the keys in ascending order."""
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def part(self, entry: Entry, piece: Slice) -> Entry:
        """Returns the entry with the bytes of one part of a partitioned tensor.

        Raises:
          CheckpointCorruptError: The index has no such part, or it has another
            dtype or shape than it must have.
        """
        value = self._parts.get(slice_key(entry.key, piece))
        if value is None:
            raise self._corrupt(f"a part of {entry.key!r} is missing: {piece}")
        part = self._decode(entry.key, value)
        if part.dtype != entry.dtype or part.shape != _extent(entry.shape, piece) or part.slices:
            raise self._corrupt(f"a part of {entry.key!r} does not fit into it: {piece}")
        return part

    def kind(self, key: str) -> tuple[str, tuple[int, ...]]:
        """Returns dtype and shape of a tensor without making its ``Entry``: four times quicker.

        Raises:
          CheckpointCorruptError: As for the whole entry.
        """
        value = self._values[key]
        # Equal beginnings (dtype and shape) are decoded once; what follows them is held
        # against the form that TensorFlow writes, and anything else goes the long way.
        stop = 4 + value[3] if len(value) > 4 else 0
        known = self._kinds.get(value[:stop])
        if known is not None:
            match = _REST(value, stop)
            if match is not None:
                dtype, shape, known_size = known
                shard, size = match.groups()
                if size == known_size and (shard is None or shard[0] < self.shards):
                    return dtype, shape
        entry = self[key]
        width = DTYPE_BYTES.get(entry.dtype)
        head = value[:stop]
        plain = stop and head[0] == 0x08 and head[2] == 0x12 and max(head[1:4:2]) < 0x80
        match = _REST(value, stop) if width and plain and not entry.slices else None
        if match is not None:
            self._kinds[head] = entry.dtype, entry.shape, match[2]
        return entry.dtype, entry.shape

    def _read_header(self, value: bytes) -> int:
        shards = endianness = version = 0
        try:
            for number, kind, a, b in fields(value, 0, len(value)):
                if kind == 0 and number == 1:
                    shards = signed(a)
                elif kind == 0 and number == 2:
                    endianness = a
                elif kind == 2 and number == 3:
                    for inner, inner_kind, least, _ in fields(value, a, b):
                        if inner == 2 and inner_kind == 0:
                            version = signed(least)
        except WireError as error:
            raise self._corrupt(f"in its header, {error}") from None
        if endianness:
            raise CheckpointUnsupportedError(
                f"{self.prefix}.index was written on a big-endian machine;"
                " only little-endian checkpoints can be read. Save it again on another machine",
                path=self.prefix + ".index",
            )
        if version > _VERSION:
            raise CheckpointUnsupportedError(
                f"{self.prefix}.index asks for a reader of version {version};"
                f" this one reads up to {_VERSION}",
                path=self.prefix + ".index",
            )
        if not 0 < shards < 100_000:  # file names have five digits
            raise self._corrupt(f"it claims to have {shards} data files")
        return shards

    def _decode(self, key: str, value: bytes) -> Entry:
        dtype = shard = offset = size = crc = 0
        shape: tuple[int, ...] = ()
        slices: list[Slice] = []
        try:
            for number, kind, a, b in fields(value, 0, len(value)):
                if kind == 0:
                    if number == 1:
                        dtype = a
                    elif number == 3:
                        shard = signed(a)
                    elif number == 4:
                        offset = signed(a)
                    elif number == 5:
                        size = signed(a)
                elif kind == 5 and number == 6:
                    crc = int.from_bytes(value[a:b], "little")
                elif kind == 2 and number == 2:
                    shape = self._shape(key, value[a:b])
                elif kind == 2 and number == 7:
                    slices.append(_slice(value, a, b))
        except WireError as error:
            raise self._corrupt(f"in the entry of {key!r}, {error}") from None
        name = DTYPES.get(dtype)
        if name is None:
            raise CheckpointUnsupportedError(
                f"{self.prefix}.index: {key!r} has the dtype number {dtype}, which is not known",
                path=self.prefix + ".index",
            )
        if not 0 <= shard < self.shards or offset < 0 or size < 0:
            raise self._corrupt(
                f"{key!r} claims to be {size} bytes at {offset} of data file {shard}"
                f" of {self.shards}"
            )
        width = DTYPE_BYTES.get(name)
        if width and not slices and size != width * prod(shape):
            raise self._corrupt(f"{key!r}, {name}{list(shape)}, claims to have {size} bytes")
        for piece in slices:
            if not _lies_in(piece, shape):
                raise self._corrupt(f"a part of {key!r} lies outside its shape: {piece}")
        return Entry(key, shape, name, shard, offset, size, crc, tuple(slices))

    def _shape(self, key: str, data: bytes) -> tuple[int, ...]:
        shape = []
        for number, kind, a, b in fields(data, 0, len(data)):
            if number == 2 and kind == 2:
                size = 0
                for inner, inner_kind, value, _ in fields(data, a, b):
                    if inner == 1 and inner_kind == 0:
                        size = signed(value)
                if size < 0:
                    raise self._corrupt(f"{key!r} has a dimension of size {size}")
                shape.append(size)
            elif number == 3 and kind == 0 and a:
                raise self._corrupt(f"{key!r} has no known rank")
        if len(shape) > _DIMENSIONS_MOST:
            raise self._corrupt(f"{key!r} has {len(shape)} dimensions")
        return tuple(shape)

    def _corrupt(self, what: str) -> CheckpointCorruptError:
        path = self.prefix + ".index"
        return CheckpointCorruptError(
            f"{path} is damaged: {what}. Copy or download it again", path=path
        )


def data_path(prefix: str, shard: int, shards: int) -> str:
    """Returns the path of a data file.

    >>> data_path("run/ckpt-3", 0, 2)
    'run/ckpt-3.data-00000-of-00002'
    """
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def slice_key(key: str, piece: Slice) -> bytes:
    r"""Returns the key under which the index keeps a part of a partitioned tensor.

    It is an ordered code (``core/lib/strings/ordered_code.cc``) of 0, the
    tensor's key, the number of dimensions, and start and length of each.

    >>> slice_key("w", ((0, 5),))
    b'\x00w\x00\x01\x01\x01\x80\x85'
    """
    name = key.encode().replace(b"\xff", b"\xff\x00").replace(b"\x00", b"\x00\xff")
    count = len(piece).to_bytes(2, "big").lstrip(b"\0")
    numbers = b"".join(_ordered(number) for pair in piece for number in pair)
    return b"\0" + name + b"\0\1" + bytes([len(count)]) + count + numbers


def _ordered(number: int) -> bytes:
    """Returns the ordered code of a signed number: its length in the leading one bits."""
    size = 1
    while (~number if number < 0 else number) >> (7 * size - 1):
        size += 1
    bits = size * 8
    code = number & ((1 << bits) - 1)
    return (code ^ (((1 << size) - 1) << (bits - size))).to_bytes(size, "big")


def _slice(data: bytes, start: int, end: int) -> Slice:
    extents = []
    for number, kind, a, b in fields(data, start, end):
        if number == 1 and kind == 2:
            first, length = 0, -1
            for inner, inner_kind, value, _ in fields(data, a, b):
                if inner_kind == 0 and inner == 1:
                    first = signed(value)
                elif inner_kind == 0 and inner == 2:
                    length = signed(value)
            extents.append((first, length))
    return tuple(extents)


def _lies_in(piece: Slice, shape: tuple[int, ...]) -> bool:
    return len(piece) == len(shape) and all(
        (start == 0 and length == -1) or (start >= 0 and 0 < length <= size - start)
        for (start, length), size in zip(piece, shape, strict=True)
    )


def _extent(shape: tuple[int, ...], piece: Slice) -> tuple[int, ...]:
    """Returns the shape of a part."""
    return tuple(
        size if length == -1 else length for (_, length), size in zip(piece, shape, strict=True)
    )
