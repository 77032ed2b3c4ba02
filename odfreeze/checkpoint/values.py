"""The values of a checkpoint: bytes out of its data files, each checked with its checksum."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import FileIO
from math import prod
from typing import TYPE_CHECKING

import google_crc32c

from odfreeze.checkpoint.bundle import Bundle, Entry, data_path
from odfreeze.checkpoint.table import masked
from odfreeze.checkpoint.wire import WireError, varint
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
)
from odfreeze.variables import DTYPE_BYTES

if TYPE_CHECKING:
    import mmap

__all__ = ["CHUNK_BYTES", "Values"]

#: Bytes of one chunk: small enough to stay in a processor's cache while it is compared, and to
#: be given memory that was used before; from 256 KiB on reading takes twice the time.
CHUNK_BYTES = 1 << 16


class Values:
    """Opens data files when they are needed and reads tensors from them."""

    __slots__ = ("_bundle", "_files", "_maps")

    def __init__(self, bundle: Bundle) -> None:
        """Takes the index; opens nothing yet."""
        self._bundle = bundle
        self._files: dict[int, tuple[FileIO, int]] = {}
        self._maps: dict[int, mmap.mmap] = {}

    def read(self, entry: Entry) -> memoryview | bytes:
        """Returns the bytes of a tensor, little-endian, in row-major order.

        Returns:
          A read-only view of the mapped file; a copy for a partitioned tensor.

        Raises:
          CheckpointNotFoundError: The data file is missing.
          CheckpointCorruptError: It is cut off or the checksum is wrong.
          CheckpointUnsupportedError: The dtype has no fixed size (``string``).
        """
        self._check_fixed(entry)
        if entry.slices:
            return self._assemble(entry)
        view = self._view(entry)
        crc = 0
        for start in range(0, len(view), CHUNK_BYTES):
            crc = google_crc32c.extend(crc, bytes(view[start : start + CHUNK_BYTES]))
        self._check_crc(entry, crc)
        return view

    def chunks(self, entry: Entry, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yields the same bytes piece by piece, holding no more than one piece.

        The checksum is checked behind the last piece, so what was made of the
        pieces holds only when the iteration ends without an error. A partitioned
        tensor is put together in memory first.

        Raises:
          CheckpointNotFoundError, CheckpointCorruptError, CheckpointUnsupportedError:
            As for ``read``.
        """
        crc = 0
        for chunk in self.raw_chunks(entry, chunk_bytes):
            crc = google_crc32c.extend(crc, chunk)
            yield chunk
        if not entry.slices:
            self._check_crc(entry, crc)

    def raw_chunks(self, entry: Entry, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yields the same bytes as ``chunks`` and leaves the checksum to the caller.

        A partitioned tensor's checksums are those of its parts and are checked here.
        """
        self._check_fixed(entry)
        if entry.slices:
            whole = self._assemble(entry)
            for start in range(0, len(whole), chunk_bytes):
                yield bytes(whole[start : start + chunk_bytes])
            return
        left = entry.size
        position = entry.offset
        stream = self._open(entry) if left else None
        while stream is not None and left:
            wanted = min(left, chunk_bytes)
            stream.seek(position)
            chunk = stream.read(wanted)
            while len(chunk) < wanted:  # a read may give less than it was asked for
                more = stream.read(wanted - len(chunk))
                if not more:
                    raise self._cut_off(entry, position + len(chunk))
                chunk += more
            left -= len(chunk)
            position += len(chunk)
            yield chunk

    def check(self, entry: Entry, crc: int) -> None:
        """Holds a checksum computed over ``raw_chunks`` against the stored one.

        Raises:
          CheckpointCorruptError: They differ.
        """
        if not entry.slices:
            self._check_crc(entry, crc)

    def strings(self, entry: Entry) -> tuple[bytes, ...]:
        """Returns the elements of a string tensor in row-major order.

        Raises:
          CheckpointNotFoundError: The data file is missing.
          CheckpointCorruptError: It is cut off, or lengths or a checksum are wrong.
          CheckpointUnsupportedError: The tensor is not one of strings.
        """
        if entry.dtype != "string" or entry.slices:
            raise CheckpointUnsupportedError(
                f"{entry.key!r} is no whole tensor of strings but {entry.dtype}",
                path=self._bundle.prefix,
            )
        data = bytes(self._view(entry))
        count = prod(entry.shape)
        if count > len(data):  # each element has a length of at least one byte
            raise self._corrupt(entry, f"{len(data)} bytes cannot hold {count} strings")
        # (length of each) as varints, their masked checksum, then the strings; the entry's
        # checksum is taken over the lengths as uint32 (uint64 where too long) and the rest.
        lengths = []
        position = crc = 0
        try:
            for _ in range(count):
                length, position = varint(data, position, len(data))
                lengths.append(length)
                width = 4 if length < 1 << 32 else 8
                crc = google_crc32c.extend(crc, length.to_bytes(width, "little"))
        except WireError as error:
            raise self._corrupt(entry, str(error)) from None
        stored = data[position : position + 4]
        if masked(crc).to_bytes(4, "little") != stored:
            raise self._corrupt(entry, "the checksum of the lengths (CRC32C) is wrong")
        position += 4
        if position + sum(lengths) != len(data):
            raise self._corrupt(entry, "the lengths do not fill its bytes")
        crc = google_crc32c.extend(crc, stored)
        self._check_crc(entry, google_crc32c.extend(crc, data[position:]))
        found = []
        for length in lengths:
            found.append(data[position : position + length])
            position += length
        return tuple(found)

    def close(self) -> None:
        """Closes the data files; a view that is still held keeps its mapping alive."""
        for mapped in self._maps.values():
            with contextlib.suppress(BufferError):  # a view in use keeps it until then
                mapped.close()
        for stream, _ in self._files.values():
            stream.close()
        self._maps.clear()
        self._files.clear()

    def _open(self, entry: Entry) -> FileIO:
        """Returns the data file, unbuffered, having checked that the entry lies in it."""
        opened = self._files.get(entry.shard)
        if opened is None:
            path = data_path(self._bundle.prefix, entry.shard, self._bundle.shards)
            try:
                stream = FileIO(path)
                opened = self._files[entry.shard] = stream, os.fstat(stream.fileno()).st_size
            except OSError as error:
                raise CheckpointNotFoundError(
                    f"{path} cannot be read ({error.strerror or error}); it holds the value of"
                    f" {entry.key!r}. Copy it beside the .index file",
                    path=path,
                ) from None
        stream, size = opened
        if entry.offset + entry.size > size:
            raise self._cut_off(entry, size)
        return stream

    def _view(self, entry: Entry) -> memoryview:
        if not entry.size:
            return memoryview(b"")
        import mmap

        stream = self._open(entry)
        mapped = self._maps.get(entry.shard)
        if mapped is None:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            self._maps[entry.shard] = mapped
        stop = entry.offset + entry.size
        if stop > len(mapped):  # it shrank between the two looks at it
            raise self._cut_off(entry, len(mapped))
        return memoryview(mapped)[entry.offset : stop]

    def _assemble(self, entry: Entry) -> bytes:
        """Puts a partitioned tensor together; its parts must fill it exactly."""
        width = DTYPE_BYTES[entry.dtype]
        parts = [self._bundle.part(entry, piece) for piece in entry.slices]
        total = width * prod(entry.shape)
        needed: dict[int, int] = {}
        for part in parts:
            self._open(part)
            needed[part.shard] = needed.get(part.shard, 0) + part.size
        # Before anything is allocated: the parts fill the whole and do not share their bytes.
        if sum(needed.values()) != total or any(
            size > self._files[shard][1] for shard, size in needed.items()
        ):
            raise self._corrupt(entry, "its parts do not fill its shape")
        views = [self.read(part) for part in parts]
        whole = bytearray(total)
        filled = bytearray(total // width)
        for piece, view in zip(entry.slices, views, strict=True):
            ranges = [
                (start, start + (size if length == -1 else length))
                for (start, length), size in zip(piece, entry.shape, strict=True)
            ]
            position = 0
            for first, count in _runs(ranges, entry.shape):
                size = count * width
                whole[first * width : first * width + size] = view[position : position + size]
                filled[first : first + count] = b"\1" * count
                position += size
        if filled.count(0):
            raise self._corrupt(entry, "its parts overlap")
        return bytes(whole)

    def _check_fixed(self, entry: Entry) -> None:
        if entry.dtype not in DTYPE_BYTES:
            raise CheckpointUnsupportedError(
                f"{entry.key!r} is a tensor of {entry.dtype}, which has no bytes of fixed size"
                + ("; strings() reads it" if entry.dtype == "string" else ""),
                path=self._bundle.prefix,
            )

    def _check_crc(self, entry: Entry, crc: int) -> None:
        if masked(crc) != entry.crc32c:
            raise self._corrupt(entry, "its bytes do not fit their checksum (CRC32C)")

    def _cut_off(self, entry: Entry, size: int) -> CheckpointCorruptError:
        return self._corrupt(
            entry, f"it should end at byte {entry.offset + entry.size}, the file ends at {size}"
        )

    def _corrupt(self, entry: Entry, what: str) -> CheckpointCorruptError:
        path = data_path(self._bundle.prefix, entry.shard, self._bundle.shards)
        return CheckpointCorruptError(
            f"{path}: the value of {entry.key!r} is damaged: {what}. Copy or download it again",
            path=path,
        )


def _runs(ranges: list[tuple[int, int]], shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yields (first element, number of elements) of each contiguous run of a part.

    >>> list(_runs([(0, 2), (1, 3)], (2, 4)))
    [(1, 2), (5, 2)]
    """
    inner = len(shape)  # from here on the part is as wide as the whole
    run = 1
    while inner and ranges[inner - 1] == (0, shape[inner - 1]):
        inner -= 1
        run *= shape[inner]
    if not inner:
        if run:
            yield 0, run
        return
    first, stop = ranges[inner - 1]
    outer = ranges[: inner - 1]
    index = [start for start, _ in outer]
    if not run or any(start == end for start, end in ranges):
        return
    while True:
        flat = 0
        for position, size in zip(index, shape, strict=False):
            flat = flat * size + position
        flat = (flat * shape[inner - 1] + first) * run
        yield flat, (stop - first) * run
        axis = len(outer) - 1
        while axis >= 0:
            index[axis] += 1
            if index[axis] < outer[axis][1]:
                break
            index[axis] = outer[axis][0]
            axis -= 1
        if axis < 0:
            return
