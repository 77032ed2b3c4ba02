"""How the neighbours write: line endings, indentation, quotes, colons, brackets.

Everything here reads spans of the original bytes and answers with bytes to insert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from odfreeze.errors import TextProtoError, UsageError
from odfreeze.textproto.parser import parse
from odfreeze.textproto.query import walk
from odfreeze.textproto.strings import quote
from odfreeze.textproto.tokens import BOM, tokenize
from odfreeze.textproto.tree import Document, Field, Message, Scalar

__all__ = [
    "Identifier",
    "Raw",
    "Style",
    "Value",
    "cut",
    "indent_of",
    "is_blank",
    "is_commented",
    "is_tail",
    "line_end",
    "line_indent",
    "literal_span",
    "newline_near",
    "style_of",
]

_HORIZONTAL = b" \t\v\f"


def is_name(text: str) -> bool:
    """Whether the text is an identifier of the text format."""
    return text.isascii() and text.isidentifier()


def is_field_name(name: str) -> bool:
    """Whether the text is a field's name as it is written: an identifier or ``[p.extension]``."""
    if not name.startswith("["):
        return is_name(name)
    try:
        fields = parse(name.encode() + b" { }").root.fields
    except (TextProtoError, UnicodeEncodeError):
        return False
    return [field.name for field in fields] == [name]


class Identifier(str):
    """A value written bare: the name of an enum value.

    >>> Identifier("V2")
    Identifier('V2')
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Identifier:
        """Takes the name.

        Raises:
          UsageError: It is no identifier.
        """
        if not is_name(name):
            raise UsageError(
                f"{name!r} is no identifier; use letters, digits and '_', or give a string"
            )
        return super().__new__(cls, name)

    def __repr__(self) -> str:
        return f"Identifier({str(self)!r})"


class Raw(bytes):
    """A value written verbatim: one scalar or one message, as text format.

    >>> Raw(b"{ rate: 0.1 }")
    Raw(b'{ rate: 0.1 }')
    """

    __slots__ = ()

    def __new__(cls, text: bytes) -> Raw:
        """Takes the text; white space around it is dropped.

        Raises:
          TextProtoError: It is not exactly one value.
        """
        text = text.strip()
        document = parse(b"value: " + text, "<value>")
        fields = document.root.fields
        whole = [(f.value_start, f.end) for f in fields if not f.is_list]
        if whole != [(len(b"value: "), len(document.data))]:
            raise TextProtoError(
                "expected one value and nothing else; give a scalar, or a message in braces",
                place=document.place(len(b"value: ")),
            )
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return f"Raw({bytes(self)!r})"


#: What an edit can write. A mapping is a message; a sequence in it is a repeated field.
Value: TypeAlias = "str | bytes | bool | int | float | Identifier | Raw | Mapping[str, object]"


def line_start(data: bytes, offset: int) -> int:
    """Returns the offset at which the line of ``offset`` begins, after a byte order mark."""
    start = data.rfind(b"\n", 0, offset) + 1
    return len(BOM) if start == 0 and data.startswith(BOM) else start


def line_end(data: bytes, offset: int) -> int:
    """Returns the offset of the line ending at or after ``offset``."""
    end = data.find(b"\n", offset)
    if end < 0:
        return len(data)
    return end - 1 if end > offset and data[end - 1] == ord("\r") else end


def newline_near(data: bytes, offset: int) -> bytes:
    """Returns the line ending in use around ``offset``: of its line, else of the one before."""
    end = data.find(b"\n", offset)
    if end < 0:
        end = data.rfind(b"\n", 0, offset)
    return b"\r\n" if end > 0 and data[end - 1] == ord("\r") else b"\n"


def is_blank(text: bytes) -> bool:
    """Whether there is nothing but white space."""
    return not text.strip(b" \t\r\n\v\f")


def is_tail(text: bytes) -> bool:
    """Whether the rest of a line holds nothing but white space and a comment."""
    rest = text.lstrip(b" \t\r\v\f")
    return not rest or rest.startswith(b"#")


def indent_of(data: bytes, offset: int) -> bytes | None:
    """Returns the white space before ``offset`` on its line, or None when more stands there."""
    lead = data[line_start(data, offset) : offset]
    return lead if is_blank(lead) else None


def line_indent(data: bytes, offset: int) -> bytes:
    """Returns the white space that the line of ``offset`` begins with."""
    line = data[line_start(data, offset) : offset]
    return line[: len(line) - len(line.lstrip(_HORIZONTAL))]


def cut(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Returns the span that goes when the tokens from ``start`` to ``end`` are removed.

    Tokens that have their lines to themselves take the lines with them, with a comment
    behind them on the same line. Otherwise the white space on one side goes with them.
    """
    before = data[line_start(data, start) : start]
    stop = line_end(data, end)
    if is_blank(before) and is_tail(data[end:stop]):
        following = data.find(b"\n", end)
        return start - len(before), len(data) if following < 0 else following + 1
    stop = end
    while data[stop : stop + 1] in {b" ", b"\t"}:
        stop += 1
    if is_blank(before) or data[stop : stop + 1] not in {b"}", b">", b"]", b"#", b"\r", b"\n", b""}:
        return start, stop
    while data[start - 1] in b" \t":
        start -= 1
    return start, end


