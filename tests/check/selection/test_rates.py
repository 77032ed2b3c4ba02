"""ODF224 to ODF226: rates that nothing takes."""

from __future__ import annotations

import dataclasses

import pytest

from odfreeze.check import Case
from odfreeze.check.selection.rates import RULES, covered_by_later, matches_nothing, nothing_learns
from odfreeze.errors import Place
from odfreeze.rates import rate_selection
from odfreeze.stages.conduct import Rate
from tests.check.cases import case_of, told


def rated_case(*rates: tuple[str, float], freeze: tuple[str, ...] = ()) -> Case:
    case = case_of(*freeze)
    given = [
        Rate(pattern, scale, Place("a.plan", line, 5))
        for line, (pattern, scale) in enumerate(rates, 1)
    ]
    return dataclasses.replace(case, rated=rate_selection(case.selection, given))


def test_a_rate_that_matches_nothing() -> None:
    assert told(matches_nothing, rated_case(("Conv1", 0.5), ("^blok_2_", 0.1))) == [
        "ODF224 warning 2: rate: '^blok_2_' matches none of 33 variables; nearest to 'blok_2_' in "
        "the names: block_2, block_1"
    ]


def test_the_reason_is_found_as_for_a_pattern_that_freezes() -> None:
    (found,) = told(matches_nothing, rated_case(("CONV1/KERNEL", 0.1)))
    assert found.endswith(
        "upper and lower case count; without regard to it it would match 1 (Conv1/kernel): write "
        "'(?i:CONV1/KERNEL)'"
    )


def test_a_rate_for_what_is_frozen() -> None:
    case = rated_case(("Conv1", 0.5), ("^Conv1/kernel$", 0.1), freeze=("Conv1",))
    assert told(nothing_learns, case) == [
        "ODF225 warning 1: rate: 'Conv1' matches 5 variables, none of which learns: there is no "
        "step for 0.5 to scale; remove the rate, or let them learn",
        "ODF225 warning 2: rate: '^Conv1/kernel$' matches 1 variable, which does not learn: there "
        "is no step for 0.1 to scale; remove the rate, or let them learn",
    ]


def test_a_rate_for_statistics() -> None:
    assert len(told(nothing_learns, rated_case(("moving_mean$", 0.5)))) == 1


def test_a_rate_that_later_ones_cover() -> None:
    case = rated_case(("^Conv1/", 0.5), ("bn_Conv1", 0.2), ("Conv1", 0.1))
    assert told(covered_by_later, case) == [
        "ODF226 warning 1: rate: '^Conv1/' decides nothing: for all that it matches a later rate "
        "counts, such as 'Conv1'; the last that matches wins, so put it behind that one, or "
        "remove it",
        "ODF226 warning 2: rate: 'bn_Conv1' decides nothing: for all that it matches a later rate "
        "counts, such as 'Conv1'; the last that matches wins, so put it behind that one, or "
        "remove it",
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_of_rates_that_reach_something_nothing_is_said(rule) -> None:
    assert told(rule, rated_case(("", 0.5), ("Conv1", 0.1), ("Box", 1))) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_nor_without_rates(rule) -> None:
    assert told(rule, case_of("Conv1")) == []


def test_each_fault_is_told_once() -> None:
    case = rated_case(("Conv1", 0.5), ("zzz", 1), ("Conv1/", 1), ("^", 0.5), freeze=("Conv1",))
    found = [text[:6] for rule in RULES for text in told(rule, case)]
    assert sorted(found) == ["ODF224", "ODF225", "ODF225"]
