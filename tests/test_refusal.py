"""What is refused in a selection, in which words, and what lets it through."""

from __future__ import annotations

import pytest

from odfreeze.errors import Place, TrainingRefusedError
from odfreeze.refusal import ALLOWANCES, refuse
from odfreeze.selection import Pattern, Selection, select
from tests.support.tiny_detector import variables

PLACE = Place("a.config", 9, 21, '  freeze_variables: "Conv9"')


def selection(*freeze: str, update: tuple[str, ...] = (), place: Place | None = None) -> Selection:
    patterns = [Pattern("freeze_variables", text, place) for text in freeze]
    patterns += [Pattern("update_trainable_variables", text) for text in update]
    return select(variables(), patterns)


def everything(chosen: Selection) -> list[bool]:
    return [True] * len(chosen.variables)


@pytest.mark.parametrize(
    "chosen",
    (selection(), selection("^Conv1"), selection(update=("Head",)), selection("Tower", "^block_")),
    ids=("no patterns", "freeze", "update", "two patterns"),
)
def test_what_matches_learns_in_part_and_is_restored_goes_on(chosen: Selection) -> None:
    assert refuse(chosen, everything(chosen)) is None


def test_without_patterns_a_model_in_which_nothing_can_learn_goes_on() -> None:
    chosen = select([v for v in variables() if v.statistic], [])
    assert refuse(chosen, everything(chosen)) is None


def test_a_pattern_without_match_is_refused_at_its_place() -> None:
    chosen = selection("Conv1", "Conv9", place=PLACE)
    with pytest.raises(TrainingRefusedError) as caught:
        refuse(chosen, everything(chosen))
    assert str(caught.value) == (
        "a.config:9:21: freeze_variables 'Conv9' matches none of 33 variables; `odfreeze preview`"
        " shows their names (--allow_unmatched_patterns goes on all the same)\n"
        '  freeze_variables: "Conv9"\n'
        "                    ^"
    )
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    "chosen",
    (selection(".*"), selection(update=("moving_mean",)), selection("Head", update=("BoxHead",))),
    ids=("freeze all", "update only statistics", "both together"),
)
def test_a_selection_in_which_nothing_learns_is_refused(chosen: Selection) -> None:
    with pytest.raises(TrainingRefusedError) as caught:
        refuse(chosen, everything(chosen))
    assert str(caught.value) == (
        "the patterns freeze everything: nothing would learn (--allow_all_frozen goes on all the"
        " same)"
    )


def test_frozen_variables_that_get_no_value_are_refused() -> None:
    chosen = selection("^Conv1", "BoxHead")
    restored = ["BoxHead" not in (v.name or "") for v in chosen.variables]
    with pytest.raises(TrainingRefusedError) as caught:
        refuse(chosen, restored)
    assert str(caught.value) == (
        "2 frozen variables get no value from fine_tune_checkpoint and would stay at their random"
        " start, among them 'Predictor/BoxHead/kernel'; leave them out of the patterns, or set"
        ' fine_tune_checkpoint_type: "full" where the checkpoint holds them'
        " (--allow_random_frozen goes on all the same)"
    )


def test_trainable_variables_may_start_at_random() -> None:
    chosen = selection("^Conv1")
    assert refuse(chosen, [state != "trainable" for state in chosen.states]) is None


def test_where_values_come_from_does_not_matter_to_a_resumed_run() -> None:
    assert refuse(selection("^Conv1"), None) is None


@pytest.mark.parametrize(
    ("chosen", "restored", "allowance"),
    (
        (selection("Conv9"), True, "unmatched_patterns"),
        (selection(".*"), True, "all_frozen"),
        (selection("^Conv1"), False, "random_frozen"),
    ),
    ids=("unmatched_patterns", "all_frozen", "random_frozen"),
)
def test_only_its_own_allowance_lets_a_case_through(
    chosen: Selection, restored: bool, allowance: str
) -> None:
    given = [restored] * len(chosen.variables)
    assert refuse(chosen, given, [allowance]) is None
    with pytest.raises(TrainingRefusedError, match=f"--allow_{allowance} "):
        refuse(chosen, given, set(ALLOWANCES) - {allowance})