def is_commented(text: bytes) -> bool:
    """Whether there is a comment among the tokens of ``text``."""
    return b"#" in text and any(token.kind == "comment" for token in tokenize(text))


def literal_span(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Returns the span that goes when one of several adjacent literals is removed.

    Comments around it stay, even one behind it on its line, and so does the line's end.
    """
    before = data[line_start(data, start) : start]
    if not is_blank(before):
        return start - len(before) + len(before.rstrip(b" \t")), end
    if is_blank(data[end : line_end(data, end)]):
        previous = data.rfind(b"\n", 0, start)
        return previous - data[:previous].endswith(b"\r"), end
    return start, end


@dataclass(frozen=True, slots=True)
class Style:
    """How new text is written at one spot.

    Attributes:
      newline: Line ending.
      unit: One level of indentation.
      mark: Quotation mark.
      colon: What stands between a name and a scalar, such as ``: ``.
      opening: What stands between a name and a message, such as one space.
      bracket: ``{`` or ``<``.
    """

    newline: bytes
    unit: bytes
    mark: str
    colon: bytes
    opening: bytes
    bracket: bytes

    def field(self, name: str, value: object, indent: bytes | None) -> bytes:
        """Returns a field as text.

        Args:
          name: Its name.
          value: Its value; see ``Value``.
          indent: Indentation of its line, or None to keep all of it on one line.

        Raises:
          UsageError: The name is none, or the value has no form in the text format.
        """
        is_message = isinstance(value, Mapping) or (
            isinstance(value, Raw) and value[:1] in {b"{", b"<"}
        )
        gap = self.opening if is_message else self.colon
        return _name(name) + gap + self.value(value, indent)

    def list_field(self, name: str, values: Sequence[object]) -> bytes:
        """Returns a repeated field as a list on one line."""
        written = b", ".join(self.value(value, None) for value in values)
        return _name(name) + self.colon + b"[" + written + b"]"

    def value(self, value: object, indent: bytes | None) -> bytes:
        """Returns a value as text; arguments as for ``field``.

        Raises:
          UsageError: The value has no form in the text format.
        """
        if isinstance(value, Raw):
            return bytes(value)
        if isinstance(value, Identifier):
            return value.encode()
        if isinstance(value, bool):
            return b"true" if value else b"false"
        if isinstance(value, int | float):
            return repr(value).encode()
        if isinstance(value, bytes):
            return quote(value, self.mark)
        if isinstance(value, str):
            try:
                return quote(value, self.mark)
            except UnicodeEncodeError:
                raise UsageError(f"{value!r} is not valid Unicode; give text") from None
        if isinstance(value, Mapping):
            return self._block(value, indent)
        raise UsageError(
            f"{value!r} is a {type(value).__name__}; give a string, number, bool, Identifier, "
            "Raw or mapping"
        )

    def _block(self, entries: Mapping[str, object], indent: bytes | None) -> bytes:
        inner = None if indent is None else indent + self.unit
        fields = []
        for name, value in entries.items():
            values = value if isinstance(value, list | tuple) else (value,)
            fields += [self.field(name, one, inner) for one in values]
        opening, closing = self.bracket, b"}" if self.bracket == b"{" else b">"
        if indent is None or inner is None:
            return b" ".join([opening, *fields, closing])
        lines = [opening, *(inner + field for field in fields), indent + closing]
        return self.newline.join(lines)


def _name(name: str) -> bytes:
    if not is_field_name(name):
        raise UsageError(f"{name!r} is no field name")
    return name.encode()


def style_of(document: Document, message: Message, near: Field | None = None) -> Style:
    """Returns how to write in ``message``: as ``near`` does, else its siblings, else the file."""
    data = document.data

    def neighbours() -> Iterator[Field]:
        if near is not None:
            yield near
        yield from reversed(message.fields)
        for _, field in walk(document):
            yield field

    mark, colon, opening, bracket, unit = "", b"", b"", message.bracket.encode(), _unit(message)
    for field in neighbours():
        for value in field.values[:1]:
            if isinstance(value, Scalar):
                gap = data[field.name_end : field.value_start]
                if not colon and _is_gap(gap) and gap:
                    colon = gap
                if not mark and value.kind == "string":
                    mark = chr(data[value.start])
            else:
                gap = data[field.name_end : value.start]
                if not opening and not field.is_list and _is_gap(gap):
                    opening = gap or b"{"  # "a{": remembered as found, dropped below
                bracket = bracket or value.bracket.encode()
                unit = unit or _unit(value)
        if mark and colon and opening and bracket and unit:
            break
    return Style(
        newline_near(data, message.content_start if near is None else near.start),
        unit or b"  ",
        mark or '"',
        colon or b": ",
        b"" if opening == b"{" else opening or b" ",
        bracket or b"{",
    )


def _is_gap(gap: bytes) -> bool:
    """Whether a gap between name and value can be copied: one line, no comment."""
    return not gap.replace(b":", b"", 1).strip(b" \t")


def _unit(message: Message) -> bytes:
    """Returns by how much the fields of a message are indented, or b"" when that cannot be told."""
    data = message.source.data
    for field in message.fields if message.bracket else ():
        indent = indent_of(data, field.start)
        outer = line_indent(data, message.start)
        if indent and len(indent) > len(outer) and indent.startswith(outer):
            return indent[len(outer) :]
    return b""
