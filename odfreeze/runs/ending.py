"""When a metric ends a run: what was looked at, what follows from it, and the file that keeps it.

``model_dir/odfreeze/until.json`` holds the looks at the metric. What follows from them is
decided anew whenever it is asked for, so that no two files can disagree, and a run that was cut
off and resumed comes to the same decision: looks after the step that it resumes at do not count.
Nothing here needs TensorFlow.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from odfreeze.errors import RecordError
from odfreeze.files import write_atomically
from odfreeze.runs.record import record_path
from odfreeze.stages.conduct import Conduct, Handover, Until

__all__ = [
    "ENDING_VERSION",
    "Ending",
    "Look",
    "Looks",
    "Reason",
    "conclude",
    "ending_path",
    "how_ended",
    "read_looks",
    "write_looks",
]

#: Changes when a key of the file changes its meaning.
ENDING_VERSION = 1

Reason: TypeAlias = Literal["plateau", "max_steps"]


@dataclass(frozen=True, slots=True)
class Look:
    """The metric at a step.

    Attributes:
      step: Steps taken.
      value: The metric; NaN where it is no number.
      is_best: Whether it was better than all before it, by more than ``min_delta``.
    """

    step: int
    value: float
    is_best: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """What follows from the looks so far.

    Attributes:
      looks: In their order.
      reason: Why the run ends with the last of them; None where it goes on.
      sentence: The same in words and numbers.
    """

    looks: tuple[Look, ...]
    reason: Reason | None
    sentence: str

    @property
    def best(self) -> Look | None:
        """The best look; None where there is none that is a number."""
        return next((look for look in reversed(self.looks) if look.is_best), None)

    @property
    def ended_at(self) -> int | None:
        """The step at which the run ends; None where it goes on."""
        return None if self.reason is None else self.looks[-1].step

    def handed_on(self, handover: Handover) -> int:
        """Returns the step of the checkpoint that an ended run hands on.

        Of a run whose metric never was a number that is its last.
        """
        best = self.best if handover == "best" else None
        return self.looks[-1].step if best is None else best.step

    def summary(self, conduct: Conduct) -> dict[str, Any]:
        """Returns what a report says of how a run ended, and of what it hands on."""
        return {
            "until": conduct.to_json()["until"],
            **self.to_json(),
            "handover": {"kind": conduct.handover, "step": self.handed_on(conduct.handover)},
        }

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values; a value that is no number is None."""
        return {
            "looks": [
                {"step": look.step, "value": _plain(look.value), "best": look.is_best}
                for look in self.looks
            ],
            "best_step": None if self.best is None else self.best.step,
            "ended_at": self.ended_at,
            "reason": self.reason,
            "sentence": self.sentence,
        }


@dataclass(slots=True)
class Looks:
    """The values of a metric over a run.

    Attributes:
      values: Step and value of each look, in their order.
      blocks: Step and loss of each block of steps since a look that a saved checkpoint has.
    """

    values: list[tuple[int, float]] = field(default_factory=list)
    blocks: list[tuple[int, float]] = field(default_factory=list)

    @property
    def last_step(self) -> int:
        """The step of the last look, 0 before the first."""
        return self.values[-1][0] if self.values else 0

    def is_due(self, step: int, until: Until, num_steps: int) -> bool:
        """Whether a step is one to look at: a multiple of the interval passed, or the last.

        >>> looks = Looks([(100, 0.5)])
        >>> [looks.is_due(step, Until(patience=300), 250) for step in (100, 199, 200, 250)]
        [False, False, True, True]
        """
        if step <= self.last_step:
            return False
        return step // until.interval > self.last_step // until.interval or step >= num_steps

    def mean(self) -> float:
        """Returns the mean loss of the blocks since the last look; NaN where one is no number."""
        losses = [loss for step, loss in self.blocks if step > self.last_step]
        if not losses or not all(map(math.isfinite, losses)):
            return math.nan
        return math.fsum(losses) / len(losses)

    def forget_after(self, step: int) -> None:
        """Drops what was seen after a step: it will be trained again."""
        self.values = [one for one in self.values if one[0] <= step]
        self.blocks = [one for one in self.blocks if one[0] <= step]

    def forget_blocks(self, saved_step: int) -> None:
        """Drops the blocks that no look will need, resumed from ``saved_step`` or not."""
        looked = max((step for step, _ in self.values if step <= saved_step), default=0)
        self.blocks = [one for one in self.blocks if one[0] > looked]


