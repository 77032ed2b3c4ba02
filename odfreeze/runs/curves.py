"""The curves of a run: losses, learning rate and metrics by step, as they were told while it ran.

``model_dir/odfreeze/curves.jsonl`` has one JSON object a line, appended while the run goes on:

    {"step": 0, "time": 1764000000.0, "begins": true}
    {"step": 100, "time": 1764000060.0, "scalars": {"Loss/total_loss": 0.9, "learning_rate": 0.01}}
    {"step": 100, "time": 1764000075.0, "metrics": {"DetectionBoxes_Precision/mAP": 0.2}}

A run that was cut off goes on at its last checkpoint, and its steps come again. Only what led to
the values that it ended with counts.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "Curves",
    "CurvesWriter",
    "Point",
    "curves_path",
    "finite",
    "finite_or_none",
    "read_curves",
]

_BYTES_MOST = 256 << 20  # a million blocks of steps take half of it
_STEPS_MOST = 1 << 63  # TensorFlow counts them in an int64
_NO_VALUES: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Point:
    """What was told at a step.

    Attributes:
      step: Steps taken.
      time: When, in seconds since 1970.
      values: By name; what was no finite number is left out.
    """

    step: int
    time: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Curves:
    """The curves of a run, by step.

    Attributes:
      scalars: Losses, ``learning_rate`` and ``steps_per_sec`` after each block of steps.
      metrics: What the evaluations in between found.
      skipped: Lines of the file that cannot be read, a torn last one left out; 1 for a file of
        which nothing can be.
    """

    scalars: tuple[Point, ...] = ()
    metrics: tuple[Point, ...] = ()
    skipped: int = 0

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of all metrics, in the order of their appearance."""
        return tuple(dict.fromkeys(name for point in self.metrics for name in point.values))

    def scalar(self, name: str) -> tuple[tuple[int, float], ...]:
        """Returns the pairs of step and value of what the training told under a name."""
        return _series(self.scalars, name)

    def metric(self, name: str) -> tuple[tuple[int, float], ...]:
        """Returns the same of an evaluation; its losses have the names of the training's."""
        return _series(self.metrics, name)


def curves_path(model_dir: str | os.PathLike[str]) -> Path:
    """Returns where a run keeps its curves, whether they are there or not."""
    return Path(model_dir) / "odfreeze" / "curves.jsonl"


class CurvesWriter:
    """Appends to the curves of a run what its events tell; takes no notice of other events.

    Args:
      model_dir: The run's directory.
      clock: Gives the time in seconds since 1970.
    """

    def __init__(
        self, model_dir: str | os.PathLike[str], clock: Callable[[], float] = time.time
    ) -> None:
        self._path = curves_path(model_dir)
        self._clock = clock

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Takes one event of the run.

        A full disk loses a point of a curve; it does not end the training.
        """
        row: dict[str, Any] = {"step": event.get("step"), "time": round(self._clock(), 3)}
        if event["kind"] == "selection":  # all values are in place, and steps come next
            row |= {"step": event.get("resumed_at") or 0, "begins": True}
        elif event["kind"] == "block":
            row["scalars"] = finite_or_none(event.get("scalars"))
        elif event["kind"] == "evaluated":
            row["metrics"] = finite_or_none(event.get("metrics"))
        else:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as stream:
                if stream.tell() and not _ends_a_line(stream):
                    stream.write(b"\n")  # the one before was cut off
                stream.write(json.dumps(row).encode() + b"\n")


def read_curves(model_dir: str | os.PathLike[str]) -> Curves:
    """Returns the curves of a run; empty ones where it has kept none, or none that can be read."""
    path = curves_path(model_dir)
    try:
        if path.stat().st_size > _BYTES_MOST:
            return Curves(skipped=1)
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Curves()
    except OSError:
        return Curves(skipped=1)
    lines = data.split(b"\n")
    kept: dict[str, list[Point]] = {"scalars": [], "metrics": []}
    skipped = 0
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            step, when = row["step"], float(row["time"])
            if not (isinstance(step, int) and 0 <= step < _STEPS_MOST and math.isfinite(when)):
                raise ValueError("no step, or no time")
            kind = next((name for name in kept if isinstance(row.get(name), dict)), "")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            skipped += bool(line) and number < len(lines)
            continue
        # What comes at or after this step was overwritten. What is told of one step comes as
        # scalars and as metrics, in any order.
        for name, points in kept.items():
            last = step - 1 if name == kind else step
            while points and points[-1].step > last:
                points.pop()
        if kind:
            kept[kind].append(Point(step, when, dict(_numbers(row[kind]))))
    return Curves(tuple(kept["scalars"]), tuple(kept["metrics"]), skipped)


def _series(points: tuple[Point, ...], name: str) -> tuple[tuple[int, float], ...]:
    return tuple((one.step, one.values[name]) for one in points if name in one.values)


def _numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if (number := finite(value)) is not None:
            yield name, number


def finite(value: object) -> float | None:
    """Returns a finite number that JSON held, None for all else.

    Python's JSON says NaN and Infinity, and bounds no integer.

    >>> [finite(value) for value in (3, 0.5, float("nan"), 10**400, True, "1", None)]
    [3.0, 0.5, None, None, None, None, None]
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def finite_or_none(values: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Returns values with None for what JSON has no number for.

    >>> finite_or_none({"loss": float("nan"), "learning_rate": 0.5})
    {'loss': None, 'learning_rate': 0.5}
    """
    values = values or _NO_VALUES
    known = dict(_numbers(values))
    return {name: known.get(name) for name in values}


def _ends_a_line(stream: Any) -> bool:
    stream.seek(-1, os.SEEK_END)
    return bool(stream.read(1) == b"\n")
