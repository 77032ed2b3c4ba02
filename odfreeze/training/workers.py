"""What the replicas and workers of a run hold: read, compared with each other, kept.

Under a strategy a variable has a copy on every replica. Reading the variable gives one of them,
or, of a moving statistic, their mean; so all of this reads the copies. The workers are compared
while they run, by the same sum over all replicas that stock takes of the losses, so that nothing
has to be shared but what they share anyway; what each held is kept for verification.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from odfreeze.errors import TrainingFailedError, TrainingRefusedError
from odfreeze.runs.record import digest
from odfreeze.runs.workers import Copies, WorkerRecord, forget_workers, write_worker
from odfreeze.training.enforce import Enforcement
from odfreeze.training.loop import RunState
from odfreeze.training.replicas import copies, value_bytes
from odfreeze.training.request import TrainingRequest

__all__ = ["Workers", "agree"]

_FEW = 20
#: States of which all replicas hold the same; a statistic that updates is each one's own.
_EQUAL = ("frozen", "held", "trainable")


class Workers:
    """This worker among the others, from the restore to the end of a run.

    Args:
      request: What was asked for.
      enforcement: What was decided for the live variables.
      run: The run, all values in place.
    """

    def __init__(self, request: TrainingRequest, enforcement: Enforcement, run: RunState) -> None:
        import tensorflow as tf

        self._tf = tf
        self._model_dir = request.model_dir
        self._strategy = tf.distribute.get_strategy()
        self._enforcement = enforcement
        self._record: WorkerRecord | None = None
        tasks = _tasks(self._strategy)
        kept = self._replicas > 1 and "TPU" not in type(self._strategy).__name__
        if run.is_chief:
            forget_workers(request.model_dir, tasks if kept else ())
        if not kept:
            return
        replicas = len(self._strategy.extended.worker_devices)
        digests = _digests(enforcement, replicas)
        rows = zip(enforcement.live, enforcement.selection.states, digests, strict=True)
        self._record = WorkerRecord(
            task=_task(self._strategy),
            tasks=tasks,
            replicas=replicas,
            start_step=run.step,
            end_step=None,
            agreed=False,
            variables=tuple(
                Copies(one.record.label, one.record.object_path, state, start)
                for one, state, start in rows
            ),
        )
        write_worker(self._record, self._model_dir)
        if len(tasks) > 1:
            self._compare_start(request, run)

    @property
    def _replicas(self) -> int:
        return int(self._strategy.num_replicas_in_sync)

    def at_end(self, run: RunState) -> None:
        """Keeps what this worker holds after the last step, and compares it with the others'.

        When this returns every worker has written what it holds.

        Raises:
          TrainingFailedError: The workers do not hold the same.
        """
        record = self._record
        if record is None:
            return
        ends = _digests(self._enforcement, record.replicas)
        variables = zip(record.variables, ends, strict=True)
        ended = replace(
            record,
            end_step=run.step,
            variables=tuple(replace(one, end=end) for one, end in variables),
        )
        write_worker(ended, self._model_dir)
        if len(record.tasks) == 1:
            return
        values = {one.object_path: one.end[0] for one in ended.variables if one.state in _EQUAL}
        differing = self._differing(values)
        if differing:
            raise TrainingFailedError(
                f"the workers ended with different values of {len(differing)} variables, which"
                f" all of them should hold alike (this is {record.task}):\n" + _rows(differing),
                returncode=1,
            )
        write_worker(replace(ended, agreed=True), self._model_dir)

    def _compare_start(self, request: TrainingRequest, run: RunState) -> None:
        """Refuses workers that would not do the same: the run would hang, or train nonsense."""
        assert self._record is not None
        variables = self._record.variables
        every = [flag for flag in request.flags if flag.startswith("--checkpoint_every_n")]
        terms = {
            "the step that it starts from": str(run.step),
            "num_steps": str(request.num_steps),
            "checkpoint_every_n": "".join(every),
            "the variables of the model": "\n".join(one.object_path for one in variables),
            "what is frozen": "\n".join(one.state for one in variables),
            "the shares of the learning rate": json.dumps(request.conduct.get("rates")),
        }
        differing = self._differing({what: digest(text.encode()) for what, text in terms.items()})
        if differing:
            raise TrainingRefusedError(
                f"the workers differ in {' and in '.join(differing)} (on {self._record.task}, step"
                f" {run.step} of {request.num_steps}); give all of them the same config, the same"
                " flags and a --model_dir that they share"
            )
        values = {one.object_path: one.start[0] for one in variables if one.state in _EQUAL}
        differing = self._differing(values)
        if differing:
            raise TrainingRefusedError(
                f"the workers start with different values of {len(differing)} variables (this is"
                f" {self._record.task}); is fine_tune_checkpoint the same file for all of them?\n"
                + _rows(differing)
            )

    def _differing(self, digests: Mapping[str, str]) -> list[str]:
        """Returns of what the workers do not all have the same digest; waits for all of them."""
        own = [[float(byte) for byte in bytes.fromhex(text)] for text in digests.values()]
        # Sums of some hundred bytes are whole numbers that a float32 holds exactly.
        total = _sum_over_replicas(self._tf, self._strategy, own)
        rows = zip(digests, own, total, strict=True)
        return [
            what
            for what, mine, all_of_them in rows
            if any(
                float(there) != self._replicas * here
                for here, there in zip(mine, all_of_them, strict=True)
            )
        ]


def agree(decisions: Sequence[bool], *, chief: bool) -> tuple[bool, ...]:
    """Returns what the chief decided; all workers wait for each other here.

    Args:
      decisions: What this worker would decide.
      chief: Whether this is the chief.
    """
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    if len(_tasks(strategy)) == 1:
        return tuple(decisions)
    own = [[float(one and chief) for one in decisions]]
    return tuple(bool(total > 0) for total in _sum_over_replicas(tf, strategy, own)[0])


def _sum_over_replicas(tf: Any, strategy: Any, rows: Sequence[Sequence[float]]) -> Any:
    @tf.function  # type: ignore[untyped-decorator]
    def summed(values: Any) -> Any:
        each = strategy.run(lambda: tf.identity(values))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

    return summed(tf.constant(rows, tf.float32)).numpy()


def _digests(enforcement: Enforcement, replicas: int) -> Iterator[tuple[str, ...]]:
    """Yields the digests of each live variable's copies; equal copies are digested once."""
    for one in enforcement.live:
        known: dict[bytes, str] = {}
        found = []
        for copy in copies(one.value):
            data = value_bytes(copy)
            if data not in known:
                known[data] = digest(data)
            found.append(known[data])
        # A variable that was made outside of the strategy is one for all of its replicas.
        yield tuple(found) if len(found) == replicas else (found[0],) * replicas


def _tasks(strategy: Any) -> tuple[str, ...]:
    """Returns the tasks of a strategy's workers, the chief first."""
    resolver = strategy.cluster_resolver
    spec = resolver.cluster_spec() if resolver is not None else None
    if not strategy.extended._in_multi_worker_mode() or spec is None:
        return ("worker-0",)
    return tuple(
        f"{kind}-{index}"
        for kind in ("chief", "worker")
        if kind in spec.jobs
        for index in spec.task_indices(kind)
    )


def _task(strategy: Any) -> str:
    """Returns which of them this process is."""
    if not strategy.extended._in_multi_worker_mode():
        return "worker-0"
    resolver = strategy.cluster_resolver
    return f"{resolver.task_type}-{resolver.task_id}"


def _rows(paths: Sequence[str]) -> str:
    more = [f"  … and {len(paths) - _FEW} more"] if len(paths) > _FEW else []
    return "\n".join([f"  {path}" for path in paths[:_FEW]] + more)
