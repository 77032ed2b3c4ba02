"""Tokens of the text format: every byte of the input belongs to exactly one.

The grammar is the one published as "Text Format Language Specification" for
Protocol Buffers. Tokenizing never fails: what the grammar does not know becomes
a token of kind ``bad``, so that the parser can report the first problem of a
file in file order.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["BOM", "TRIVIA", "Token", "tokenize"]

BOM = b"\xef\xbb\xbf"

#: Kinds that carry no meaning.
TRIVIA = frozenset({"bom", "space", "comment"})

# Strings are written as unrolled loops, which stay linear when the closing quote is missing.
# A number takes in every letter, digit, dot and exponent sign that follows, so that
# "1.2.3" and "10px" are one malformed number and not two well-formed tokens.
_TOKEN = re.compile(
    rb"(?P<space>[ \t\n\r\v\f]+)"
    rb"|(?P<comment>\#[^\n]*)"
    rb"|(?P<identifier>[A-Za-z_][A-Za-z0-9_]*)"
    rb"|(?P<string>\"[^\"\\\n]*(?:\\[^\n][^\"\\\n]*)*\"|'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*')"
    rb"|(?P<number>0[xX][0-9A-Za-z_.]*|\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*)"
    rb"|(?P<symbol>[{}<>\[\]:,;/.\-])"
    rb"|(?P<bad>.)",
    re.DOTALL,
)


class Token(NamedTuple):
    """One token.

    Attributes:
      kind: ``bom``, ``space``, ``comment``, ``identifier``, ``symbol``,
        ``string``, ``number`` or ``bad``.
      start: Offset of its first byte.
      end: Offset after its last byte.
    """

    kind: str
    start: int
    end: int


def tokenize(data: bytes) -> list[Token]:
    """Returns the tokens of ``data``, white space and comments included, without gaps.

    >>> [token.kind for token in tokenize(b"a: 1 # one")]
    ['identifier', 'symbol', 'space', 'number', 'space', 'comment']
    """
    start = len(BOM) if data.startswith(BOM) else 0
    tokens = [Token("bom", 0, start)] if start else []
    tokens += [
        Token(m.lastgroup or "bad", m.start(), m.end()) for m in _TOKEN.finditer(data, start)
    ]
    return tokens
