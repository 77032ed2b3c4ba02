"""The parts of a pattern with their places."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.selection.regex_parts import parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab", ["a", "b"]),
        ("^a|b$", ["a", "b"]),
        (".*a+?b{2,3}c{,4}", [".*", "a+?", "b{2,3}", "c{,4}"]),
        (r"(a)\.\d*\\+\1", ["a", "(a)", r"\.", r"\d*", r"\\+", r"\1"]),
        ("[a-z]*[^]/]?[]a][\\]x]", ["[a-z]*", "[^]/]?", "[]a]", "[\\]x]"]),
        ("(a|b)*", ["a", "b", "(a|b)*"]),
        ("(?:a(b)?)+", ["a", "b", "(b)?", "(?:a(b)?)+"]),
        ("(?P<n>a)(?P=n)(?#note)b", ["a", "(?P<n>a)", "b"]),
        ("(?=a)(?!b)(?<=c)(?<!d)(?i:e)",
         ["a", "(?=a)", "b", "(?!b)", "c", "(?<=c)", "d", "(?<!d)", "e", "(?i:e)"]),
        ("(?i)a{b}", ["a", "{", "b", "}"]),
    ],
    ids=["letters", "anchors", "quantifiers", "escapes", "sets", "group", "nested", "named",
         "looking", "no-quantifier"],
)  # fmt: skip
def test_every_atom_is_a_part_with_its_quantifier(text: str, expected: list[str]) -> None:
    re.compile(text)
    assert [part.source for part in parts(text)] == expected


@pytest.mark.parametrize(
    ("text", "digits"),
    [("1", True), ("[0-9]", True), ("[13-5]", True), (r"\d", True), ("a", False), ("[^1]", False),
     ("[1a]", False), ("²", False)],
)  # fmt: skip
def test_digits(text: str, digits: bool) -> None:
    assert parts(text)[0].digits is digits


@pytest.mark.parametrize(
    ("text", "required"),
    [("a*", "a+"), ("a*?", "a+?"), ("a?", "a"), ("a{0,3}", "a{1,3}"), ("a{,3}", "a{1,3}"),
     ("a{0,}", "a{1,}")],
)  # fmt: skip
def test_required_takes_at_least_one(text: str, required: str) -> None:
    (part,) = parts(text)
    assert part.optional
    assert part.required() == required


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text("ab1*+?()[]{}|\\.^$-,", max_size=12))
def test_parts_of_any_pattern_lie_in_it_and_end_in_order(text: str) -> None:
    try:
        re.compile(text)
    except re.error:
        return
    found = parts(text)
    assert [p.end for p in found] == sorted(p.end for p in found)
    assert all(0 <= p.start < p.atom_end <= p.end <= len(text) for p in found)
    assert all(p.replaced(p.source) == text for p in found)
