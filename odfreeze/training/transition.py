"""Looks at a run's metric while it trains, and ends the run when that stops improving."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odfreeze.errors import TrainingRefusedError, suggest
from odfreeze.runs.ending import Ending, Looks, conclude, ending_path, read_looks, write_looks
from odfreeze.stages.conduct import Conduct, Until
from odfreeze.training.handover import hand_over
from odfreeze.training.loop import block_of_steps
from odfreeze.training.workers import agree

if TYPE_CHECKING:
    from odfreeze.training.loop import RunState
    from odfreeze.training.request import TrainingRequest

__all__ = ["Transition", "block_between_looks"]

#: Blocks of steps, each of which tells its losses, from one look at a loss to the next.
_BLOCKS = 10


def block_between_looks(until: Until, num_steps: int, checkpoint_every_n: int) -> int:
    """Returns how many steps one call of the step function takes in a run that a metric ends.

    A divisor of the interval, so that each look comes behind a block; for a loss a small one,
    so that a look is at the mean of several.

    >>> [block_between_looks(Until(n), 5000, 1000) for n in (5000, 50, 7, 1)]
    [10, 5, 1, 1]
    >>> block_between_looks(Until(5000, "DetectionBoxes_Precision/mAP"), 5000, 1000)
    100
    """
    interval = until.interval
    most = 100 if until.is_evaluated else min(100, interval // _BLOCKS)
    largest = block_of_steps(num_steps, checkpoint_every_n, max(1, most))
    return next(block for block in range(largest, 0, -1) if interval % block == 0)


class Transition:
    """The end of a run by a metric; of a run without ``until`` it does nothing.

    Args:
      request: What was asked for.
      emit: Told of what happens: the kind of an event and its data.
    """

    def __init__(self, request: TrainingRequest, emit: Callable[..., None]) -> None:
        self._request = request
        self._emit = emit
        self._conduct = Conduct.from_json(request.conduct)
        self._looks = Looks()
        self._evaluate: Callable[[RunState], dict[str, float]] | None = None

    def block_of_steps(self, num_steps: int, checkpoint_every_n: int) -> int:
        """Returns how many steps one call of the step function should take."""
        if self._conduct.until is None:
            return block_of_steps(num_steps, checkpoint_every_n)
        return block_between_looks(self._conduct.until, num_steps, checkpoint_every_n)

    def begin(self, run: RunState) -> None:
        """Takes up the looks of a resumed run; to be called before the first step.

        Raises:
          RecordError: They are not as they were written.
          TrainingRefusedError: The best of them is to be handed on and was not saved.
        """
        until = self._conduct.until
        if until is None:
            return
        model_dir, num_steps = self._request.model_dir, self._request.num_steps
        self._looks = read_looks(model_dir, until, run.step) if run.resumed else Looks()
        ending = conclude(self._looks.values, until, num_steps)
        self._protect(run, ending)
        if run.is_chief:
            _refuse_lost(model_dir, run.protected_steps)
            write_looks(model_dir, self._looks, until, num_steps)

    def on_block(self, run: RunState, scalars: dict[str, float]) -> None:
        """Looks at the metric where that is due, and ends the run where it must."""
        until = self._conduct.until
        if until is None:
            return
        if not until.is_evaluated:
            self._looks.blocks.append((run.step, _loss(scalars, until.metric)))
        if self._looks.is_due(run.step, until, self._end):
            self._look(run, until)

    def before_save(self, run: RunState) -> None:
        """Keeps the losses since the last look with the checkpoint that comes after them."""
        until = self._conduct.until
        if until is not None and run.is_chief and self._looks.blocks:
            write_looks(self._request.model_dir, self._looks, until, self._request.num_steps)

    def at_end(self, run: RunState) -> None:
        """Hands on what an ended run is to; before any worker goes on to the next stage."""
        until = self._conduct.until
        if until is not None and run.is_chief:
            ending = conclude(self._looks.values, until, self._request.num_steps)
            if ending.ended_at == run.step:
                hand_over(self._request.model_dir, ending.handed_on(self._conduct.handover))

    @property
    def _end(self) -> int:
        until = self._conduct.until
        most = None if until is None else until.max_steps
        return min(self._request.num_steps, most or self._request.num_steps)

    def _look(self, run: RunState, until: Until) -> None:
        value = self._evaluated(run, until) if until.is_evaluated else self._looks.mean()
        self._looks.values.append((run.step, value))
        self._looks.forget_blocks(run.saved_step or 0)
        # The looks first: resumed from an earlier checkpoint, a run drops what is ahead of it.
        if run.is_chief:
            ending = write_looks(
                self._request.model_dir, self._looks, until, self._request.num_steps
            )
        else:
            ending = conclude(self._looks.values, until, self._request.num_steps)
        _log(ending.sentence)
        is_best = ending.looks[-1].is_best and self._conduct.handover == "best"
        # The chief decides: what another worker reads from a disk of its own may be older.
        is_best, is_end = agree((is_best, ending.reason is not None), chief=run.is_chief)
        if is_best:
            self._protect(run, ending)
            run.manager.save()
        if is_end:
            if run.is_chief:
                self._emit(
                    "decided",
                    step=run.step,
                    sentence=ending.sentence,
                    reason=ending.reason,
                    handover=ending.handed_on(self._conduct.handover),
                )
            if run.step < run.num_steps:
                run.end()

    def _protect(self, run: RunState, ending: Ending) -> None:
        if self._conduct.handover == "best" and ending.best is not None:
            run.protected_steps = frozenset({ending.best.step})

    def _evaluated(self, run: RunState, until: Until) -> float:
        if self._evaluate is None:
            from odfreeze.training.evaluating import Evaluator

            self._evaluate = Evaluator(self._request, run)
        metrics = self._evaluate(run)
        self._emit("evaluated", step=run.step, metrics=metrics)
        if until.metric not in metrics:
            raise _unknown(until.metric, metrics, "the evaluation")
        return metrics[until.metric]


def _refuse_lost(model_dir: str, steps: Iterable[int]) -> None:
    """Refuses to train for hours towards a checkpoint that cannot be handed on then."""
    for step in steps:
        prefix = Path(model_dir) / f"ckpt-{step}"
        if not prefix.with_name(f"{prefix.name}.index").exists():
            raise TrainingRefusedError(
                f"{prefix} is the best so far and is not there: handover was not BEST when it was"
                f" due; set handover: LAST, or remove {ending_path(model_dir)}, and the best is"
                " the best from here on"
            )


def _loss(scalars: dict[str, float], metric: str) -> float:
    if metric not in scalars:
        raise _unknown(metric, [name for name in scalars if name.startswith("Loss/")], "training")
    return scalars[metric]


def _unknown(metric: str, known: Any, source: str) -> TrainingRefusedError:
    return TrainingRefusedError(
        f"{source} of this model gives no metric {metric!r} (it gives {', '.join(sorted(known))});"
        f" correct until.metric in the plan, and stage it again{suggest(metric, known)}"
    )


def _log(sentence: str) -> None:
    from object_detection import model_lib_v2

    model_lib_v2.tf.compat.v1.logging.info("%s", sentence)
