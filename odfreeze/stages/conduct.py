"""How a stage is trained beyond what a pipeline.config can say: rates by part, its end, its start.

`odfreeze stage` writes it beside a stage's pipeline.config as ``stage.json``, where a stage of the
plan has any of it; ``protos/odfreeze/plan.proto`` says what each field means.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from odfreeze.errors import ConfigError, Place
from odfreeze.files import read_text_file

__all__ = [
    "CONDUCT_NAME",
    "CONDUCT_VERSION",
    "HANDOVER_NAME",
    "TRAINING_LOSS",
    "Conduct",
    "Handover",
    "Rate",
    "Until",
    "conduct_beside",
    "read_conduct",
]

#: The file beside a stage's pipeline.config.
CONDUCT_NAME = "stage.json"
#: Changes when a key of the file changes its meaning.
CONDUCT_VERSION = 1
#: The prefix, in the run's directory, of what a stage hands on that a metric ends.
HANDOVER_NAME = "handover"
#: The metric of a stage's end where none is named.
TRAINING_LOSS = "Loss/total_loss"

#: Which of a stage's checkpoints the next one starts from.
Handover: TypeAlias = Literal["last", "best"]

_LARGEST_NUMBER = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of the learning rate for a part of the model.

    Attributes:
      pattern: As in ``freeze_variables``.
      scale: What the optimizer's step is multiplied by, above 0.
      place: Where the pattern is written, if it is in a file.
    """

    pattern: str
    scale: float
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Until:
    """When a stage ends.

    Attributes:
      patience: Steps without an improvement after which it does, from 1.
      metric: ``Loss/…`` of the training, or a metric of the evaluation.
      min_delta: How much better than the best so far counts, in the metric's unit; from 0.
      max_steps: Steps after which it ends in any case, from 1, or None for the stage's own.
      every: Steps between two looks, from 1, or 0 for the default.
    """

    patience: int
    metric: str = TRAINING_LOSS
    min_delta: float = 0.0
    max_steps: int | None = None
    every: int = 0

    @property
    def is_evaluated(self) -> bool:
        """Whether the metric is one of an evaluation, not of the training itself."""
        return not self.metric.startswith("Loss/")

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric rises as the model gets better."""
        return self.is_evaluated

    @property
    def interval(self) -> int:
        """Steps between two looks.

        >>> Until(patience=5000).interval, Until(patience=50).interval
        (100, 50)
        >>> Until(patience=5000, metric="DetectionBoxes_Precision/mAP").interval
        1000
        """
        return self.every or min(1000 if self.is_evaluated else 100, self.patience)

    def describe(self) -> str:
        """Returns when it ends the stage, in words.

        >>> Until(patience=500, min_delta=0.01).describe()
        'Loss/total_loss has not fallen by more than 0.01 for 500 steps, looked at every 100'
        """
        moved = "risen" if self.higher_is_better else "fallen"
        least = f" by more than {self.min_delta:g}" if self.min_delta else ""
        steps = "1 step" if self.patience == 1 else f"{self.patience} steps"
        return f"{self.metric} has not {moved}{least} for {steps}, looked at every {self.interval}"

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best one so far.

        >>> Until(patience=1, min_delta=0.1).improves(0.95, 1.0)
        False
        >>> Until(patience=1, metric="DetectionBoxes_Precision/mAP").improves(0.3, 0.2)
        True
        """
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        gain = value - best if self.higher_is_better else best - value
        return gain > self.min_delta


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a stage's pipeline.config has no field for.

    Attributes:
      rates: Shares of the learning rate; of those that match a variable the last one counts.
      until: When the stage ends; None for the end of its steps.
      handover: Which checkpoint the next stage starts from; ``best`` only with ``until``.
      carry_optimizer: Whether the optimizer's slots come from the checkpoint it starts from.
    """

    rates: tuple[Rate, ...] = ()
    until: Until | None = None
    handover: Handover = "last"
    carry_optimizer: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the pipeline.config says all there is to say."""
        return self == Conduct()

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values, as ``stage.json`` holds them."""
        until = self.until
        return {
            "version": CONDUCT_VERSION,
            "rates": [{"pattern": one.pattern, "scale": one.scale} for one in self.rates],
            "until": None
            if until is None
            else {
                "metric": until.metric,
                "patience": until.patience,
                "min_delta": until.min_delta,
                "max_steps": until.max_steps,
                "every": until.every,
            },
            "handover": self.handover,
            "carry_optimizer": self.carry_optimizer,
        }

    def to_bytes(self) -> bytes:
        """Returns the content of ``stage.json``."""
        return (json.dumps(self.to_json(), indent=1) + "\n").encode("utf-8")

    def problems(self) -> list[tuple[str, str]]:
        """Returns what cannot be carried out: the field of the plan, and what is wrong with it."""
        found = []
        for index, rate in enumerate(self.rates):
            if not (rate.scale > 0 and math.isfinite(rate.scale)):
                advice = "; to freeze, use freeze_variables" if rate.scale == 0 else ""
                found.append(
                    (
                        f"rate[{index}].scale",
                        f"scale is {rate.scale:g}; give a number above 0{advice}",
                    )
                )
        if self.until is not None:
            found += [(f"until.{name}", text) for name, text in _problems_of(self.until)]
        elif self.handover == "best":
            found.append(("handover", "handover is BEST; that needs an until with a metric"))
        return found

    @classmethod
    def from_json(cls, data: object) -> Conduct:
        """Returns what `to_json` gave.

        Raises:
          ValueError: The data is not that; the message says what is wrong with it.
        """
        top = _object(data, "it")
        if top.get("version") != CONDUCT_VERSION:
            raise ValueError(f"its version is {top.get('version')!r}, not {CONDUCT_VERSION}")
        rows = top.get("rates", [])
        if not isinstance(rows, list):
            raise ValueError("'rates' is no list")
        rates = []
        for row in rows:
            one = _object(row, "a rate")
            rates.append(Rate(_text(one, "pattern"), _number(one, "scale")))
        handover = top.get("handover", "last")
        if handover not in ("last", "best"):
            raise ValueError(f"'handover' is {handover!r}")
        carry = top.get("carry_optimizer", False)
        if not isinstance(carry, bool):
            raise ValueError("'carry_optimizer' is neither true nor false")
        written = top.get("until")
        until = None if written is None else _until(_object(written, "'until'"))
        conduct = cls(tuple(rates), until, cast("Handover", handover), carry)
        for name, problem in conduct.problems():
            raise ValueError(f"{name}: {problem}")
        return conduct


def read_conduct(directory: str | os.PathLike[str]) -> Conduct:
    """Returns what the ``stage.json`` in a stage's directory says; nothing where there is none.

    Raises:
      ConfigError: The file is not as `odfreeze stage` writes it.
    """
    path = Path(directory) / CONDUCT_NAME
    if not path.exists():
        return Conduct()
    try:
        return Conduct.from_json(json.loads(read_text_file(path)))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"{path} is not what `odfreeze stage` wrote: {error}; stage the plan again"
        ) from None


def conduct_beside(config: str | os.PathLike[str]) -> Conduct:
    """Returns the conduct that belongs to a config: of a stage's, what stands beside it.

    A ``stage.json`` elsewhere than in a stage's directory (as ``01_head``) is not ours.

    Raises:
      ConfigError: The file is not as `odfreeze stage` writes it.
    """
    directory = Path(config).absolute().parent
    is_stage = re.match(r"\d+_", directory.name) is not None
    return read_conduct(directory) if is_stage else Conduct()


def _problems_of(until: Until) -> list[tuple[str, str]]:
    found = []
    for name, number, least in (
        ("patience", until.patience, 1),
        ("max_steps", until.max_steps, 1),
        ("every", until.every, 0),
    ):
        if number is not None and not least <= number <= _LARGEST_NUMBER:
            text = f"{name} is {number}; give a number from {least} to {_LARGEST_NUMBER}"
            found.append((name, text))
    if not (until.min_delta >= 0 and math.isfinite(until.min_delta)):
        found.append(("min_delta", f"min_delta is {until.min_delta:g}; give a number from 0"))
    if not until.metric:
        found.append(("metric", f"metric is empty; give one, such as {TRAINING_LOSS}"))
    if not found and until.interval > until.patience:
        found.append(
            ("every", f"every is {until.every}; give at most the patience, {until.patience}")
        )
    return found


def _until(data: dict[str, Any]) -> Until:
    return Until(
        patience=_count(data, "patience"),
        metric=_text(data, "metric"),
        min_delta=_number(data, "min_delta"),
        max_steps=None if data.get("max_steps") is None else _count(data, "max_steps"),
        every=_count(data, "every"),
    )


def _object(data: object, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{what} is no JSON object")
    return data


def _text(data: dict[str, Any], name: str) -> str:
    if not isinstance(value := data.get(name), str):
        raise ValueError(f"{name!r} is no text")
    return value


def _number(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name!r} is no number")
    try:
        return float(value)
    except OverflowError:  # JSON bounds no integer
        raise ValueError(f"{name!r} is too large") from None


def _count(data: dict[str, Any], name: str) -> int:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name!r} is no whole number")
    return value
