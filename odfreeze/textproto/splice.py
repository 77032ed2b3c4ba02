"""The mechanics of edits: where text goes in and what goes with a span that is removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from odfreeze.textproto.query import Occurrence
from odfreeze.textproto.style import (
    Style,
    Value,
    cut,
    indent_of,
    is_blank,
    is_tail,
    line_end,
    line_indent,
    newline_near,
    style_of,
)
from odfreeze.textproto.tree import Document, Field, Message

__all__ = [
    "Edit",
    "apply_edits",
    "colon_for",
    "cuts",
    "filled_list",
    "in_order",
    "inserted_before",
    "inserted_behind",
    "removal",
    "written_behind",
    "written_into",
]


@dataclass(frozen=True, slots=True)
class Edit:
    """One splice: ``data[start:end]`` becomes ``replacement``."""

    start: int
    end: int
    replacement: bytes


def apply_edits(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Returns ``data`` with the edits made; insertions at one offset keep their order.

    Raises:
      ValueError: Edits overlap or lie outside of the data.

    >>> apply_edits(b"a: 1", [Edit(3, 4, b"2"), Edit(0, 1, b"b")])
    b'b: 2'
    """
    pieces = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if not done <= edit.start <= edit.end <= len(data):
            raise ValueError(f"edit {edit.start}:{edit.end} overlaps another or leaves the data")
        pieces += [data[done : edit.start], edit.replacement]
        done = edit.end
    pieces.append(data[done:])
    return b"".join(pieces)


