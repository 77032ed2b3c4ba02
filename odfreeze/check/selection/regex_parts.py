r"""The parts of a regular expression with their places in its text.

The parse tree of ``re`` keeps no offsets; rules that point at a part or try the
pattern without it need them. Only the pieces that rules ask for are told apart.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

__all__ = ["Part", "parts"]

_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})[+?]?")
_OPENING = r"\((?:\?(?:P<\w+>|<[=!]|\(\w+\)|[aiLmsux]*(?:-[imsx]+)?:|[=!>]))?"
_NOT_A_GROUP = r"\(\?(?:#[^)]*|P=\w+|[aiLmsux]+)\)"
_SET = r"(?s)\[\^?\]?(?:\\.|[^\]\\])*\]"
_ESCAPE = r"(?s)\\(?:[0-9]{1,3}|.)"
_DIGITS_ONLY = r"\[(?:[0-9](?:-[0-9])?)+\]"


class Part(NamedTuple):
    """One atom of a pattern with its quantifier.

    Attributes:
      kind: What the atom is.
      start: Offset of the atom.
      atom_end: Offset after the atom, where its quantifier begins.
      end: Offset after the quantifier; ``atom_end`` when there is none.
      text: The pattern's text.
    """

    kind: Literal["letter", "dot", "escape", "set", "group"]
    start: int
    atom_end: int
    end: int
    text: str

    @property
    def source(self) -> str:
        """The text of the part."""
        return self.text[self.start : self.end]

    @property
    def atom(self) -> str:
        """The text of the atom alone."""
        return self.text[self.start : self.atom_end]

    @property
    def quantifier(self) -> str:
        """The text of the quantifier, or ""."""
        return self.text[self.atom_end : self.end]

    @property
    def optional(self) -> bool:
        """Whether the part can match nothing because of its quantifier."""
        return self.quantifier[:1] in ("*", "?") or self.quantifier[:2] in ("{0", "{,")

    @property
    def digits(self) -> bool:
        r"""Whether the atom is a digit, a set of digits or ``\d``."""
        return (
            (self.kind == "letter" and "0" <= self.atom <= "9")
            or self.atom == r"\d"
            or re.fullmatch(_DIGITS_ONLY, self.atom) is not None
        )

    def required(self) -> str:
        """Returns the part's text with a quantifier that takes at least one.

        >>> [part.required() for part in parts("a*b?[0-1]{0,3}")]
        ['a+', 'b', '[0-1]{1,3}']
        """
        quantifier = self.quantifier
        if quantifier.startswith("*"):
            return self.atom + "+" + quantifier[1:]
        if quantifier.startswith("?"):
            return self.atom
        return self.atom + re.sub(r"^\{0?", "{1", quantifier)

    def replaced(self, replacement: str) -> str:
        """Returns the pattern's text with another text in place of this part."""
        return self.text[: self.start] + replacement + self.text[self.end :]


def parts(text: str) -> list[Part]:
    """Returns the parts of a valid regular expression, groups after what they hold.

    >>> [part.source for part in parts("^(?:block_(1|2)?/)+[^/]*$")][-4:]
    ['(1|2)?', '/', '(?:block_(1|2)?/)+', '[^/]*']
    """
    found: list[Part] = []
    groups: list[int] = []
    at = 0
    while at < len(text):
        start = at
        letter = text[at]
        if letter in "|^$":
            at += 1
            continue
        if letter == "(":
            plain = re.compile(_NOT_A_GROUP).match(text, at)
            opening = plain or re.compile(_OPENING).match(text, at)
            at = opening.end() if opening else at + 1
            if plain is None:
                groups.append(start)
            continue
        kind, at = _atom(text, at)
        if letter == ")":
            start = groups.pop() if groups else start
        quantifier = _QUANTIFIER.match(text, at)
        end = quantifier.end() if quantifier else at
        found.append(Part(kind, start, at, end, text))
        at = end
    return found


def _atom(text: str, at: int) -> tuple[Literal["letter", "dot", "escape", "set", "group"], int]:
    letter = text[at]
    if letter == ")":
        return "group", at + 1
    if letter == ".":
        return "dot", at + 1
    escape = re.compile(_ESCAPE).match(text, at) if letter == "\\" else None
    if escape is not None:
        return "escape", escape.end()
    members = re.compile(_SET).match(text, at) if letter == "[" else None
    if members is not None:
        return "set", members.end()
    return "letter", at + 1
