"""What is said of all patterns together."""

from __future__ import annotations

import pytest

from odfreeze.check.selection import outcome
from tests.check.cases import case_of, told


def test_everything_frozen_by_one_pattern() -> None:
    assert told(outcome.everything_frozen, case_of("Conv1", ".*")) == [
        "ODF202 warning 2: everything is frozen: freeze_variables '.*' alone matches all 21 "
        "variables that could learn; narrow it"
    ]


@pytest.mark.parametrize(
    ("freeze", "update"),
    [(("^[A-Z]", "^b"), ()), ((), ("nothing",)), (("Conv1",), ("Conv1",)), ((), ("moving",))],
    ids=["together", "update-nothing", "cancelled", "update-statistics"],
)
def test_everything_frozen_together(freeze: tuple[str, ...], update: tuple[str, ...]) -> None:
    (found,) = told(outcome.everything_frozen, case_of(*freeze, update=update))
    assert found.startswith("ODF202 warning")
    assert "the patterns leave none of 21 variables to learn" in found


@pytest.mark.parametrize("freeze", [(), ("Conv1",), ("zzz",)], ids=["none", "some", "nothing"])
def test_while_something_learns_not_everything_is_frozen(freeze: tuple[str, ...]) -> None:
    assert told(outcome.everything_frozen, case_of(*freeze)) == []


@pytest.mark.parametrize(
    ("freeze", "update", "speaks"),
    [((), (), False), (("zzz",), (), True), (("moving",), (), True), ((), (".*",), True),
     (("Conv1",), (), False), ((), ("Conv1",), False), ((".*",), (), False)],
    ids=["no-pattern", "no-match", "statistics", "update-all", "some", "update-some", "all"],
)  # fmt: skip
def test_nothing_frozen_though_patterns_are_given(
    freeze: tuple[str, ...], update: tuple[str, ...], speaks: bool
) -> None:
    line = 1 if freeze else "-"
    expected = [
        f"ODF203 warning {line}: nothing is frozen: all 21 variables that can learn do, whatever "
        "the patterns were meant for"
    ]
    assert told(outcome.nothing_frozen, case_of(*freeze, update=update)) == expected * speaks


def test_a_batch_norm_after_a_frozen_convolution_left_updating() -> None:
    assert told(outcome.batch_norm_left_updating, case_of("zzz", "block_1.*kernel")) == [
        "ODF206 warning 2: 3 batch norm layers after a frozen convolution are left updating, as in "
        "block_1_expand_BN after block_1_expand: what the convolution learnt drifts; freeze gamma "
        "and beta too"
    ]


def test_of_shared_towers_the_batch_norm_is_found_by_name() -> None:
    (found,) = told(outcome.batch_norm_left_updating, case_of("conv2d_0/kernel"))
    assert (
        "1 batch norm layer after a frozen convolution is left updating, as in "
        "Predictor/Tower/conv2d_0/BatchNorm/feature_0 after Predictor/Tower/conv2d_0:"
    ) in found


@pytest.mark.parametrize(
    ("freeze", "options"),
    [
        (("block_1_",), {}),
        (("BN/(gamma|beta)",), {}),
        (("kernel",), {"frozen_batch_norm": "update"}),
        ((), {}),
        (("BoxHead",), {}),
    ],
    ids=["both", "norm-only", "asked-for", "no-pattern", "no-norm"],
)
def test_batch_norms_that_stand_still_or_are_meant_to_move(
    freeze: tuple[str, ...], options: dict
) -> None:
    assert told(outcome.batch_norm_left_updating, case_of(*freeze, **options)) == []


@pytest.mark.parametrize(
    ("text", "instead"),
    [("kernel", "0 instead of 8"), ("(?i)conv1", "1 instead of 5"), ("block|Tower",
     "20 instead of 25"), (".*block|Tower", "20 instead of 25")],
    ids=["middle", "flag", "alternative", "lead-of-one-alternative"],
)  # fmt: skip
def test_re_match_would_decide_otherwise(text: str, instead: str) -> None:
    assert told(outcome.match_would_differ, case_of("^block", text)) == [
        "ODF207 info 2: the legacy TF1 trainer matches from the beginning of a name (re.match) and "
        f"would decide otherwise for '{text}' ({instead}); begin with '.*' to have the same "
        "everywhere"
    ]


def test_several_patterns_share_a_finding() -> None:
    (found,) = told(outcome.match_would_differ, case_of("kernel", "Tower", "gamma", "beta"))
    assert "'kernel' (0 instead of 8), 'Tower' (0 instead of 5), 'gamma' (0 instead of 6) and 1 "\
        "more;" in found  # fmt: skip


@pytest.mark.parametrize("text", ["^block", ".*kernel", "block_1", "(?#path)kernel", "zzz"])
def test_re_match_decides_the_same(text: str) -> None:
    assert told(outcome.match_would_differ, case_of(text)) == []


@pytest.mark.parametrize(
    ("text", "instead"),
    [("kernel$", "0 instead of 8"), (r"bias\Z", "0 instead of 1"), ("^(?!.*:)", "0 instead of 33")],
    ids=["dollar", "end", "lookahead"],
)
def test_the_suffix_would_decide_otherwise(text: str, instead: str) -> None:
    (found,) = told(outcome.suffix_would_differ, case_of(text))
    assert found == (
        "ODF208 info 1: TF1's Estimator path matched names with their ':0' ending and would decide "
        f"otherwise for '{text}' ({instead}); odfreeze leaves ':0' out"
    )


@pytest.mark.parametrize("text", ["kernel", "^block_1(?!0)", "(?#path)kernel$", "(kernel|bias)"])
def test_the_suffix_changes_nothing(text: str) -> None:
    assert told(outcome.suffix_would_differ, case_of(text)) == []