def in_order(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Returns edits by offset; insertions at one offset keep their order."""
    return tuple(sorted(edits, key=lambda edit: (edit.start, edit.end)))


# --- fields ---------------------------------------------------------------------


def written_behind(
    document: Document,
    parent: Message,
    anchor: Field,
    write: Callable[[bytes | None], list[bytes]],
) -> list[Edit]:
    """Returns the edits that put fields behind a sibling.

    Args:
      document: What is edited.
      parent: The message that holds the sibling.
      anchor: The sibling.
      write: Gives the fields as text for an indentation, or None for one line.
    """
    data, at = document.data, anchor.full_end
    edits, separator = [], b""
    if anchor.separator >= 0:
        separator = data[anchor.separator : at]
    elif anchor is parent.fields[-1] and len(parent.fields) > 1:
        before = parent.fields[-2]
        if before.separator >= 0:  # Separated, not ended: the anchor is the last no more.
            edits.append(Edit(at, at, data[before.separator : before.full_end]))
    stop = line_end(data, at)
    rest = data[at:stop]
    indent = indent_of(data, anchor.start)
    closes = at <= parent.content_end <= stop and is_blank(data[at : parent.content_end])
    if indent is not None and (is_tail(rest) or closes):
        lead = newline_near(data, at) + indent
        fields = b"".join(lead + field + separator for field in write(indent))
        at = stop if is_tail(rest) else at
    else:
        fields = b"".join(b" " + field + separator for field in write(None))
        if rest and not is_tail(rest[:1]) and at != parent.content_end:
            fields += b" "
    return [*edits, Edit(at, at, fields)]


def written_before(
    document: Document, parent: Message, anchor: Field, write: Callable[[bytes | None], list[bytes]]
) -> Edit:
    """Returns the edit that puts fields before a sibling; arguments as for ``written_behind``."""
    data = document.data
    index = parent.fields.index(anchor)
    separator = b""
    for field in (anchor, *parent.fields[max(index - 1, 0) : index]):
        if field.separator >= 0:
            separator = data[field.separator : field.full_end]
            break
    indent = indent_of(data, anchor.start)
    gap = b" " if indent is None else newline_near(data, anchor.start) + indent
    text = b"".join(field + separator + gap for field in write(indent))
    return Edit(anchor.start, anchor.start, text)


def written_into(
    document: Document, parent: Message, style: Style, write: Callable[[bytes | None], list[bytes]]
) -> Edit:
    """Returns the edit that puts the first fields into a message."""
    data, start, end = document.data, parent.content_start, parent.content_end
    if not parent.bracket:
        lead = b"" if is_at_line_start(data, end) else style.newline
        return Edit(end, end, lead + b"".join(f + style.newline for f in write(b"")))
    if b"\n" not in data[start:end]:
        return Edit(start, end, b" " + b" ".join(write(None)) + b" ")
    at = data.rfind(b"\n", start, end)
    at -= data[start:at].endswith(b"\r")
    last_line = data[data.rfind(b"\n", start, at) + 1 : at] if b"\n" in data[start:at] else b""
    comment = last_line.lstrip(b" \t")
    own = last_line[: len(last_line) - len(comment)]
    indent = own if comment.strip() else line_indent(data, end) + style.unit
    lead = newline_near(data, at) + indent
    return Edit(at, at, b"".join(lead + field for field in write(indent)))


def is_at_line_start(data: bytes, offset: int) -> bool:
    """Whether nothing stands before ``offset`` on its line."""
    return indent_of(data, offset) == b""


# --- values ---------------------------------------------------------------------


def inserted_behind(document: Document, found: Occurrence, values: Sequence[Value]) -> list[Edit]:
    """Returns the edits that put values of a repeated field behind one of its values."""
    field = found.field
    style = style_of(document, found.parent, field)
    if not field.is_list:
        return written_behind(
            document,
            found.parent,
            field,
            lambda indent: [style.field(field.name, value, indent) for value in values],
        )
    data = document.data
    texts = [style.value(value, None) for value in values]
    index = field.values.index(found.value)
    if index + 1 < len(field.values):
        following, behind = field.values[index + 1], field.commas[index] + 1
        stop = line_end(data, behind)
        indent = indent_of(data, following.start)
        if indent is not None and is_tail(data[behind:stop]):
            lead = newline_near(data, behind) + indent
            return [Edit(stop, stop, b"".join(lead + text + b"," for text in texts))]
        gap = data[behind : following.start]
        gap = gap if is_blank(gap) else b" "
        at = following.start
        return [Edit(at, at, b"".join(text + b"," + gap for text in texts))]
    at = found.value.end
    indent = indent_of(data, found.value.start)
    lead = b" " if indent is None else newline_near(data, at) + indent
    if indent is not None and b"\n" in data[at : field.end]:
        stop = line_end(data, at)
        return [Edit(at, at, b","), Edit(stop, stop, lead + (b"," + lead).join(texts))]
    if index:
        gap = data[field.commas[index - 1] + 1 : found.value.start]
        lead = gap if is_blank(gap) else lead
    return [Edit(at, at, b"".join(b"," + lead + text for text in texts))]


def inserted_before(document: Document, found: Occurrence, values: Sequence[Value]) -> list[Edit]:
    """Returns the edits that put values of a repeated field before its first value."""
    field = found.field
    style = style_of(document, found.parent, field)
    if not field.is_list:
        return [
            written_before(
                document,
                found.parent,
                field,
                lambda indent: [style.field(field.name, value, indent) for value in values],
            )
        ]
    data, at = document.data, found.value.start
    indent = indent_of(data, at)
    gap = b" "
    if indent is not None:
        gap = newline_near(data, at) + indent
    elif field.commas and is_blank(data[field.commas[0] + 1 : field.values[1].start]):
        gap = data[field.commas[0] + 1 : field.values[1].start]
    return [Edit(at, at, b"".join(style.value(value, None) + b"," + gap for value in values))]


def filled_list(
    document: Document, parent: Message, field: Field, values: Sequence[Value]
) -> list[Edit]:
    """Returns the edits that put values into an empty list."""
    style = style_of(document, parent, field)
    start, end = field.list_start + 1, field.end - 1
    written = [style.value(value, None) for value in values]
    blank = is_blank(document.data[start:end])
    edit = Edit(start, end if blank else start, b", ".join(written))
    return [*colon_for(field, *written), edit]


def colon_for(field: Field, *values: bytes) -> list[Edit]:
    """Returns the edit that puts the colon behind a name that values other than messages need."""
    if field.colon >= 0 or all(value.startswith((b"{", b"<")) for value in values):
        return []
    return [Edit(field.name_end, field.name_end, b":")]


# --- removing -------------------------------------------------------------------


def removal(document: Document, removed: Sequence[Occurrence]) -> list[Edit]:
    """Returns the edits that remove some values; a list that loses all its values goes too."""
    data = document.data
    gone = {id(one.value) for one in removed}
    fields = {id(one.field): one.field for one in removed}
    edits: list[Edit] = []
    spans: list[tuple[int, int]] = []
    for field in fields.values():
        kept = [i for i, value in enumerate(field.values) if id(value) not in gone]
        if not kept:
            spans.append((field.start, field.full_end))
            continue
        closing, count = kept[-1], len(field.values)
        for index, value in enumerate(field.values[:closing]):
            if id(value) in gone:
                spans.append((value.start, field.commas[index] + 1))
        if closing + 1 == count:
            continue
        # The last values go: so does the comma behind the last one kept.
        start, end = field.values[closing].end, field.values[-1].end
        if b"\n" not in data[start:end]:
            edits.append(Edit(start, end, b""))
            continue
        comma = field.commas[closing]
        edits.append(Edit(comma, comma + 1, b""))
        for index in range(closing + 1, count):
            value = field.values[index]
            stop = field.commas[index] + 1 if index + 1 < count else value.end
            spans.append((value.start, stop))
    return edits + cuts(data, spans)


def cuts(data: bytes, spans: Iterable[tuple[int, int]]) -> list[Edit]:
    """Returns the edits that remove spans of tokens, with the lines that they leave empty."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and not data[joined[-1][1] : start].strip(b" \t"):
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    edits: list[Edit] = []
    for start, end in (cut(data, *span) for span in joined):
        if edits and start < edits[-1].end:
            edits[-1] = Edit(edits[-1].start, max(end, edits[-1].end), b"")
        else:
            edits.append(Edit(start, end, b""))
    return edits
