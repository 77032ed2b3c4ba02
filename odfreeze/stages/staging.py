"""Staging: a plan in, one directory with a pipeline.config per stage out.

    OUTPUT_DIR/01_head/pipeline.config
    OUTPUT_DIR/01_head/stage.json           what a config has no field for, where there is any
    OUTPUT_DIR/01_head/model/               where `odfreeze train` puts that stage's run
    OUTPUT_DIR/02_head_and_neck/pipeline.config

Each config is a lossless edit of the plan's base config. The first stage starts from the base's
``fine_tune_checkpoint``, each later one from the last checkpoint of the one before, which is
called by its step, since `odfreeze train` always saves the last step. A stage that a metric ends
has no such step: what it hands on is called `HANDOVER_NAME`, whichever step it is of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odfreeze.errors import OutputError, PlanError, TrainingRefusedError
from odfreeze.files import refuse_remote, write_atomically
from odfreeze.findings import Finding
from odfreeze.learning_rate import LARGEST_RATE, SMALLEST_RATE
from odfreeze.pipeline import PipelineConfig
from odfreeze.rates import RatedSelection
from odfreeze.selection import Selection
from odfreeze.stages.conduct import CONDUCT_NAME, HANDOVER_NAME
from odfreeze.stages.judgement import judge_stages
from odfreeze.stages.plan import Plan, Stage, check_plan, read_plan
from odfreeze.stages.schedule import Schedule, changes, read_schedule, refit

__all__ = [
    "CONFIG_NAME",
    "Plan",
    "Stage",
    "StagedConfig",
    "must_write",
    "plan_stages",
    "read_plan",
    "write_stages",
]

#: The file that each stage's directory holds.
CONFIG_NAME = "pipeline.config"

_DIRECTORY = re.compile(r"([0-9]{2})_(.+)")
_LEFTOVER = re.compile(rf"\.({re.escape(CONFIG_NAME)}|{re.escape(CONDUCT_NAME)})\.[0-9a-f]+\.tmp")


@dataclass(frozen=True, slots=True)
class StagedConfig:
    """One stage with its config, written or to be written.

    Attributes:
      number: Position in the plan, from 1.
      stage: The stage as the plan has it.
      directory: The stage's directory.
      data: Bytes of its pipeline.config.
      starts_from: The checkpoint prefix it starts from, or None for a random start.
      starts_from_type: ``fine_tune_checkpoint_type`` as it takes effect.
      batch_size: Images in a batch.
      schedule: Its learning rate schedule.
      selection: What its patterns decide for the variables of the base checkpoint; None when
        that could not tell.
      rated: The same with the stage's shares of the learning rate; None without any.
      findings: What its preview has to say; places in the plan or in its config.
      is_written: Whether this call wrote its files; False where it was there already, and before
        writing.
    """

    number: int
    stage: Stage
    directory: Path
    data: bytes
    starts_from: str | None
    starts_from_type: str
    batch_size: int
    schedule: Schedule
    selection: Selection | None = None
    rated: RatedSelection | None = None
    findings: tuple[Finding, ...] = ()
    is_written: bool = False

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.stage.name

    @property
    def num_steps(self) -> int:
        """Training steps."""
        return self.stage.num_steps

    @property
    def config_path(self) -> Path:
        """Path of the stage's pipeline.config."""
        return self.directory / CONFIG_NAME

    @property
    def model_dir(self) -> Path:
        """Directory for the stage's checkpoints."""
        return self.directory / "model"

    @property
    def checkpoint(self) -> str:
        """Prefix of the checkpoint that it hands on: absolute, with forward slashes."""
        ends_early = self.stage.conduct.until is not None
        name = HANDOVER_NAME if ends_early else f"ckpt-{self.num_steps}"
        return Path(os.path.abspath(self.model_dir / name)).as_posix()  # noqa: PTH100

    @property
    def conduct_path(self) -> Path:
        """Path of what its config has no field for."""
        return self.directory / CONDUCT_NAME

    @property
    def conduct_data(self) -> bytes | None:
        """Bytes of that file; None where the config says it all and there is to be none."""
        conduct = self.stage.conduct
        return None if conduct.is_plain else conduct.to_bytes()


