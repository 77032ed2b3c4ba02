"""What each worker of a distributed run held: digests of its copies, at its start and its end.

Every replica of a run keeps a copy of every variable, and a checkpoint holds one of them (of a
moving statistic their mean). So where there are several, each worker's training child writes a
digest of each copy to ``model_dir/odfreeze/workers/``, one file a worker, and verification holds
them against the run's record and its last checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odfreeze.errors import RecordError
from odfreeze.files import refuse_remote, write_variables
from odfreeze.selection import STATES, State

if TYPE_CHECKING:
    from odfreeze.runs.record import RunRecord

__all__ = [
    "Copies",
    "WorkerCheck",
    "WorkerRecord",
    "check_worker",
    "disagreements",
    "forget_workers",
    "read_worker",
    "read_workers",
    "worker_path",
    "workers_directory",
    "write_worker",
]

#: Changes when a key of the file changes its meaning.
_VERSION = 1
_BYTES_MOST = 1 << 30
_FEW = 3
#: States of which all copies are to be equal; a statistic that updates is each replica's own.
_EQUAL = ("frozen", "held", "trainable")
_STILL = ("frozen", "held")


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of one variable on one worker.

    Attributes:
      name: Its name, or its object path where it has none.
      object_path: As in the run's checkpoints.
      state: What was decided for it.
      start: The digest of each replica's copy before the first step.
      end: Likewise after the last step; empty before that.
    """

    name: str
    object_path: str
    state: State
    start: tuple[str, ...]
    end: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What one worker held.

    Attributes:
      task: Its type and index in the cluster: ``chief-0``, ``worker-1``.
      tasks: Those of all workers of the run, in the order of the cluster.
      replicas: How many replicas this worker has, the copies of each variable.
      start_step: Step at its start; that of the checkpoint that it resumed from.
      end_step: Step after its last one, or None when it did not come to it.
      agreed: Whether the workers compared their values when they had ended, and they were equal.
      variables: All of the model's, in the order of the live model.
    """

    task: str
    tasks: tuple[str, ...]
    replicas: int
    start_step: int
    end_step: int | None
    agreed: bool
    variables: tuple[Copies, ...]


@dataclass(frozen=True, slots=True)
class WorkerCheck:
    """What the copies on one worker were found to be.

    Attributes:
      task: The worker.
      replicas: How many copies of each variable it has.
      step: Step of its last digests, or None when it did not come to its end.
      compared: How many copies were held against the record or the checkpoint.
      reasons: What is wrong, each naming worker and variables; empty when nothing is.
    """

    task: str
    replicas: int
    step: int | None
    compared: int
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the check as plain Python values."""
        return {**dataclasses.asdict(self), "reasons": list(self.reasons)}


def workers_directory(model_dir: str | os.PathLike[str]) -> Path:
    """Returns where the workers of a run keep their digests, whether it is there or not."""
    return Path(model_dir) / "odfreeze" / "workers"


def worker_path(model_dir: str | os.PathLike[str], task: str) -> Path:
    """Returns the file of one worker, whether it is there or not."""
    return workers_directory(model_dir) / f"{task}.json"


def write_worker(worker: WorkerRecord, model_dir: str | os.PathLike[str]) -> Path:
    """Writes the file of a worker; a reader finds the whole of it or nothing.

    Returns:
      Its path.

    Raises:
      RemotePathError: The directory is not on this machine.
      OutputError: It cannot be written.
    """
    refuse_remote(model_dir)
    path = worker_path(model_dir, worker.task)
    head = {f.name: getattr(worker, f.name) for f in dataclasses.fields(worker)}
    del head["variables"]
    rows = map(dataclasses.asdict, worker.variables)
    write_variables(path, {"version": _VERSION, **head}, rows)
    return path


def forget_workers(model_dir: str | os.PathLike[str], tasks: Iterable[str] = ()) -> None:
    """Removes the files of workers that a run does not have (any more).

    Args:
      model_dir: The run's directory.
      tasks: The workers that it has.
    """
    kept = {f"{task}.json" for task in tasks}
    for path in workers_directory(model_dir).glob("*.json"):
        if path.name not in kept:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def read_workers(model_dir: str | os.PathLike[str]) -> tuple[WorkerRecord, ...]:
    """Returns what the workers of a run left in its directory, by name; () for one replica.

    Raises:
      RecordError: A file is not as `write_worker` writes it.
    """
    paths = sorted(workers_directory(model_dir).glob("*.json"))
    return tuple(read_worker(path) for path in paths)


