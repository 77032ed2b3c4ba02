"""Where text goes in: what touches it, what holds comments, what is left of lists and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from odfreeze.textproto import (
    Edit,
    Identifier,
    Raw,
    add_value,
    parse,
    remove_field,
    set_field,
    set_repeated,
)
from odfreeze.textproto.splice import colon_for, cuts
from tests.support.editing import edited

Function = Callable[..., Iterable[Edit]]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("a:'x'b:2", 5, "a:5 b:2"),
        ("a:'x'b:2", Identifier("V1"), "a:V1 b:2"),
        ("a:'x'_b:2", True, "a:true _b:2"),
        ("a{}b:2", 5, "a:5 b:2"),
        ("a:{}b:2", Raw(b"1."), "a:1. b:2"),
        ("a:'x'[p.e]:2", 5, "a:5[p.e]:2"),
        ("a:'x'#c", 5, "a:5#c"),
        ("a:'x';b:2", 5, "a:5;b:2"),
        ("a:'x'b:2", "y", "a:'y'b:2"),
        ("a:'x'b:2", Raw(b"<>"), "a:<>b:2"),
        ("m{a:'x'}", 5, "m{a:5}"),
    ],
)
def test_a_word_does_not_run_into_the_name_behind_it(before: str, value: Any, after: str) -> None:
    assert edited(before, set_field, "m.a" if before[0] == "m" else "a", value) == after


@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        ("a []", [1, "x"], 'a: [1, "x"]'),
        ("a []", [{"b": 1}], "a [{ b: 1 }]"),
        ("a # c\n[ ]", [V2 := Identifier("V2")], "a: # c\n[V2]"),
        ("a: []", [V2], "a: [V2]"),
        ("a: [ # none\n]", [1, 2], "a: [1, 2 # none\n]"),
        ("a [{ b: 1 }, { b: 2 }]", [1, 2], "a: [1, 2]"),
        ("a { } a < >", [1, 2], "a: 1 a: 2"),
    ],
)
def test_a_name_of_messages_gets_a_colon_for_other_values(
    before: str, values: list[Any], after: str
) -> None:
    assert edited(before, set_repeated, "a", values) == after


@pytest.mark.parametrize(
    ("text", "value", "needed"),
    [("a{}", b"5", True), ("a{}", b"{}", False), ("a{}", b"<>", False), ("a: 1", b"5", False)],
)
def test_what_needs_a_colon(text: str, value: bytes, needed: bool) -> None:
    field = parse(text.encode()).root.fields[0]
    assert colon_for(field, value) == ([Edit(1, 1, b":")] if needed else [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("b: 0 a: 'x' # c\n'y'", "b: 0 a: 'v' # c\n a: 'w'"),
        ("a: 'x' # c\n  'y'\n", "a: 'v' # c\n  \na: 'w'\n"),
        ("a: ['x' # c\n 'y'\n]", "a: ['v' # c\n , 'w'\n]"),
        ("a: ['x' # c\n'y', # d\n'x' 'y']", "a: ['v' # c\n, # d\n'w']"),
        ("m{a:'x'#c\n'y'}", "m{a:'v'#c\n a:'w'}"),
    ],
    ids=["behind others", "on its line", "in a list", "in a list of two", "in braces"],
)
def test_what_goes_behind_a_string_in_parts_is_not_put_into_its_comment(
    before: str, after: str
) -> None:
    path = "m.a" if before.startswith("m") else "a"
    assert edited(before, set_repeated, path, ["v", "w"]) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1 # c", "a: 1 # c\na: 2"),
        ("b: 1 a: 1 # c", "b: 1 a: 1 a: 2 # c"),
        ("a: 1 # c\r\n", "a: 1 # c\r\na: 2\r\n"),
        ("a: 1, # c\n", "a: 1, # c\na: 2,\n"),
        ("a: 1; b: 1", "a: 1; a: 2; b: 1"),
        ("a: 1\rb: 1", "a: 1 a: 2\rb: 1"),
        ("a: [1 # c\n]", "a: [1, 2 # c\n]"),
    ],
    ids=["own line", "same line", "CRLF", "a comma", "a semicolon", "CR ends no line", "a list"],
)
def test_a_value_is_added_before_a_comment_or_on_a_line_of_its_own(before: str, after: str) -> None:
    assert edited(before, add_value, "a", 2) == after


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("\ufeffa: 1\nb: 2\n", "a", "\ufeffb: 2\n"),
        ("a: 1\r\nb: 2", "b", "a: 1\r\n"),
        ("a: 1 # one\n;\nb: 2\n", "a", "b: 2\n"),
        ("m { a: 1 }", "m.a", "m { }"),
        ("a: [1, 2 # two\n, 3]", "a[1]", "a: [1, 3]"),
        ("a: [1, # one\n 2]", "a[1]", "a: [1 # one\n ]"),
        ("a: [1] a: 2", "a[0]", "a: 2"),
        ("a: 1", "a[1]", "a: 1"),
        ("a: []\nb: 1", "a", "b: 1"),
    ],
)
def test_what_is_left_when_a_value_goes(before: str, path: str, after: str) -> None:
    assert edited(before, remove_field, path) == after


def test_spans_that_touch_are_cut_as_one() -> None:
    data = b"a: 1 b: 2\nc: 3\n"
    assert cuts(data, [(5, 9), (0, 4)]) == [Edit(0, 10, b"")]
