"""The tree of a text proto: what was written where, as spans of the original bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from odfreeze.errors import Place, TextProtoError
from odfreeze.textproto.strings import undefined_escapes, unquote
from odfreeze.textproto.tokens import BOM, Token, tokenize

__all__ = ["Document", "Field", "Message", "Scalar", "Source"]

# What a terminal would take for a command must not reach it from a stranger's file.
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), 127), "�")
_LONGEST_EXCERPT = 400

_SPECIAL = frozenset({"inf", "infinity", "nan"})
_BOOLEANS = frozenset({"true", "True", "false", "False"})
_MOST_DIGITS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Bytes and the name they are known by.

    Attributes:
      data: The bytes, as they are.
      file: Name for messages.
    """

    data: bytes
    file: str

    def place(self, offset: int) -> Place:
        """Returns line and column, in characters, of a byte offset.

        A byte order mark takes no column. The excerpt shows control characters as
        U+FFFD, and is left out for a line too long to be looked at.
        """
        start = self.data.rfind(b"\n", 0, offset) + 1
        if start == 0 and self.data.startswith(BOM):
            start = min(len(BOM), offset)
        end = self.data.find(b"\n", offset)
        line = self.data[start : None if end < 0 else end].decode("utf-8", "replace")
        source = line.rstrip("\r").translate(_CONTROLS) if len(line) <= _LONGEST_EXCERPT else ""
        column = len(self.data[start:offset].decode("utf-8", "replace")) + 1
        return Place(self.file, self.data.count(b"\n", 0, offset) + 1, column, source)

    def offset(self, place: Place) -> int:
        r"""Returns the byte offset of a line and column; the end for what lies beyond it.

        >>> source = Source("a: 'é'\nb: 2".encode(), "x")
        >>> source.offset(source.place(6)), source.offset(source.place(9))
        (6, 9)
        """
        start = 0
        for _ in range(place.line - 1):
            start = self.data.find(b"\n", start) + 1
            if not start:
                return len(self.data)
        if start == 0 and self.data.startswith(BOM):
            start = len(BOM)
        stop = self.data.find(b"\n", start)
        line = self.data[start : None if stop < 0 else stop]
        # Bytes that are no UTF-8 count as one character each in a place.
        done = len(
            line.decode("utf-8", "surrogateescape")[: place.column - 1].encode(
                "utf-8", "surrogateescape"
            )
        )
        return start + done


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One scalar value.

    Attributes:
      kind: ``string`` (adjacent literals are one value), ``integer``, ``float``
        (``-inf`` and ``-nan`` too) or ``identifier`` (enum, bool, ``inf``, ``nan``).
      start: Offset of its first byte, the sign if there is one.
      end: Offset after its last byte.
      source: The bytes it stands in.
    """

    kind: str
    start: int
    end: int
    source: Source = field(repr=False)

    @property
    def text(self) -> str:
        """The value as it was written."""
        return self.source.data[self.start : self.end].decode("utf-8", "replace")

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.source.place(self.start)

    def literals(self) -> tuple[Token, ...]:
        """Returns the tokens of the adjacent literals that make up a string."""
        return tuple(
            Token(token.kind, token.start + self.start, token.end + self.start)
            for token in tokenize(self.source.data[self.start : self.end])
            if token.kind == "string"
        )

    def undefined_escapes(self) -> tuple[Place, ...]:
        r"""Returns where a string holds an escape that the specification does not define.

        Such an escape, ``\d`` for instance, is an error to C++ parsers and keeps its
        backslash in Python.
        """
        data = self.source.data
        return tuple(
            self.source.place(literal.start + offset)
            for literal in (self.literals() if self.kind == "string" else ())
            for offset in undefined_escapes(data[literal.start : literal.end])
        )

    def as_bytes(self) -> bytes:
        """Returns the bytes of a string, adjacent literals joined.

        Raises:
          TextProtoError: The value is no string.
        """
        if self.kind != "string":
            raise self._refused("a string in quotes")
        data = self.source.data
        return b"".join(unquote(data[token.start : token.end]) for token in self.literals())

    def as_str(self) -> str:
        """Returns the text of a string.

        Raises:
          TextProtoError: The value is no string, or its bytes are not UTF-8.
        """
        value = self.as_bytes()
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TextProtoError(
                f"the string is not UTF-8 (byte 0x{value[error.start]:02x}); "
                "save the file as UTF-8",
                place=self.place,
            ) from None

    def as_int(self) -> int:
        """Returns the number of a decimal, octal or hexadecimal integer.

        Raises:
          TextProtoError: The value is no integer.
        """
        if self.kind != "integer":
            raise self._refused("an integer")
        text = self._compact()
        digits = text.lstrip("-")
        if len(digits) > _MOST_DIGITS:
            raise self._refused(f"an integer of at most {_MOST_DIGITS} digits")
        base = 10 if len(digits) == 1 or digits[0] != "0" else 16 if digits[1] in "xX" else 8
        return -int(digits, base) if text != digits else int(digits, base)

    def as_float(self) -> float:
        """Returns the number of a float, a decimal integer, ``inf`` or ``nan``.

        Raises:
          TextProtoError: The value is none of these.
        """
        text = self._compact()
        if self.kind != "string":
            digits = text.lstrip("-").lower()
            if digits in _SPECIAL or digits.removesuffix("f") in _SPECIAL:
                return float(text[: -1 if digits[-1] == "f" and digits != "inf" else None])
            if self.kind == "float":
                return float(text.rstrip("fF"))
            if self.kind == "integer" and (len(digits) == 1 or digits[0] != "0"):
                return float(text)
        raise self._refused("a decimal number")

    def as_bool(self) -> bool:
        """Returns the truth of ``true``, ``True``, ``t``, 1 or of their opposites.

        Raises:
          TextProtoError: The value is none of these.
        """
        if self.kind == "identifier" and self.text in {"true", "True", "t"}:
            return True
        if self.kind == "identifier" and self.text in {"false", "False", "f"}:
            return False
        if self.kind == "integer" and not self.text.startswith("-") and self.as_int() in {0, 1}:
            return self.as_int() == 1
        raise self._refused("true or false")

    def as_identifier(self) -> str:
        """Returns an identifier, such as the name of an enum value.

        Raises:
          TextProtoError: The value is no identifier.
        """
        if self.kind != "identifier":
            raise self._refused("an identifier")
        return self.text

    def as_python(self) -> str | int | float | bool:
        """Returns the value as what it looks like; an identifier other than a bool as text.

        Raises:
          TextProtoError: The value is a string that is not UTF-8.
        """
        if self.kind == "string":
            return self.as_str()
        if self.kind == "identifier":
            return self.as_bool() if self.text in _BOOLEANS else self.text
        return self.as_int() if self.kind == "integer" else self.as_float()

    def _compact(self) -> str:
        """Returns the text without what may stand between a sign and its number."""
        text = self.text
        if not text.startswith("-") or self.kind == "string":
            return text
        data = self.source.data[self.start : self.end]
        return "-" + data[tokenize(data)[-1].start :].decode()

    def _refused(self, expected: str) -> TextProtoError:
        text = self.text
        shown = text if len(text) <= 60 else text[:57] + "..."
        article = "an" if self.kind[0] in "aeiou" else "a"
        return TextProtoError(
            f"expected {expected}, found {article} {self.kind}: {shown}; write {expected} here",
            place=self.place,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message value, or the whole document.

    Attributes:
      start: Offset of the opening bracket; of the first byte for the document.
      end: Offset after the closing bracket; of the end for the document.
      bracket: ``{`` or ``<``; "" for the document.
      fields: Its fields in file order.
      source: The bytes it stands in.
    """

    start: int
    end: int
    bracket: str
    fields: tuple[Field, ...]
    source: Source = field(repr=False)

    @property
    def content_start(self) -> int:
        """Offset after the opening bracket."""
        return self.start + len(self.bracket)

    @property
    def content_end(self) -> int:
        """Offset of the closing bracket."""
        return self.end - len(self.bracket)

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.source.place(self.start)

    def named(self, name: str) -> tuple[Field, ...]:
        """Returns the fields of that name, in file order."""
        return tuple(one for one in self.fields if one.name == name)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field: a name with a value or a list of values.

    Attributes:
      name: Its name; ``[package.extension]`` and ``[domain/Type]`` keep their
        brackets and lose white space and comments within.
      start: Offset of the name.
      name_end: Offset after the name.
      colon: Offset of the colon, or -1.
      values: Its values: one, or those of the list.
      end: Offset after the value or the list; the separator is not part of it.
      separator: Offset of the ``,`` or ``;`` that ends it, or -1.
      list_start: Offset of the ``[`` of a list, or -1.
      commas: Offsets of the commas in a list.
      source: The bytes it stands in.
    """

    name: str
    start: int
    name_end: int
    colon: int
    values: tuple[Scalar | Message, ...]
    end: int
    separator: int
    list_start: int
    commas: tuple[int, ...]
    source: Source = field(repr=False)

    @property
    def name_start(self) -> int:
        """Offset of the name."""
        return self.start

    @property
    def is_list(self) -> bool:
        """Whether the values are written as a list."""
        return self.list_start >= 0

    @property
    def value_start(self) -> int:
        """Offset of the value or of the list's bracket."""
        return self.list_start if self.is_list else self.values[0].start

    @property
    def full_end(self) -> int:
        """Offset after the separator, or after the value where there is none."""
        return max(self.end, self.separator + 1)

    @property
    def place(self) -> Place:
        """Where the name begins."""
        return self.source.place(self.start)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A parsed text proto.

    Attributes:
      source: The bytes and their name.
      root: The message that the document is.
    """

    source: Source
    root: Message

    @property
    def data(self) -> bytes:
        """The bytes that were parsed."""
        return self.source.data

    @property
    def file(self) -> str:
        """The name they are known by."""
        return self.source.file

    def tokens(self) -> tuple[Token, ...]:
        """Returns every token, white space and comments included."""
        return tuple(tokenize(self.data))

    def place(self, offset: int) -> Place:
        """Returns line and column, in characters, of a byte offset."""
        return self.source.place(offset)