def conclude(values: Iterable[tuple[int, float]], until: Until, num_steps: int) -> Ending:
    """Returns what follows from looks at a metric.

    Args:
      values: Step and value of each look, in their order.
      until: When the run ends.
      num_steps: Steps after which it ends in any case.
    """
    looks: list[Look] = []
    best: Look | None = None
    before: Look | None = None
    for step, value in values:
        look = Look(step, value, until.improves(value, None if best is None else best.value))
        if look.is_best:
            before, best = best, look
        looks.append(look)
    if not looks:
        return Ending((), None, f"{until.metric} was not looked at yet")
    last = looks[-1]
    end = min(num_steps, until.max_steps or num_steps)
    waited = last.step - (0 if best is None else best.step)
    reason: Reason | None = None
    if waited >= until.patience:
        reason = "plateau"
    elif last.step >= end:
        reason = "max_steps"
    return Ending(tuple(looks), reason, _sentence(looks, best, before, reason, until, end))


def _sentence(
    looks: Sequence[Look],
    best: Look | None,
    before: Look | None,
    reason: Reason | None,
    until: Until,
    end: int,
) -> str:
    last = looks[-1]
    is_now = f"{until.metric} is {_shown(last.value)} at step {last.step}"
    if best is None:
        state = f"{is_now}, and no look so far gave a number"
    elif last is best:
        than = "" if before is None else f", after {_shown(before.value)} at step {before.step}"
        state = f"{is_now}, the best so far{than}"
    else:
        which = "the best that counts" if until.min_delta else "the best"
        state = f"{is_now}; {which} is {_shown(best.value)} at step {best.step}"
    waited = _steps(last.step - (0 if best is None else best.step))
    if reason == "plateau":
        least = f" by more than {until.min_delta:g}" if until.min_delta else ""
        return (
            f"{state}: not better{least} for {waited}, and the patience is"
            f" {_steps(until.patience)}; the stage ends, at step {last.step} of at most {end}"
        )
    if reason == "max_steps":
        return f"{state}; the stage ends with its {_steps(end)}"
    if last is best:
        return state
    return f"{state}: {waited} without an improvement, of {_steps(until.patience)} of patience"


# --- the file ---------------------------------------------------------------------


def ending_path(model_dir: str | os.PathLike[str]) -> Path:
    """Returns where a run keeps its looks, whether they are there or not."""
    return record_path(model_dir).with_name("until.json")


def write_looks(
    model_dir: str | os.PathLike[str], looks: Looks, until: Until, num_steps: int
) -> Ending:
    """Writes the looks of a run, and what follows from them, which it returns.

    Raises:
      OutputError: The file cannot be written.
    """
    ending = conclude(looks.values, until, num_steps)
    content = {
        "version": ENDING_VERSION,
        "until": Conduct(until=until).to_json()["until"],
        **ending.to_json(),
        "blocks": [[step, _plain(loss)] for step, loss in looks.blocks],
    }
    path = ending_path(model_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode("utf-8"))
    return ending


def read_looks(model_dir: str | os.PathLike[str], until: Until, step: int) -> Looks:
    """Returns the looks of a run that is at a step.

    None where the run has not looked at anything yet, or at another metric.

    Raises:
      RecordError: The file is not as ``write_looks`` writes it.
    """
    path = ending_path(model_dir)
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != ENDING_VERSION:
            raise ValueError(f"its version is {data['version']!r}, not {ENDING_VERSION}")
        if data["until"]["metric"] != until.metric:
            return Looks()
        looks = Looks(
            [(_count(one["step"]), _number(one["value"])) for one in data["looks"]],
            [(_count(at), _number(loss)) for at, loss in data["blocks"]],
        )
        steps = [at for at, _ in looks.values]
        if steps != sorted(set(steps)):
            raise ValueError("its steps do not rise")
    except FileNotFoundError:
        return Looks()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise RecordError(
            f"{path} is not what `odfreeze train` wrote: {what}; remove it, and the metric is"
            " looked at from here on",
            path=str(path),
        ) from None
    looks.forget_after(step)
    return looks


def how_ended(
    model_dir: str | os.PathLike[str], conduct: Conduct, num_steps: int, step: int | None
) -> Ending | None:
    """Returns how a run has ended that is at a step; None where it has not, or no metric ends it.

    Args:
      model_dir: The run's directory.
      conduct: How the run is conducted now; another patience may let it go on.
      num_steps: Steps after which it ends in any case.
      step: The step of its last checkpoint; None for a run that has none.

    Raises:
      RecordError: Its looks are not as they were written.
    """
    if conduct.until is None or step is None:
        return None
    looks = read_looks(model_dir, conduct.until, step)
    if looks.last_step < step >= num_steps:  # its steps were taken before a metric was to end it
        looks.values.append((step, math.nan))
    ending = conclude(looks.values, conduct.until, num_steps)
    return ending if ending.ended_at == step else None


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _shown(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "no number"


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"a step is {value!r}")
    return value


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"a value is {value!r}")
    return float(value)
