"""What is known of a run before anything starts: its steps, its state so far, its selection."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointNotFoundError, RemotePathError, TrainingRefusedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import Preview, preview
from odfreeze.record import RunRecord, read_record, record_path
from odfreeze.refusal import refuse
from odfreeze.selection import FrozenBatchNorm

__all__ = ["Precheck", "latest_step", "precheck"]


@dataclass(frozen=True, slots=True)
class Precheck:
    """What a run would do.

    Attributes:
      num_steps: Steps at which it ends.
      step: Steps that were taken already, or None for a new run.
      expected: State by object path, as previewed; empty where no checkpoint could tell.
    """

    num_steps: int
    step: int | None
    expected: dict[str, str] = field(default_factory=dict)

    @property
    def steps_left(self) -> int:
        """Steps that are still to be taken."""
        return self.num_steps - (self.step or 0)


def precheck(
    config: PipelineConfig,
    model_dir: str | os.PathLike[str],
    num_train_steps: int | None,
    frozen_batch_norm: FrozenBatchNorm,
    allow: Collection[str],
) -> Precheck:
    """Judges a run before it starts; reads files and writes none.

    Args:
      config: The run's config.
      model_dir: The run's directory, which need not exist.
      num_train_steps: Steps given on the command line, or None.
      frozen_batch_norm: ``hold`` or ``update``.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` that were given.

    Returns:
      What the run would do.

    Raises:
      TrainingRefusedError: For what would not be what was meant.
    """
    num_steps = num_train_steps if num_train_steps is not None else config.num_steps
    if not num_steps or num_steps < 0:
        raise TrainingRefusedError(
            f"{config.file}: train_config.num_steps is {num_steps or 0}: a run needs an end;"
            " set num_steps or give --num_train_steps"
        )
    step = latest_step(Path(model_dir))
    if step is not None and "used_model_dir" not in allow:
        _refuse_other_run(config, Path(model_dir), frozen_batch_norm, step, num_steps)
    return Precheck(num_steps, step, _expected(config, step, frozen_batch_norm, allow))


def latest_step(model_dir: Path) -> int | None:
    """Returns the step of the last checkpoint in a run's directory, None when there is none."""
    if not (model_dir / "checkpoint").is_file():
        return None
    try:
        with Checkpoint.open(model_dir) as checkpoint:
            return checkpoint.step or 0
    except CheckpointNotFoundError:
        return None


def _refuse_other_run(
    config: PipelineConfig,
    model_dir: Path,
    frozen_batch_norm: FrozenBatchNorm,
    step: int,
    num_steps: int,
) -> None:
    """Refuses to go on from a checkpoint that another run left, which stock does silently."""
    cure = (
        "; choose another --model_dir, or remove that one"
        " (--allow_used_model_dir goes on from its checkpoint all the same)"
    )
    if not record_path(model_dir).exists():
        raise TrainingRefusedError(
            f"{model_dir} already holds a checkpoint (step {step}) that no odfreeze run made; it"
            f" would win over fine_tune_checkpoint{cure}"
        )
    record = read_record(model_dir)
    for what, before, now in _identity(record, config, frozen_batch_norm):
        if before != now:
            raise TrainingRefusedError(
                f"{model_dir} holds another run's checkpoint (step {step}): its {what} was"
                f" {before!r} and is now {now!r}{cure}"
            )
    if step > num_steps:
        raise TrainingRefusedError(
            f"{model_dir} is at step {step}, past the {num_steps} steps asked for: nothing would"
            f" be trained{cure}"
        )


def _identity(
    record: RunRecord, config: PipelineConfig, frozen_batch_norm: FrozenBatchNorm
) -> list[tuple[str, object, object]]:
    """Returns what must be equal for a run to be the same run: label, before, now."""
    return [
        ("freeze_variables", record.freeze_variables, config.freeze_variables),
        (
            "update_trainable_variables",
            record.update_trainable_variables,
            config.update_trainable_variables,
        ),
        ("frozen_batch_norm", record.frozen_batch_norm, frozen_batch_norm),
        ("fine_tune_checkpoint", record.fine_tune_checkpoint, config.fine_tune_checkpoint),
        (
            "fine_tune_checkpoint_type",
            record.fine_tune_checkpoint_type,
            config.fine_tune_checkpoint_type,
        ),
    ]


def _expected(
    config: PipelineConfig,
    step: int | None,
    frozen_batch_norm: FrozenBatchNorm,
    allow: Collection[str],
) -> dict[str, str]:
    """Previews the run and returns its states by object path, {} where nothing can tell."""
    patterns = config.patterns()
    if not config.fine_tune_checkpoint:
        if patterns and step is None and "random_frozen" not in allow:
            raise TrainingRefusedError(
                "patterns are given but no fine_tune_checkpoint: what they freeze would stay at its"
                " random start; set fine_tune_checkpoint"
                " (--allow_random_frozen goes on all the same)",
                place=patterns[0].place,
            )
        return {}
    try:
        seen = preview(config, frozen_batch_norm=frozen_batch_norm)
    except RemotePathError:
        return {}  # only TensorFlow reads it; the child judges the live model all the same
    except CheckpointNotFoundError:
        if step is not None:
            return {}  # a resumed run does not need where it came from any more
        raise
    if _covers_model(seen):
        refuse(seen.selection, seen.restored if step is None else None, allow)
    chosen = seen.selection
    return {v.object_path: s for v, s in zip(chosen.variables, chosen.states, strict=True)}


def _covers_model(seen: Preview) -> bool:
    """Whether the checkpoint holds a detection model, and not just a backbone."""
    return any(v.object_path.startswith("model/") for v in seen.selection.variables)
