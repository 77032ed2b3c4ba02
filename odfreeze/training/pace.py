"""How fast a run goes, and how long it will take: measured, for one training or a whole plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["Pace"]


class Pace:
    """Estimates the time left from the events of a run.

    The speed is counted from the last moment at which no step was taken yet: what comes before
    it is the start-up, measured by itself. A stage that has not begun is taken to start up
    and to go as the one before; at the beginning, as the run's ``run.json`` has it of the last.

    Args:
      clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._speed: float | None = None
        self._start_up: float | None = None
        self._begun: float | None = None
        self._first: tuple[float, int] | None = None
        self._waiting: list[tuple[str, int]] = []
        self._is_staged = False
        self._name: str | None = None
        self.num_steps = 0
        self.step = 0
        self.is_measured = False

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        kind = event["kind"]
        if kind == "run":
            self._speed, self._start_up = event["steps_per_second"], event["seconds_to_first_step"]
            self._is_staged = len(event["stages"]) > 1
            self._waiting = [
                (one["stage"], one["num_steps"] - one["step"])
                for one in event["stages"]
                if one["is_due"]
            ]
        elif kind == "stage":
            self._name = event["stage"]
        elif kind == "skipped":
            self._leave(event["stage"])
        elif kind == "start":
            self._leave(self._name)  # until now it was one of those that wait
            self.num_steps, self.step = event["num_steps"], event["resume_at"] or 0
            self._begun, self._first, self.is_measured = self._clock(), None, False
        elif kind in ("step", "block"):
            self._mark(event["step"])
        elif kind == "verified":
            self._leave(event.get("stage"))  # there was no start where it was only verified
            self.num_steps, self._begun = self.step, None  # it may have ended before all its steps

    @property
    def speed(self) -> float | None:
        """Steps a second of this stage, None before there are any."""
        return self._speed if self.is_measured else None

    @property
    def start_up(self) -> float | None:
        """Seconds until the first step of this stage, None before it is taken."""
        return self._start_up if self.is_measured else None

    def left(self) -> float | None:
        """Returns the seconds that this stage still takes; None before any of it is measured."""
        if not self.is_measured or not self._speed:
            return None
        return max(0, self.num_steps - self.step) / self._speed

    def left_for_all(self) -> float | None:
        """Returns the seconds that this stage and all behind it take.

        None for a run without stages, and where nothing was measured yet, here or before.
        """
        if not self._is_staged or not self._speed:
            return None
        here = max(0, self.num_steps - self.step) / self._speed
        if not self.is_measured and self._begun is not None:
            here += max(0.0, (self._start_up or 0.0) - (self._clock() - self._begun))
        later = sum(
            (self._start_up or 0.0) + max(0, steps) / self._speed for _, steps in self._waiting
        )
        return here + later

    def _leave(self, name: str | None) -> None:
        self._waiting = [one for one in self._waiting if one[0] != name]

    def _mark(self, step: int) -> None:
        now, self.step = self._clock(), step
        if self._first is None or step <= self._first[1]:
            self._first = (now, step)
            return
        if not self.is_measured and self._begun is not None:
            self._start_up = self._first[0] - self._begun
        taken, elapsed = step - self._first[1], now - self._first[0]
        if elapsed > 0:
            self._speed, self.is_measured = taken / elapsed, True
