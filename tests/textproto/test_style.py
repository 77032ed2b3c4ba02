"""How the neighbours write, and the names and values that can be written at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import UsageError
from odfreeze.textproto import parse
from odfreeze.textproto.style import (
    Style,
    cut,
    indent_of,
    is_field_name,
    is_tail,
    line_end,
    line_indent,
    newline_near,
    style_of,
)

PLAIN = Style(b"\n", b"  ", '"', b": ", b" ", b"{")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("num_steps", True), ("_a1", True), ("[p.ext]", True), ("[type.url/p.Type]", True),
        ("", False), ("1a", False), ("a b", False), ("a-b", False), ("é", False), ("a.b", False),
        ("[]", False), ("[p.ext", False), ("[p ext!]", False), ("[a\nb]", False), ("[a] b", False),
        ("[a] { } [b]", False), ("[a # c\n]", False), ("[\udcff]", False),
    ],
)  # fmt: skip
def test_the_name_of_a_field(name: str, is_one: bool) -> None:
    assert is_field_name(name) is is_one
    if is_one:
        assert PLAIN.field(name, 1, None) == f"{name}: 1".encode()
    else:
        for write in (
            lambda: PLAIN.field(name, 1, None),
            lambda: PLAIN.list_field(name, [1]),
            lambda: PLAIN.value({name: 1}, None),
        ):
            with pytest.raises(UsageError) as caught:
                write()
            assert caught.value.message == f"{name!r} is no field name"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None is a NoneType"),
        ([1], "[1] is a list"),
        ({"a": {"b": (None,)}}, "None is a NoneType"),
        ({"a": [[1]]}, "[1] is a list"),
        (1j, "1j is a complex"),
    ],
)
def test_a_value_without_a_form_in_the_text_format_is_refused(value: Any, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        PLAIN.value(value, None)
    assert caught.value.message == (
        f"{shown}; give a string, number, bool, Identifier, Raw or mapping"
    )


@given(st.floats() | st.integers() | st.booleans())
def test_a_number_reads_back_as_it_was(value: float) -> None:
    scalar: Any = parse(b"a: " + PLAIN.value(value, None)).root.fields[0].values[0]
    read = scalar.as_bool() if isinstance(value, bool) else scalar.as_python()
    assert repr(float(scalar.as_float()) if isinstance(value, float) else read) == repr(value)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a : 'x'\n", "n {\n  b : 'y'\n}"),
        ("a:1", 'n {\n  b:"y"\n}'),
        ("m<\r\n\ta: 1\r\n>\r\n", 'n<\r\n\tb: "y"\r\n>'),
        ("m { a: 1 }", 'n {\n  b: "y"\n}'),
        ("m # c\n{ a # d\n: 1 }", 'n {\n  b: "y"\n}'),
        ("m: [{ a: ['x'] }]", "n {\n  b: 'y'\n}"),
        ("m {\n    a: 1\n}\nk: 'x'", "n {\n    b: 'y'\n}"),
    ],
)
def test_a_new_message_is_written_as_its_neighbours_are(text: str, written: str) -> None:
    document = parse(text.encode())
    style = style_of(document, document.root)
    assert style.field("n", {"b": "y"}, b"").decode() == written


@pytest.mark.parametrize(
    ("data", "offset", "ending"),
    [
        (b"a\r\nb\n", 0, b"\r\n"),
        (b"a\r\nb\n", 3, b"\n"),
        (b"a\r\nb", 3, b"\r\n"),
        (b"a\nb", 2, b"\n"),
        (b"a", 0, b"\n"),
        (b"", 0, b"\n"),
        (b"\n", 0, b"\n"),
        (b"a\r", 0, b"\n"),
    ],
)
def test_the_line_ending_is_that_of_the_line_else_of_the_one_before(
    data: bytes, offset: int, ending: bytes
) -> None:
    assert newline_near(data, offset) == ending


@pytest.mark.parametrize(
    ("data", "offset", "end"),
    [(b"ab\r\nc", 0, 2), (b"ab\nc", 2, 2), (b"ab", 1, 2), (b"\r\n", 0, 0), (b"\r\n", 1, 1)],
)
def test_a_line_ends_before_its_ending(data: bytes, offset: int, end: int) -> None:
    assert line_end(data, offset) == end


@pytest.mark.parametrize(
    ("data", "indent", "lead"),
    [
        (b"\t a: 1", b"\t ", b"\t "),
        (b"\xef\xbb\xbf a: 1", b" ", b" "),
        (b"b: 1 a: 1", None, b""),
        (b"  b: 1 a: 1", None, b"  "),
        (b"a: 1", b"", b""),
    ],
)
def test_white_space_before_a_field(data: bytes, indent: bytes | None, lead: bytes) -> None:
    at = data.index(b"a:")
    assert (indent_of(data, at), line_indent(data, at)) == (indent, lead)


@pytest.mark.parametrize(
    ("rest", "tail"),
    [
        (b"", True),
        (b" \t\r", True),
        (b" # c", True),
        (b"#", True),
        (b"; # c", False),
        (b"}", False),
    ],
)
def test_the_tail_of_a_line_is_white_space_and_a_comment(rest: bytes, tail: bool) -> None:
    assert is_tail(rest) is tail


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x\n  A  # c\ny", "x\ny"),
        ("x\r\nA\r\ny", "x\r\ny"),
        ("x A y", "x y"),
        ("x A }", "x }"),
        ("x A # c\n", "x # c\n"),
        ("{A }", "{ }"),
        ("\ufeffA\ny", "\ufeffy"),
        ("A", ""),
    ],
)
def test_a_span_goes_with_its_line_or_with_the_space_on_one_side(before: str, after: str) -> None:
    data = before.encode()
    start, end = cut(data, data.index(b"A"), data.index(b"A") + 1)
    assert (data[:start] + data[end:]).decode() == after
