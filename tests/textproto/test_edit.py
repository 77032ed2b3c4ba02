"""Edits, exactly: new text is written as its neighbours are."""

from __future__ import annotations

from typing import Any

import pytest

from odfreeze.errors import TextProtoError, UnknownFieldError, UsageError
from odfreeze.textproto import (
    Edit,
    Identifier,
    Raw,
    add_value,
    apply_edits,
    parse,
    remove_field,
    set_field,
    set_repeated,
)
from tests.support.editing import edited

# --- set_field --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a: 1", 2, "a: 2"),
        ("a:1,", -2, "a:-2,"),
        ("a : 1 # one", 0.5, "a : 0.5 # one"),
        ("a: false;", True, "a: true;"),
        ("a: V1", Identifier("V2"), "a: V2"),
        ("a: 'x'", "it's \\d", "a: 'it\\'s \\\\d'"),
        ('a: "x"', "it's\n", 'a: "it\'s\\n"'),
        ('a: "x"', b"\xff", 'a: "\\377"'),
        ("a: 1 a: 2", 3, "a: 1 a: 3"),
        ("a: - # c\n 1", 5, "a: 5"),
        ("a: 'x' 'y'", "z", "a: 'z'"),
        ("a: 'x' # one\n  # two\n  'y' # three\n", "z", "a: 'z' # one\n  # two\n   # three\n"),
        ("a: 'x' # one\n   'y'\nb: 1\n", "z", "a: 'z' # one\nb: 1\n"),
        ("a { b: 1 }", 5, "a: 5"),
        ("a: 5", Raw(b"< b: 1 >"), "a: < b: 1 >"),
        ("a: 5\n", {"b": 1, "c": ["x", "y"]}, 'a: {\n  b: 1\n  c: "x"\n  c: "y"\n}\n'),
    ],
)
def test_a_value_is_replaced_and_nothing_else(before: str, value: Any, after: str) -> None:
    assert edited(before, set_field, "a", value) == after


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: .08", 0.08), ("a: 0x10", 16), ("a: 'x' \"y\"", "xy"), ("a: '\\x41'", "A"),
        ("a: True", True), ("a: t", True), ("a: f", False), ("a: 5", 5.0), ("a: - 1", -1),
        ("a: V2", Identifier("V2")),
    ],
)  # fmt: skip
def test_a_value_that_reads_the_same_is_left_as_it_is_written(text: str, value: Any) -> None:
    assert set_field(parse(text.encode()), "a", value) == ()


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("", "a", 1, "a: 1\n"),
        ("# c", "a", 1, "# c\na: 1\n"),
        ("# c\r\n", "a.b", 1, "# c\r\na {\r\n  b: 1\r\n}\r\n"),
        ("b: 1", "a", 1, "b: 1\na: 1"),
        ("b: 1 # c\n", "a", 1, "b: 1 # c\na: 1\n"),
        ("b:1\n", "a", 1, "b:1\na:1\n"),
        ("b: 1,\nc: 2\n", "a", 1, "b: 1,\nc: 2,\na: 1\n"),
        ("b: 1;\nc: 2;\n", "a", 1, "b: 1;\nc: 2;\na: 1;\n"),
        ("b: 'x'", "a", "y", "b: 'x'\na: 'y'"),
        ("x { b: 1 }", "x.a", 1, "x { b: 1 a: 1 }"),
        ("x {b: 1, c: 2}", "x.a", 1, "x {b: 1, c: 2, a: 1}"),
        ("x {b: 1}", "x.a.d", 1, "x {b: 1 a { d: 1 }}"),
        ("x {}", "x.a", 1, "x { a: 1 }"),
        ("x <>", "x.a.b", 1, "x < a < b: 1 > >"),
        ("x {\n}", "x.a", 1, "x {\n  a: 1\n}"),
        ("x {\r\n}\r\n", "x.a", 1, "x {\r\n  a: 1\r\n}\r\n"),
        ("x {\n\t# c\n}", "x.a", 1, "x {\n\t# c\n\ta: 1\n}"),
        ("x {\n    y {\n    }\n}", "x.y.a", 1, "x {\n    y {\n        a: 1\n    }\n}"),
        ("x {\n\tb: 1\n}", "x.y.a", 1, "x {\n\tb: 1\n\ty {\n\t\ta: 1\n\t}\n}"),
        ("x: {\n  b: 1\n}", "x.y.a", 1, "x: {\n  b: 1\n  y: {\n    a: 1\n  }\n}"),
        ("x{\n  b: 1\n}", "x.y.a", 1, "x{\n  b: 1\n  y{\n    a: 1\n  }\n}"),
        ("x {\n  b: 1 }", "x.a", 1, "x {\n  b: 1\n  a: 1 }"),
        ("x { b: 1 # c\n}", "x.a", 1, "x { b: 1 a: 1 # c\n}"),
        ('x { b: "y"c: 1 }', "x.a", 1, 'x { b: "y"c: 1 a: 1 }'),
        ("x { b: 1 } x { c: 1 }", "x.a", 1, "x { b: 1 } x { c: 1 a: 1 }"),
        ("x: [{ b: 1 }, { b: 2 }]", "x[0].a", 1, "x: [{ b: 1 a: 1 }, { b: 2 }]"),
        ("a: []", "a", 1, "a: [1]"),
        ("a: [ ] # c", "a", 1, "a: [1] # c"),
        ("\N{BYTE ORDER MARK}b: 1", "a", 1, "\N{BYTE ORDER MARK}b: 1\na: 1"),
        ("x {\n  b: 1\n  # last\n}", "x.a", 1, "x {\n  b: 1\n  a: 1\n  # last\n}"),
    ],
)
def test_a_missing_field_is_added_in_the_style_of_its_neighbours(
    before: str, path: str, value: Any, after: str
) -> None:
    assert edited(before, set_field, path, value) == after


