"""Learning rate schedules, refitted to the steps and the rate of one stage.

What the schedules mean is stock's: ``utils/learning_schedules.py`` and
``builders/optimizer_builder.py:115-196`` of the Object Detection API; their fields and
defaults are those of ``optimizer.proto``. Steps count from 0 in every stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from odfreeze.errors import ConfigError
from odfreeze.learning_rate import schedule_path
from odfreeze.textproto import Document, Occurrence, Scalar, find, last

__all__ = ["DEFAULTS", "Change", "Schedule", "changes", "read_schedule", "refit"]

Number: TypeAlias = "int | float | bool"

#: A field by its dotted path, and its new value.
Change: TypeAlias = "tuple[str, Number]"

_LARGEST_STEP = 2**31 - 1  # steps are uint32 in the schema and int32 in the schedules
_DEFAULT_RATE = 0.002

#: The fields of every kind of schedule with their defaults; a float is a rate, an int a step.
DEFAULTS: dict[str, dict[str, Number]] = {
    "constant_learning_rate": {"learning_rate": _DEFAULT_RATE},
    "exponential_decay_learning_rate": {
        "initial_learning_rate": _DEFAULT_RATE,
        "decay_steps": 4_000_000,
        "burnin_learning_rate": 0.0,
        "burnin_steps": 0,
        "min_learning_rate": 0.0,
    },
    "manual_step_learning_rate": {"initial_learning_rate": _DEFAULT_RATE, "warmup": False},
    "cosine_decay_learning_rate": {
        "learning_rate_base": _DEFAULT_RATE,
        "total_steps": 4_000_000,
        "warmup_learning_rate": 0.0002,
        "warmup_steps": 10_000,
        "hold_base_rate_steps": 0,
    },
}
_BASE_RATES = {
    "constant_learning_rate": "learning_rate",
    "exponential_decay_learning_rate": "initial_learning_rate",
    "manual_step_learning_rate": "initial_learning_rate",
    "cosine_decay_learning_rate": "learning_rate_base",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A learning rate schedule with the values that take effect, defaults included.

    Attributes:
      kind: Its field's name, a key of `DEFAULTS`.
      path: Dotted path of its message.
      values: Value of every field in ``DEFAULTS[kind]``.
      steps: Steps at which a manual schedule changes its rate; () for the other kinds.
      rates: The rates it changes to, as many.
    """

    kind: str
    path: str
    values: dict[str, Number]
    steps: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()

    @property
    def peak(self) -> float:
        """The highest rate that the schedule is written to reach.

        The base rate; of a manual schedule whatever its highest rate is, since many warm up
        by their first steps.
        """
        initial = float(self.values[_BASE_RATES[self.kind]])
        if self.kind == "manual_step_learning_rate":
            rates = (initial, *self.rates)
            return max(rates[1:] if self.values["warmup"] and self.rates else rates)
        return initial

    def describe(self) -> str:
        """Returns the schedule in a few words.

        >>> Schedule("constant_learning_rate", "", {"learning_rate": 0.01}).describe()
        '0.01, constant'
        """
        rate = f"{self.peak:g}"
        if self.kind == "constant_learning_rate":
            return f"{rate}, constant"
        if self.kind == "manual_step_learning_rate":
            if not self.steps:
                return f"{rate}, constant"
            at = ", ".join(
                f"{to:g} from step {step}" for step, to in zip(self.steps, self.rates, strict=True)
            )
            initial = f"{self.values['initial_learning_rate']:g}"
            return f"{initial}, {'rising to ' if self.values['warmup'] else ''}{at}"
        if self.kind == "exponential_decay_learning_rate":
            after = _after(self.values["burnin_steps"], "burn-in")
            return f"{rate}, exponential decay{after}"
        return f"{rate}, cosine decay{_after(self.values['warmup_steps'], 'warm-up')}"


def _after(steps: float, what: str) -> str:
    """Returns what comes before a decay, in words."""
    return f" after {steps} step{'' if steps == 1 else 's'} of {what}" if steps else ""


def read_schedule(document: Document) -> Schedule:
    """Returns the schedule of a pipeline.config that takes effect.

    Raises:
      ConfigError: There is no optimizer or no schedule, or a value in it is out of range.
      TextProtoError: A value in it has the wrong form.
    """
    path = schedule_path(document)
    if path is None:
        raise ConfigError(
            f"{document.file}: train_config.optimizer has no learning rate to refit to the stages;"
            f" write an optimizer whose learning_rate has one of {', '.join(DEFAULTS)}"
        )
    kind = path.rpartition(".")[2]
    place = find(document, path)[-1].place
    values = {
        name: _read(last(document, f"{path}.{name}"), default)
        for name, default in DEFAULTS[kind].items()
    }
    entries: list[tuple[int, float]] = []
    if kind == "manual_step_learning_rate":
        for index in range(len(find(document, f"{path}.schedule"))):
            entry = f"{path}.schedule[{index}]"
            step = _read(last(document, f"{entry}.step"), 0)
            rate = _read(last(document, f"{entry}.learning_rate"), _DEFAULT_RATE)
            entries.append((int(step), float(rate)))
    steps, rates = tuple(step for step, _ in entries), tuple(rate for _, rate in entries)
    schedule = Schedule(kind, path, values, steps, rates)
    if schedule.peak <= 0:
        raise ConfigError(
            f"the highest rate of {kind} is {schedule.peak:g}: nothing would be learnt; set it"
            " above 0",
            place=place,
        )
    return schedule


