"""The part of a verification that is about the workers and replicas of a distributed run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from odfreeze.runs.record import RunRecord
from odfreeze.runs.verification import Change, Group, Verification, reasons_of
from odfreeze.runs.workers import (
    WorkerRecord,
    check_worker,
    disagreements,
    read_workers,
    worker_path,
)
from odfreeze.selection import STATES, State

__all__ = ["verify_alone", "with_workers"]


def with_workers(
    found: Verification,
    model_dir: str | os.PathLike[str],
    record: RunRecord,
    digests: Mapping[str, str],
) -> Verification:
    """Returns a verification with what the run's workers left, where it had several replicas.

    Args:
      found: The verification of record and checkpoint.
      model_dir: The run's directory.
      record: The run's record.
      digests: Those of the values in the checkpoint, by object path.

    Raises:
      RecordError: What a worker left is not as it was written.
    """
    workers = read_workers(model_dir)
    if not workers:
        return found
    checks = tuple(check_worker(one, record, digests, found.after_step) for one in workers)
    reasons = [reason for check in checks for reason in check.reasons]
    reasons += disagreements(workers)
    return dataclasses.replace(found, workers=checks, reasons=(*found.reasons, *reasons))


def verify_alone(model_dir: str | os.PathLike[str]) -> Verification | None:
    """Verifies a worker whose machine has neither the run's record nor its checkpoints.

    Returns:
      What its own values were found to be, or None where no worker left any here.

    Raises:
      RecordError: What a worker left is not as it was written.
    """
    workers = read_workers(model_dir)
    if not workers:
        return None
    worker = workers[0]
    groups = _groups(worker)
    checks = tuple(check_worker(one) for one in workers)
    reasons = [reason for check in checks for reason in check.reasons]
    reasons += disagreements(workers)
    path = worker_path(model_dir, worker.task)
    of_groups = reasons_of(groups)
    if worker.end_step is None:
        of_groups = (f"{worker.task} left no digests of its end: it was cut off, or still trains",)
    return Verification(
        before=str(path),
        after=str(path),
        config=str(Path(model_dir)),
        before_step=worker.start_step,
        after_step=worker.end_step,
        **groups,
        reasons=(*of_groups, *reasons),
        workers=checks,
        averages=None,
    )


def _groups(worker: WorkerRecord) -> dict[State, Group]:
    """Returns the variables of a worker by state, its first replica's end against its start."""
    groups: dict[State, Group] = {}
    for state in STATES:
        mine = [one for one in worker.variables if one.state == state]
        changed = [one for one in mine if one.end and one.end[0] != one.start[0]]
        groups[state] = Group(
            state=state,
            variables=len(mine),
            changed=tuple(Change(one.name, one.object_path, "value") for one in changed),
            unchanged=tuple(one.name for one in mine if one.end and one.end[0] == one.start[0]),
            missing=(),
            new=(),
        )
    return groups
