"""What is known of a run before anything starts: its steps, its state so far, its selection."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odfreeze.check.gate import refuse_errors
from odfreeze.check.selection.moving_names import classes_named
from odfreeze.check.subject import RunFlags
from odfreeze.checkpoint import Checkpoint, named_in_state
from odfreeze.errors import (
    CheckpointNotFoundError,
    RemotePathError,
    TrainingRefusedError,
    UsageError,
)
from odfreeze.files import refuse_remote
from odfreeze.findings import Finding
from odfreeze.keras_names import numbers_of
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import Preview, preview
from odfreeze.refusal import check_allowances, refuse, refuse_rates
from odfreeze.runs.ending import Ending, how_ended
from odfreeze.runs.record import differing_identity, read_record, record_path
from odfreeze.selection import FrozenBatchNorm, Pattern, Selection
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.stages.metric_names import metric_problem

__all__ = [
    "Precheck",
    "check_run",
    "latest_step",
    "local_directory",
    "precheck",
    "refuse_ending",
]

#: Findings of rates, which nothing else tells of: a config has none.
_OF_RATES = ("ODF225", "ODF226")


@dataclass(frozen=True, slots=True)
class Precheck:
    """What a run would do.

    Attributes:
      num_steps: Steps at which it ends.
      step: Steps that were taken already, or None for a new run.
      expected: State by object path, as previewed; empty where no checkpoint could tell.
      expected_scales: Share of the learning rate by object path, likewise.
      findings: What is likely not meant of the rates.
      ending: How it has ended before its last step, or at it, by a metric; None where not.
    """

    num_steps: int
    step: int | None
    expected: dict[str, str] = field(default_factory=dict)
    expected_scales: dict[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    ending: Ending | None = None

    @property
    def steps_left(self) -> int:
        """Steps that are still to be taken, at most."""
        return 0 if self.ending is not None else self.num_steps - (self.step or 0)


def precheck(
    config: PipelineConfig,
    model_dir: str | os.PathLike[str],
    num_train_steps: int | None,
    frozen_batch_norm: FrozenBatchNorm,
    allow: Collection[str],
    seed: int | None = None,
    conduct: Conduct = Conduct(),  # noqa: B008 it is frozen
) -> Precheck:
    """Judges a run before it starts; reads files and writes none.

    Args:
      config: The run's config.
      model_dir: The run's directory, which need not exist.
      num_train_steps: Steps given on the command line, or None.
      frozen_batch_norm: ``hold`` or ``update``.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` that were given.
      seed: What makes the run repeatable, or None.
      conduct: What the config has no field for.

    Returns:
      What the run would do.

    Raises:
      TrainingRefusedError: For what would not be what was meant.
      RemotePathError: The run's directory is not on this machine.
      UsageError: A name in ``allow`` is none of the allowances.
    """
    check_allowances(allow)
    directory = local_directory(model_dir)
    num_steps = _num_steps(config, num_train_steps)
    step = latest_step(directory)
    if step is not None and "used_model_dir" not in allow:
        identity = (frozen_batch_norm, seed, conduct)
        _refuse_other_run(config, directory, identity, step, num_steps)
    seen = _previewed(config, step, frozen_batch_norm, conduct.rates, allow)
    ending = how_ended(directory, conduct, num_steps, step)
    if seen is None:
        return Precheck(num_steps, step, ending=ending)
    paths = [variable.object_path for variable in seen.selection.variables]
    return Precheck(
        num_steps,
        step,
        expected=dict(zip(paths, seen.selection.states, strict=True)),
        expected_scales=dict(zip(paths, seen.scales(), strict=True)) if conduct.rates else {},
        findings=tuple(one for one in seen.findings if one.code in _OF_RATES),
        ending=ending,
    )


def refuse_ending(
    config: PipelineConfig, conduct: Conduct, *, workers: int = 1, use_tpu: bool = False
) -> None:
    """Raises where a run could not be ended by its metric; before anything is trained.

    Args:
      config: The run's config.
      conduct: How it is conducted.
      workers: How many workers train.
      use_tpu: Whether they do so on TPUs.

    Raises:
      TrainingRefusedError: The evaluation does not give that metric, or cannot be run.
    """
    until = conduct.until
    if until is None:
        return
    problem = metric_problem(config, until)
    if problem is None and until.is_evaluated and (workers > 1 or use_tpu):
        where = f"with {workers} workers" if workers > 1 else "on a TPU"
        problem = (
            f"metric {until.metric!r} is of an evaluation, which a run {where} does not make in"
            " between; use a loss, such as Loss/total_loss"
        )
    if problem is not None:
        raise TrainingRefusedError(f"until: {problem}")


def check_run(
    config: PipelineConfig, flags: RunFlags, ignore: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Returns the warnings of a check of a run's config; raises for an error.

    A run that goes on needs no more what it started from, and its directory is its own.
    What :func:`precheck` judges better, with an allowance for each, is left to it.

    Args:
      config: The run's config.
      flags: How it is run.
      ignore: Codes, or beginnings of codes, to go on in spite of.

    Raises:
      TrainingRefusedError: For the first error.
      UsageError: No code begins like one of these.
    """
    resumes = flags.model_dir is not None and latest_step(Path(flags.model_dir)) is not None
    left_out = ("ODF3",) if resumes else ("ODF301",)
    found = refuse_errors(config, flags, ignore=(*left_out, "ODF601", "ODF602", *ignore))
    return tuple(finding for finding in found if finding.severity != "info")


def local_directory(model_dir: str | os.PathLike[str]) -> Path:
    """Returns a run's directory as a path.

    Raises:
      RemotePathError: It is not on this machine.
    """
    try:
        refuse_remote(model_dir)
    except RemotePathError as error:
        raise RemotePathError(
            f"{error.path} is not on this machine, and a run keeps its record beside its"
            " checkpoints; give a local --model_dir",
            path=error.path,
        ) from None
    return Path(model_dir)


def _num_steps(config: PipelineConfig, num_train_steps: int | None) -> int:
    """Returns the step at which the run ends."""
    if num_train_steps is not None:
        if num_train_steps < 1:
            raise UsageError(f"--num_train_steps is {num_train_steps}: a run takes at least 1 step")
        return num_train_steps
    if not config.num_steps:
        raise TrainingRefusedError(
            f"{config.file}: train_config.num_steps is 0: a run needs an end; set num_steps or"
            " give --num_train_steps"
        )
    return config.num_steps


def latest_step(model_dir: Path) -> int | None:
    """Returns the step of the checkpoint that a run's directory names as its last, or None.

    As ``tf.train.latest_checkpoint``, which stock asks (model_lib_v2.py:624), it takes no other
    one where that is gone: the run would start anew.
    """
    named = named_in_state(model_dir)
    if named is None:
        return None
    try:
        with Checkpoint.open(f"{named}.index") as checkpoint:
            return checkpoint.step or 0
    except CheckpointNotFoundError:
        return None


def _refuse_other_run(
    config: PipelineConfig,
    model_dir: Path,
    identity: tuple[FrozenBatchNorm, int | None, Conduct],
    step: int,
    num_steps: int,
) -> None:
    """Refuses to go on from a checkpoint that another run left, which stock does silently."""
    cure = (
        "; ask for what it was made with, choose another directory, or remove that one"
        " (--allow_used_model_dir goes on from its checkpoint all the same)"
    )
    if not record_path(model_dir).exists():
        raise TrainingRefusedError(
            f"{model_dir} already holds a checkpoint (step {step}) that no odfreeze run made; it"
            f" would win over fine_tune_checkpoint{cure}"
        )
    record = read_record(model_dir)
    for what, before, now in differing_identity(record, config, *identity):
        raise TrainingRefusedError(
            f"{model_dir} holds another run's checkpoint (step {step}): its {what} was"
            f" {_shown(before)} and is now {_shown(now)}{cure}"
        )
    if step > num_steps:
        raise TrainingRefusedError(
            f"{model_dir} is at step {step}, past the {num_steps} steps asked for: nothing would"
            f" be trained; ask for more steps, or choose another --model_dir"
            " (--allow_used_model_dir verifies it as it is)"
        )


def _shown(value: object) -> str:
    """Returns a value of a config for a message.

    >>> _shown(("^a", "b")), _shown(()), _shown(None), _shown("full")
    ("['^a', 'b']", 'not set', 'not set', "'full'")
    """
    if value is None or value == ():
        return "not set"
    return repr(list(value) if isinstance(value, tuple) else value)


def _previewed(
    config: PipelineConfig,
    step: int | None,
    frozen_batch_norm: FrozenBatchNorm,
    rates: Sequence[Rate],
    allow: Collection[str],
) -> Preview | None:
    """Returns the run's preview, None where nothing can tell; raises for what is refused."""
    patterns = config.patterns()
    if not config.fine_tune_checkpoint:
        if patterns and step is None and "random_frozen" not in allow:
            raise TrainingRefusedError(
                "patterns are given but no fine_tune_checkpoint: what they freeze would stay at its"
                " random start; set fine_tune_checkpoint"
                " (--allow_random_frozen goes on all the same)",
                place=patterns[0].place,
            )
        return None
    try:
        seen = preview(config, frozen_batch_norm=frozen_batch_norm, rates=rates)
    except RemotePathError:
        return None  # only TensorFlow reads it; the child judges the live model all the same
    except CheckpointNotFoundError:
        if step is not None:
            return None  # a resumed run does not need where it came from any more
        raise
    if not _can_tell(seen):
        return None
    chosen = seen.selection
    if not _waits_for_live_names(chosen, chosen.patterns, chosen.match_counts()):
        refuse(chosen, seen.restored if step is None else None, allow)
    rated = seen.rated
    if rated is not None:
        of_rates = [Pattern("rate", one.pattern) for one in rated.rates]
        if not _waits_for_live_names(chosen, of_rates, rated.matches()):
            refuse_rates(rated, allow)
    return seen


def _waits_for_live_names(
    chosen: Selection, patterns: Iterable[Pattern], counts: Iterable[int]
) -> bool:
    """Whether all patterns that match nothing are for names that Keras made up.

    The live model's numbers may be others than the checkpoint's: the child knows both sides.
    """
    unmatched = [p for p, n in zip(patterns, counts, strict=True) if not n]
    numbers = numbers_of(chosen.variables) if unmatched else {}
    return bool(unmatched) and all(
        not pattern.by_path and classes_named(pattern.text, numbers) for pattern in unmatched
    )


def _can_tell(seen: Preview) -> bool:
    """Whether the checkpoint holds a detection model, not just a backbone, and its names."""
    return not seen.names_missing and any(
        v.object_path.startswith("model/") for v in seen.selection.variables
    )
