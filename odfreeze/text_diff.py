"""What changed between two texts, as people and ``patch`` read it."""

from __future__ import annotations

__all__ = ["unified_diff"]

_NO_NEWLINE = b"\n\\ No newline at end of file\n"


def unified_diff(old: bytes, new: bytes, name: str) -> bytes:
    r"""Returns the unified diff from one text to another, b"" where they are equal.

    Args:
      old: The text before.
      new: The text after.
      name: The file's name, for both sides.

    >>> print(unified_diff(b"a: 1\n", b"a: 2\n", "a.config").decode())
    --- a.config
    +++ a.config
    @@ -1 +1 @@
    -a: 1
    +a: 2
    <BLANKLINE>
    """
    from difflib import diff_bytes
    from difflib import unified_diff as compare

    label = _label(name)
    return b"".join(
        line if line.endswith(b"\n") else line + _NO_NEWLINE
        for line in diff_bytes(compare, _lines(old), _lines(new), label, label)
    )


def _label(name: str) -> bytes:
    """Returns a file's name so that ``patch`` finds its end, as ``diff`` writes it.

    A tab ends one with a space; quotes hold one with control characters.
    """
    encoded = name.encode("utf-8", "surrogateescape")
    if any(byte < 0x20 for byte in encoded):
        escaped = encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return b'"' + b"".join(b"\\%03o" % b if b < 0x20 else bytes([b]) for b in escaped) + b'"'
    return encoded + b"\t" if b" " in encoded else encoded


def _lines(data: bytes) -> list[bytes]:
    """Returns the lines with their endings; only a line feed ends one."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])
