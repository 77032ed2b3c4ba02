"""Protocol buffer wire format, as little of it as the messages of a checkpoint need.

Reading them by hand keeps ``google.protobuf`` (and its import time) out of
``preview``. Every length is checked against the bytes at hand before it is used.

Source: the wire types and varints of the protocol buffer encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["WireError", "fields", "signed", "varint"]

_U64 = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are no message: a varint or a length runs past their end."""


def varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Reads one varint.

    Args:
      data: The bytes.
      position: Where the varint begins.
      end: Where the bytes that may be read end, at most ``len(data)``.

    Returns:
      The value, from 0 to 2**64 - 1, and the position behind it.

    Raises:
      WireError: The varint does not end before ``end`` or is longer than ten bytes.

    >>> varint(bytes([0xAC, 0x02]), 0, 2)
    (300, 2)
    """
    if position < end and data[position] < 0x80:  # one byte, as most are
        return data[position], position + 1
    value = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64, position
        shift += 7
        if shift > 63:
            raise WireError("a varint is longer than ten bytes")
    raise WireError("a varint runs past the end of its message")


def signed(value: int) -> int:
    """Returns a varint's value read as int64 (two's complement).

    >>> signed(2**64 - 1)
    -1
    """
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Walks the fields of one message, in the order of the bytes.

    Args:
      data: The bytes.
      position: Where the message begins.
      end: Where it ends, at most ``len(data)``.

    Yields:
      ``(number, wire type, a, b)``. For a varint (type 0) ``a`` is its value and
      ``b`` is 0; for fixed64 (1), bytes (2) and fixed32 (5) the payload is
      ``data[a:b]``.

    Raises:
      WireError: A length runs past ``end``, or a wire type is none of these four
        (groups are in no message of a checkpoint).
    """
    while position < end:
        tag = data[position]
        if tag < 0x80:
            position += 1
        else:
            tag, position = varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise WireError("a field has the number 0")
        if kind == 0:
            value, position = varint(data, position, end)
            yield number, 0, value, 0
            continue
        if kind == 2:
            length, position = varint(data, position, end)
        elif kind == 5:
            length = 4
        elif kind == 1:
            length = 8
        else:
            raise WireError(f"a field has the wire type {kind}")
        start = position
        position += length
        if position > end:
            raise WireError("a field runs past the end of its message")
        yield number, kind, start, position
