"""Edits: what to splice into the original bytes so that a field reads as wanted.

Every function computes edits and changes nothing. New text is written as its
neighbours are: indentation, line endings, quotes, colons, separators, lists. A field
that is removed takes its own line with it, and a comment behind it on that line;
comments on lines of their own stay.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from odfreeze.errors import UnknownFieldError, UsageError
from odfreeze.textproto.parser import parse
from odfreeze.textproto.query import Occurrence, fields_at, find, last, messages_at, split_path
from odfreeze.textproto.splice import (
    Edit,
    apply_edits,
    colon_for,
    cuts,
    filled_list,
    in_order,
    inserted_before,
    inserted_behind,
    removal,
    written_behind,
    written_into,
)
from odfreeze.textproto.style import (
    Identifier,
    Raw,
    Value,
    indent_of,
    is_commented,
    literal_span,
    style_of,
)
from odfreeze.textproto.tree import Document, Message, Scalar

__all__ = [
    "Edit",
    "Identifier",
    "Raw",
    "Value",
    "add_value",
    "apply_edits",
    "remove_field",
    "set_field",
    "set_repeated",
]

_WORD = re.compile(rb"[A-Za-z0-9_.]")


def set_field(
    document: Document, path: str, value: Value, *, kin: Sequence[str] = ()
) -> tuple[Edit, ...]:
    """Returns the edits after which the singular field at ``path`` has ``value``.

    The value that counts (the last one written) is replaced; a value that reads the
    same already is left as it is written. A field that is not there is added, with
    the messages around it.

    Args:
      document: What to edit.
      path: Dotted path; an index picks a value of a repeated field.
      value: The new value.
      kin: Names of siblings to add the field behind, the preferred one first; with
        none of them there it goes to the end of its message.

    Raises:
      UsageError: The path or the value is malformed.
      UnknownFieldError: The path has an index beyond what is written.
      TextProtoError: The path goes through a field that holds no message.
    """
    found = last(document, path)
    if found is not None:
        return in_order(_replacement(document, found, value))
    _, index = split_path(path)[-1]
    if index is not None:
        raise _missing(document, path)
    return _added(document, path, (value,), kin, repeated=False)


def add_value(
    document: Document, path: str, value: Value, *, kin: Sequence[str] = ()
) -> tuple[Edit, ...]:
    """Returns the edits that append a value to the repeated field at ``path``.

    Arguments and errors are those of ``set_field``; an index at the end of the path is
    a UsageError.
    """
    found = find(document, _without_index(path))
    if found:
        return in_order(inserted_behind(document, found[-1], (value,)))
    return _added(document, path, (value,), kin)


def set_repeated(
    document: Document, path: str, values: Sequence[Value], *, kin: Sequence[str] = ()
) -> tuple[Edit, ...]:
    """Returns the edits after which the repeated field at ``path`` has exactly ``values``.

    Values that are there already are left as they are written, with their comments;
    the others are replaced, inserted and removed around them. No values: the field is
    removed. Arguments and errors are those of ``add_value``.
    """
    if not values:
        return remove_field(document, _without_index(path))
    found = find(document, _without_index(path))
    if not found:
        return _added(document, path, values, kin)
    keys = [_key_of(one.value) for one in found], [_key(value) for value in values]
    edits: list[Edit] = []
    removed: list[Occurrence] = []
    for kind, old, old_end, new, new_end in SequenceMatcher(None, *keys, False).get_opcodes():
        if kind == "equal":
            continue
        paired = min(old_end - old, new_end - new)
        more = values[new + paired : new_end]
        for one, value in zip(found[old : old + paired], values[new:], strict=False):
            written = _replacement(document, one, value, keeps_line=bool(more))
            edits += [edit for edit in written if edit not in edits]
        removed += found[old + paired : old_end]
        if more and old + paired:
            edits += inserted_behind(document, found[old + paired - 1], more)
        elif more:
            edits += inserted_before(document, found[0], more)
    return in_order(edits + removal(document, removed))


def remove_field(document: Document, path: str) -> tuple[Edit, ...]:
    """Returns the edits that remove every occurrence of the field at ``path``.

    An index at the end of the path removes that one value of a repeated field. A field
    that is not there needs no edit.

    Raises:
      UsageError: The path is malformed.
      TextProtoError: The path goes through a field that holds no message.
    """
    _, index = split_path(path)[-1]
    if index is None:
        spans = [(field.start, field.full_end) for _, field in fields_at(document, path)]
        return in_order(cuts(document.data, spans))
    return in_order(removal(document, find(document, path)))


# --- values ---------------------------------------------------------------------


def _key(value: object) -> tuple[str, object]:
    """Returns what a value to be written is compared by."""
    if isinstance(value, Raw):
        return _key_of(parse(b"value: " + value).root.fields[0].values[0])
    if isinstance(value, bool):
        return "identifier", "true" if value else "false"
    if isinstance(value, Identifier):
        return "identifier", str(value)
    if isinstance(value, str):
        return "string", value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return "string", value
    if isinstance(value, int | float):
        return "number", "-0" if value == 0 and math.copysign(1, value) < 0 else value
    return "mapping", id(value)


def _key_of(value: Scalar | Message) -> tuple[str, object]:
    """Returns what a value in the document is compared by."""
    if isinstance(value, Message):
        return "message", value.source.data[value.start : value.end]
    if value.kind == "string":
        return "string", value.as_bytes()
    if value.kind == "identifier":
        return "identifier", value.text
    return _key(value.as_int() if value.kind == "integer" else value.as_float())


def _is_same(old: Scalar | Message, value: Value) -> bool:
    if isinstance(value, bool) and isinstance(old, Scalar):
        return old.kind == "identifier" and old.text in (
            {"true", "True", "t"} if value else {"false", "False", "f"}
        )
    return _key_of(old) == _key(value)


def _replacement(
    document: Document, found: Occurrence, value: Value, *, keeps_line: bool = False
) -> list[Edit]:
    """Returns the edits that put a value in the place of another.

    With ``keeps_line`` the line that the old one ends on stays, for what is written behind it:
    the line before may end with a comment.
    """
    data, old, field = document.data, found.value, found.field
    if _is_same(old, value):
        return []
    style = style_of(document, found.parent, field)
    if isinstance(old, Scalar) and old.kind == "string":
        style = replace(style, mark=chr(data[old.start]))
    indent = indent_of(data, field.start)
    if field.is_list or (isinstance(old, Message) and b"\n" not in data[old.start : old.end]):
        indent = None
    text = style.value(value, indent)
    edits = colon_for(field, text)
    end = old.end
    if isinstance(old, Scalar) and old.kind == "string" and is_commented(data[old.start : old.end]):
        first, *others = old.literals()
        end = first.end
        spans = [literal_span(data, token.start, token.end) for token in others]
        if keeps_line:
            spans[-1] = others[-1].start, others[-1].end
        edits += [Edit(*span, b"") for span in spans]
    if _WORD.match(text[-1:]) and _WORD.match(data, end):
        text += b" "  # behind a string or a message the next name may follow without a space
    edits.append(Edit(old.start, end, text))
    return [edit for edit in edits if data[edit.start : edit.end] != edit.replacement]


# --- adding ---------------------------------------------------------------------


def _without_index(path: str) -> str:
    _, index = split_path(path)[-1]
    if index is not None:
        raise UsageError(f"{path} names one value of a repeated field; drop the index")
    return path


def _missing(document: Document, path: str) -> UnknownFieldError:
    return UnknownFieldError(
        f"{document.file} has no {path}; count from 0, or add the value first", field=path
    )


def _added(
    document: Document,
    path: str,
    values: Sequence[Value],
    kin: Sequence[str],
    *,
    repeated: bool = True,
) -> tuple[Edit, ...]:
    """Returns the edits that write a field of which no value is there."""
    empty = fields_at(document, path)
    if empty:
        return in_order(filled_list(document, *empty[-1], values))
    *leading, (name, _) = split_path(path)
    depth = len(leading)
    while not (parents := messages_at(document, path, leading[:depth])):
        depth -= 1
        if leading[depth][1] is not None:
            raise _missing(document, path)
    missing = [*(one for one, _ in leading[depth:]), name]
    parent, anchor = parents[-1], None
    for relative in kin if len(missing) == 1 else ():
        pairs = [(m, field) for m in parents for field in m.named(relative)]
        if pairs:
            parent, anchor = pairs[-1]
            break
    as_list = repeated and anchor is not None and anchor.is_list
    if anchor is None and parent.fields:
        anchor = parent.fields[-1]
    style = style_of(document, parent, anchor)
    if as_list and anchor is not None:
        text = style.list_field(name, values)
        return in_order(written_behind(document, parent, anchor, lambda _: [text]))
    if len(missing) > 1:
        inner: dict[str, object] = {name: tuple(values)}
        for outer in reversed(missing[1:-1]):
            inner = {outer: inner}
        name, values = missing[0], (inner,)

    def write(indent: bytes | None) -> list[bytes]:
        return [style.field(name, value, indent) for value in values]

    if anchor is None:
        return (written_into(document, parent, style, write),)
    return in_order(written_behind(document, parent, anchor, write))
