"""A staged fine-tuning run: the stages in order, finished ones skipped, a cut-off one resumed."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odfreeze.checkpoint import Checkpoint
from odfreeze.conduct import Conduct, read_conduct
from odfreeze.errors import CheckpointError, RecordError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.record import differing_identity, read_record
from odfreeze.report.training import describe_verification
from odfreeze.selection import FrozenBatchNorm
from odfreeze.training.launch import TrainingResult, train

__all__ = ["StageRun", "find_stages", "is_finished", "train_stages"]


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a run, as ``odfreeze stage`` laid it out.

    Attributes:
      name: Folder name, such as ``01_head``.
      config: The stage's pipeline.config.
      model_dir: Where the stage's checkpoints and record go.
      num_steps: Steps of the stage; the most of them where ``conduct.until`` ends it.
      conduct: What its config has no field for.
    """

    name: str
    config: Path
    model_dir: Path
    num_steps: int
    conduct: Conduct = field(default_factory=Conduct)

    @property
    def last_checkpoint(self) -> Path:
        """Prefix of the checkpoint that the stage ends with and the next begins from."""
        return self.model_dir / f"ckpt-{self.num_steps}"


def find_stages(stages_dir: str | os.PathLike[str]) -> tuple[StageRun, ...]:
    """Returns the stages in a directory that ``odfreeze stage`` wrote, in their order.

    Raises:
      UsageError: If there is none, or two of one number.
    """
    directory = Path(stages_dir)
    found = []
    if directory.is_dir():
        for folder in directory.iterdir():
            number = re.match(r"(\d+)_", folder.name)
            config = folder / "pipeline.config"
            if number and config.is_file():
                steps = PipelineConfig.read(config).num_steps or 0
                conduct = read_conduct(folder)
                stage = StageRun(folder.name, config, folder / "model", steps, conduct)
                found.append((int(number.group(1)), stage))
    if not found:
        raise UsageError(
            f"{directory} holds no stage (a folder such as 01_head with a pipeline.config);"
            f" write them with: odfreeze stage PLAN --output_dir {directory}"
        )
    found.sort(key=lambda pair: (pair[0], pair[1].name))
    for (one_number, one), (other_number, other) in itertools.pairwise(found):
        if one_number == other_number:
            raise UsageError(
                f"{directory} holds two stages of one number, {one.name} and {other.name};"
                " remove the one that is not of the plan"
            )
    return tuple(stage for _, stage in found)


def is_finished(
    stage: StageRun, frozen_batch_norm: FrozenBatchNorm = "hold", seed: int | None = None
) -> bool:
    """Whether a stage's last checkpoint is there, whole, and was verified.

    A checkpoint whose files are cut short, or that was written but not verified yet, does not
    count: training it again resumes at its end and only verifies. Nor does one of a run with
    other patterns than the stage's config has now: training it again refuses.
    """
    if not _verified(stage):
        return False
    config = PipelineConfig.read(stage.config)
    try:
        record = read_record(stage.model_dir)
        if differing_identity(record, config, frozen_batch_norm, seed, stage.conduct):
            return False
        with Checkpoint.open(stage.last_checkpoint) as checkpoint:
            _read_ends(checkpoint)
            return checkpoint.step == stage.num_steps
    except (CheckpointError, RecordError):
        return False


def train_stages(
    stages_dir: str | os.PathLike[str],
    *,
    checkpoint_every_n: int = 1000,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    seed: int | None = None,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
    flags: Sequence[str] = (),
    python: str = sys.executable,
    watch: Callable[[dict[str, Any]], None] | None = None,
    verbose: bool = False,
) -> tuple[TrainingResult, ...]:
    """Runs every stage that is not finished, each followed by its verification.

    Stops after a stage whose verification fails. The same call again goes on where a run was
    cut off.

    Args:
      stages_dir: Directory that ``odfreeze stage`` wrote.
      checkpoint_every_n: Save every so many steps; the last of a stage is always saved.
      frozen_batch_norm: ``hold`` or ``update``, see :func:`odfreeze.train`.
      seed: Makes every stage repeatable, see :func:`odfreeze.train`.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      ignore: Codes of findings to go on in spite of, see :func:`odfreeze.train`.
      flags: More flags for ``model_main_tf2``.
      python: The Python of the environment that has TensorFlow and the OD API.
      watch: Called with each event; ``stage`` and ``skipped`` tell which stage it is about.
      verbose: Whether to repeat the children's logs on standard error.

    Returns:
      The results of the stages that were run now, in order.

    Raises:
      UsageError: If the directory holds no stage.
      TrainingRefusedError: See :func:`odfreeze.train`.
      TrainingFailedError: See :func:`odfreeze.train`.
    """
    notify = watch or (lambda event: None)
    stages = find_stages(stages_dir)
    results = []
    for index, stage in enumerate(stages, start=1):
        place = {"stage": stage.name, "number": index, "of": len(stages)}
        if is_finished(stage, frozen_batch_norm, seed):
            notify({"kind": "skipped", **place})
            continue
        notify({"kind": "stage", **place})
        result = train(
            stage.config,
            stage.model_dir,
            checkpoint_every_n=checkpoint_every_n,
            frozen_batch_norm=frozen_batch_norm,
            seed=seed,
            conduct=stage.conduct,
            allow=allow,
            ignore=ignore,
            flags=flags,
            python=python,
            watch=watch,
            verbose=verbose,
        )
        results.append(result)
        summary = describe_verification(result.verification)
        notify({"kind": "verified", **place, "summary": summary})
        if not result.verification.ok:
            break
    return tuple(results)


def _read_ends(checkpoint: Checkpoint) -> None:
    """Reads the last value in each data file; CheckpointError when a file is cut short."""
    entries = sorted(checkpoint.entries.values(), key=lambda entry: entry.offset + entry.size)
    for entry in {entry.shard: entry for entry in entries}.values():
        if entry.dtype == "string":
            checkpoint.strings(entry.key)
        else:
            for _ in checkpoint.chunks(entry.key):
                pass


def _verified(stage: StageRun) -> bool:
    path = stage.model_dir / "odfreeze" / "verification.json"
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("ok") is True
    except (OSError, ValueError, AttributeError):
        return False