def plan_stages(plan: Plan, output_dir: str | os.PathLike[str]) -> tuple[StagedConfig, ...]:
    """Returns the config of every stage; reads the base config.

    No checkpoint is looked at, but where the plan has names of sets such as ``@backbone``.

    Args:
      plan: The plan.
      output_dir: Where the stages' directories would be; need not exist.

    Raises:
      PlanError: The plan cannot be carried out.
      ConfigError: The base config cannot be read, or has no learning rate schedule.
      RemotePathError: A path is not local.
    """
    check_plan(plan)
    refuse_remote(output_dir)
    base = PipelineConfig.read(plan.base_config)
    if any(text.startswith("@") for stage in plan.stages for text in _pattern_texts(stage)):
        from odfreeze.stages.plan_patterns import with_patterns

        plan = with_patterns(plan, base)
    staged: list[StagedConfig] = []
    for number, (stage, folder) in enumerate(zip(plan.stages, plan.folders, strict=True), 1):
        before = staged[-1] if staged else None
        staged.append(_staged(base, stage, number, Path(output_dir) / folder, before))
    return tuple(staged)


def write_stages(
    plan: Plan,
    output_dir: str | os.PathLike[str],
    *,
    force: bool = False,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[StagedConfig, ...]:
    """Writes one directory with a pipeline.config per stage.

    Nothing is written before everything has been checked. A file that is there already with
    the same bytes is left alone, so that the same call again does nothing. The first
    stage's config is written last: a set that was cut off has no stage that could be run, and
    none has a config without the ``stage.json`` that goes with it.

    Args:
      plan: The plan.
      output_dir: Where to; made when it is missing. Nothing outside of it is written.
      force: Whether a pipeline.config or stage.json that differs may be overwritten.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      ignore: Codes, or beginnings of codes, of findings to go on in spite of.

    Returns:
      The stages, with what a check and the preview of the base checkpoint say of each.

    Raises:
      PlanError: The plan cannot be carried out.
      ConfigError: The base config cannot be read, or has no learning rate schedule.
      TrainingRefusedError: The base config is wrong, or a stage would not do what its patterns
        were written for.
      OutputError: Something else is in the way, or cannot be written.
      RemotePathError: A path is not local.
    """
    base = PipelineConfig.read(plan.base_config)
    staged = judge_stages(plan_stages(plan, output_dir), base, allow=allow, ignore=ignore)
    _refuse_strangers(staged, Path(output_dir))
    outdated = [one for one in staged if must_write(one, plan, force, allow)]
    for one in reversed(outdated):
        _write(one)
    written = {one.number for one in outdated}
    return tuple(replace(one, is_written=one.number in written) for one in staged)


def _pattern_texts(stage: Stage) -> Iterator[str]:
    yield from (pattern.text for pattern in stage.patterns())
    yield from (rate.pattern for rate in stage.conduct.rates)


# --- configs ----------------------------------------------------------------------


def _staged(
    base: PipelineConfig,
    stage: Stage,
    number: int,
    directory: Path,
    before: StagedConfig | None,
) -> StagedConfig:
    """Returns a stage with its config."""
    config = base
    if before is not None:
        config = config.with_changes(
            fine_tune_checkpoint=before.checkpoint,
            fine_tune_checkpoint_type="full",
            fine_tune_checkpoint_version="V2",
        )
    config = config.with_changes(
        freeze_variables=stage.freeze_variables,
        update_trainable_variables=stage.update_trainable_variables,
        num_steps=stage.num_steps,
        batch_size=stage.batch_size,
    )
    given = read_schedule(base.document)
    scale = 1.0 if stage.learning_rate_scale is None else stage.learning_rate_scale
    fitted = refit(
        given, stage.num_steps, base_steps=base.num_steps, rate=stage.learning_rate, scale=scale
    )
    if not SMALLEST_RATE <= fitted.peak <= LARGEST_RATE:
        raise PlanError(
            f"stage {stage.name!r}: its highest learning rate is {fitted.peak:g}, which the"
            f" config's 32 bits do not hold; give one from {SMALLEST_RATE:g} to {LARGEST_RATE:g}",
            place=stage.places.get("learning_rate") or stage.places.get("learning_rate_scale"),
        )
    for path, value in changes(given, fitted):
        config = config.with_value(path, value)
    return StagedConfig(
        number=number,
        stage=stage,
        directory=directory,
        data=config.data,
        starts_from=config.fine_tune_checkpoint,
        starts_from_type=config.fine_tune_checkpoint_type,
        batch_size=config.batch_size,
        schedule=fitted,
    )


# --- writing ----------------------------------------------------------------------


def _refuse_strangers(staged: tuple[StagedConfig, ...], output_dir: Path) -> None:
    """Raises where a stage of another plan is in the way: it would be run with these."""
    if output_dir.exists() and not output_dir.is_dir():
        raise OutputError(f"{output_dir} is a file; give a directory", path=str(output_dir))
    expected = {one.directory.name for one in staged}
    for _, path in _stages_in(output_dir):
        if path.name not in expected:
            raise OutputError(
                f"{path} is a stage that the plan does not have and would be run with it; remove"
                " it, or give another --output_dir",
                path=str(path),
            )


def must_write(one: StagedConfig, plan: Plan, force: bool, allow: Collection[str]) -> bool:
    """Returns whether a stage's files are to be written.

    Args:
      one: The stage.
      plan: The plan that it is of.
      force: See :func:`write_stages`.
      allow: See :func:`write_stages`.

    Raises:
      TrainingRefusedError, OutputError: They must not be, see :func:`write_stages`.
    """
    base = Path(os.path.realpath(plan.base_config))
    for path in (one.config_path, one.conduct_path):
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(one.directory.parent)):
            raise OutputError(
                f"{path} leads out of {one.directory.parent} to {real}; remove the link",
                path=str(path),
            )
        if real == base:
            raise OutputError(
                f"{path} is the plan's base config; give another --output_dir", path=str(path)
            )
    files = ((one.config_path, one.data), (one.conduct_path, one.conduct_data))
    if all(_content(path) == data for path, data in files):
        return False
    was_staged = one.config_path.exists()  # else a stage.json is left of a call that was cut off
    for path, data in files:
        if path.is_dir() or (was_staged and not force and _content(path) != data):
            state = "is there and differs from what the plan gives" if path.exists() else "is gone"
            cure = "to overwrite it" if path.exists() else "to write it anew"
            raise OutputError(
                f"{path} {state}; give another --output_dir, or --force {cure}", path=str(path)
            )
    if (one.model_dir / "checkpoint").exists() and "used_model_dir" not in allow:
        raise TrainingRefusedError(
            f"{one.model_dir} holds a checkpoint of a run with another config; remove it, or give"
            " another --output_dir (--allow_used_model_dir writes the config all the same)"
        )
    return True


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(one: StagedConfig) -> None:
    """Writes a stage's files, the config last; it is never there with a wrong ``stage.json``."""
    try:
        one.directory.mkdir(parents=True, exist_ok=True)
        for path in one.directory.iterdir():
            if _LEFTOVER.fullmatch(path.name):  # of a call that was killed while writing
                path.unlink()
        if _content(one.conduct_path) != one.conduct_data:
            one.config_path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{one.directory} cannot be used: {error.strerror or error}; check the directory",
            path=str(one.directory),
        ) from None
    if one.conduct_data is not None:
        write_atomically(one.conduct_path, one.conduct_data)
    else:
        one.conduct_path.unlink(missing_ok=True)
    write_atomically(one.config_path, one.data)


def _stages_in(directory: Path) -> list[tuple[int, Path]]:
    """Returns the stages' directories that hold a config, by number."""
    if not directory.is_dir():
        return []
    found = []
    for path in directory.iterdir():
        match = _DIRECTORY.fullmatch(path.name)
        if match and (path / CONFIG_NAME).is_file():
            found.append((int(match[1]), path))
    return sorted(found)
