"""The parser: tokens in, a tree of spans out. It needs no schema and does not recurse."""

from __future__ import annotations

import re
from typing import NoReturn

from odfreeze.errors import TextProtoError
from odfreeze.textproto.strings import EscapeError, unquote
from odfreeze.textproto.tokens import significant
from odfreeze.textproto.tree import Document, Field, Message, Scalar, Source

__all__ = ["MAX_DEPTH", "parse", "render"]

#: Deepest nesting of messages; the limit that protobuf sets for its own parsers.
MAX_DEPTH = 100

_SIGNED = frozenset({b"inf", b"infinity", b"nan"})
_TYPE = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_URL = r"[A-Za-z0-9\-.~_!$&()*+,;=](?:[A-Za-z0-9\-.~_!$&()*+,;=/]|%[0-9A-Fa-f]{2})*"
_CLOSING = {"{": "}", "<": ">"}


def parse(data: bytes, file: str = "<text>") -> Document:
    """Returns the tree of a text proto.

    Args:
      data: The text, UTF-8 (with or without byte order mark). Bytes that are no
        UTF-8 are let through in comments and strings.
      file: Name for messages.

    Raises:
      TextProtoError: The text breaks the grammar; carries the place.

    >>> document = parse(b'train_config { batch_size: 8  freeze_variables: ["a", "b"] }')
    >>> [field.name for field in document.root.fields[0].values[0].fields]
    ['batch_size', 'freeze_variables']
    """
    return _Parser(Source(data, file)).parse()


def render(document: Document) -> bytes:
    """Returns the text again, put together from the tokens: the very bytes that were parsed."""
    data = document.data
    return b"".join(data[token.start : token.end] for token in document.tokens())


class _Open:
    """A field whose values are still being read."""

    __slots__ = ("colon", "commas", "list_start", "name", "name_end", "start", "values")

    def __init__(self, name: str, start: int, name_end: int) -> None:
        self.name = name
        self.start = start
        self.name_end = name_end
        self.colon = self.list_start = -1
        self.values: list[Scalar | Message] = []
        self.commas: list[int] = []


class _Frame:
    """A message whose fields are still being read."""

    __slots__ = ("bracket", "fields", "pending", "start")

    def __init__(self, start: int, bracket: str) -> None:
        self.start = start
        self.bracket = bracket
        self.fields: list[Field] = []
        self.pending: _Open | None = None


