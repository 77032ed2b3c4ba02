"""Keeps ``run.json`` while a staged run goes on, from the events of the run."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from odfreeze.errors import OutputError
from odfreeze.runs.curves import finite_or_none
from odfreeze.runs.stage_runs import StageRun, stage_state
from odfreeze.runs.state import RUN_NAME, RunState, StageState, write_run_state
from odfreeze.stages.conduct import TRAINING_LOSS
from odfreeze.training.pace import Pace

__all__ = ["RunKeeper"]


class RunKeeper:
    """Writes what becomes of each stage: at every turn of it, and every few seconds in between.

    Args:
      directory: The run's directory.
      state: What is known of the run so far.
      is_chief: Whether this process is the one of the run's workers that writes.
      every: Seconds between two writings while steps are taken: what a kill loses at most.
      clock: Gives the time in seconds.
    """

    def __init__(
        self,
        directory: Path,
        state: RunState,
        *,
        is_chief: bool = True,
        every: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._is_chief = is_chief
        self._every = every
        self._clock = clock
        self._pace = Pace(clock)
        self._name: str | None = None
        self._begun = self._written = 0.0
        self._seconds = 0.0
        self._known = StageState("")
        self.state = state
        if is_chief:
            for path in directory.glob(f".{RUN_NAME}.*.tmp"):  # of a sitting that was killed
                path.unlink(missing_ok=True)

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        self._pace(event)
        kind = event["kind"]
        if kind == "start":
            self._change(step=event["resume_at"] or 0)
        elif kind == "step":
            self._change(step=event["step"])
        elif kind == "block":
            scalars = finite_or_none(event["scalars"])
            told = {"loss": scalars[TRAINING_LOSS]} if TRAINING_LOSS in scalars else {}
            self._change(step=event["step"], **told)
        elif kind == "evaluated":
            metrics = finite_or_none(event["metrics"])
            self._change(metrics={k: v for k, v in metrics.items() if v is not None})
        elif kind == "decided":
            self._change(decided=event["sentence"])
        elif kind == "saved":
            prefix = Path(os.path.abspath(event["checkpoint"]))  # noqa: PTH100
            self._change(step=event["step"], checkpoint=prefix.as_posix())
        else:
            return
        if kind in ("evaluated", "decided", "saved") or self._is_due():
            self.write()

    def begin(self, stage: StageRun) -> None:
        """Notes that a stage is run now."""
        known = self.state.stage(stage.name) or StageState(stage.name)
        self._known = known
        self._name, self._begun, self._seconds = stage.name, self._clock(), known.seconds
        self._pace = Pace(self._clock)  # that of the stage before is none of this one
        self._change(state="running", began=known.began or _now(), ended=None, reason=None)
        self.write()

    def end(self, stage: StageRun) -> None:
        """Notes what a stage's own files say now that its run has ended and was verified."""
        known = self._change(ended=_now())
        if known is not None:
            self.state = self.state.with_stage(stage_state(stage, replace(known, state="waiting")))
        self._name = None
        self.write()

    def fail(self, stage: StageRun, reason: str) -> None:
        """Notes why a stage's run broke off; of one that is finished all the same, nothing."""
        known = self._change(state="failed", ended=_now(), reason=reason)
        if known is not None:
            found = stage_state(stage, known)
            if found.state == "finished":  # it was only refused: what its run took is as it was
                found = stage_state(stage, self._known)
            self.state = self.state.with_stage(found)
        self._name = None
        self.write()

    def write(self) -> None:
        """Writes the file; a run goes on where it cannot: the truth is in the stages' own files."""
        self._written = self._clock()
        if self._is_chief:
            with contextlib.suppress(OutputError):  # on Windows, while somebody reads it
                write_run_state(self.state, self._directory)

    def _is_due(self) -> bool:
        return self._clock() - self._written >= self._every

    def _change(self, **fields: Any) -> StageState | None:
        """Changes what is known of the stage that is run, with the time and the speed so far."""
        known = None if self._name is None else self.state.stage(self._name)
        if known is None:
            return None
        if self._pace.speed is not None:
            fields["steps_per_second"] = round(self._pace.speed, 4)
        if self._pace.start_up is not None:
            fields["seconds_to_first_step"] = round(self._pace.start_up, 3)
        seconds = round(self._seconds + self._clock() - self._begun, 3)
        changed = replace(known, seconds=seconds, **fields)
        self.state = self.state.with_stage(changed)
        return changed


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
