"""Sorted string tables: the file format of a checkpoint's index.

A table is data blocks, a block of metadata (always empty here), an index block
with the place of each data block, and a footer of 48 bytes with the place of the
index block. A block is entries with prefix-compressed keys, an array of restart
points, one byte for the compression and a masked CRC32C of all that.

Source: TensorFlow's ``core/lib/io/table_builder.cc``, ``format.cc`` and
``block_builder.cc``, which follow LevelDB's ``doc/table_format.md``.
"""

from __future__ import annotations

import google_crc32c

from odfreeze.checkpoint.wire import WireError, varint
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointUnsupportedError,
    MissingDependencyError,
)

__all__ = ["FOOTER_BYTES", "MAGIC", "masked", "read_table"]

MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_SNAPPY_MOST = 22  # the densest element of a Snappy stream writes 64 bytes for 3 of input
_KEYS_MOST = 64  # bytes of keys for one byte of file; real indexes stay below 10


def masked(crc: int) -> int:
    """Returns a CRC32C as checkpoints store it (rotated, plus a constant).

    >>> hex(masked(0))
    '0xa282ead8'
    """
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_table(data: bytes, path: str) -> dict[bytes, bytes]:
    """Reads all entries of a table.

    Args:
      data: The whole file.
      path: Its path, for messages.

    Returns:
      Key to value, in ascending order of the keys.

    Raises:
      CheckpointCorruptError: A place, a length or a checksum is wrong.
      CheckpointUnsupportedError: A block's compression is neither none nor Snappy.
      MissingDependencyError: A block is compressed with Snappy and ``cramjam`` is
        not installed.
    """
    footer = len(data) - FOOTER_BYTES
    if footer < 0 or data[-8:] != MAGIC:
        raise CheckpointCorruptError(
            f"{path} does not end like a checkpoint index: the mark of its last 8 bytes is missing;"
            " it was cut off or is another kind of file. Copy or download it again",
            path=path,
        )
    try:
        _, _, position = _handle(data, footer, len(data) - 8)
        start, end, _ = _handle(data, position, len(data) - 8)
    except WireError as error:
        raise _corrupt(path, footer, f"in the footer, {error}") from None
    if end + _TRAILER_BYTES != footer:
        raise _corrupt(path, footer, "the footer does not lead to an index block")
    allowed = _KEYS_MOST * len(data)
    handles: dict[bytes, bytes] = {}
    _read_block(_block(data, start, end, path), path, start, handles, allowed)
    entries: dict[bytes, bytes] = {}
    written = 0  # where the data block before ended: no block is read twice
    for handle in handles.values():
        try:
            block_start, block_end, rest = _handle(handle, 0, len(handle))
        except WireError as error:
            raise _corrupt(path, start, f"in the index block, {error}") from None
        if rest != len(handle) or block_start < written or block_end + _TRAILER_BYTES > start:
            raise _corrupt(path, start, "the data blocks do not lie one behind the other")
        written = block_end + _TRAILER_BYTES
        content = _block(data, block_start, block_end, path)
        allowed = _read_block(content, path, block_start, entries, allowed)
    return entries


def _corrupt(path: str, offset: int, what: str) -> CheckpointCorruptError:
    return CheckpointCorruptError(
        f"{path} is damaged at byte {offset}: {what}. Copy or download it again", path=path
    )


def _handle(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Returns where a block starts and ends, and the position behind its handle."""
    start, position = varint(data, position, end)
    size, position = varint(data, position, end)
    return start, start + size, position


def _block(data: bytes, start: int, end: int, path: str) -> bytes:
    """Returns a block's content, checked and decompressed."""
    content = data[start : end + 1]
    stored = int.from_bytes(data[end + 1 : end + _TRAILER_BYTES], "little")
    if stored != masked(google_crc32c.value(content)):
        raise _corrupt(path, start, "a block's checksum (CRC32C) is wrong")
    kind = content[-1]
    if kind == 0:
        return content[:-1]
    if kind != 1:
        raise CheckpointUnsupportedError(
            f"{path}: the block at byte {start} has the compression {kind};"
            " only none (0) and Snappy (1) are known",
            path=path,
        )
    return _unsnap(content[:-1], start, path)


def _unsnap(content: bytes, start: int, path: str) -> bytes:
    try:
        size, _ = varint(content, 0, len(content))
    except WireError as error:
        raise _corrupt(path, start, f"in a Snappy block, {error}") from None
    if size > _SNAPPY_MOST * len(content):  # before anything is allocated for it
        raise _corrupt(path, start, f"a Snappy block of {len(content)} bytes claims to hold {size}")
    try:
        import cramjam
    except ImportError:
        raise MissingDependencyError(
            f"{path} is compressed with Snappy, which needs the package 'cramjam':"
            " pip install 'odfreeze[snappy]'"
        ) from None
    try:
        out = bytes(cramjam.snappy.decompress_raw(content))
    except Exception as error:  # cramjam has one error class, made at import
        raise _corrupt(path, start, f"a Snappy block cannot be decompressed ({error})") from None
    if len(out) != size:
        raise _corrupt(path, start, "a Snappy block has another length than it claims")
    return out


def _read_block(
    block: bytes, path: str, start: int, entries: dict[bytes, bytes], allowed: int
) -> int:
    """Adds a block's entries; the restart points are skipped, not needed.

    Args:
      block: The block's content.
      path: The file, for messages.
      start: Where in it the block begins, for messages.
      entries: What was read so far; its last key must precede the block's.
      allowed: How many bytes the keys may still have, since prefix compression could
        blow a small file up without end.

    Returns:
      What is left of ``allowed``.
    """
    tail = len(block) - 4
    restarts = int.from_bytes(block[tail:], "little") if tail >= 0 else 0
    end = tail - 4 * restarts
    if end < 0:
        raise _corrupt(path, start, "a block's restart points do not fit into it")
    last = next(reversed(entries), None)
    key = b""
    position = 0
    try:
        while position < end:
            shared, unshared, size = head = block[position : position + 3]
            if max(head) < 0x80:  # nearly all: three lengths of one byte
                position += 3
            else:
                shared, position = varint(block, position, end)
                unshared, position = varint(block, position, end)
                size, position = varint(block, position, end)
            middle = position + unshared
            stop = middle + size
            if shared > len(key) or stop > end:
                raise _corrupt(path, start, "an entry runs past the end of its block")
            key = key[:shared] + block[position:middle]
            if last is not None and key <= last:
                raise _corrupt(path, start, "the keys are not in ascending order")
            allowed -= len(key)
            if allowed < 0:
                raise _corrupt(path, start, "the keys are far larger than the file")
            entries[key] = block[middle:stop]
            last = key
            position = stop
    except WireError as error:
        raise _corrupt(path, start, f"in an entry, {error}") from None
    return allowed