class _Parser:
    """One pass over the tokens that matter, with the open messages on a stack."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.kinds, self.starts, self.ends = significant(source.data)
        self.position = 0
        self.stack = [_Frame(0, "")]

    # --- tokens -----------------------------------------------------------------

    @property
    def kind(self) -> str:
        """Kind of the token that is next."""
        return self.kinds[self.position]

    @property
    def start(self) -> int:
        """Where the token that is next begins."""
        return self.starts[self.position]

    @property
    def text(self) -> bytes:
        """The token that is next, as written."""
        return self.source.data[self.starts[self.position] : self.ends[self.position]]

    def take(self) -> int:
        """Goes to the next token; returns where the one that was next begins."""
        self.position += 1
        return self.starts[self.position - 1]

    @property
    def taken_end(self) -> int:
        """Where the token taken last ends."""
        return self.ends[self.position - 1]

    # --- grammar ----------------------------------------------------------------

    def parse(self) -> Document:
        while True:
            frame = self.stack[-1]
            kind = self.kind
            if kind == "end":
                break
            if kind in {"}", ">"}:
                self.close_message(frame)
            else:
                self.open_field(frame)
        if frame.bracket:
            missing = _CLOSING[frame.bracket]
            self.refuse(
                f"'{frame.bracket}' is never closed; add the missing '{missing}'", frame.start
            )
        root = Message(0, len(self.source.data), "", tuple(frame.fields), self.source)
        return Document(self.source, root)

    def open_field(self, frame: _Frame) -> None:
        """Reads a name and what follows it, up to the first message within."""
        pending = frame.pending = self.name()
        if self.kind == ":":
            pending.colon = self.take()
        if self.kind == "[":
            pending.list_start = self.take()
            if self.kind == "]":
                self.take()
                self.close_field(frame, self.taken_end)
                return
        if self.kind in {"{", "<"}:
            self.open_message()
            return
        if pending.colon < 0:
            self.unexpected(f"':' or '{{' after the field name '{pending.name}'")
        pending.values.append(self.scalar())
        if pending.list_start >= 0:
            while self.kind != "]":
                self.comma(pending)
                pending.values.append(self.scalar())
            self.take()
        self.close_field(frame, self.taken_end)

    def close_field(self, frame: _Frame, end: int) -> None:
        """Puts a whole field into its message, with the separator after it."""
        pending = frame.pending
        assert pending is not None
        frame.pending = None
        frame.fields.append(
            Field(
                pending.name,
                pending.start,
                pending.name_end,
                pending.colon,
                tuple(pending.values),
                end,
                self.take() if self.kind in {",", ";"} else -1,
                pending.list_start,
                tuple(pending.commas),
                self.source,
            )
        )

    def open_message(self) -> None:
        if len(self.stack) > MAX_DEPTH:
            self.refuse(f"messages are nested deeper than {MAX_DEPTH} levels; flatten them")
        bracket = self.kind
        self.stack.append(_Frame(self.take(), bracket))

    def close_message(self, frame: _Frame) -> None:
        """Closes the innermost message and goes on in the field that it belongs to."""
        found = self.kind
        if not frame.bracket:
            self.refuse(f"'{found}' closes nothing; remove it")
        if found != _CLOSING[frame.bracket]:
            opened = self.source.place(frame.start)
            self.refuse(
                f"'{found}' cannot close the '{frame.bracket}' of line {opened.line}, column "
                f"{opened.column}; write '{_CLOSING[frame.bracket]}'"
            )
        self.take()
        self.stack.pop()
        outer = self.stack[-1]
        pending = outer.pending
        assert pending is not None
        pending.values.append(
            Message(frame.start, self.taken_end, frame.bracket, tuple(frame.fields), self.source)
        )
        if pending.list_start >= 0 and self.kind != "]":
            self.comma(pending)
            if self.kind not in {"{", "<"}:
                self.unexpected("a message ('{') as the ones before it in this list")
            self.open_message()
            return
        if pending.list_start >= 0:
            self.take()
        self.close_field(outer, self.taken_end)

    def comma(self, pending: _Open) -> None:
        if self.kind != ",":
            self.unexpected(f"',' or ']' in the list of '{pending.name}'")
        pending.commas.append(self.take())

    def name(self) -> _Open:
        """Reads a field name, ``[package.extension]`` or ``[domain/Type]``."""
        if self.kind == "identifier":
            name = self.text.decode()
            start = self.take()
            return _Open(name, start, self.taken_end)
        if self.kind != "[":
            self.unexpected("a field name")
        start = self.take()
        inner = ""
        while self.kind != "]":
            if self.kind in {"end", "string", "{", "}", "<", ">", "[", ":"}:
                self.unexpected("']' after the name of an extension or a type")
            if self.kind == "bad" and self.text not in b"%~!$&()*+=":
                self.unexpected("the name of an extension or a type")
            inner += self.text.decode()
            self.take()
        self.take()
        if not re.fullmatch(f"(?:{_URL}/)?{_TYPE}", inner):
            self.refuse(
                f"'[{inner}]' is no name of an extension or a type; write [package.extension] "
                "or [domain/package.Type]",
                start,
            )
        return _Open(f"[{inner}]", start, self.taken_end)

    def scalar(self) -> Scalar:
        """Reads one scalar: adjacent literals, or an optional sign and a number or name."""
        start, kind = self.start, self.kind
        if kind == "string":
            while self.kind == "string":
                self.check_escapes()
                self.take()
            return Scalar(kind, start, self.taken_end, self.source)
        if kind == "-":
            self.take()
            kind = self.kind
            if kind == "identifier" and self.text.lower() in _SIGNED:
                kind = "float"
            elif kind not in {"integer", "float", "number"}:
                self.unexpected("a number after '-'")
        if kind == "number":
            self.malformed()
        if kind not in {"integer", "float", "identifier"}:
            self.unexpected("a value")
        self.take()
        return Scalar(kind, start, self.taken_end, self.source)

    def check_escapes(self) -> None:
        text = self.text
        if b"\\" in text:
            try:
                unquote(text)
            except EscapeError as error:
                self.refuse(
                    f"{error}; write \\\\ where a backslash is meant", self.start + error.offset
                )

    # --- errors -----------------------------------------------------------------

    def refuse(self, message: str, offset: int | None = None) -> NoReturn:
        """Raises the error, at the token that is next or at an offset."""
        place = self.source.place(self.start if offset is None else offset)
        raise TextProtoError(message, place=place)

    def malformed(self) -> NoReturn:
        text = self.text[:40].decode()
        if text.isdigit():
            why = "a number that begins with 0 is octal; drop the 0, or use the digits 0 to 7"
        else:
            why = "write a number such as 8, 0x1f, 0.004 or 4e-3, with white space after it"
        self.refuse(f"malformed number '{text}'; {why}")

    def unexpected(self, expected: str) -> NoReturn:
        """Says what stands where something else was expected."""
        text = self.text
        if self.kind == "end":
            self.refuse(f"expected {expected}, found the end of the file")
        if self.kind != "bad":
            self.refuse(f"expected {expected}, found '{text[:40].decode('utf-8', 'replace')}'")
        if text in b"\"'":
            self.refuse(
                f"the string opened here is not closed on its line; add the closing {text.decode()}"
                ", and write \\n for a line break in it"
            )
        start, data = self.start, self.source.data
        if start < 2 and (data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in data[:2]):
            self.refuse("the file is UTF-16; save it as UTF-8", 0)
        character = data[start : start + 4].decode("utf-8", "ignore")[:1]
        if text[0] >= 0x80 and not (character and character > "\x7f"):
            self.refuse(f"byte 0x{text[0]:02x} is no UTF-8; save the file as UTF-8")
        import unicodedata  # Only for this message: the table takes a megabyte.

        name = unicodedata.name(character, "a control character").lower()
        self.refuse(
            f"expected {expected}, found U+{ord(character):04X} ({name}); remove it, or put it "
            "in a comment or in quotes"
        )
