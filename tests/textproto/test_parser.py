"""The grammar: what the text format allows, and what is said about the rest."""

from __future__ import annotations

import pytest

from odfreeze.errors import TextProtoError
from odfreeze.textproto import MAX_DEPTH, Document, Message, Scalar, parse, render


def shape(message: Message) -> list[object]:
    """Names and values of a message, in a form that tables can hold."""
    out: list[object] = []
    for field in message.fields:
        values = [v.text if isinstance(v, Scalar) else shape(v) for v in field.values]
        out.append((field.name, values if field.is_list else values[0]))
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# nothing", []),
        ("a: 1", [("a", "1")]),
        ("a: 1 a: 2", [("a", "1"), ("a", "2")]),
        ("a: 1, b: 2; c: 3", [("a", "1"), ("b", "2"), ("c", "3")]),
        ("a { b: 1 }", [("a", [("b", "1")])]),
        ("a: { b: 1 }", [("a", [("b", "1")])]),
        ("a < b: 1 >", [("a", [("b", "1")])]),
        ("a: <>; b {}", [("a", []), ("b", [])]),
        ("a: []", [("a", [])]),
        ("a []", [("a", [])]),
        ("a: [1, 2]", [("a", ["1", "2"])]),
        ("a [{ b: 1 }, < >]", [("a", [[("b", "1")], []])]),
        ("a: [{}], b: 1", [("a", [[]]), ("b", "1")]),
        ("a: 'x' \"y\"", [("a", "'x' \"y\"")]),
        ("a: 'x' # why\n  'y'", [("a", "'x' # why\n  'y'")]),
        ('a: "x"b: 1', [("a", '"x"'), ("b", "1")]),
        ("[p.q.ext]: 1", [("[p.q.ext]", "1")]),
        ("[ p . q # c\n . ext ]: 1", [("[p.q.ext]", "1")]),
        ("[type.googleapis.com/p.T] { a: 1 }", [("[type.googleapis.com/p.T]", [("a", "1")])]),
        ("[ex-am%20ple.com/p.T] {}", [("[ex-am%20ple.com/p.T]", [])]),
        ("a: - 1", [("a", "- 1")]),
        ("a: -# c\n 1.5", [("a", "-# c\n 1.5")]),
        ("a: -inf b: NaN c: -Infinity", [("a", "-inf"), ("b", "NaN"), ("c", "-Infinity")]),
        ("a\v:\f1\r\n", [("a", "1")]),
        ("a # c\n : # c\n { # c\n } # c\n ;", [("a", [])]),
        ("\N{BYTE ORDER MARK}a: 1", [("a", "1")]),
        ("inf: 1 true: 2", [("inf", "1"), ("true", "2")]),
    ],
)
def test_what_the_grammar_allows(text: str, expected: list[object]) -> None:
    document = parse(text.encode())
    assert shape(document.root) == expected
    assert render(document) == text.encode()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((number, "integer") for number in ("0", "7", "10", "017", "0x1F", "0Xa", "-3", "00")),
        *((number, "float") for number in ("1.", ".5", "1.5", "1e3", "1.e2", "1E-3", "2.5e+10")),
        *(
            (number, "float")
            for number in ("1f", "1.5F", ".5f", "0f", "1e3f", "-.5", "-inf", "-NAN")
        ),
        *((word, "identifier") for word in ("inf", "nan", "true", "V2", "_x", "e5")),
        ("'x'", "string"),
    ],
)
def test_kinds_of_scalars(text: str, kind: str) -> None:
    value = parse(f"a: {text}".encode()).root.fields[0].values[0]
    assert isinstance(value, Scalar)
    assert (value.kind, value.text) == (kind, text)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 08", 1, 4, "malformed number '08'; a number that begins with 0 is octal"),
        ("a: 1.2.3", 1, 4, "malformed number '1.2.3'; write a number such as"),
        ("a: 10px", 1, 4, "malformed number '10px'"),
        ("a: 0x", 1, 4, "malformed number '0x'"),
        ("a: 1e", 1, 4, "malformed number '1e'"),
        ("a: 00.5", 1, 4, "malformed number '00.5'"),
        ("a: 1_000", 1, 4, "malformed number '1_000'"),
        ("a: - x", 1, 6, "expected a number after '-', found 'x'"),
        ("a: +1", 1, 4, "expected a value, found U+002B (plus sign)"),
        ("a", 1, 2, "expected ':' or '{' after the field name 'a', found the end of the file"),
        ("a 1", 1, 3, "expected ':' or '{' after the field name 'a', found '1'"),
        ("a [1]", 1, 4, "expected ':' or '{' after the field name 'a', found '1'"),
        ("a:", 1, 3, "expected a value, found the end of the file"),
        ("a: b: c", 1, 5, "expected a field name, found ':'"),
        ("a: [1,]", 1, 7, "expected a value, found ']'"),
        ("a: [1 2]", 1, 7, "expected ',' or ']' in the list of 'a', found '2'"),
        ("a: [{}, 1]", 1, 9, "expected a message ('{') as the ones before it in this list"),
        ("a: [1, {}]", 1, 8, "expected a value, found '{'"),
        ("a: [[1]]", 1, 5, "expected a value, found '['"),
        ("a: 1,, b: 2", 1, 6, "expected a field name, found ','"),
        ("1: 2", 1, 1, "expected a field name, found '1'"),
        (
            'x: 1\na: "b\n',
            2,
            4,
            "the string opened here is not closed on its line; add the closing",
        ),
        ("a: 'b\"", 1, 4, "the string opened here is not closed on its line"),
        (r'a: "\x"', 1, 5, r"escape \x needs 1 or 2 hexadecimal digits; write \\ where a"),
        (r"a: 'b' '\777'", 1, 9, r"octal escape \777 is above \377"),
        ("a { b: 1", 1, 3, "'{' is never closed; add the missing '}'"),
        ("a < b { }", 1, 3, "'<' is never closed; add the missing '>'"),
        ("a {\n b: 1 >", 2, 7, "'>' cannot close the '{' of line 1, column 3; write '}'"),
        ("a: 1 }", 1, 6, "'}' closes nothing; remove it"),
        ("[a.]: 1", 1, 1, "'[a.]' is no name of an extension or a type"),
        ("[a: 1", 1, 3, "expected ']' after the name of an extension or a type, found ':'"),
        ("[]: 1", 1, 1, "'[]' is no name of an extension or a type"),
        ("a: 1\N{NO-BREAK SPACE}", 1, 5, "expected a field name, found U+00A0 (no-break space)"),
        ("é: 1", 1, 1, "expected a field name, found U+00E9 (latin small letter e with acute)"),
        ("# é\n'é' x", 2, 1, "expected a field name, found ''é''"),
        ("a: 'é' b", 1, 9, "expected ':' or '{' after the field name 'b'"),
        ("\N{BYTE ORDER MARK}a b", 1, 3, "expected ':' or '{' after the field name 'a'"),
    ],
)
def test_errors_say_what_and_where(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(TextProtoError) as caught:
        parse(text.encode(), "x.config")
    place = caught.value.place
    assert place is not None
    assert (place.file, place.line, place.column) == ("x.config", line, column)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: \xff", "byte 0xff is no UTF-8; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "the file is UTF-16; save it as UTF-8"),
        ("a: 1".encode("utf-16-le"), "the file is UTF-16; save it as UTF-8"),
        ("a: 1".encode("utf-16-be"), "the file is UTF-16; save it as UTF-8"),
        (b"a: \0", "expected a value, found U+0000 (a control character)"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, message: str) -> None:
    with pytest.raises(TextProtoError) as caught:
        parse(data)
    assert caught.value.message.startswith(message)