def refit(
    schedule: Schedule,
    num_steps: int,
    *,
    base_steps: int = 0,
    rate: float | None = None,
    scale: float = 1.0,
) -> Schedule:
    """Returns the schedule as it should be for a stage: same shape, other length and rate.

    - All rates are scaled alike, and none is above the highest one: not that of a warm-up
      either, which the OD API refuses (utils/learning_schedules.py:197).
    - Cosine: ends with the stage. Warm-up and hold keep their shares of the whole; warm-up
      takes at most half of the stage, and at least one step is left to the decay, without
      which the rate would be NaN.
    - Exponential: decays over the stage as much as over the base's ``num_steps``. Burn-in
      keeps its share, at most half of the stage.
    - Manual: steps keep their shares of the base's ``num_steps``, strictly increasing and
      from 1. Warm-up, which lasts to the first of them, takes at most half of the stage.

    Args:
      schedule: Of the base config.
      num_steps: Steps of the stage, from 1.
      base_steps: Steps that the base config trains. 0 when it sets no limit; then a manual
        schedule's last step falls at three quarters of the stage, and an exponential
        decay stays as fast as it is.
      rate: The new `Schedule.peak`, above 0.
      scale: What the rates are multiplied by when no ``rate`` is given, above 0.
    """
    factor = scale if rate is None else rate / schedule.peak
    if factor == 1:
        peak = schedule.peak
    else:
        peak = _rounded(schedule.peak * scale) if rate is None else rate

    def scaled(value: Number) -> float:
        return min(float(value) if factor == 1 else _rounded(float(value) * factor), peak)

    return _REFITS[schedule.kind](schedule, num_steps, base_steps, peak, scaled)


def changes(before: Schedule, after: Schedule) -> tuple[Change, ...]:
    """Returns the fields in which two schedules of one kind differ, with their new values.

    A field that is not written differs where its default would be wrong.
    """
    found: list[Change] = [
        (f"{after.path}.{name}", value)
        for name, value in after.values.items()
        if value != before.values[name]
    ]
    for name, old, new in (
        ("step", before.steps, after.steps),
        ("learning_rate", before.rates, after.rates),
    ):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            if was != now:
                found.append((f"{after.path}.schedule[{index}].{name}", now))
    return tuple(found)


_Scaled: TypeAlias = Callable[[Number], float]


def _constant(schedule: Schedule, steps: int, _: int, peak: float, scaled: _Scaled) -> Schedule:
    return replace(schedule, values={"learning_rate": peak})


def _exponential(
    schedule: Schedule, steps: int, base_steps: int, peak: float, scaled: _Scaled
) -> Schedule:
    old = schedule.values
    whole = base_steps or steps
    values: dict[str, Number] = {
        "initial_learning_rate": peak,
        "decay_steps": max(1, _share(old["decay_steps"], steps, whole)),
        "burnin_learning_rate": scaled(old["burnin_learning_rate"]),
        "burnin_steps": min(_share(old["burnin_steps"], steps, whole), steps // 2),
        "min_learning_rate": scaled(old["min_learning_rate"]),
    }
    return replace(schedule, values=values)


def _manual(
    schedule: Schedule, steps: int, base_steps: int, peak: float, scaled: _Scaled
) -> Schedule:
    if not schedule.steps:
        return replace(schedule, values={**schedule.values, "initial_learning_rate": peak})
    whole = base_steps or max(1, (schedule.steps[-1] * 4 + 2) // 3)
    fitted: list[int] = []
    for old in schedule.steps:
        step = max(1, _share(old, steps, whole))
        if not fitted and schedule.values["warmup"]:
            step = min(step, max(1, steps // 2))
        fitted.append(max(step, fitted[-1] + 1) if fitted else step)
    rates = tuple(map(scaled, schedule.rates))
    initial = scaled(schedule.values["initial_learning_rate"])
    if schedule.values["warmup"]:
        initial = min(initial, rates[0])
    values = {**schedule.values, "initial_learning_rate": initial}
    return replace(schedule, values=values, steps=tuple(fitted), rates=rates)


def _cosine(schedule: Schedule, steps: int, _: int, peak: float, scaled: _Scaled) -> Schedule:
    old = schedule.values
    whole = max(1, int(old["total_steps"]))
    warm_up = min(_share(old["warmup_steps"], steps, whole), steps // 2)
    hold = min(_share(old["hold_base_rate_steps"], steps, whole), steps - warm_up - 1)
    values: dict[str, Number] = {
        "learning_rate_base": peak,
        "total_steps": steps,
        "warmup_learning_rate": scaled(old["warmup_learning_rate"]),
        "warmup_steps": warm_up,
        "hold_base_rate_steps": hold,
    }
    return replace(schedule, values=values)


_REFITS = {
    "constant_learning_rate": _constant,
    "exponential_decay_learning_rate": _exponential,
    "manual_step_learning_rate": _manual,
    "cosine_decay_learning_rate": _cosine,
}


def _share(step: Number, steps: int, whole: int) -> int:
    """Returns where a step of a run of ``whole`` steps falls in one of ``steps``."""
    return min((int(step) * steps * 2 + whole) // (whole * 2), _LARGEST_STEP)


def _rounded(rate: float) -> float:
    """Returns a rate with the digits that a float of the schema keeps, to be read by people."""
    return float(f"{rate:.7g}")


def _read(found: Occurrence | None, default: Number) -> Number:
    """Returns a field's value, of its default's type."""
    if found is None:
        return default
    value = found.value
    if not isinstance(value, Scalar):
        raise ConfigError(f"{found.path} is a number; write one", place=found.place)
    if isinstance(default, bool):
        return value.as_bool()
    number = value.as_float() if isinstance(default, float) else value.as_int()
    if not (0 <= number < math.inf) or (isinstance(number, int) and number >= 2**32):
        raise ConfigError(
            f"{found.path} is {value.text}; give a number from 0"
            + ("" if isinstance(default, float) else f" to {2**32 - 1}"),
            place=found.place,
        )
    return number
