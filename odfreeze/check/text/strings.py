"""Rules about strings: escapes that eat what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.textproto import Edit, Scalar, walk
from odfreeze.textproto.strings import eaten_escapes, undefined_escapes

__all__ = ["RULES", "strings_of"]


def eaten_backslash(subject: Subject) -> Iterator[Finding]:
    r"""ODF107: a string in which a backslash begins an escape, such as ``"\bconv"``."""
    data = subject.config.data
    if b"\\" not in data:
        return
    for path, value in strings_of(subject):
        eaten, kept = _backslashes(data, value)
        if not eaten and not kept:
            continue
        edits = tuple(Edit(at, at, b"\\") for at in sorted((*eaten, *kept)))
        place = subject.config.document.place(min(eaten or kept))
        if eaten:
            shown = data[eaten[0] : eaten[0] + 2].decode("utf-8", "replace")
            what = "a control character" if shown[1] in "0123456789" else _NAMES[shown[1]]
            message = (
                f"{path}: {shown} in a string is {what}, not a backslash and '{shown[1]}'; write "
                f"\\{shown}{_slashes(value)}"
            )
            yield Finding("ODF107", "error", message, place, edits)
        else:
            shown = data[kept[0] : kept[0] + 2].decode("utf-8", "replace")
            message = (
                f"{path}: {shown} is no escape of a text proto; Python's parser keeps the "
                f"backslash, others refuse the string; write \\{shown}, which means the same"
            )
            yield Finding("ODF107", "info", message, place, edits)


def quoted_twice(subject: Subject) -> Iterator[Finding]:
    """ODF107: a string with typographic quotation marks within its own."""
    for path, value in strings_of(subject):
        inner = value.text[1:-1]
        if len(inner) < 2 or inner[0] not in _MARKS or inner[-1] not in _MARKS:
            continue
        first, last = len(inner[0].encode()), len(inner[-1].encode())
        message = f"{path}: {inner[0]} and {inner[-1]} are part of the string; remove them"
        edits = (
            Edit(value.start + 1, value.start + 1 + first, b""),
            Edit(value.end - 1 - last, value.end - 1, b""),
        )
        yield Finding("ODF107", "error", message, value.place, edits)


RULES = (eaten_backslash, quoted_twice)

_MARKS = "“”„‟‘’‚‛«»"

_NAMES = {
    "a": "a bell", "b": "a backspace", "f": "a form feed", "n": "a line break",
    "r": "a carriage return", "t": "a tab", "v": "a vertical tab",
}  # fmt: skip


def strings_of(subject: Subject) -> Iterator[tuple[str, Scalar]]:
    """Yields every string of a config with its field's path."""
    for path, field in walk(subject.config.document):
        for value in field.values:
            if isinstance(value, Scalar) and value.kind == "string":
                yield path, value


def _backslashes(data: bytes, value: Scalar) -> tuple[list[int], list[int]]:
    """Returns the offsets of the backslashes in a string that are eaten, and that Python keeps."""
    eaten: list[int] = []
    kept: list[int] = []
    if b"\\" in data[value.start : value.end]:
        for literal in value.literals():
            text = data[literal.start : literal.end]
            eaten += [literal.start + offset for offset in eaten_escapes(text)]
            kept += [literal.start + offset for offset in undefined_escapes(text)]
    return eaten, kept


def _slashes(value: Scalar) -> str:
    """Returns the advice for what looks like a path of Windows."""
    is_path = value.text[2:4] == ":\\"
    return ", or / in a path, which every system takes" if is_path else ""
