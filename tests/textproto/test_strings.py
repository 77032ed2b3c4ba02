"""String literals: every escape read, and written so that it reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.textproto.strings import EscapeError, quote, undefined_escapes, unquote


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (rb'"\a\b\f\n\r\t\v"', b"\a\b\f\n\r\t\v"),
        (rb'"\?\\\'\""', b"?\\'\""),
        (rb'"\0\12\1234\377"', b"\0\nS4\xff"),
        (rb'"\x4\x41g\xff"', b"\x04Ag\xff"),
        (rb'"\u00e9\U0001f98a"', "é🦊".encode()),
        (rb'"\ud83e\udd8a"', "🦊".encode()),
        ('"é中"'.encode(), "é中".encode()),
        (b'"\xff\x00"', b"\xff\x00"),
        (rb"'it\'s'", b"it's"),
        (rb'"block_\d+\.\w"', rb"block_\d+\.\w"),
        (rb'"a\\d"', rb"a\d"),
        (rb'"\N\X41\8"', rb"\N\X41\8"),
        ('"\\é"'.encode(), "\\é".encode()),
    ],
    ids=[
        "controls", "punctuation", "octal", "hexadecimal", "unicode", "surrogate pair", "UTF-8",
        "any bytes", "single quotes", "undefined escapes keep the backslash", "backslash",
        "undefined letters", "undefined beyond ASCII",
    ],
)  # fmt: skip
def test_unquote(literal: bytes, value: bytes) -> None:
    assert unquote(literal) == value


@pytest.mark.parametrize(
    ("literal", "message", "offset"),
    [
        (rb'"a\x"', r"escape \x needs 1 or 2 hexadecimal digits", 2),
        (rb'"a\xg"', r"escape \x needs 1 or 2 hexadecimal digits", 2),
        (rb'"\u12"', r"escape \u needs 4 hexadecimal digits", 1),
        (rb'"\U0001f98"', r"escape \U needs 8 hexadecimal digits", 1),
        (rb'"\U00110000"', r"escape \U00110000 is no Unicode character", 1),
        (rb'"\ud83e"', r"escape \ud83e is no Unicode character", 1),
        (rb'"\udd8a\ud83e"', r"escape \udd8a is no Unicode character", 1),
        (rb'"\777"', r"octal escape \777 is above \377", 1),
    ],
)
def test_an_escape_that_stands_for_nothing(literal: bytes, message: str, offset: int) -> None:
    with pytest.raises(EscapeError) as caught:
        unquote(literal)
    assert (str(caught.value), caught.value.offset) == (message, offset)


@pytest.mark.parametrize(
    ("value", "mark", "literal"),
    [
        (r"block_\d+\.\b", '"', rb'"block_\\d+\\.\\b"'),
        ("it's \"so\"", '"', b'"it\'s \\"so\\""'),
        ("it's \"so\"", "'", b"'it\\'s \"so\"'"),
        ("\n\r\t\0\x7f", '"', rb'"\n\r\t\000\177"'),
        ("\x001", '"', rb'"\0001"'),
        ("é🦊", '"', '"é🦊"'.encode()),
        (b"\xe9\\", '"', rb'"\351\\"'),
    ],
    ids=[
        "pattern", "double", "single", "controls", "digit after an octal escape", "UTF-8", "bytes",
    ],
)  # fmt: skip
def test_quote(value: str | bytes, mark: str, literal: bytes) -> None:
    assert quote(value, mark) == literal


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from("'\""))
def test_text_reads_back(value: str, mark: str) -> None:
    assert unquote(quote(value, mark)) == value.encode()
    assert undefined_escapes(quote(value, mark)) == ()


@given(st.binary(), st.sampled_from("'\""))
def test_bytes_read_back(value: bytes, mark: str) -> None:
    assert unquote(quote(value, mark)) == value
