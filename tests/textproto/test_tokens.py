"""Tokens: every byte belongs to exactly one, whatever the input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.textproto.tokens import tokenize


def kinds(data: bytes) -> list[tuple[str, bytes]]:
    return [(token.kind, data[token.start : token.end]) for token in tokenize(data)]


@given(st.binary())
def test_tokens_cover_any_bytes_without_gaps(data: bytes) -> None:
    position = 0
    for token in tokenize(data):
        assert token.start == position < token.end
        position = token.end
    assert position == len(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a_1", [("identifier", b"a_1")]),
        (b"1.5e-3f", [("float", b"1.5e-3f")]),
        (b"0x1e+5", [("integer", b"0x1e"), ("bad", b"+"), ("integer", b"5")]),
        (b".5", [("float", b".5")]),
        (b"a.b", [("identifier", b"a"), ("symbol", b"."), ("identifier", b"b")]),
        (b"1.2.3x", [("number", b"1.2.3x")]),
        (b"-1", [("symbol", b"-"), ("integer", b"1")]),
        (rb'"a\"b"', [("string", rb'"a\"b"')]),
        (rb"'a\\'", [("string", rb"'a\\'")]),
        (b"'a\"b'", [("string", b"'a\"b'")]),
        (b'"a#b"#c', [("string", b'"a#b"'), ("comment", b"#c")]),
        (b'"a', [("bad", b'"'), ("identifier", b"a")]),
        (b'"a\n"', [("bad", b'"'), ("identifier", b"a"), ("space", b"\n"), ("bad", b'"')]),
        (b"\t\v\f\r\n ", [("space", b"\t\v\f\r\n ")]),
        (b"# \xff\r\n", [("comment", b"# \xff\r"), ("space", b"\n")]),
        (b"\xef\xbb\xbfa", [("bom", b"\xef\xbb\xbf"), ("identifier", b"a")]),
        (b"a\xef\xbb\xbf", [("identifier", b"a"), *(("bad", bytes([b])) for b in b"\xef\xbb\xbf")]),
    ],
    ids=[
        "identifier", "float", "hexadecimal takes no exponent", "leading dot", "dotted name",
        "malformed number is one token", "sign apart", "escaped quote", "escaped backslash",
        "other quote", "hash in a string", "open string", "string over two lines", "white space",
        "comment that is no UTF-8", "byte order mark", "byte order mark elsewhere",
    ],
)  # fmt: skip
def test_kinds(data: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert kinds(data) == expected


def test_an_open_string_of_100_kilobytes_takes_no_quadratic_time() -> None:
    data = b'"' + rb"\d" * 50_000
    assert tokenize(data)[0].kind == "bad"
