"""How a run's progress is shown: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import IO, Any

from odfreeze.report.text import duration_text
from odfreeze.training.pace import Pace

__all__ = ["BarProgress", "PlainProgress", "describe_selection", "open_progress"]

_MAP = "DetectionBoxes_Precision/mAP"
_PHASES = {
    "import": "importing TensorFlow and the OD API",
    "connect": "waiting for the other workers",
    "build": "building the model, restoring and tracing (the first step takes a while)",
}


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
        self._pace = Pace(clock)
        self._facts = _Facts()
        self._stage = ""
        self._printed = -every
        self._shown = -1

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        kind = event["kind"]
        self._pace(event)
        self._facts(event)
        if kind == "start":
            self._shown = -1
        elif kind == "phase" and event["phase"] in _PHASES:
            self.say(_PHASES[event["phase"]])
        elif kind == "selection":
            _say_selection(event, self.say)
            if event["resumed_at"] is not None:
                self.say(f"resuming at step {event['resumed_at']}")
        elif kind == "block":
            self._step(event["step"], now=True)
        elif kind == "step":
            self._step(event["step"], now=False)
        else:
            if kind == "stage":
                self._stage = f"stage {event['number']} of {event['of']}, {event['stage']}: "
            _say_other(event, self.say)

    def say(self, text: str) -> None:
        """Prints one line; a run goes on when nobody reads them any more."""
        with contextlib.suppress(BrokenPipeError):
            print(text, file=self._stream, flush=True)

    def _step(self, step: int, *, now: bool) -> None:
        clock, num_steps = self._clock(), self._pace.num_steps
        due = clock - self._printed >= self._every
        if step == self._shown or not (due or (now and step >= num_steps)):
            return
        self._printed, self._shown = clock, step
        parts = [f"{self._stage}step {step} of {num_steps}", *self._facts.texts()]
        parts += _times(self._pace)
        self.say(", ".join(parts))


class BarProgress:
    """A progress bar of rich, with step, loss, metric, rate, steps/s and the time left.

    A run of several stages has a second one below, of the steps of all stages.

    Args:
      stream: The terminal.
      clock: Gives the time in seconds.
    """

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console, RenderableType
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
        from rich.text import Text

        self._pace = Pace(clock)
        self._facts = _Facts()
        self._task: Any = None
        self._all: Any = None
        self._totals: dict[str, int] = {}
        self._before = 0
        self._is_running = False
        self._stage = ""
        self._now = ""
        shown = self

        class Bars(Progress):
            """The bars with a line below for what has no length."""

            def get_renderables(self) -> Iterable[RenderableType]:
                yield from super().get_renderables()
                yield Text(f"  {shown._line()}", no_wrap=True, overflow="ellipsis")

        self._bar = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=Console(file=stream),
        )

    def __enter__(self) -> BarProgress:
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        kind = event["kind"]
        self._pace(event)
        self._facts(event)
        if kind == "run":
            total = sum(one["num_steps"] for one in event["stages"])
            done = sum(one["num_steps"] for one in event["stages"] if one["is_finished"])
            self._before = done
            self._totals = {one["stage"]: one["num_steps"] for one in event["stages"]}
            if len(event["stages"]) > 1:
                self._all = self._bar.add_task("all stages", total=total, completed=done, left="")
        elif kind == "start":
            self._begin(event)
        elif kind == "phase" and event["phase"] in _PHASES:
            self._now = _PHASES[event["phase"]].partition(",")[0]
        elif kind == "selection":
            _say_selection(event, self.say)
        elif kind in ("step", "block"):
            self._now = "training"
        else:
            if kind == "stage":
                self._stage = f"stage {event['number']} of {event['of']}, {event['stage']}"
            elif kind == "verified":
                self._before += self._totals.get(event["stage"], 0)
                self._is_running = False
            _say_other(event, self.say)
        self._show()

    def say(self, text: str) -> None:
        """Prints one line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def _begin(self, event: dict[str, Any]) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._now, self._is_running = "starting", True
        overall, self._all = self._all, None
        self._task = self._bar.add_task("", total=event["num_steps"], left="")
        if overall is not None:  # below the stage's own
            old = next(task for task in self._bar.tasks if task.id == overall)
            self._bar.remove_task(overall)
            self._all = self._bar.add_task(
                old.description, total=old.total, completed=int(old.completed), left=""
            )

    def _show(self) -> None:
        """Puts all that is known on the bars."""
        left, overall = self._pace.left(), self._pace.left_for_all()
        if self._task is not None:
            self._bar.update(
                self._task,
                completed=self._pace.step,
                description=self._stage or self._now,
                left="" if left is None else f"{duration_text(round(left))} left",
            )
        if self._all is not None:
            self._bar.update(
                self._all,
                completed=self._before + (self._pace.step if self._is_running else 0),
                left="" if overall is None else f"{duration_text(round(overall))} left",
            )

    def _line(self) -> str:
        """Returns what training is at, as a line of text."""
        speed = self._pace.speed
        times = [] if speed is None else [f"{speed:.2f} steps/s"]
        return ", ".join(filter(None, [self._now, *self._facts.texts(), *times]))


class _Facts:
    """What training and evaluation told last: loss, metric, learning rate."""

    def __init__(self) -> None:
        self._metric_of: dict[str, str | None] = {}
        self._metric: str | None = None
        self._loss: float | None = None
        self._value: tuple[str, float] | None = None
        self._rate: float | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        kind = event["kind"]
        if kind == "run":
            self._metric_of = {one["stage"]: one["metric"] for one in event["stages"]}
        elif kind == "stage":
            self._metric = self._metric_of.get(event["stage"])
        elif kind == "start":
            self._loss = self._value = self._rate = None
        elif kind == "block":
            self._loss = event["scalars"].get("Loss/total_loss", self._loss)
            self._rate = event["scalars"].get("learning_rate", self._rate)
        elif kind == "evaluated" and event["metrics"]:
            metrics = event["metrics"]
            known = (self._metric, _MAP, *metrics)
            name = next(name for name in known if name in metrics)
            self._value = (str(name).rpartition("/")[2], metrics[name])

    def texts(self) -> list[str]:
        """Returns them as texts."""
        texts = [] if self._loss is None else [f"loss {self._loss:.4f}"]
        if self._value is not None:
            texts.append(f"{self._value[0]} {self._value[1]:.4f}")
        if self._rate is not None:
            texts.append(f"rate {self._rate:.3g}")
        return texts


def _times(pace: Pace) -> list[str]:
    """Returns the speed and the time left as texts, as far as they are known."""
    texts = []
    left, overall = pace.left(), pace.left_for_all()
    if pace.speed is not None and left is not None:
        texts = [f"{pace.speed:.2f} steps/s", f"{duration_text(round(left))} left"]
    if overall is not None:
        texts.append(f"{duration_text(round(overall))} for all stages")
    return texts


def _say_selection(event: dict[str, Any], say: Callable[[str], None]) -> None:
    """Says what learns: by state, and by part of the model where the event has that."""
    from odfreeze.report.selection import short_selection

    for line in (describe_selection(event["totals"]), short_selection(event)):
        if line:
            say(line)


def _say_other(event: dict[str, Any], say: Callable[[str], None]) -> None:
    """Says what both displays say alike."""
    kind = event["kind"]
    if kind in ("finding", "note"):
        say(event["text"])
    elif kind == "decided":
        say(event["sentence"])
    elif kind == "plan":
        say(f"plan {event['number']} of {event['of']}: {event['name']}")
    elif kind == "evaluating":
        say(f"evaluating {event['checkpoint']} of {event['run']}")
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