CONFIG = """\
train {
  batch: 8
  checkpoint: "x"  # from
  # about steps
  steps: 5
}
"""


@pytest.mark.parametrize(
    ("kin", "line"),
    [((), 5), (("missing",), 5), (("checkpoint",), 3), (("freeze", "batch", "checkpoint"), 2)],
    ids=["none: end of the block", "not there: end of the block", "one", "the first that is there"],
)
def test_a_missing_field_goes_behind_its_kin(kin: tuple[str, ...], line: int) -> None:
    lines = edited(CONFIG, set_field, "train.new", 1, kin=kin).splitlines()
    assert lines[line] == "  new: 1"
    assert "\n".join(lines[:line] + lines[line + 1 :]) + "\n" == CONFIG


def test_kin_is_looked_for_in_every_piece_of_the_message() -> None:
    text = "t { k: 1 }\nt { b: 2 }"
    assert edited(text, set_field, "t.a", 5, kin=("k",)) == "t { k: 1 a: 5 }\nt { b: 2 }"


def test_kin_that_shares_its_line_keeps_the_line() -> None:
    text = 't { k: "v"b: 2 }'
    assert edited(text, set_field, "t.a", 5, kin=("k",)) == 't { k: "v" a: 5 b: 2 }'


# --- repeated fields ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f: 'a'", "f: 'a'\nf: 'z'"),
        ("f: 'a'  # c\nb: 1\n", "f: 'a'  # c\nf: 'z'\nb: 1\n"),
        ("x: 1 f: 'a' b: 1\n", "x: 1 f: 'a' f: 'z' b: 1\n"),
        ("f: ['a']", "f: ['a', 'z']"),
        ("f: ['a','b']", "f: ['a','b','z']"),
        ("f: ['a' , 'b']", "f: ['a' , 'b', 'z']"),
        ("f: ['a',\n    'b']", "f: ['a',\n    'b',\n    'z']"),
        ("f: [\n  'a'\n]", "f: [\n  'a',\n  'z'\n]"),
        ("f: [\n  'a', # 1\n  'b' # 2\n]", "f: [\n  'a', # 1\n  'b', # 2\n  'z'\n]"),
        ("f: [\r\n\t'a'\r\n]\r\n", "f: [\r\n\t'a',\r\n\t'z'\r\n]\r\n"),
        ("f: []", 'f: ["z"]'),
        ("f: [ # none\n]", 'f: ["z" # none\n]'),
        ("f: ['a'] f: 'b'\n", "f: ['a'] f: 'b' f: 'z'\n"),
        ("f: 'b'\nf: ['a']\n", "f: 'b'\nf: ['a', 'z']\n"),
        ("k: [1]\n", 'k: [1]\nf: ["z"]\n'),
    ],
)
def test_add_value_extends_the_form_that_is_there(before: str, after: str) -> None:
    assert edited(before, add_value, "f", "z", kin=("k",)) == after


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("f: 'a'\nf: 'b'\n", "ab", "f: 'a'\nf: 'b'\n"),
        ("f: 'a' # 1\nf: 'b' # 2\n", "ax", "f: 'a' # 1\nf: 'x' # 2\n"),
        ("f: 'a' # 1\nf: 'b' # 2\nf: 'c' # 3\n", "ac", "f: 'a' # 1\nf: 'c' # 3\n"),
        ("f: 'b'\n", "ab", "f: 'a'\nf: 'b'\n"),
        ("f: 'a'\nx: 1\nf: 'c'\n", "abc", "f: 'a'\nf: 'b'\nx: 1\nf: 'c'\n"),
        ("# own\nf: 'a'\n# own too\nf: 'b'\n", "b", "# own\n# own too\nf: 'b'\n"),
        ("f: ['a', 'b', 'c']", "b", "f: ['b']"),
        ("f: ['a', 'b', 'c']", "ac", "f: ['a', 'c']"),
        ("f: ['a', 'b', 'c']", "a", "f: ['a']"),
        ("f: ['b', 'c']", "abc", "f: ['a', 'b', 'c']"),
        ("f: ['a', 'c']", "abc", "f: ['a', 'b', 'c']"),
        ("f: [\n 'a', # 1\n # own\n 'b', # 2\n 'c'\n]", "ac", "f: [\n 'a', # 1\n # own\n 'c'\n]"),
        ("f: [\n 'a', # 1\n # own\n 'b' # 2\n]", "a", "f: [\n 'a' # 1\n # own\n]"),
        ("f: [\n 'a', # 1\n 'c' # 3\n]", "abc", "f: [\n 'a', # 1\n 'b',\n 'c' # 3\n]"),
        ("f: [\n 'c'\n]", "abc", "f: [\n 'a',\n 'b',\n 'c'\n]"),
        ("f: ['a'\n , 'b'\n , 'c']", "ac", "f: ['a'\n , 'c']"),
        ("f: ['a']\nf: ['b']\n", "b", "f: ['b']\n"),
        ("f: ['a', 'b'] # c\nx: 1", "", "x: 1"),
        ("x {\n  f: 'a'\n}", "", "x {\n  f: 'a'\n}"),
        ("x: 1\n", "ab", 'x: 1\nf: "a"\nf: "b"\n'),
        ("f: []\n", "ab", 'f: ["a", "b"]\n'),
    ],
)  # fmt: skip
def test_set_repeated_keeps_what_is_there(before: str, values: str, after: str) -> None:
    assert edited(before, set_repeated, "f", list(values)) == after


