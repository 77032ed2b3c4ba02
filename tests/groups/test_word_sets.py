"""Expressions that match exactly some words of a list."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.groups.word_sets import expressions_for, numbers_between

MOBILENET = [
    "Conv1/kernel",
    "bn_Conv1/gamma",
    *(f"block_{n}_{part}/kernel" for n in range(1, 17) for part in ("expand", "project")),
    *(f"block_{n}_{part}_BN/gamma" for n in range(1, 17) for part in ("expand", "project")),
    "Conv_1/kernel",
    "Conv_1_bn/gamma",
]


def matched(expressions: tuple[str, ...], words: list[str]) -> list[str]:
    return [word for word in words if any(re.search(text, word) for text in expressions)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (r"^block_", "^block_[0-9]+_"),
        (r"^block_1_", "^block_1_"),
        (r"^block_([3-9]|1[0-2])_", "^block_([3-9]|1[0-2])_"),
        (r"^block_(9|1\d)_", "^block_(9|1[0-6])_"),
        (r"^block_\d_", "^block_[1-9]_"),
        (r"^block_\d*[02468]_", "^block_([2468]|10|12|14|16)_"),
        (r"_BN/", "^block_[0-9]+_(expand|project)_BN/"),
        (r"expand/", "^block_[0-9]+_expand/"),
        (r"^block_2_project_BN/", "^block_2_project_BN/"),
        (r"Conv_?1", "^(Conv1/|Conv_|bn_Conv1/)"),
        (r"^(Conv1/|block_1)", "^(Conv1/|block_(1|1[0-6])_)"),
    ],
)
def test_it_is_what_a_person_would_write(wanted: str, expected: str) -> None:
    inside = [word for word in MOBILENET if re.search(wanted, word)]
    outside = [word for word in MOBILENET if not re.search(wanted, word)]
    assert inside
    found = expressions_for(inside, outside)
    assert matched(found, MOBILENET) == inside
    assert found == (expected,)


def test_blocks_that_differ_are_written_once() -> None:
    # The first block of a ResNet's stage has a shortcut, the others have none.
    words = [
        f"conv{stage}_block{block}_{n}_{kind}/x"
        for stage in (2, 3)
        for block in (1, 2, 3)
        for n in range(block > 1, 4)
        for kind in ("bn", "conv")
    ]
    norms = [word for word in words if "bn" in word]
    found = expressions_for(norms, [word for word in words if word not in norms])
    assert found == ("^conv[0-9]+_block[0-9]+_[0-9]+_bn/",)


def test_numbers_are_joined_only_where_nothing_unwanted_comes_in() -> None:
    assert expressions_for(["a1_x", "a2_y"], ["a1_z"]) == ("^a[0-9]+_(x|y)$",)
    assert expressions_for(["a1_x", "a2_y"], ["a1_y"]) == ("^(a1_x$|a2_)",)
    assert expressions_for(["a1_x", "a2_y"], ["a2_x"]) == ("^(a1_|a2_y$)",)


def test_endings_are_anchored_at_the_end() -> None:
    inside = ["a/gamma", "b/c/beta", "b/beta", "d/moving_mean", "d/moving_variance"]
    outside = ["a/kernel", "gamma/bias", "not_gamma", "a/my_mean"]
    found = expressions_for(inside, outside, backwards=True)
    assert found == ("/(gamma|beta|moving_(mean|variance))$",)


def test_a_long_alternation_is_written_as_several() -> None:
    words = [f"{letter * 30}/x" for letter in "abcde"]
    assert expressions_for(words, ["f"]) == tuple(f"^{word[:-1]}" for word in words)


def test_characters_that_mean_something_are_escaped_without_a_backslash_where_that_can_be() -> None:
    found = expressions_for(["a.b/$(c)", "x"], ["acb/$(c)", "a.b/", "xx"])
    assert found == ("^(a[.]b/[$][(]c[)]|x)$",)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("3", "3", ["3"]),
        ("3", "4", ["[34]"]),
        ("3", "9", ["[3-9]"]),
        ("10", "99", ["[1-9][0-9]"]),
        ("048", "103", ["04[89]", "0[5-9][0-9]", "10[0-3]"]),
        ("100", "199", ["1[0-9][0-9]"]),
    ],
)
def test_ranges_of_numbers(first: str, last: str, expected: list[str]) -> None:
    assert numbers_between(first, last) == expected


@given(st.data(), st.integers(1, 4))
def test_a_range_holds_exactly_its_numbers(data: st.DataObject, width: int) -> None:
    low = data.draw(st.integers(0, 10**width - 1))
    high = data.draw(st.integers(low, 10**width - 1))
    text = "|".join(numbers_between(f"{low:0{width}}", f"{high:0{width}}"))
    for number in {0, low - 1, low, (low + high) // 2, high, high + 1, 10**width - 1}:
        if 0 <= number < 10**width:
            matches = re.fullmatch(text, f"{number:0{width}}") is not None
            assert matches is (low <= number <= high)


#: Words with much in common, and with every character that means something to a regex.
WORDS = st.text(st.sampled_from("ab01/_.-$^\\n[](){}|*+?\n é٣A"), max_size=6) | st.lists(
    st.sampled_from(["block", "_1", "_10", "_2", "/", "_", "kernel", "Conv", "1", "BN"]), max_size=6
).map("".join)
#: Rows of numbers, behind which there is now one thing and now another.
ROWS = st.tuples(
    st.sampled_from(["a", "b_"]), st.sampled_from(["1", "2", "10", "01"]), st.sampled_from("xyz")
).map("".join) | st.sampled_from(["a", "a\n", "x/a\n", "x/a"])


@given(
    st.dictionaries(WORDS, st.booleans(), max_size=14)
    | st.dictionaries(ROWS, st.booleans(), max_size=14),
    st.sampled_from(["/_", "/"]),
    st.booleans(),
)
def test_expressions_match_exactly(words: dict[str, bool], stops: str, backwards: bool) -> None:
    inside = [word for word, wanted in words.items() if wanted]
    outside = [word for word, wanted in words.items() if not wanted]
    if inside:
        found = expressions_for(inside, outside, stops=stops, backwards=backwards)
        assert matched(found, list(words)) == [word for word in words if words[word]]
