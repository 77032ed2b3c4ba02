"""The schedule that counts, its base rate, and what gives it another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import ConfigError, TextProtoError, UsageError
from odfreeze.learning_rate import base_rate, rate_changes, schedule_path
from odfreeze.textproto import Document, parse

WHERE = "train_config.optimizer.adam_optimizer.learning_rate"
CONSTANT, COSINE = "constant_learning_rate", "cosine_decay_learning_rate"
BURNIN, STEPS = "exponential_decay_learning_rate", "manual_step_learning_rate"


def adam(schedules: str) -> Document:
    text = (
        f"train_config {{ optimizer {{ adam_optimizer {{ learning_rate {{ {schedules} }} }} }} }}"
    )
    return parse(text.encode(), "a.config")


def steps(*rates: object) -> Document:
    """Returns a stepped schedule whose first rate is the initial one."""
    later = "".join(f" schedule {{ learning_rate: {rate} }}" for rate in rates[1:])
    return adam(f"{STEPS} {{ initial_learning_rate: {rates[0]}{later} }}")


def changes(document: Document, rate: float) -> dict[str, float]:
    """Returns what to set by its path behind that of the schedule."""
    found = rate_changes(document, rate)
    assert all(path.startswith(f"{schedule_path(document)}.") for path, _ in found)
    return {path.removeprefix(f"{schedule_path(document)}."): value for path, value in found}


# --- which schedule counts ------------------------------------------------------


@pytest.mark.parametrize(
    ("schedules", "name"),
    [
        (f"{CONSTANT} {{ }} {COSINE} {{ }}", COSINE),
        (f"{COSINE} {{ }} {CONSTANT} {{ }}", CONSTANT),
        (f"{CONSTANT}: < >;", CONSTANT),
        (f"{CONSTANT}: [{{ }}]", CONSTANT),
    ],
    ids=["the second of two", "whichever it is", "angle brackets", "a list"],
)
def test_the_last_schedule_counts(schedules: str, name: str) -> None:
    assert schedule_path(adam(schedules)) == f"{WHERE}.{name}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "train_config { }",
        "train_config { optimizer { } }",
        "train_config { optimizer { adam_optimizer { } } }",
        "train_config { optimizer { adam_optimizer { learning_rate { } } } }",
        "train_config { optimizer { adam_optimizer { learning_rate { of_a_fork: 1 } } } }",
        "train_config { optimizer { adam_optimizer { learning_rate { of_a_fork { } } } } }",
    ],
)
def test_a_config_without_a_schedule_has_no_base_rate(text: str) -> None:
    document = parse(text.encode(), "a.config")
    assert (schedule_path(document), base_rate(document)) == (None, None)
    with pytest.raises(ConfigError) as caught:
        rate_changes(document, 0.1)
    assert caught.value.message == (
        "a.config has no learning rate schedule in train_config.optimizer; write one first, such "
        "as momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }"
    )


def test_a_schedule_may_be_written_in_pieces() -> None:
    document = adam(
        f"{STEPS} {{ initial_learning_rate: 0.1 schedule [] }} "
        f"{STEPS} < schedule: [{{ learning_rate: 0.2 }}, {{ learning_rate: 0.4 }}] >"
    )
    assert base_rate(document) == 0.4
    assert changes(document, 4) == {
        "initial_learning_rate": 1.0,
        "schedule[0].learning_rate": 2.0,
        "schedule[1].learning_rate": 4,
    }


# --- its base rate --------------------------------------------------------------


@pytest.mark.parametrize("name", [CONSTANT, COSINE, BURNIN, STEPS])
def test_a_rate_that_is_not_written_is_the_default(name: str) -> None:
    assert base_rate(adam(f"{name} {{ }}")) == 0.002


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("1", 1.0), ("1e-3", 1e-3), (".5", 0.5), ("5.", 5.0), ("1.5f", 1.5), ("- 2", -2.0),
        ("inf", math.inf), ("-infinity", -math.inf), ("9" * 400, math.inf),
        ("1 learning_rate: 2", 2.0),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_a_rate_is_read_as_the_text_format_writes_floats(written: str, rate: float) -> None:
    assert base_rate(adam(f"{CONSTANT} {{ learning_rate: {written} }}")) == rate


@pytest.mark.parametrize("written", ["0x10", "010", "'0.1'", "true", "{ }"])
def test_what_is_no_number_is_an_error_at_its_place(written: str) -> None:
    document = adam(f"{CONSTANT} {{ learning_rate: {written} }}")
    for read in (base_rate, lambda document: rate_changes(document, 0.1)):
        with pytest.raises(TextProtoError) as caught:
            read(document)
        assert caught.value.place is not None
        assert caught.value.place.column == document.data.index(written.encode()) + 1


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_that_of_a_stepped_schedule_is_the_highest(rates: list[float]) -> None:
    assert base_rate(steps(*rates)) == max(rates)


# --- another one ----------------------------------------------------------------


@given(
    st.lists(st.integers(1, 10**6).map(lambda n: n / 10**6), min_size=1, max_size=5),
    st.floats(1e-6, 1e3),
)
def test_a_stepped_schedule_keeps_its_shape(rates: list[float], rate: float) -> None:
    after = list(changes(steps(*rates), rate).values())
    assert max(after) == rate
    assert after == pytest.approx([old * rate / max(rates) for old in rates], rel=1e-5)


def test_a_stepped_schedule_of_zeros_starts_with_the_new_rate() -> None:
    assert changes(steps(0, 0), 0.5) == {"initial_learning_rate": 0.5}


@pytest.mark.parametrize(
    ("rates", "path", "shown"),
    [
        (("nan", "0.1"), "initial_learning_rate", "nan"),
        (("0.1", "nan"), "schedule[0].learning_rate", "nan"),
        (("0.1", "inf"), "schedule[0].learning_rate", "inf"),
        (("0.1", "-inf"), "schedule[0].learning_rate", "-inf"),
        (("1e39", "0.1"), "initial_learning_rate", "1e+39"),
    ],
    ids=str,
)
def test_a_stepped_schedule_with_a_rate_that_is_not_finite_cannot_be_scaled(
    rates: tuple[str, str], path: str, shown: str
) -> None:
    document = steps(*rates)
    with pytest.raises(ConfigError) as caught:
        rate_changes(document, 0.5)
    assert caught.value.message == (
        f"{WHERE}.{STEPS}.{path} is {shown}, so that the schedule cannot be scaled to a new rate; "
        "write a number first"
    )
    assert caught.value.place is not None
    assert document.data[caught.value.place.column - 1 :].startswith(
        next(rate for rate in rates if rate != "0.1").encode()
    )


@pytest.mark.parametrize("written", ["nan", "inf", "-1", "9" * 400], ids=lambda text: text[:9])
def test_any_other_schedule_is_rid_of_such_a_rate(written: str) -> None:
    document = adam(f"{CONSTANT} {{ learning_rate: {written} }}")
    assert changes(document, 0.5) == {"learning_rate": 0.5}


@pytest.mark.parametrize("count", ["7", "0x7", "07", "1 warmup_steps: 7", "9" * 400])
def test_the_steps_of_a_warm_up_may_be_written_as_any_integer(count: str) -> None:
    document = adam(f"{COSINE} {{ warmup_learning_rate: 0.1 warmup_steps: {count} }}")
    assert changes(document, 0.01) == {"learning_rate_base": 0.01, "warmup_learning_rate": 0.01}


@pytest.mark.parametrize("count", ["0", "0x0", "00", "7 warmup_steps: 0"])
def test_a_warm_up_of_no_steps_is_left_alone(count: str) -> None:
    document = adam(f"{COSINE} {{ warmup_learning_rate: 0.1 warmup_steps: {count} }}")
    assert changes(document, 0.01) == {"learning_rate_base": 0.01}


def test_a_burn_in_takes_no_steps_unless_they_are_written() -> None:
    document = adam(f"{BURNIN} {{ burnin_learning_rate: 0.1 }}")
    assert changes(document, 0.01) == {"initial_learning_rate": 0.01}


@pytest.mark.parametrize("rate", [0, -0.0, -1, -math.inf, math.nan])
def test_the_new_rate_is_above_0(rate: float) -> None:
    with pytest.raises(UsageError) as caught:
        rate_changes(adam(f"{CONSTANT} {{ }}"), rate)
    assert caught.value.message == f"learning_rate must be above 0, not {rate}"


@pytest.mark.parametrize(
    "rate", [1e-46, 1e-39, 3.5e38, 1e300, math.inf, 10**400], ids=lambda r: str(r)[:9]
)
def test_the_new_rate_is_one_that_its_field_can_hold(rate: float) -> None:
    with pytest.raises(UsageError) as caught:
        rate_changes(adam(f"{CONSTANT} {{ }}"), rate)
    assert caught.value.message == (
        f"learning_rate must be from 1.2e-38 to 3.40282e+38, as a float holds, not {rate}"
    )