def read_worker(path: Path) -> WorkerRecord:
    """Returns what one worker left.

    Raises:
      RecordError: The file cannot be read, or is not as `write_worker` writes it.
    """
    import json

    try:
        if path.stat().st_size > _BYTES_MOST:
            raise ValueError("it is too large")
        return _worker(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(
            f"{path} is not what a worker of `odfreeze train` wrote ({error}), so that nothing"
            " proves what was frozen on it; train again in another model_dir",
            path=str(path),
        ) from None


def check_worker(
    worker: WorkerRecord,
    record: RunRecord | None = None,
    after: Mapping[str, str] | None = None,
    step: int | None = None,
) -> WorkerCheck:
    """Holds the copies on a worker against what all of them have to be.

    Args:
      worker: What the worker left.
      record: The run's record, or None where it is not on this machine.
      after: Digests of the values in a checkpoint, by object path, or None likewise.
      step: The checkpoint's step; another than the worker's last says nothing of its end.

    Returns:
      What is wrong: a frozen or held copy that is not what it was at the worker's start, a
      copy that started from another value than the record's, or that ended with another one
      than the checkpoint's. Without either, copies are held against the worker's first.
    """
    reasons = list(_of_structure(worker, record))
    firsts, of_first = _firsts(worker, record)
    lasts, of_last = _lasts(worker, after, step)
    compared = 0
    for replica in range(worker.replicas):
        wrong: dict[str, list[str]] = {}
        for one in worker.variables:
            start, end = one.start[replica], one.end[replica] if one.end else None
            if one.state in _EQUAL:
                compared += 1
            if one.state in _STILL and end not in (None, start):
                wrong.setdefault(f"{one.state} variables changed", []).append(one.name)
            if start != firsts.get(one.object_path, start):
                what = f"{one.state} variables started with other values than {of_first}"
                wrong.setdefault(what, []).append(one.name)
            if end not in (None, lasts.get(one.object_path, end)):
                what = f"{one.state} variables ended with other values than {of_last}"
                wrong.setdefault(what, []).append(one.name)
        who = worker.task if worker.replicas == 1 else f"{worker.task}, replica {replica}"
        reasons += [f"{who}: {len(names)} {what}: {_few(names)}" for what, names in wrong.items()]
    return WorkerCheck(worker.task, worker.replicas, worker.end_step, compared, tuple(reasons))


def _firsts(worker: WorkerRecord, record: RunRecord | None) -> tuple[dict[str, str], str]:
    """Returns the digest that each copy had to start with, by object path, and whose that is."""
    if record is None:
        own = {one.object_path: one.start[0] for one in worker.variables if one.state in _EQUAL}
        return own, "its first replica"
    # A resumed run starts with what it had learned; what is frozen is still the record's.
    resumed = worker.start_step != record.start_step
    states = _STILL if resumed else _EQUAL
    recorded = {one.object_path: one.digest for one in record.variables if one.state in states}
    return recorded, "the record"


def _lasts(
    worker: WorkerRecord, after: Mapping[str, str] | None, step: int | None
) -> tuple[dict[str, str], str]:
    """Returns the digest that each copy had to end with, likewise."""
    mine = [one for one in worker.variables if one.state in _EQUAL and one.end]
    if after is None or worker.end_step != step:
        return {one.object_path: one.end[0] for one in mine}, "its first replica"
    known = {one.object_path: after[one.object_path] for one in mine if one.object_path in after}
    return known, "the checkpoint"


def disagreements(workers: Iterable[WorkerRecord]) -> Iterator[str]:
    """Yields what is wrong among the workers' files themselves, for a person.

    A file that is not here is that of a worker on another machine, whose values were compared
    while they trained; that is in the files that are here.
    """
    found = tuple(workers)
    last = max((worker.end_step for worker in found if worker.end_step is not None), default=None)
    here = {worker.task for worker in found}
    for worker in found:
        away = [task for task in worker.tasks if task not in here]
        if worker.end_step != last:
            its = "none" if worker.end_step is None else f"those of step {worker.end_step}"
            yield f"{worker.task}: left no digests of step {last}, but {its}"
        elif last is not None and away and not worker.agreed:
            yield f"{worker.task}: nothing compared its values with those of {', '.join(away)}"


def _of_structure(worker: WorkerRecord, record: RunRecord | None) -> Iterator[str]:
    """Yields where a worker had another model or selection than the record."""
    if record is None:
        return
    states = {one.object_path: (one.state, one.label) for one in record.variables}
    mine = {one.object_path: (one.state, one.name) for one in worker.variables}
    other = [of[1] for path, of in {**states, **mine}.items() if states.get(path) != mine.get(path)]
    if other:
        yield (
            f"{worker.task}: {len(other)} variables are not there, or were decided otherwise,"
            f" in the record: {_few(other)}"
        )


def _worker(data: Any) -> WorkerRecord:
    """Makes what a worker left of parsed JSON; raises ValueError, KeyError or TypeError."""
    if data["version"] != _VERSION:
        raise ValueError(f"its version is {data['version']!r}, not {_VERSION}")
    replicas, end_step = data["replicas"], data["end_step"]
    numbers = (replicas, data["start_step"], 0 if end_step is None else end_step)
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or replicas < 1:
        raise ValueError("a number in it is none")
    variables: list[Copies] = []
    for row in data["variables"]:
        one = Copies(**{**row, "start": tuple(row["start"]), "end": tuple(row["end"])})
        texts = (one.name, one.object_path, *one.start, *one.end)
        if one.state not in STATES or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"variable {len(variables)} of it is none")
        if len(one.start) != replicas or len(one.end) != (0 if end_step is None else replicas):
            raise ValueError(f"{one.name!r} has not one digest a replica")
        variables.append(one)
    return WorkerRecord(
        task=str(data["task"]),
        tasks=tuple(str(task) for task in data["tasks"]),
        replicas=replicas,
        start_step=data["start_step"],
        end_step=end_step,
        agreed=data["agreed"] is True,
        variables=tuple(variables),
    )


def _few(names: list[str]) -> str:
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