def test_an_error_shows_the_line_with_a_caret() -> None:
    with pytest.raises(TextProtoError) as caught:
        parse(b"model {\r\n\tssd {\r\n\t\tnum_classes 7\r\n", "x.config")
    assert str(caught.value) == (
        "x.config:3:15: expected ':' or '{' after the field name 'num_classes', found '7'\n"
        "\t\tnum_classes 7\n"
        "\t\t            ^"
    )


def test_an_excerpt_holds_nothing_that_a_terminal_would_obey() -> None:
    with pytest.raises(TextProtoError) as caught:
        parse(b"# \x1b[31m\na: \x1b[2J")
    assert "\x1b" not in str(caught.value)


def test_a_very_long_line_is_not_shown() -> None:
    with pytest.raises(TextProtoError) as caught:
        parse(b"a: 1 " * 2_000 + b"}")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("brackets", ["{}", "<>"], ids=["braces", "angle brackets"])
@pytest.mark.parametrize("as_list", [False, True], ids=["single", "list"])
def test_nesting_has_a_limit(brackets: str, as_list: bool) -> None:
    opening, closing = ("a:[" + brackets[0], brackets[1] + "]") if as_list else (
        "a" + brackets[0], brackets[1]
    )  # fmt: skip
    deepest = (opening * MAX_DEPTH + closing * MAX_DEPTH).encode()
    assert render(parse(deepest)) == deepest
    with pytest.raises(TextProtoError, match="nested deeper than 100 levels") as caught:
        parse((opening * 5_000).encode())
    assert caught.value.place is not None
    assert caught.value.place.column == len(opening) * (MAX_DEPTH + 1)


def test_spans_cut_out_what_was_written() -> None:
    data = b" outer : { inner: [ 1 , 2 ] ; }"
    document = parse(data)
    outer = document.root.fields[0]
    message = outer.values[0]
    assert isinstance(message, Message)
    inner = message.fields[0]
    assert data[outer.start : outer.name_end] == b"outer"
    assert data[message.start : message.end] == b"{ inner: [ 1 , 2 ] ; }"
    assert data[message.content_start : message.content_end] == b" inner: [ 1 , 2 ] ; "
    assert data[inner.value_start : inner.end] == b"[ 1 , 2 ]"
    assert data[inner.start : inner.full_end] == b"inner: [ 1 , 2 ] ;"
    assert [data[value.start : value.end] for value in inner.values] == [b"1", b"2"]


def place_of(document: Document, text: bytes) -> tuple[int, int]:
    place = document.place(document.data.index(text))
    return place.line, place.column


def test_columns_count_characters_and_no_byte_order_mark() -> None:
    document = parse("\N{BYTE ORDER MARK}a: 'é🦊' b: 1\r\nc: 2".encode())
    assert place_of(document, b"a:") == (1, 1)
    assert place_of(document, b"b:") == (1, 9)
    assert place_of(document, b"c:") == (2, 1)
