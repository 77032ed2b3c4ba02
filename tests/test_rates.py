"""Shares of the learning rate: which variable takes which, and how they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import PatternError, TrainingRefusedError, UsageError
from odfreeze.rates import (
    RatedSelection,
    expanded_rates,
    parse_rate,
    rate_selection,
    scale_text,
    scales,
)
from odfreeze.refusal import refuse_rates
from odfreeze.selection import Pattern, select
from odfreeze.stages.conduct import Rate
from odfreeze.variables import Variable
from tests.support.tiny_detector import variables as tiny_variables

NAMES = ("stem/kernel", "block_1/kernel", "block_10/kernel", "head/kernel")


def variable(name: str | None, **more: bool) -> Variable:
    return Variable(name, f"model/path_of/{name}", (2,), "float32", **more)


VARIABLES = [variable(name) for name in NAMES]


def rated(*rates: Rate, freeze: str = "(?!)") -> RatedSelection:
    return rate_selection(select(VARIABLES, [Pattern("freeze_variables", freeze)]), rates)


# --- which scale ---


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([], [1, 1, 1, 1]),
        ([Rate("block", 0.1)], [1, 0.1, 0.1, 1]),
        ([Rate("block", 0.1), Rate("block_10/", 3)], [1, 0.1, 3, 1]),
        ([Rate("block_10/", 3), Rate("block", 0.1)], [1, 0.1, 0.1, 1]),
        ([Rate("", 0.5), Rate("head", 1)], [0.5, 0.5, 0.5, 1]),
        ([Rate("Block", 0.1)], [1, 1, 1, 1]),
        ([Rate("(?#path)^model/path_of/head", 2)], [1, 1, 1, 2]),
        ([Rate("path_of", 2)], [1, 1, 1, 1]),
    ],
    ids=(
        "none", "one", "the last wins", "even where it is the wider one", "back to the whole rate",
        "case counts", "by object path", "a name is no object path",
    ),
)  # fmt: skip
def test_the_last_rate_that_matches_counts(rates: list[Rate], expected: list[float]) -> None:
    assert list(scales(VARIABLES, rates)) == expected


def test_a_variable_without_a_name_is_matched_by_its_object_path_only() -> None:
    nameless = [Variable(None, "model/head/kernel", (2,), "float32")]
    assert scales(nameless, [Rate("head", 2)]) == (1.0,)
    assert scales(nameless, [Rate("(?#path)head", 2)]) == (2.0,)


LETTERS = st.text("ab", min_size=1, max_size=3)


@given(
    names=st.lists(LETTERS, max_size=8),
    rates=st.lists(st.tuples(LETTERS, st.sampled_from([0.1, 0.5, 2.0])), max_size=6),
)
def test_searching_backwards_for_the_first_gives_the_same(
    names: list[str], rates: list[tuple[str, float]]
) -> None:
    given_rates = [Rate(*rate) for rate in rates]
    found = scales([variable(name) for name in names], given_rates)
    for name, scale in zip(names, found, strict=True):
        backwards = (of for pattern, of in reversed(rates) if pattern in name)
        assert scale == next(backwards, 1.0)


def test_a_broken_pattern_is_told_as_that_of_a_rate() -> None:
    with pytest.raises(PatternError, match=r"^rate:1:1: rate: '\(' is no regular expression"):
        scales(VARIABLES, [Rate("(", 1.0)])


def test_a_pattern_that_takes_endless_time_is_stopped() -> None:
    long = [variable("a" * 40 + "!")]
    with pytest.raises(PatternError, match=r"^rate:1:1: rate: matching '\(a\+\)\+\$' took longer"):
        scales(long, [Rate("(a+)+$", 1.0)])


# --- with a selection ---


def test_what_is_frozen_takes_no_scale() -> None:
    found = rated(Rate("kernel", 0.1), freeze="block")
    assert found.scales == (0.1, 1.0, 1.0, 0.1)
    assert (found.matches(), found.learning(), found.reach()) == ((4,), (2,), (2,))


def test_reach_counts_what_a_rate_decides() -> None:
    found = rated(Rate("block", 0.1), Rate("block_10/", 3), Rate("zzz", 2))
    assert (found.matches(), found.learning(), found.reach()) == ((2, 1, 0), (2, 1, 0), (1, 1, 0))
    assert found.to_json() == [
        {"pattern": "block", "scale": 0.1, "variables": 1},
        {"pattern": "block_10/", "scale": 3, "variables": 1},
        {"pattern": "zzz", "scale": 2, "variables": 0},
    ]


def test_without_rates_everything_takes_the_whole_one() -> None:
    assert rated().scales == (1.0,) * 4
    assert rated().to_json() == []


# --- what is refused ---


def test_a_rate_that_matches_nothing_is_refused() -> None:
    with pytest.raises(TrainingRefusedError) as caught:
        refuse_rates(rated(Rate("block", 0.1), Rate("blok", 0.1)))
    assert str(caught.value) == (
        "rate 'blok' matches none of 4 variables; `odfreeze preview` shows their names"
        " (--allow_unmatched_patterns goes on all the same)"
    )


def test_unless_it_is_allowed() -> None:
    refuse_rates(rated(Rate("blok", 0.1)), ["unmatched_patterns"])


def test_one_that_matches_only_what_is_frozen_is_not() -> None:
    refuse_rates(rated(Rate("block", 0.1), freeze="block"))


# --- how they are written ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@backbone=0.1", Rate("@backbone", 0.1)),
        ("^block_(?=1)=2", Rate("^block_(?=1)", 2.0)),
        ("a=1e-3", Rate("a", 0.001)),
    ],
)
def test_a_rate_on_the_command_line(text: str, expected: Rate) -> None:
    assert parse_rate(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@backbone", "is not PATTERN=SCALE; write it as @backbone=0.1"),
        ("=0.1", "is not PATTERN=SCALE; write it as @backbone=0.1"),
        ("a=b", "is not PATTERN=SCALE; write it as @backbone=0.1"),
        ("a=nan", "is not PATTERN=SCALE; write it as @backbone=0.1"),
        ("a=0", "scale is 0; give a number above 0; to freeze, use freeze_variables"),
        ("a=-1", "scale is -1; give a number above 0"),
        ("a=inf", "scale is inf; give a number above 0"),
    ],
)
def test_what_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert str(caught.value) in (f"--rate {text!r} {message}", f"--rate {text!r}: {message}")


@pytest.mark.parametrize(
    ("found", "text"),
    [([1.0], "1"), ([1.0, 0.1, 0.1], "0.1, 1"), ([4, 3, 2, 1], "1 to 4"), ([], "")],
)
def test_scales_as_text(found: list[float], text: str) -> None:
    assert scale_text(found) == text


def test_names_of_sets_become_patterns_that_match_exactly_the_set() -> None:
    variables = tiny_variables()
    given_rates = [Rate("^Conv1", 0.5), Rate("@head", 2.0)]
    found = expanded_rates(given_rates, lambda: variables)
    assert found[0] == given_rates[0]
    assert {rate.scale for rate in found[1:]} == {2.0}
    assert not [rate for rate in found if rate.pattern.startswith("@")]
    heads = [v for v, s in zip(variables, scales(variables, found), strict=True) if s == 2.0]
    assert heads == [v for v in variables if "_box_predictor" in v.object_path]


def test_without_a_name_nothing_is_listed() -> None:
    def listed() -> list[Variable]:
        raise AssertionError

    assert expanded_rates([Rate("a", 2.0)], listed) == (Rate("a", 2.0),)
