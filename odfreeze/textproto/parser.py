"""The parser: tokens in, a tree of spans out. It needs no schema and does not recurse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from odfreeze.errors import TextProtoError
from odfreeze.textproto.strings import EscapeError, unquote
from odfreeze.textproto.tokens import TRIVIA, Token, tokenize
from odfreeze.textproto.tree import Document, Field, Message, Scalar, Source

__all__ = ["MAX_DEPTH", "parse", "render"]

#: Deepest nesting of messages; the limit that protobuf sets for its own parsers.
MAX_DEPTH = 100

_INTEGER = re.compile(rb"0|[1-9][0-9]*|0[0-7]+|0[xX][0-9A-Fa-f]+")
_FLOAT = re.compile(
    rb"(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][+-]?[0-9]+)?[fF]?"
    rb"|(?:0|[1-9][0-9]*)(?:[eE][+-]?[0-9]+[fF]?|[fF])"
)
_SIGNED = frozenset({b"inf", b"infinity", b"nan"})
_TYPE = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
_URL = r"[A-Za-z0-9\-.~_!$&()*+,;=](?:[A-Za-z0-9\-.~_!$&()*+,;=/]|%[0-9A-Fa-f]{2})*"
_CLOSING = {b"{": b"}", b"<": b">"}


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
    return b"".join(data[token.start : token.end] for token in document.tokens)


@dataclass(slots=True)
class _Open:
    """A field whose values are still being read."""

    name: str
    start: int
    name_end: int
    colon: int = -1
    list_start: int = -1
    values: list[Scalar | Message] = field(default_factory=list)
    commas: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Frame:
    """A message whose fields are still being read."""

    start: int
    bracket: bytes
    fields: list[Field] = field(default_factory=list)
    pending: _Open | None = None


class _Parser:
    """One pass over the tokens that matter, with the open messages on a stack."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = tokenize(source.data)
        end = len(source.data)
        self.significant = [token for token in self.tokens if token.kind not in TRIVIA]
        self.significant.append(Token("end", end, end))
        # What the grammar looks at: the kind of a token, or the character that a symbol is.
        self.kinds = [
            chr(source.data[token.start]) if token.kind == "symbol" else token.kind
            for token in self.significant
        ]
        self.position = 0
        self.stack = [_Frame(0, b"")]

    # --- tokens -----------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.significant[self.position]

    def text(self, token: Token) -> bytes:
        return self.source.data[token.start : token.end]

    @property
    def kind(self) -> str:
        return self.kinds[self.position]

    def take(self) -> Token:
        token = self.significant[self.position]
        self.position += 1
        return token

    # --- grammar ----------------------------------------------------------------

    def parse(self) -> Document:
        while True:
            frame = self.stack[-1]
            if self.kind == "end":
                if len(self.stack) > 1:
                    bracket = frame.bracket.decode()
                    self.refuse(
                        f"'{bracket}' is never closed; add the missing "
                        f"'{_CLOSING[frame.bracket].decode()}'",
                        frame.start,
                    )
                break
            if self.kind in {"}", ">"}:
                self.close_message(frame)
            else:
                self.open_field(frame)
        root = Message(0, len(self.source.data), "", tuple(frame.fields), self.source)
        return Document(self.source, tuple(self.tokens), root)

    def open_field(self, frame: _Frame) -> None:
        """Reads a name and what follows it, up to the first message within."""
        pending = frame.pending = self.name()
        if self.kind == ":":
            pending.colon = self.take().start
        if self.kind == "[":
            pending.list_start = self.take().start
            if self.kind == "]":
                self.close_field(frame, self.take().end)
                return
        if self.kind in {"{", "<"}:
            self.open_message()
            return
        if pending.colon < 0:
            self.unexpected(f"':' or '{{' after the field name '{pending.name}'")
        pending.values.append(self.scalar())
        if pending.list_start < 0:
            self.close_field(frame, pending.values[-1].end)
            return
        while self.kind != "]":
            self.comma(pending)
            pending.values.append(self.scalar())
        self.close_field(frame, self.take().end)

    def close_field(self, frame: _Frame, end: int) -> None:
        """Puts a whole field into its message, with the separator after it."""
        pending = frame.pending
        assert pending is not None
        separator = self.take().start if self.kind in {",", ";"} else -1
        frame.pending = None
        frame.fields.append(
            Field(
                pending.name,
                pending.start,
                pending.name_end,
                pending.colon,
                tuple(pending.values),
                end,
                separator,
                pending.list_start,
                tuple(pending.commas),
                self.source,
            )
        )

    def open_message(self) -> None:
        token = self.take()
        if len(self.stack) > MAX_DEPTH:
            self.refuse(
                f"messages are nested deeper than {MAX_DEPTH} levels; flatten them", token.start
            )
        self.stack.append(_Frame(token.start, self.text(token)))

    def close_message(self, frame: _Frame) -> None:
        """Closes the innermost message and goes on in the field that it belongs to."""
        token = self.token
        found = self.text(token)
        if not frame.bracket:
            self.refuse(f"'{found.decode()}' closes nothing; remove it", token.start)
        if found != _CLOSING[frame.bracket]:
            opened = self.source.place(frame.start)
            self.refuse(
                f"'{found.decode()}' cannot close the '{frame.bracket.decode()}' of line "
                f"{opened.line}, column {opened.column}; write "
                f"'{_CLOSING[frame.bracket].decode()}'",
                token.start,
            )
        self.take()
        self.stack.pop()
        message = Message(
            frame.start, token.end, frame.bracket.decode(), tuple(frame.fields), self.source
        )
        outer = self.stack[-1]
        pending = outer.pending
        assert pending is not None
        pending.values.append(message)
        if pending.list_start < 0:
            self.close_field(outer, token.end)
        elif self.kind == "]":
            self.close_field(outer, self.take().end)
        else:
            self.comma(pending)
            if self.kind not in {"{", "<"}:
                self.unexpected("a message ('{') as the ones before it in this list")
            self.open_message()

    def comma(self, pending: _Open) -> None:
        if self.kind != ",":
            self.unexpected(f"',' or ']' in the list of '{pending.name}'")
        pending.commas.append(self.take().start)

    def name(self) -> _Open:
        """Reads a field name, ``[package.extension]`` or ``[domain/Type]``."""
        token = self.token
        if token.kind == "identifier":
            self.take()
            return _Open(self.text(token).decode(), token.start, token.end)
        if self.kind != "[":
            self.unexpected("a field name")
        self.take()
        pieces = []
        while self.kind != "]":
            piece = self.token
            if self.kind in {"end", "string", "{", "}", "<", ">", "[", ":"}:
                self.unexpected("']' after the name of an extension or a type")
            if piece.kind == "bad" and self.text(piece) not in b"%~!$&()*+=":
                self.unexpected("the name of an extension or a type")
            pieces.append(self.text(self.take()).decode())
        inner = "".join(pieces)
        if not re.fullmatch(f"(?:{_URL}/)?{_TYPE}", inner):
            self.refuse(
                f"'[{inner}]' is no name of an extension or a type; write [package.extension] "
                "or [domain/package.Type]",
                token.start,
            )
        return _Open(f"[{inner}]", token.start, self.take().end)

    def scalar(self) -> Scalar:
        """Reads one scalar: adjacent literals, or an optional sign and a number or name."""
        first = self.token
        if first.kind == "string":
            while self.kind == "string":
                last = self.take()
                self.check_escapes(last)
            return Scalar("string", first.start, last.end, self.source)
        signed = self.kind == "-"
        if signed:
            self.take()
        token = self.token
        text = self.text(token)
        if token.kind == "number":
            kind = (
                "integer"
                if _INTEGER.fullmatch(text)
                else "float"
                if _FLOAT.fullmatch(text)
                else self.malformed(token)
            )
        elif token.kind == "identifier" and not signed:
            kind = "identifier"
        elif token.kind == "identifier" and text.lower() in _SIGNED:
            kind = "float"
        else:
            self.unexpected("a number after '-'" if signed else "a value")
        self.take()
        return Scalar(kind, first.start, token.end, self.source)

    def check_escapes(self, token: Token) -> None:
        try:
            unquote(self.text(token))
        except EscapeError as error:
            self.refuse(
                f"{error}; write \\\\ where a backslash is meant", token.start + error.offset
            )

    # --- errors -----------------------------------------------------------------

    def refuse(self, message: str, offset: int) -> NoReturn:
        raise TextProtoError(message, place=self.source.place(offset))

    def malformed(self, token: Token) -> NoReturn:
        text = self.text(token)[:40].decode()
        if re.fullmatch(r"0[0-9]+", text):
            why = "a number that begins with 0 is octal; drop the 0, or use the digits 0 to 7"
        else:
            why = "write a number such as 8, 0x1f, 0.004 or 4e-3, with white space after it"
        self.refuse(f"malformed number '{text}'; {why}", token.start)

    def unexpected(self, expected: str) -> NoReturn:
        """Says what stands where something else was expected."""
        token = self.token
        text = self.text(token)
        if token.kind == "end":
            self.refuse(f"expected {expected}, found the end of the file", token.start)
        if token.kind != "bad":
            shown = text[:40].decode("utf-8", "replace")
            self.refuse(f"expected {expected}, found '{shown}'", token.start)
        if text in b"\"'":
            self.refuse(
                f"the string opened here is not closed on its line; add the closing {text.decode()}"
                ", and write \\n for a line break in it",
                token.start,
            )
        data = self.source.data
        if token.start < 2 and (data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in data[:2]):
            self.refuse("the file is UTF-16; save it as UTF-8", 0)
        character = data[token.start : token.start + 4].decode("utf-8", "ignore")[:1]
        if text[0] >= 0x80 and not (character and character > "\x7f"):
            self.refuse(f"byte 0x{text[0]:02x} is no UTF-8; save the file as UTF-8", token.start)
        import unicodedata  # Only for this message: the table takes a megabyte.

        name = unicodedata.name(character, "a control character").lower()
        self.refuse(
            f"expected {expected}, found U+{ord(character):04X} ({name}); remove it, or put it "
            "in a comment or in quotes",
            token.start,
        )
