"""Tokens of the text format: every byte of the input belongs to exactly one.

The grammar is the one published as "Text Format Language Specification" for
Protocol Buffers. Tokenizing never fails: what the grammar does not know becomes
a token of kind ``bad``, so that the parser can report the first problem of a
file in file order.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["BOM", "TRIVIA", "Token", "significant", "tokenize"]

BOM = b"\xef\xbb\xbf"

#: Kinds that carry no meaning.
TRIVIA = frozenset({"bom", "space", "comment"})

# Strings are written as unrolled loops, which stay linear when the closing quote is missing.
# A number must end where its letters and digits end, so that "1.2.3" and "10px" are
# one malformed number and not two well-formed tokens.
_END = rb"(?![0-9A-Za-z_.])"
_TOKEN = re.compile(
    rb"(?P<space>[ \t\n\r\v\f]+)"
    rb"|(?P<comment>\#[^\n]*)"
    rb"|(?P<identifier>[A-Za-z_][A-Za-z0-9_]*)"
    rb"|(?P<string>\"[^\"\\\n]*(?:\\[^\n][^\"\\\n]*)*\"|'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*')"
    rb"|(?P<integer>(?:0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)" + _END + rb")"
    rb"|(?P<float>(?:(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?"
    rb"|(?:0|[1-9][0-9]*)(?:[eE][+-]?[0-9]+[fF]?|[fF]))" + _END + rb")"
    rb"|(?P<number>0[xX][0-9A-Za-z_.]*|\.?[0-9](?:[eE][+-]|[0-9A-Za-z_.])*)"
    rb"|(?P<symbol>[{}<>\[\]:,;/.\-])"
    rb"|(?P<bad>.)",
    re.DOTALL,
)


class Token(NamedTuple):
    """One token.

    Attributes:
      kind: ``bom``, ``space``, ``comment``, ``identifier``, ``string``, ``integer``,
        ``float``, ``number`` (a malformed one), ``symbol`` or ``bad``.
      start: Offset of its first byte.
      end: Offset after its last byte.
    """

    kind: str
    start: int
    end: int


def tokenize(data: bytes) -> list[Token]:
    """Returns the tokens of ``data``, white space and comments included, without gaps.

    >>> [token.kind for token in tokenize(b"a: 1 # one")]
    ['identifier', 'symbol', 'space', 'integer', 'space', 'comment']
    """
    start = len(BOM) if data.startswith(BOM) else 0
    tokens = [Token("bom", 0, start)] if start else []
    tokens += [
        Token(m.lastgroup or "bad", m.start(), m.end()) for m in _TOKEN.finditer(data, start)
    ]
    return tokens


def significant(data: bytes) -> tuple[list[str], list[int], list[int]]:
    """Returns kind, start and end of each token that carries meaning, as three lists.

    The kind of a symbol is the symbol. A last token of kind ``end`` stands after the data.

    >>> significant(b"a: 1 # one")
    (['identifier', ':', 'integer', 'end'], [0, 1, 3, 10], [1, 2, 4, 10])
    """
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _TOKEN.finditer(data, len(BOM) if data.startswith(BOM) else 0):
        kind = match.lastgroup or "bad"
        if kind not in TRIVIA:
            start, end = match.span()
            kinds.append(chr(data[start]) if kind == "symbol" else kind)
            starts.append(start)
            ends.append(end)
    size = len(data)
    return [*kinds, "end"], [*starts, size], [*ends, size]
