"""Rules about the learning rate: schedules that stock refuses, that break, or that never decay.

What a schedule means is utils/learning_schedules.py of tf-models-research-object-detection
2.8.0.post1; step n of a run, from 0, is taken with the rate that the schedule has at n.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from odfreeze.check.schedule.scheduling import steps_of, whole_blocks
from odfreeze.check.subject import Subject
from odfreeze.errors import OdfreezeError, Place
from odfreeze.findings import Finding
from odfreeze.stages.schedule import Schedule, read_schedule

__all__ = ["RULES"]

#: Exponential decay's factor where it is not written (optimizer.proto).
_DECAY_FACTOR = 0.95
_BASE = {
    "constant_learning_rate": "learning_rate",
    "exponential_decay_learning_rate": "initial_learning_rate",
    "cosine_decay_learning_rate": "learning_rate_base",
}


@dataclass(frozen=True, slots=True)
class _Run:
    """A schedule and the run that it is for.

    Attributes:
      subject: The config.
      schedule: The schedule that counts.
      steps: Steps that are asked for; None where there is no number of steps.
      taken: Steps that are taken: stock goes on to the end of a block.
    """

    subject: Subject
    schedule: Schedule
    steps: int | None
    taken: int | None

    @property
    def kind(self) -> str:
        return self.schedule.kind

    def step(self, name: str) -> int:
        return int(self.schedule.values[name])

    def rate(self, name: str) -> float:
        return float(self.schedule.values[name])

    def shown(self, name: str) -> str:
        """Returns a field with its value, and whether it is only the default."""
        default = "" if self.subject.has(f"{self.schedule.path}.{name}") else " (its default)"
        value = self.schedule.values[name]
        return f"{name} {value if isinstance(value, int) else f'{value:g}'}{default}"

    def place(self, *names: str) -> Place | None:
        path = self.schedule.path
        return self.subject.place(*(f"{path}.{name}" for name in names), path)


def _run(subject: Subject) -> _Run | None:
    """Returns the schedule with its run; None for one that cannot be read, or of TF1."""
    if subject.is_tf1:
        return None
    try:
        schedule = read_schedule(subject.config.document)
    except OdfreezeError:
        return None
    steps = steps_of(subject)
    taken = whole_blocks(steps) if steps and not subject.flags.is_enforced else steps
    return _Run(subject, schedule, steps, taken)


def warm_up_too_long(subject: Subject) -> Iterator[Finding]:
    """ODF404: warm-up takes more steps than the schedule, or than the run, has."""
    run = _run(subject)
    if run is None:
        return
    if run.kind == "cosine_decay_learning_rate":
        warm_up, field = run.step("warmup_steps"), "warmup_steps"
        if warm_up > run.step("total_steps"):
            message = (
                f"{run.shown('warmup_steps')} is more than {run.shown('total_steps')}, which "
                "stock refuses; shorten the warm-up, or set total_steps to num_steps"
            )
            yield Finding("ODF404", "error", message, run.place("warmup_steps", "total_steps"))
            return
        shown = run.shown(field)
    elif run.kind == "exponential_decay_learning_rate":
        warm_up, field = run.step("burnin_steps"), "burnin_steps"
        shown = run.shown(field)
    elif run.kind == "manual_step_learning_rate" and run.schedule.values["warmup"]:
        warm_up, field = run.schedule.steps[0] if run.schedule.steps else 0, "schedule[0].step"
        shown = f"warm-up to step {warm_up}"
    else:
        return
    if run.steps and warm_up >= run.steps:
        message = (
            f"{shown} and {run.steps} steps of training: it ends before its warm-up does, and "
            "the rate that was meant is never reached; shorten the warm-up or train longer"
        )
        yield Finding("ODF404", "warning", message, run.place(field))


def warm_up_from_above(subject: Subject) -> Iterator[Finding]:
    """ODF405: warm-up begins above the base rate, which stock refuses of a cosine decay."""
    run = _run(subject)
    if run is None:
        return
    if run.kind == "cosine_decay_learning_rate":
        if run.step("warmup_steps") and run.rate("warmup_learning_rate") > run.rate(
            "learning_rate_base"
        ):
            message = (
                f"{run.shown('warmup_learning_rate')} is above {run.shown('learning_rate_base')}, "
                "which stock refuses; write a lower warmup_learning_rate, or warmup_steps: 0"
            )
            place = run.place("warmup_learning_rate", "learning_rate_base")
            yield Finding("ODF405", "error", message, place)
    elif run.kind == "exponential_decay_learning_rate":
        if run.step("burnin_steps") and run.rate("burnin_learning_rate") > run.rate(
            "initial_learning_rate"
        ):
            message = (
                f"{run.shown('burnin_learning_rate')} is above "
                f"{run.shown('initial_learning_rate')}: training begins faster than it goes on; "
                "a burn-in is meant to be slower"
            )
            yield Finding("ODF405", "warning", message, run.place("burnin_learning_rate"))
    elif run.kind == "manual_step_learning_rate" and run.schedule.values["warmup"]:
        initial = run.rate("initial_learning_rate")
        if run.schedule.rates and initial > run.schedule.rates[0]:
            message = (
                f"warmup is true and {run.shown('initial_learning_rate')} is above the first "
                f"step's {run.schedule.rates[0]:g}: the rate falls during what is to be a "
                "warm-up; begin with the lower rate"
            )
            yield Finding("ODF405", "warning", message, run.place("initial_learning_rate"))


def rate_is_not_a_number(subject: Subject) -> Iterator[Finding]:
    """ODF406: a division by 0 steps makes the rate NaN (learning_schedules.py:187)."""
    run = _run(subject)
    if run is None or not run.taken:
        return
    if run.kind == "exponential_decay_learning_rate" and not run.step("decay_steps"):
        message = (
            "decay_steps is 0: the first rate that decays is NaN, and so is everything learnt "
            "from it on; write after how many steps the rate decays"
        )
        yield Finding("ODF406", "error", message, run.place("decay_steps"))
    elif run.kind == "cosine_decay_learning_rate" and not run.step("hold_base_rate_steps"):
        total, warm_up = run.step("total_steps"), run.step("warmup_steps")
        if total == warm_up and run.taken > warm_up:
            message = (
                f"{run.shown('total_steps')} equals {run.shown('warmup_steps')}: the rate of "
                f"step {warm_up} is NaN, and so is every weight from there on; set total_steps "
                "to num_steps and the warm-up to less"
            )
            yield Finding("ODF406", "error", message, run.place("total_steps", "warmup_steps"))


def steps_without_rate(subject: Subject) -> Iterator[Finding]:
    """ODF407: training goes on where the cosine has come to 0 (learning_schedules.py:205)."""
    run = _run(subject)
    if run is None or not run.steps or run.kind != "cosine_decay_learning_rate":
        return
    total = run.step("total_steps")
    if run.steps <= total or total <= run.step("warmup_steps"):
        return
    message = (
        f"{run.shown('total_steps')} and {run.steps} steps of training: the rate is 0 from step "
        f"{total} on, so that the last {run.steps - total} steps teach nothing; set total_steps "
        "to num_steps"
    )
    yield Finding("ODF407", "warning", message, run.place("total_steps"))


def never_decays(subject: Subject) -> Iterator[Finding]:
    """ODF408: training ends long before the schedule has brought the rate down."""
    run = _run(subject)
    if run is None or not run.steps:
        return
    if run.kind == "cosine_decay_learning_rate":
        yield from _cosine_never_decays(run, run.steps)
    elif run.kind == "exponential_decay_learning_rate":
        yield from _exponential_never_decays(run, run.steps)
    elif run.kind == "manual_step_learning_rate":
        yield from _steps_never_reached(run, run.steps)


def _cosine_never_decays(run: _Run, steps: int) -> Iterator[Finding]:
    begin = run.step("warmup_steps") + run.step("hold_base_rate_steps")
    whole = run.step("total_steps") - begin
    if whole <= 0 or steps <= run.step("warmup_steps"):
        return
    share = 0.5 * (1 + math.cos(math.pi * max(steps - begin, 0) / whole))
    if share < 0.5 or steps >= run.step("total_steps"):
        return
    message = (
        f"{run.shown('total_steps')} and {steps} steps of training: the rate is still at "
        f"{_percent(share)} when training ends; set total_steps to num_steps"
    )
    yield Finding("ODF408", "warning", message, run.place("total_steps"))


def _exponential_never_decays(run: _Run, steps: int) -> Iterator[Finding]:
    factor = run.subject.number(f"{run.schedule.path}.decay_factor", _DECAY_FACTOR)
    every, decaying = run.step("decay_steps"), steps - run.step("burnin_steps")
    if factor is None or not 0 < factor < 1 or not every or decaying <= 0:
        return
    if run.subject.flag(f"{run.schedule.path}.staircase", True):
        share = factor ** (decaying // every)
    else:
        share = factor ** (decaying / every)
    if share < 0.99:
        return
    message = (
        f"{run.shown('decay_steps')} and {steps} steps of training: the rate is still at "
        f"{_percent(share)} when training ends; shorten decay_steps"
    )
    yield Finding("ODF408", "warning", message, run.place("decay_steps"))


def _steps_never_reached(run: _Run, steps: int) -> Iterator[Finding]:
    first = 1 if run.schedule.values["warmup"] else 0
    late = [at for at in run.schedule.steps[first:] if at >= steps]
    if not late or list(run.schedule.steps) != sorted(run.schedule.steps):
        return
    listed = ", ".join(map(str, late))
    everything = len(late) == len(run.schedule.steps) - first
    message = (
        f"the rate never changes at step {listed}: training ends after {steps}"
        + (", with the rate that it began with" if everything and not first else "")
        + "; move the steps of the schedule into the run"
    )
    index = first + run.schedule.steps[first:].index(late[0])
    place = run.place(f"schedule[{index}].step", f"schedule[{index}]")
    yield Finding("ODF408", "warning" if everything else "info", message, place)


def rate_not_written(subject: Subject) -> Iterator[Finding]:
    """ODF413: the base rate is not written, and its default of 0.002 was hardly meant."""
    run = _run(subject)
    if run is None or run.kind not in _BASE:
        return
    name = _BASE[run.kind]
    if not run.subject.has(f"{run.schedule.path}.{name}"):
        message = (
            f"{run.kind} has no {name}: it is {run.schedule.values[name]:g}, a default that "
            "knows neither optimizer nor batch; write the rate that is meant"
        )
        yield Finding("ODF413", "warning", message, run.place())


def steps_not_rising(subject: Subject) -> Iterator[Finding]:
    """ODF414: steps of a manual schedule that stock refuses (learning_schedules.py:232-247)."""
    run = _run(subject)
    if run is None or run.kind != "manual_step_learning_rate":
        return
    steps = run.schedule.steps
    if not steps:
        message = "manual_step_learning_rate has no schedule, which stock refuses; write one"
        yield Finding("ODF414", "error", message, run.place())
        return
    for index, step in enumerate(steps):
        before = steps[index - 1] if index else None
        place = run.place(f"schedule[{index}].step", f"schedule[{index}]")
        if before is not None and step <= before:
            message = (
                f"the schedule's step {step} comes behind step {before}, and stock refuses steps "
                "that do not rise; put them in order, each once"
            )
            yield Finding("ODF414", "error", message, place)
        elif before is None and step == 0:
            message = (
                "the schedule's first step is 0, which stock refuses; the rate at the beginning "
                "is initial_learning_rate, write later steps"
            )
            yield Finding("ODF414", "error", message, place)


def hold_leaves_no_decay(subject: Subject) -> Iterator[Finding]:
    """ODF415: warm-up and hold take all steps of a cosine, which then drops to 0 at once."""
    run = _run(subject)
    if run is None or run.kind != "cosine_decay_learning_rate":
        return
    total, warm_up = run.step("total_steps"), run.step("warmup_steps")
    hold = run.step("hold_base_rate_steps")
    if hold and warm_up <= total and warm_up + hold >= total:
        message = (
            f"{run.shown('warmup_steps')} and {run.shown('hold_base_rate_steps')} take all of "
            f"{run.shown('total_steps')}: the rate never decays and is 0 behind them; hold it "
            "for fewer steps"
        )
        yield Finding("ODF415", "warning", message, run.place("hold_base_rate_steps"))


def _percent(share: float) -> str:
    return f"{min(share * 100, 100):.3g} % of its highest"


RULES = (
    warm_up_too_long, warm_up_from_above, rate_is_not_a_number, steps_without_rate, never_decays,
    rate_not_written, steps_not_rising, hold_leaves_no_decay,
)  # fmt: skip
