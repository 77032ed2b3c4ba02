"""What is said of learning rate schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.schedule import rates
from tests.check.planted import said, subject_of


def config(schedule: str, steps: int | None = 1000) -> str:
    written = "" if steps is None else f"num_steps: {steps}"
    return (
        f"train_config {{ {written} optimizer {{ momentum_optimizer {{ learning_rate {{\n"
        f"{schedule}\n}} }} }} }}"
    )


def cosine(fields: str, steps: int | None = 1000) -> str:
    return config(f"cosine_decay_learning_rate {{\n{fields}\n}}", steps)


def exponential(fields: str, steps: int | None = 1000) -> str:
    return config(f"exponential_decay_learning_rate {{\n{fields}\n}}", steps)


def manual(fields: str, steps: int | None = 1000) -> str:
    return config(f"manual_step_learning_rate {{\n{fields}\n}}", steps)


GOOD = "learning_rate_base: 0.1 total_steps: 1000 warmup_learning_rate: 0.01 warmup_steps: 100"


def found(rule: Any, text: str, **flags: Any) -> list[str]:
    return said(rule(subject_of(text, **flags)))


@pytest.mark.parametrize("rule", rates.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "text",
    [
        cosine(GOOD),
        cosine(f"{GOOD} hold_base_rate_steps: 300"),
        config("constant_learning_rate { learning_rate: 0.1 }"),
        exponential("initial_learning_rate: 0.1 decay_steps: 100 decay_factor: 0.7"),
        manual("initial_learning_rate: 0.1 schedule { step: 500 learning_rate: 0.01 }"),
        manual(
            "initial_learning_rate: 0.01 warmup: true schedule { step: 100 learning_rate: 0.1 } "
            "schedule { step: 500 learning_rate: 0.01 }"
        ),
        "",
        cosine("learning_rate_base: 'fast'"),
        cosine("learning_rate_base: 0.1 total_steps: -4"),
        'model { ssd { feature_extractor { type: "ssd_mobilenet_v1" } } }'
        + manual("schedule { step: 0 }"),
    ],
    ids=["cosine", "hold", "constant", "exponential", "manual", "manual-warm-up", "empty",
         "no-number", "no-step", "of-TF1"],
)  # fmt: skip
def test_nothing_is_said_of_what_is_fine_or_of_no_type(rule: Any, text: str) -> None:
    assert found(rule, text) == []


# --- ODF404 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cosine("learning_rate_base: 0.1 total_steps: 500\nwarmup_steps: 600"),
         "ODF404 error 4: warmup_steps 600 is more than total_steps 500, which stock refuses; "
         "shorten the warm-up, or set total_steps to num_steps"),
        (cosine("learning_rate_base: 0.1\ntotal_steps: 1000"),
         "ODF404 error 4: warmup_steps 10000 (its default) is more than total_steps 1000, which "
         "stock refuses; shorten the warm-up, or set total_steps to num_steps"),
        (cosine("learning_rate_base: 0.1 total_steps: 50000\nwarmup_steps: 2000"),
         "ODF404 warning 4: warmup_steps 2000 and 1000 steps of training: it ends before its "
         "warm-up does, and the rate that was meant is never reached; shorten the warm-up or "
         "train longer"),
        (exponential("initial_learning_rate: 0.1\nburnin_steps: 1000"),
         "ODF404 warning 4: burnin_steps 1000 and 1000 steps of training: it ends before its "
         "warm-up does, and the rate that was meant is never reached; shorten the warm-up or "
         "train longer"),
        (manual("warmup: true\nschedule {\nstep: 2000 }"),
         "ODF404 warning 5: warm-up to step 2000 and 1000 steps of training: it ends before its "
         "warm-up does, and the rate that was meant is never reached; shorten the warm-up or "
         "train longer"),
    ],
    ids=["refused", "by-default", "longer-than-the-run", "burn-in", "manual"],
)  # fmt: skip
def test_warm_up_too_long(text: str, message: str) -> None:
    assert found(rates.warm_up_too_long, text) == [message]


def test_the_flag_tells_how_long_the_run_is() -> None:
    assert found(rates.warm_up_too_long, cosine(GOOD), num_train_steps=100)
    assert not found(rates.warm_up_too_long, cosine(GOOD), num_train_steps=200)


# --- ODF405 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cosine("learning_rate_base: 0.01\nwarmup_learning_rate: 0.02"),
         "ODF405 error 4: warmup_learning_rate 0.02 is above learning_rate_base 0.01, which stock "
         "refuses; write a lower warmup_learning_rate, or warmup_steps: 0"),
        (cosine("\nlearning_rate_base: 0.0001"),
         "ODF405 error 4: warmup_learning_rate 0.0002 (its default) is above learning_rate_base "
         "0.0001, which stock refuses; write a lower warmup_learning_rate, or warmup_steps: 0"),
        (exponential("initial_learning_rate: 0.01\nburnin_steps: 10 burnin_learning_rate: 0.02"),
         "ODF405 warning 4: burnin_learning_rate 0.02 is above initial_learning_rate 0.01: "
         "training begins faster than it goes on; a burn-in is meant to be slower"),
        (manual("warmup: true initial_learning_rate: 0.2 schedule { step: 9 learning_rate: 0.1 }"),
         "ODF405 warning 3: warmup is true and initial_learning_rate 0.2 is above the first "
         "step's 0.1: the rate falls during what is to be a warm-up; begin with the lower rate"),
    ],
    ids=["cosine", "by-default", "burn-in", "manual"],
)  # fmt: skip
def test_warm_up_from_above(text: str, message: str) -> None:
    assert found(rates.warm_up_from_above, text) == [message]


@pytest.mark.parametrize(
    "text",
    [
        cosine("learning_rate_base: 0.01 warmup_learning_rate: 0.02 warmup_steps: 0"),
        cosine("learning_rate_base: 0.01 warmup_learning_rate: 0.01"),
        exponential("initial_learning_rate: 0.01 burnin_learning_rate: 0.02"),
        manual("initial_learning_rate: 0.2 schedule { step: 9 learning_rate: 0.1 }"),
    ],
    ids=["no-warm-up", "level", "no-burn-in", "manual-without"],
)
def test_no_warm_up_from_above(text: str) -> None:
    assert found(rates.warm_up_from_above, text) == []


# --- ODF406 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cosine("learning_rate_base: 0.1\ntotal_steps: 500 warmup_steps: 500"),
         "ODF406 error 4: total_steps 500 equals warmup_steps 500: the rate of step 500 is NaN, "
         "and so is every weight from there on; set total_steps to num_steps and the warm-up to "
         "less"),
        (exponential("initial_learning_rate: 0.1\ndecay_steps: 0"),
         "ODF406 error 4: decay_steps is 0: the first rate that decays is NaN, and so is "
         "everything learnt from it on; write after how many steps the rate decays"),
    ],
    ids=["cosine", "exponential"],
)  # fmt: skip
def test_rate_is_not_a_number(text: str, message: str) -> None:
    assert found(rates.rate_is_not_a_number, text) == [message]


@pytest.mark.parametrize(
    ("steps", "enforced", "is_reached"),
    [(500, False, False), (450, False, False), (501, True, True), (501, False, True)],
)
def test_a_step_that_is_not_taken_is_not_nan(steps, enforced: bool, is_reached: bool) -> None:
    text = cosine("learning_rate_base: 0.1 total_steps: 500 warmup_steps: 500", steps)
    assert bool(found(rates.rate_is_not_a_number, text, is_enforced=enforced)) is is_reached


def test_a_hold_hides_the_division() -> None:
    text = "learning_rate_base: 0.1 total_steps: 500 warmup_steps: 300 hold_base_rate_steps: 200"
    assert found(rates.rate_is_not_a_number, cosine(text)) == []


# --- ODF407, ODF408 ---------------------------------------------------------------


def test_steps_without_rate() -> None:
    assert found(rates.steps_without_rate, cosine(f"\n{GOOD}", 1500)) == [
        "ODF407 warning 4: total_steps 1000 and 1500 steps of training: the rate is 0 from step "
        "1000 on, so that the last 500 steps teach nothing; set total_steps to num_steps"
    ]
    assert found(rates.steps_without_rate, cosine(GOOD, 1000)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cosine("learning_rate_base: 0.1\ntotal_steps: 50000 warmup_steps: 100"),
         "ODF408 warning 4: total_steps 50000 and 1000 steps of training: the rate is still at "
         "99.9 % of its highest when training ends; set total_steps to num_steps"),
        (cosine("learning_rate_base: 0.1\nwarmup_steps: 100"),
         "ODF408 warning 2: total_steps 4000000 (its default) and 1000 steps of training: the rate "
         "is still at 100 % of its highest when training ends; set total_steps to num_steps"),
        (exponential("initial_learning_rate: 0.1\ndecay_steps: 1001"),
         "ODF408 warning 4: decay_steps 1001 and 1000 steps of training: the rate is still at 100 "
         "% of its highest when training ends; shorten decay_steps"),
        (exponential("initial_learning_rate: 0.1\ndecay_steps: 100000 staircase: false"),
         "ODF408 warning 4: decay_steps 100000 and 1000 steps of training: the rate is still at "
         "99.9 % of its highest when training ends; shorten decay_steps"),
        (manual("schedule { step: 900 learning_rate: 0.1 }\nschedule {\nstep: 1200 }"),
         "ODF408 info 5: the rate never changes at step 1200: training ends after 1000; move the "
         "steps of the schedule into the run"),
        (manual("schedule {\nstep: 1000 } schedule { step: 1200 }"),
         "ODF408 warning 4: the rate never changes at step 1000, 1200: training ends after 1000, "
         "with the rate that it began with; move the steps of the schedule into the run"),
    ],
    ids=["cosine", "cosine-default", "staircase", "smooth", "one-step", "all-steps"],
)  # fmt: skip
def test_never_decays(text: str, message: str) -> None:
    assert found(rates.never_decays, text) == [message]


@given(st.integers(1, 3000), st.integers(0, 500), st.integers(1, 3000))
def test_a_cosine_is_told_by_the_rate_that_it_ends_with(total: int, warm: int, steps: int) -> None:
    """Against the cosine itself: told exactly where half of the highest rate is left, or more."""
    text = cosine(f"learning_rate_base: 1.0 total_steps: {total} warmup_steps: {warm}", steps)
    is_told = bool(found(rates.never_decays, text))
    decays = warm < min(total, steps) and steps < total
    share = 0.5 + 0.5 * math.cos(math.pi * (steps - warm) / (total - warm)) if decays else 0.0
    if not math.isclose(share, 0.5, abs_tol=1e-9):
        assert is_told == (share > 0.5)


# --- ODF413, ODF414, ODF415 -------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (config("constant_learning_rate { }"),
         "ODF413 warning 2: constant_learning_rate has no learning_rate: it is 0.002, a default "
         "that knows neither optimizer nor batch; write the rate that is meant"),
        (cosine("total_steps: 1000 warmup_steps: 10"),
         "ODF413 warning 2: cosine_decay_learning_rate has no learning_rate_base: it is 0.002, a "
         "default that knows neither optimizer nor batch; write the rate that is meant"),
    ],
    ids=["constant", "cosine"],
)  # fmt: skip
def test_rate_not_written(text: str, message: str) -> None:
    assert found(rates.rate_not_written, text) == [message]


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ("initial_learning_rate: 0.1",
         ["ODF414 error 2: manual_step_learning_rate has no schedule, which stock refuses; write "
          "one"]),
        ("schedule {\nstep: 500 }\nschedule {\nstep: 300 }",
         ["ODF414 error 6: the schedule's step 300 comes behind step 500, and stock refuses steps "
          "that do not rise; put them in order, each once"]),
        ("schedule {\nstep: 500 }\nschedule {\nstep: 500 }",
         ["ODF414 error 6: the schedule's step 500 comes behind step 500, and stock refuses steps "
          "that do not rise; put them in order, each once"]),
        ("\nschedule { learning_rate: 0.1 }",
         ["ODF414 error 4: the schedule's first step is 0, which stock refuses; the rate at the "
          "beginning is initial_learning_rate, write later steps"]),
    ],
    ids=["none", "falling", "twice", "zero"],
)  # fmt: skip
def test_steps_not_rising(fields: str, messages: list[str]) -> None:
    assert found(rates.steps_not_rising, manual(fields)) == messages


def test_hold_leaves_no_decay() -> None:
    assert found(rates.hold_leaves_no_decay, cosine(f"{GOOD}\nhold_base_rate_steps: 900")) == [
        "ODF415 warning 4: warmup_steps 100 and hold_base_rate_steps 900 take all of total_steps "
        "1000: the rate never decays and is 0 behind them; hold it for fewer steps"
    ]
    assert found(rates.hold_leaves_no_decay, cosine(f"{GOOD} hold_base_rate_steps: 899")) == []
