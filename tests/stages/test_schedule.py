"""Learning rate schedules refitted to a stage, held against what the OD API computes from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.errors import ConfigError, TextProtoError
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.schedule import DEFAULTS, Schedule, changes, read_schedule, refit

OPTIMIZERS = ("momentum_optimizer", "rms_prop_optimizer", "adam_optimizer")


def config(schedule: str, *, optimizer: str = "momentum_optimizer") -> PipelineConfig:
    text = f"train_config {{ optimizer {{ {optimizer} {{ learning_rate {{ {schedule} }} }} }} }}\n"
    return PipelineConfig.parse(text.encode(), "a.config")


def fitted(schedule: str, num_steps: int, **options: Any) -> Schedule:
    return refit(read_schedule(config(schedule).document), num_steps, **options)


def edited(base: PipelineConfig, after: Schedule) -> PipelineConfig:
    for path, value in changes(read_schedule(base.document), after):
        base = base.with_value(path, value)
    return base


# --- what the OD API makes of a schedule (utils/learning_schedules.py) -----------------


def rate_at(schedule: Schedule) -> Callable[[int], float]:
    """The learning rate as a function of the step; raises where the OD API does."""
    v: dict[str, Any] = schedule.values
    if schedule.kind == "constant_learning_rate":
        return lambda step: v["learning_rate"]
    if schedule.kind == "exponential_decay_learning_rate":
        burn_in = v["burnin_learning_rate"] or v["initial_learning_rate"]

        def exponential(step: int) -> float:
            decayed = (step - v["burnin_steps"]) / v["decay_steps"]
            rate = v["initial_learning_rate"] * 0.9**decayed
            return max(burn_in if step < v["burnin_steps"] else rate, v["min_learning_rate"])

        return exponential
    if schedule.kind == "manual_step_learning_rate":
        steps, rates = list(schedule.steps), [v["initial_learning_rate"], *schedule.rates]
        assert not steps or steps[0] > 0, "First step cannot be zero."
        assert all(a < b for a, b in pairwise(steps)), "strictly increasing"

        def manual(step: int) -> float:
            if v["warmup"] and steps and step < steps[0]:
                return float(rates[0] + (rates[1] - rates[0]) * step / steps[0])
            return float(rates[sum(step >= one for one in steps)])

        return manual
    flat = v["warmup_steps"] + v["hold_base_rate_steps"]
    assert v["total_steps"] >= v["warmup_steps"]
    assert v["total_steps"] > flat, "division by zero: NaN"
    assert not v["warmup_steps"] or v["learning_rate_base"] >= v["warmup_learning_rate"]

    def cosine(step: int) -> float:
        base, warm_up = v["learning_rate_base"], v["warmup_learning_rate"]
        if step > v["total_steps"]:
            return 0.0
        if step < v["warmup_steps"]:
            return float(warm_up + (base - warm_up) * step / v["warmup_steps"])
        if v["hold_base_rate_steps"] and step <= flat:
            return float(base)
        return float(
            0.5 * base * (1 + math.cos(math.pi * (step - flat) / (v["total_steps"] - flat)))
        )

    return cosine


# --- any schedule ---------------------------------------------------------------------

rates = st.floats(1e-6, 10).map(lambda rate: float(f"{rate:.4g}"))
steps = st.integers(0, 500_000) | st.integers(0, 20)


@st.composite
def schedule_texts(draw: st.DrawFn) -> str:
    """The text of a schedule of any kind with any of its fields left out."""
    kind = draw(st.sampled_from(sorted(DEFAULTS)))
    fields = []
    for name, default in DEFAULTS[kind].items():
        if draw(st.booleans()):
            value = draw(
                st.sampled_from(["true", "false"])
                if isinstance(default, bool)
                else rates
                if isinstance(default, float)
                else steps
            )
            fields.append(f"{name}: {value}")
    if kind == "manual_step_learning_rate":
        at = sorted(draw(st.sets(steps, min_size=1, max_size=5)))
        fields += [f"schedule {{ step: {step} learning_rate: {draw(rates)} }}" for step in at]
    return f"{kind} {{ {' '.join(fields)} }}"


class TestAnySchedule:
    @settings(max_examples=80, deadline=None)
    @given(
        schedule_texts(),
        st.integers(1, 400),
        st.integers(0, 300_000),
        st.none() | rates,
        st.floats(0.001, 10),
    )
    def test_stock_accepts_it_and_never_exceeds_the_stage_s_rate(
        self, text: str, num_steps: int, base_steps: int, rate: float | None, scale: float
    ) -> None:
        before = read_schedule(config(text).document)
        after = refit(before, num_steps, base_steps=base_steps, rate=rate, scale=scale)
        wanted = rate or before.peak * scale
        assert math.isclose(after.peak, wanted, rel_tol=1e-6)
        stock = rate_at(after)
        for step in range(num_steps + 1):
            assert math.isfinite(stock(step))
            assert 0 <= stock(step) <= after.peak * (1 + 1e-9)

    @settings(max_examples=80, deadline=None)
    @given(schedule_texts(), st.integers(1, 400), st.integers(0, 300_000), rates)
    def test_edits_write_what_was_fitted(
        self, text: str, num_steps: int, base_steps: int, rate: float
    ) -> None:
        base = config(text)
        after = refit(read_schedule(base.document), num_steps, base_steps=base_steps, rate=rate)
        again = read_schedule(edited(base, after).document)
        assert again == after
        assert changes(again, after) == ()

    @settings(max_examples=60, deadline=None)
    @given(schedule_texts(), st.integers(2, 400), st.integers(1, 300_000))
    def test_warm_up_ends_by_the_middle_of_the_stage(
        self, text: str, num_steps: int, base_steps: int
    ) -> None:
        after = fitted(text, num_steps, base_steps=base_steps)
        values = after.values
        lengths = [values.get("warmup_steps", 0), values.get("burnin_steps", 0)]
        if values.get("warmup"):
            lengths.append(after.steps[0])
        assert max(lengths) <= num_steps // 2

    @settings(max_examples=60, deadline=None)
    @given(schedule_texts(), st.integers(1, 200_000))
    def test_same_steps_and_rate_leave_a_sound_schedule_alone(self, text: str, length: int) -> None:
        base = config(text)
        once = refit(read_schedule(base.document), length, base_steps=length)
        assert refit(once, length, base_steps=length) == once


# --- each kind ------------------------------------------------------------------------


class TestConstant:
    def test_takes_the_rate(self) -> None:
        text = "constant_learning_rate { learning_rate: 0.1 }"
        assert fitted(text, 5, rate=0.02).values == {"learning_rate": 0.02}
        assert fitted(text, 5, scale=0.3).values == {"learning_rate": 0.03}

    def test_default_rate_counts(self) -> None:
        after = fitted("constant_learning_rate { }", 5, scale=0.5)
        assert after.values == {"learning_rate": 0.001}


class TestCosine:
    TEXT = (
        "cosine_decay_learning_rate { learning_rate_base: 0.08 total_steps: 50000"
        " warmup_learning_rate: 0.026666 warmup_steps: 1000 hold_base_rate_steps: 5000 }"
    )

    def test_warm_up_and_hold_keep_their_shares(self) -> None:
        assert fitted(self.TEXT, 1000, scale=0.1).values == {
            "learning_rate_base": 0.008,
            "total_steps": 1000,
            "warmup_learning_rate": 0.0026666,
            "warmup_steps": 20,
            "hold_base_rate_steps": 100,
        }

    def test_ends_with_the_stage_whatever_num_steps_the_base_has(self) -> None:
        assert fitted(self.TEXT, 100, base_steps=77).values["total_steps"] == 100

    def test_defaults_are_written_where_they_would_be_wrong(self) -> None:
        base = config("cosine_decay_learning_rate { learning_rate_base: 0.01 }")
        after = refit(read_schedule(base.document), 1000)
        assert changes(read_schedule(base.document), after) == (
            ("train_config.optimizer.momentum_optimizer.learning_rate."
             "cosine_decay_learning_rate.total_steps", 1000),
            ("train_config.optimizer.momentum_optimizer.learning_rate."
             "cosine_decay_learning_rate.warmup_steps", 3),
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("num_steps", "warm_up", "hold"), ((1, 0, 0), (2, 1, 0), (3, 1, 1), (10, 5, 4))
    )
    def test_at_least_one_step_is_left_to_the_decay(
        self, num_steps: int, warm_up: int, hold: int
    ) -> None:
        text = (
            "cosine_decay_learning_rate { total_steps: 100 warmup_steps: 90 "
            "hold_base_rate_steps: 90 }"
        )
        values = fitted(text, num_steps).values
        assert (values["warmup_steps"], values["hold_base_rate_steps"]) == (warm_up, hold)

    def test_warm_up_rate_above_the_base_rate_is_lowered_to_it(self) -> None:
        text = "cosine_decay_learning_rate { learning_rate_base: 0.01 warmup_learning_rate: 0.5 }"
        assert fitted(text, 100, scale=0.1).values["warmup_learning_rate"] == 0.001


class TestExponential:
    TEXT = (
        "exponential_decay_learning_rate { initial_learning_rate: 0.004 decay_steps: 800720"
        " decay_factor: 0.95 burnin_learning_rate: 0.002 burnin_steps: 2000"
        " min_learning_rate: 0.0001 }"
    )

    def test_decays_over_the_stage_as_much_as_over_the_base(self) -> None:
        assert fitted(self.TEXT, 2000, base_steps=200_000, scale=0.5).values == {
            "initial_learning_rate": 0.002,
            "decay_steps": 8007,
            "burnin_learning_rate": 0.001,
            "burnin_steps": 20,
            "min_learning_rate": 0.00005,
        }

    def test_without_num_steps_in_the_base_it_decays_as_fast_as_there(self) -> None:
        values = fitted(self.TEXT, 2000).values
        assert (values["decay_steps"], values["burnin_steps"]) == (800720, 1000)

    def test_decay_steps_are_at_least_one(self) -> None:
        text = "exponential_decay_learning_rate { decay_steps: 10 }"
        assert fitted(text, 1, base_steps=100_000).values["decay_steps"] == 1

    def test_fields_that_keep_their_default_are_not_written(self) -> None:
        base = config("exponential_decay_learning_rate { initial_learning_rate: 0.1 }")
        after = refit(read_schedule(base.document), 100, base_steps=1000)
        written = {path.rpartition(".")[2] for path, _ in changes(
            read_schedule(base.document), after
        )}  # fmt: skip
        assert written == {"decay_steps"}


class TestManual:
    TEXT = (
        "manual_step_learning_rate { initial_learning_rate: 0.0003"
        " schedule { step: 900000 learning_rate: 0.00003 }"
        " schedule { step: 1200000 learning_rate: 0.000003 } }"
    )

    def test_steps_keep_their_shares(self) -> None:
        after = fitted(self.TEXT, 1000, base_steps=1_500_000, scale=10)
        assert (after.steps, after.rates) == ((600, 800), (0.0003, 0.00003))
        assert after.values["initial_learning_rate"] == 0.003

    def test_without_num_steps_in_the_base_the_last_step_is_at_three_quarters(self) -> None:
        assert fitted(self.TEXT, 1000).steps == (563, 750)

    def test_steps_stay_apart_and_above_zero(self) -> None:
        text = "manual_step_learning_rate { " + "".join(
            f"schedule {{ step: {step} }} " for step in (0, 10, 20, 5000)
        )
        assert fitted(text + "}", 10, base_steps=100_000).steps == (1, 2, 3, 4)

    def test_rate_is_the_highest_since_first_steps_often_warm_up(self) -> None:
        text = (
            "manual_step_learning_rate { initial_learning_rate: 0.001 warmup: true"
            " schedule { step: 100 learning_rate: 0.1 }"
            " schedule { step: 500 learning_rate: 0.01 } }"
        )
        after = fitted(text, 100, base_steps=1000, rate=0.02)
        assert (after.values["initial_learning_rate"], after.rates) == (0.0002, (0.02, 0.002))
        assert after.steps == (10, 50)

    def test_warm_up_does_not_begin_above_its_end(self) -> None:
        text = (
            "manual_step_learning_rate { initial_learning_rate: 0.5 warmup: true"
            " schedule { step: 100 learning_rate: 0.1 } schedule { step: 500 learning_rate: 1 } }"
        )
        assert fitted(text, 100, base_steps=1000).values["initial_learning_rate"] == 0.1

    def test_steps_written_as_a_list_of_messages(self) -> None:
        base = config(
            "manual_step_learning_rate { schedule: [{ step: 10 }, { step: 20 learning_rate: 1 }] }"
        )
        after = refit(read_schedule(base.document), 100, base_steps=50)
        assert b"[{ step: 20 }, { step: 40 learning_rate: 1 }]" in edited(base, after).data


class TestReading:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_under_every_optimizer(self, optimizer: str) -> None:
        base = config("constant_learning_rate { learning_rate: 1 }", optimizer=optimizer)
        after = edited(base, refit(read_schedule(base.document), 5, scale=0.5))
        assert after.data == base.data.replace(b"rate: 1", b"rate: 0.5")

    def test_the_last_of_two_schedules_counts(self) -> None:
        text = "cosine_decay_learning_rate { } constant_learning_rate { learning_rate: 3 }"
        assert read_schedule(config(text).document).peak == 3

    @pytest.mark.parametrize(
        "text",
        ("train_config { }", "train_config { optimizer { momentum_optimizer { } } }"),
        ids=("no optimizer", "no schedule"),
    )
    def test_no_schedule_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"a.config: train_config.optimizer has no learning"):
            read_schedule(PipelineConfig.parse(text.encode(), "a.config").document)

    @pytest.mark.parametrize(
        ("text", "message"),
        (
            ("constant_learning_rate { learning_rate: 0 }", "nothing would be learnt"),
            ("constant_learning_rate { learning_rate: -1 }", "learning_rate is -1; give a number"),
            ("constant_learning_rate { learning_rate: nan }", "learning_rate is nan"),
            ("constant_learning_rate { learning_rate: inf }", "learning_rate is inf"),
            ("cosine_decay_learning_rate { total_steps: -5 }", "total_steps is -5; give a number"),
            ("cosine_decay_learning_rate { total_steps: 4294967296 }", "from 0 to 4294967295"),
        ),
    )
    def test_value_out_of_range_is_refused_at_its_place(self, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message) as caught:
            read_schedule(config(text).document)
        assert caught.value.place is not None

    def test_value_of_the_wrong_type_is_refused(self) -> None:
        with pytest.raises(TextProtoError, match="expected an integer"):
            read_schedule(config("cosine_decay_learning_rate { total_steps: 1e4 }").document)


@pytest.mark.parametrize(
    ("text", "words"),
    (
        ("constant_learning_rate { learning_rate: 0.01 }", "0.01, constant"),
        ("cosine_decay_learning_rate { warmup_steps: 0 }", "0.002, cosine decay"),
        (
            "cosine_decay_learning_rate { warmup_steps: 5 }",
            "0.002, cosine decay after 5 steps of warm-up",
        ),
        (
            "cosine_decay_learning_rate { warmup_steps: 1 }",
            "0.002, cosine decay after 1 step of warm-up",
        ),
        (
            "exponential_decay_learning_rate { burnin_steps: 5 }",
            "0.002, exponential decay after 5 steps of burn-in",
        ),
        ("manual_step_learning_rate { }", "0.002, constant"),
        (
            "manual_step_learning_rate { schedule { step: 9 learning_rate: 1e-4 } }",
            "0.002, 0.0001 from step 9",
        ),
        (
            "manual_step_learning_rate { warmup: true schedule { step: 9 learning_rate: 1 } }",
            "0.002, rising to 1 from step 9",
        ),
    ),
)
def test_describes_itself(text: str, words: str) -> None:
    assert read_schedule(config(text).document).describe() == words


STOCK = {
    "constant": "constant_learning_rate { learning_rate: 0.1 }",
    "cosine": TestCosine.TEXT,
    "cosine, defaults": "cosine_decay_learning_rate { }",
    "exponential": TestExponential.TEXT.replace("0.95", "0.9 staircase: false"),
    "manual": TestManual.TEXT,
    "manual with warm-up": (
        "manual_step_learning_rate { warmup: true schedule { step: 9 learning_rate: 1.0 }"
        " schedule { step: 50 learning_rate: 0.1 } }"
    ),
}


@pytest.mark.train
class TestAgainstTheObjectDetectionApi:
    """The oracle above is what the OD API's own builder computes."""

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("text", STOCK.values(), ids=STOCK)
    def test_rate_at_every_step(self, text: str, optimizer: str) -> None:
        from odfreeze.training.compat import prepare

        prepare()
        import tensorflow as tf
        from google.protobuf import text_format
        from object_detection.builders import optimizer_builder
        from object_detection.protos import optimizer_pb2

        base = config(text, optimizer=optimizer)
        after = refit(read_schedule(base.document), 40, base_steps=60, scale=0.5)
        written = edited(base, after).document.root.fields[0].values[0].fields[0].values[0]
        inner = written.source.data[written.content_start : written.content_end].decode()
        proto = text_format.Parse(inner, optimizer_pb2.Optimizer())
        proto.use_moving_average = False
        step = tf.Variable(0, dtype=tf.int64)
        _, (rate,) = optimizer_builder.build(proto, global_step=step)
        for number in range(41):
            step.assign(number)
            stock = float(rate() if callable(rate) else rate)
            assert math.isclose(stock, rate_at(after)(number), rel_tol=1e-4, abs_tol=1e-9)
