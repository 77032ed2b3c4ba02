"""What odfreeze does in a run of ``train_loop``: enforces the selection and keeps the record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from odfreeze.pipeline import PipelineConfig
from odfreeze.refusal import refuse
from odfreeze.stages.conduct import Conduct
from odfreeze.training.carry import carry_slots
from odfreeze.training.drift import names_in_checkpoint
from odfreeze.training.enforce import apply_selection, compare_states, select_live
from odfreeze.training.loop import RunHooks, RunState
from odfreeze.training.rates import apply_rates, rate_live
from odfreeze.training.reach import ReachWatch, keep_unreached
from odfreeze.training.recording import restored_variables, write_baseline
from odfreeze.training.regularization import frozen_regularization
from odfreeze.training.request import TrainingRequest
from odfreeze.training.slots import settle_slots
from odfreeze.training.summary import log_selection, summarize, write_summary
from odfreeze.training.transition import Transition
from odfreeze.training.workers import Workers

__all__ = ["EnforcingHooks"]


class EnforcingHooks(RunHooks):
    """Enforces the selection at the one moment when all values are in place.

    Args:
      request: What was asked for.
      measures: Names of the measures of compatibility that were applied.
      emit: Told of what happens: the kind of an event and its data.
      config: The config, where it is not what the request's file holds.
    """

    def __init__(
        self,
        request: TrainingRequest,
        measures: tuple[str, ...],
        emit: Callable[..., None],
        config: PipelineConfig | None = None,
    ) -> None:
        self._request = request
        self._measures = measures
        self._emit = emit
        self._config = config or PipelineConfig.read(request.config)
        self._reach: ReachWatch | None = None
        self._transition = Transition(request, emit)

    def block_of_steps(self, num_steps: int, checkpoint_every_n: int) -> int:
        """Returns how many steps one call of the step function should take."""
        return self._transition.block_of_steps(num_steps, checkpoint_every_n)

    def before_restore(self, run: RunState) -> None:
        """Builds a model that stock would build only while it traces the first step."""
        if not run.built:
            run.build()

    def after_restore(self, run: RunState) -> None:
        """Selects, refuses or enforces, and keeps the baseline of a new run."""
        request = self._request
        enforcement = select_live(
            run.model,
            self._config.patterns(),
            frozen_batch_norm=request.frozen_batch_norm,
            config_holds=self._config.holds_statistic,
        )
        conduct = Conduct.from_json(request.conduct)
        given = set() if run.resumed else restored_variables(run)
        restored = None if run.resumed else [id(one.value) in given for one in enforcement.live]
        compare_states(enforcement, request.expected, partial(names_in_checkpoint, self._config))
        refuse(enforcement.selection, restored, request.allow)
        rated = rate_live(enforcement, conduct.rates, request.expected_scales, request.allow)
        apply_selection(run.model, enforcement)
        settle_slots(run, enforcement)
        carried = carry_slots(
            run, enforcement, given, wanted=conduct.carry_optimizer, model_dir=request.model_dir
        )
        apply_rates(run.checkpoint.optimizer, enforcement, rated, carried)
        if not enforcement.selection.of("trainable"):
            _train_nothing(run)
        if run.is_chief:
            write_baseline(request, self._config, enforcement, run, self._measures)
        self._workers = Workers(request, enforcement, run)
        self._reach = ReachWatch(run.checkpoint.optimizer, enforcement)
        adds = self._config.adds_regularization_loss
        constant = frozen_regularization(run.model, enforcement) if adds else 0.0
        summary = summarize(rated, run.checkpoint.optimizer, constant, carried)
        log_selection(summary)
        if run.is_chief:
            write_summary(summary, run)
        self._transition.begin(run)
        self._emit("selection", resumed_at=run.step if run.resumed else None, **summary)

    def on_block(self, run: RunState, scalars: dict[str, float]) -> None:
        """Tells the losses after a block of steps; the first shows what training reaches."""
        if self._reach is not None:
            found, self._reach = self._reach.stop(), None
            if run.is_chief:
                keep_unreached(found, self._request.model_dir)
        self._emit("block", step=run.step, scalars=scalars)
        self._transition.on_block(run, scalars)

    def close(self) -> None:
        """Leaves the model's layers and the optimizer as they were, after a run that broke off."""
        if self._reach is not None:
            self._reach.stop()
            self._reach = None

    def before_save(self, run: RunState) -> None:
        """Keeps what is known of the metric so far, which a run resumed from here needs."""
        self._transition.before_save(run)

    def after_save(self, run: RunState, prefix: str) -> None:
        """Tells of a checkpoint; those of other workers are for a moment only."""
        if run.is_chief:
            self._emit("saved", step=run.step, checkpoint=prefix)

    def at_end(self, run: RunState) -> None:
        """Keeps what this worker's replicas hold, and compares it with the other workers'."""
        self._transition.at_end(run)
        self._workers.at_end(run)


def _train_nothing(run: RunState) -> None:
    """Makes the optimizer accept a step without gradients, which Keras refuses."""

    def apply_gradients(grads_and_vars: Any, *args: Any, **kwargs: Any) -> None:
        list(grads_and_vars)

    object.__setattr__(run.checkpoint.optimizer, "apply_gradients", apply_gradients)
