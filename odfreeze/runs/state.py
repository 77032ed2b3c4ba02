"""``run.json``: how far a staged run has come, in one file for people and programs.

It is an account, not the truth: which stages are finished is decided by the stages' own files
(record, checkpoints, verification), and :func:`odfreeze.training.staged.train_stages` puts the
file right whenever it begins. Only what those files cannot tell is kept here alone: the time that
a stage took over several sittings, and what the plan's configs were when they were written.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from odfreeze.files import write_atomically
from odfreeze.runs.curves import finite

__all__ = [
    "RUN_NAME",
    "RUN_VERSION",
    "Progress",
    "RunState",
    "StageState",
    "read_run_state",
    "write_run_state",
]

#: The file in the run's directory.
RUN_NAME = "run.json"
#: Changes when a key of the file changes its meaning.
RUN_VERSION = 1

#: How far a stage is: ``waiting`` for its turn, or for its run to go on where it was cut off.
Progress: TypeAlias = Literal["waiting", "running", "finished", "failed"]

_BYTES_MOST = 16 << 20


@dataclass(frozen=True, slots=True)
class StageState:
    """What is known of a stage's run.

    Attributes:
      name: Its folder, as ``01_head``.
      state: How far it is; ``finished`` only with a good verification.
      num_steps: The most steps that it takes.
      step: Steps taken; what no checkpoint holds counts until the run is cut off.
      seconds: Time in its training processes and verifications, all sittings together.
      checkpoint: Prefix of what it hands on once it is finished; of its last checkpoint before.
      start_digest: SHA-256 of the index of the checkpoint that it started from, or None.
      config_digest: SHA-256 of its config as the plan wrote it, or None where no plan was given.
      began: When it was begun, ISO 8601 with its offset from UTC, or None.
      ended: When it was verified, or failed.
      loss: The last total loss.
      metrics: The last evaluation, by name.
      steps_per_second: Speed of the last sitting.
      seconds_to_first_step: How long that one took to start.
      decided: The sentence on why it ended where it did; None for the end of its steps.
      reason: Why it failed, or None.
    """

    name: str
    state: Progress = "waiting"
    num_steps: int = 0
    step: int = 0
    seconds: float = 0.0
    checkpoint: str | None = None
    start_digest: str | None = None
    config_digest: str | None = None
    began: str | None = None
    ended: str | None = None
    loss: float | None = None
    metrics: dict[str, float] | None = None
    steps_per_second: float | None = None
    seconds_to_first_step: float | None = None
    decided: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of a staged run.

    Attributes:
      stages: In the order in which they run.
      plan: The plan's file, absolute, or None for a run of stages that were there.
    """

    stages: tuple[StageState, ...] = ()
    plan: str | None = None

    def stage(self, name: str) -> StageState | None:
        """Returns what is known of the stage in a folder."""
        return next((one for one in self.stages if one.name == name), None)

    def with_stage(self, changed: StageState) -> RunState:
        """Returns the run with one stage replaced."""
        stages = [changed if one.name == changed.name else one for one in self.stages]
        return dataclasses.replace(self, stages=tuple(stages))

    def to_json(self) -> dict[str, Any]:
        """Returns it as ``run.json`` holds it."""
        stages = [dataclasses.asdict(one) for one in self.stages]
        return {"version": RUN_VERSION, "plan": self.plan, "stages": stages}

    @classmethod
    def from_json(cls, data: object) -> RunState:
        """Returns what `to_json` gave; values of another type count as not there.

        Raises:
          ValueError: It is nothing of this kind.
        """
        if not isinstance(data, dict) or data.get("version") != RUN_VERSION:
            raise ValueError("it is not of this version")
        rows = data.get("stages")
        if not isinstance(rows, list):
            raise ValueError("'stages' is no list")
        plan = data.get("plan")
        return cls(tuple(map(_stage, rows)), plan if isinstance(plan, str) else None)


def read_run_state(directory: str | os.PathLike[str]) -> RunState | None:
    """Returns what the ``run.json`` of a run's directory says.

    Returns:
      None where there is none, or one that nobody can read: it is no truth, and the run's own
      files are asked all the same.
    """
    path = Path(directory) / RUN_NAME
    try:
        if path.stat().st_size > _BYTES_MOST:
            return None
        return RunState.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None


def write_run_state(state: RunState, directory: str | os.PathLike[str]) -> None:
    """Writes ``run.json``, whole or not at all; a file that says the same is left alone.

    Raises:
      OutputError: It cannot be written.
    """
    path = Path(directory) / RUN_NAME
    data = (json.dumps(state.to_json(), indent=1) + "\n").encode("utf-8")
    try:
        if path.read_bytes() == data:
            return
    except OSError:
        pass
    write_atomically(path, data)


_TEXTS = ("checkpoint", "start_digest", "config_digest", "began", "ended", "decided", "reason")
_NUMBERS = ("loss", "steps_per_second", "seconds_to_first_step")


def _stage(row: object) -> StageState:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise ValueError("a stage has no name")
    state = row.get("state")
    if state not in get_args(Progress):
        raise ValueError(f"the state of stage {row['name']} is {state!r}")
    metrics = row.get("metrics")
    fields: dict[str, Any] = {
        "num_steps": int(finite(row.get("num_steps")) or 0),
        "step": int(finite(row.get("step")) or 0),
        "seconds": finite(row.get("seconds")) or 0.0,
        "metrics": {k: v for k, v in metrics.items() if finite(v) is not None}
        if isinstance(metrics, dict)
        else None,
        **{name: row[name] for name in _TEXTS if isinstance(row.get(name), str)},
        **{name: finite(row.get(name)) for name in _NUMBERS},
    }
    return StageState(name=row["name"], state=cast("Progress", state), **fields)
