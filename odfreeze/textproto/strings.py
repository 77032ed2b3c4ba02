r"""String literals of the text format: escapes read and written.

Reading follows the specification. For an escape that it does not define, such as
``\d``, C++ parsers report an error while protobuf's Python parser, the one that the
Object Detection API uses, keeps the backslash; odfreeze reads what the Object
Detection API reads, so that every config that trains can be edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["EscapeError", "eaten_escapes", "quote", "undefined_escapes", "unquote"]

_SIMPLE = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b"?": b"?", b"\\": b"\\", b"'": b"'", b'"': b'"',
}  # fmt: skip
_ESCAPE = (
    rb"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9A-Fa-f]{1,2})"
    rb"|u(?P<high>[dD][89aAbB][0-9A-Fa-f]{2})\\u(?P<low>[dD][c-fC-F][0-9A-Fa-f]{2})"
    rb"|u(?P<short>[0-9A-Fa-f]{4})|U(?P<long>[0-9A-Fa-f]{8})|(?P<other>[^\n]))"
)
_WRITTEN = {
    **{code: f"\\{code:03o}" for code in (*range(32), 127)},
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord("\\"): "\\\\",
}


class EscapeError(ValueError):
    """An escape stands for no byte and no character.

    Attributes:
      offset: Where its backslash is, from the start of the literal.
    """

    def __init__(self, message: str, offset: int) -> None:
        """Takes what is wrong and the backslash's offset."""
        super().__init__(message)
        self.offset = offset


def unquote(literal: bytes) -> bytes:
    r"""Returns the bytes that one string literal (with its quotes) stands for.

    Raises:
      EscapeError: An escape is cut short or out of range.

    >>> unquote(rb'"block_\\d+\x2fconv"')
    b'block_\\d+/conv'
    """
    if b"\\" not in literal:
        return literal[1:-1]
    pieces = []
    done = 1
    for match in _escapes(literal):
        pieces += [literal[done : match.start()], _unescape(match)]
        done = match.end()
    pieces.append(literal[done:-1])
    return b"".join(pieces)


def _escapes(literal: bytes) -> Iterator[re.Match[bytes]]:
    """Returns the escapes of a literal; compiled here, since most files have none."""
    return re.compile(_ESCAPE).finditer(literal, 1, len(literal) - 1)


def _unescape(match: re.Match[bytes]) -> bytes:
    """Returns what one escape stands for."""
    kind, digits = match.lastgroup, match[match.lastgroup or 0]
    escape = match[0].decode("utf-8", "replace")
    if kind == "octal" and int(digits, 8) <= 0xFF:
        return bytes([int(digits, 8)])
    if kind == "octal":
        raise EscapeError(f"octal escape {escape} is above \\377", match.start())
    if kind == "hex":
        return bytes([int(digits, 16)])
    if kind == "other":
        if digits in {b"x", b"u", b"U"}:
            count = {b"x": "1 or 2", b"u": "4", b"U": "8"}[digits]
            raise EscapeError(f"escape {escape} needs {count} hexadecimal digits", match.start())
        return _SIMPLE.get(digits, match[0])
    code = int(digits, 16)
    if kind == "low":
        code = 0x10000 + ((int(match["high"], 16) & 0x3FF) << 10) + (code & 0x3FF)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise EscapeError(f"escape {escape} is no Unicode character", match.start())
    return chr(code).encode()


def undefined_escapes(literal: bytes) -> tuple[int, ...]:
    r"""Returns the offsets of the escapes in a literal that the specification does not define.

    >>> undefined_escapes(rb'"a\.b\\d"')
    (2,)
    """
    return tuple(
        match.start()
        for match in _escapes(literal)
        if match.lastgroup == "other" and match["other"] not in _SIMPLE
    )


def eaten_escapes(literal: bytes) -> tuple[int, ...]:
    r"""Returns the offsets of the short escapes in a literal that stand for a control character.

    Those are ``\a \b \f \n \r \t \v`` and an octal number of one digit: what a regular
    expression or a Windows path with single backslashes turns into.

    >>> eaten_escapes(rb'"C:\tf\\new\models \1"')
    (3, 19)
    """
    return tuple(
        match.start()
        for match in _escapes(literal)
        if (match.lastgroup == "other" and match["other"] in b"abfnrtv")
        or (match.lastgroup == "octal" and len(match["octal"]) == 1)
    )


def quote(value: str | bytes, mark: str = '"') -> bytes:
    r"""Returns a string literal that reads back equal to ``value``.

    Characters beyond ASCII are written as they are (UTF-8); backslashes, control
    characters, the quotation mark in use and bytes that are no text are escaped.

    Args:
      value: Text, or bytes for a field of type ``bytes``.
      mark: The quotation mark, ``"`` or ``'``.

    >>> print(quote(r"block_\d+\.conv").decode())
    "block_\\d+\\.conv"
    """
    escapes: dict[int, str] = {**_WRITTEN, ord(mark): "\\" + mark}
    if isinstance(value, bytes):
        escapes.update({code: f"\\{code:03o}" for code in range(0x80, 0x100)})
        value = value.decode("latin-1")
    return (mark + value.translate(escapes) + mark).encode()
