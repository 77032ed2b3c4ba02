"""How a run's progress is shown: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import IO, Any

__all__ = ["BarProgress", "PlainProgress", "describe_selection", "format_duration", "open_progress"]

_PHASES = {
    "import": "importing TensorFlow and the OD API",
    "connect": "waiting for the other workers",
    "build": "building the model, restoring and tracing (the first step takes a while)",
}


def format_duration(seconds: float) -> str:
    """Returns a duration for people.

    >>> format_duration(42.3), format_duration(200), format_duration(7300)
    ('42 s', '3 min 20 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def describe_selection(totals: dict[str, dict[str, int]]) -> str:
    """Returns what learns, in one line, from the ``totals`` of a ``selection`` event.

    >>> describe_selection({"trainable": {"variables": 2, "parameters": 1500},
    ...                     "frozen": {"variables": 1, "parameters": 20}})
    'trainable 2 variables (1,500 parameters), frozen 1 (20)'
    """
    parts: list[str] = []
    for state in ("trainable", "frozen", "updating", "held"):
        count = totals.get(state, {})
        if count.get("variables"):
            noun = " variable" if count["variables"] == 1 else " variables"
            unit, of = (noun, " parameters") if not parts else ("", "")
            parts.append(f"{state} {count['variables']}{unit} ({count['parameters']:,}{of})")
    return ", ".join(parts)


class PlainProgress:
    """Prints a line when something happened and, while steps are taken, every few seconds.

    Args:
      stream: Where to print.
      every: Seconds between two lines about steps.
      clock: Gives the time in seconds.
    """

    def __init__(
        self, stream: IO[str], every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._every = every
        self._clock = clock
        self._num_steps = 0
        self._loss: float | None = None
        self._first: tuple[float, int] | None = None
        self._printed = -every
        self._shown = -1

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        kind = event["kind"]
        if kind == "start":
            self._num_steps = event["num_steps"]
            self._first, self._loss, self._shown = None, None, -1
        elif kind == "phase" and event["phase"] in _PHASES:
            self.say(_PHASES[event["phase"]])
        elif kind == "selection":
            _say_selection(event, self.say)
            if event["resumed_at"] is not None:
                self.say(f"resuming at step {event['resumed_at']}")
        elif kind == "block":
            self._loss = event["scalars"].get("Loss/total_loss")
            self._step(event["step"], now=True)
        elif kind == "step":
            self._step(event["step"], now=False)
        else:
            _say_other(event, self.say)

    def say(self, text: str) -> None:
        """Prints one line; a run goes on when nobody reads them any more."""
        with contextlib.suppress(BrokenPipeError):
            print(text, file=self._stream, flush=True)

    def _step(self, step: int, *, now: bool) -> None:
        clock = self._clock()
        if self._first is None or step <= self._first[1]:
            self._first = (clock, step)  # the time before the first step is tracing
        due = clock - self._printed >= self._every
        if step == self._shown or not (due or (now and step >= self._num_steps)):
            return
        self._printed, self._shown = clock, step
        parts = [f"step {step} of {self._num_steps}"]
        if self._loss is not None:
            parts.append(f"loss {self._loss:.4f}")
        elapsed, taken = clock - self._first[0], step - self._first[1]
        if taken > 0 and elapsed > 0:
            parts.append(f"{taken / elapsed:.2f} steps/s")
            parts.append(f"{format_duration((self._num_steps - step) * elapsed / taken)} left")
        self.say(", ".join(parts))


class BarProgress:
    """A progress bar of rich, with step, loss, steps/s and the time left.

    Args:
      stream: The terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=Console(file=stream),
        )
        self._task: Any = None
        self._first: tuple[float, int] | None = None

    def __enter__(self) -> BarProgress:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        kind = event["kind"]
        if kind == "start":
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._first = None
            self._task = self._bar.add_task(
                "starting",
                total=event["num_steps"],
                completed=event["resume_at"] or 0,
                loss="",
                speed="",
            )
        elif kind == "phase" and event["phase"] in _PHASES:
            self._bar.update(self._task, description=_PHASES[event["phase"]].partition(",")[0])
        elif kind == "selection":
            _say_selection(event, self.say)
        elif kind == "block":
            loss = event["scalars"].get("Loss/total_loss")
            if loss is not None:
                self._bar.update(self._task, loss=f"loss {loss:.4f}")
            self._step(event["step"])
        elif kind == "step":
            self._step(event["step"])
        else:
            _say_other(event, self.say)

    def say(self, text: str) -> None:
        """Prints one line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def _step(self, step: int) -> None:
        now = time.monotonic()
        if self._first is None or step <= self._first[1]:
            self._first = (now, step)  # the time before the first step is tracing
        taken, elapsed = step - self._first[1], now - self._first[0]
        speed = f"{taken / elapsed:.2f} steps/s" if taken > 0 and elapsed > 0 else ""
        self._bar.update(self._task, completed=step, description="training", speed=speed)


def _say_selection(event: dict[str, Any], say: Callable[[str], None]) -> None:
    """Says what learns: by state, and by part of the model where the event has that."""
    from odfreeze.report.selection import short_selection

    for line in (describe_selection(event["totals"]), short_selection(event)):
        if line:
            say(line)


def _say_other(event: dict[str, Any], say: Callable[[str], None]) -> None:
    """Says what both displays say alike."""
    kind = event["kind"]
    if kind == "finding":
        say(event["text"])
    elif kind == "saved":
        say(f"saved {event['checkpoint']}")
    elif kind == "stage":
        say(f"stage {event['number']} of {event['of']}: {event['stage']}")
    elif kind == "skipped":
        say(f"stage {event['number']} of {event['of']}: {event['stage']} is finished")
    elif kind == "verified":
        say(f"stage {event['number']} of {event['of']}: {event['summary']}")


def open_progress(stream: IO[str]) -> PlainProgress | BarProgress:
    """Returns the display that fits a stream."""
    return BarProgress(stream) if stream.isatty() else PlainProgress(stream)