def test_set_repeated_takes_messages() -> None:
    text = "o {\n  a {\n  }\n}\n"
    after = "o {\n  a {\n  }\n}\no {\n  b {\n    p: 0.5\n  }\n}\n"
    assert edited(text, add_value, "o", {"b": {"p": 0.5}}) == after
    assert edited(after, remove_field, "o[1]") == text


# --- remove_field ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("a: 1\nb: 2\n", "a", "b: 2\n"),
        ("b: 2\na: 1", "a", "b: 2\n"),
        ("  a: 1, # about a\nb: 2\n", "a", "b: 2\n"),
        ("# own\na: 1\n# own too\n", "a", "# own\n# own too\n"),
        ("x {\n  a {\n    b: 1 # c\n  }\n  c: 1\n}", "x.a", "x {\n  c: 1\n}"),
        ("x { a: 1 b: 2 }", "x.a", "x { b: 2 }"),
        ("x { b: 2 a: 1 }", "x.a", "x { b: 2 }"),
        ("x { b: 2, a: 1, c: 3 }", "x.a", "x { b: 2, c: 3 }"),
        ("x { a: 1 }", "x.a", "x { }"),
        ("x {a: 1}", "x.a", "x {}"),
        ("x { b: 2 a: 1 # c\n}", "x.a", "x { b: 2 # c\n}"),
        ("a: 1 a: 2 a: 3\nb: 1\n", "a", "b: 1\n"),
        ("b: 1 a: 1 a: 2\n", "a", "b: 1\n"),
        ("x { a: 1 } x { a: 2 b: 3 }", "x.a", "x { } x { b: 3 }"),
        ("x {\n  a: 1 }", "x.a", "x {\n  }"),
        ("a: []\nb: 1", "a", "b: 1"),
        ("a: [1, 2, 3]", "a[1]", "a: [1, 3]"),
        ("a: [1]\nb: 2\n", "a[0]", "b: 2\n"),
        ("b: 1", "a", "b: 1"),
        ("b: 1", "a.c[5]", "b: 1"),
        ("\N{BYTE ORDER MARK}a: 1\r\nb: 2\r\n", "a", "\N{BYTE ORDER MARK}b: 2\r\n"),
        ("x: 'y'a: 1 b: 2", "a", "x: 'y'b: 2"),
    ],
)
def test_remove_field_takes_its_line_and_no_other(before: str, path: str, after: str) -> None:
    assert edited(before, remove_field, path) == after


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "path", "value", "error", "message"),
    [
        (set_field, "a..b", 1, UsageError, "malformed field path"),
        (set_field, "b[4]", 1, UnknownFieldError, "<text> has no b[4]"),
        (set_field, "m[1].a", 1, UnknownFieldError, "<text> has no m[1].a"),
        (set_field, "b.c", 1, TextProtoError, "b.c goes through b"),
        (add_value, "b[0]", 1, UsageError, "b[0] names one value of a repeated field"),
        (set_repeated, "b[0]", [1], UsageError, "b[0] names one value of a repeated field"),
        (set_field, "a", "\ud800", UsageError, "'\\ud800' is not valid Unicode"),
        (set_field, "a", None, UsageError, "None is a NoneType; give a string"),
        (set_field, "a", {"no name": 1}, UsageError, "'no name' is no field name"),
    ],
)
def test_what_cannot_be_written(
    function: Any, path: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        function(parse(b"b: 1\nm { }"), path, value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", [b"", b"1 2", b"1, 2", b"[1]", b"1 # c", b"a: 1", b"{", b"}", b"1; b: 2", b"# c\n1"]
)
def test_raw_text_must_be_one_value(text: bytes) -> None:
    with pytest.raises(TextProtoError):
        Raw(text)


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "é"])
def test_an_identifier_must_be_one(name: str) -> None:
    with pytest.raises(UsageError, match="is no identifier"):
        Identifier(name)


@pytest.mark.parametrize(
    "edits", [[Edit(0, 2, b""), Edit(1, 3, b"")], [Edit(3, 9, b"")], [Edit(2, 1, b"")]]
)
def test_edits_must_not_overlap_or_leave_the_data(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps another or leaves the data"):
        apply_edits(b"abcd", edits)


def test_insertions_at_one_offset_keep_their_order() -> None:
    edits = [Edit(1, 1, b"1"), Edit(1, 2, b""), Edit(1, 1, b"2")]
    assert apply_edits(b"abc", edits) == b"a12c"
