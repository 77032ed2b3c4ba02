"""The runs of staged configs, as their own files tell of them: record, checkpoints, verification.

These files are the truth about a staged run. ``run.json`` (:mod:`odfreeze.runs.state`) adds what
they cannot tell.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odfreeze.checkpoint import Checkpoint, named_in_state
from odfreeze.errors import (
    CheckpointError,
    OdfreezeError,
    RecordError,
    TrainingRefusedError,
    UsageError,
    suggest,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.ending import how_ended
from odfreeze.runs.record import RunRecord, differing_identity, digest, index_digest, read_record
from odfreeze.runs.state import RunState, StageState, read_run_state
from odfreeze.selection import FrozenBatchNorm
from odfreeze.stages.conduct import HANDOVER_NAME, Conduct, read_conduct

__all__ = [
    "StageRun",
    "choose_stage",
    "find_stages",
    "has_checkpoint",
    "is_finished",
    "is_from_its_start",
    "is_whole",
    "last_step",
    "read_run",
    "refuse_lost_stages",
    "stage_state",
    "steps_handed_on",
]


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
        """Prefix of the checkpoint that the stage hands on and the next begins from."""
        ends_early = self.conduct.until is not None
        return self.model_dir / (HANDOVER_NAME if ends_early else f"ckpt-{self.num_steps}")


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


def refuse_lost_stages(stages: Sequence[StageRun], directory: Path) -> None:
    """Refuses to pass over a stage that was trained and whose config is gone.

    Args:
      stages: Those that `find_stages` found.
      directory: Where it looked.

    Raises:
      TrainingRefusedError: There is one.
    """
    known = {stage.name for stage in stages}
    for folder in sorted(directory.iterdir()):
        number, _, name = folder.name.partition("_")
        is_stage = number.isdecimal() and name and folder.name not in known
        if is_stage and (folder / "model" / "checkpoint").exists():
            raise TrainingRefusedError(
                f"{folder} holds a checkpoint, and no pipeline.config any more: the stages after it"
                " start from it, and nothing tells what it was; put the config back (`odfreeze"
                " stage` writes it), or remove the folder"
            )


def choose_stage(folders: Sequence[str], text: str, flag: str) -> int:
    """Returns the index of the stage that a name, a folder's name or a number means.

    Args:
      folders: The folders' names of all of them.
      text: What was given.
      flag: What it was given for, as ``--from_stage``.

    Raises:
      UsageError: It means none of them, or two.
    """
    names = {folder: folder.partition("_") for folder in folders}
    found = [
        index
        for index, (folder, (number, _, name)) in enumerate(names.items())
        if text in (folder, name) or (text.isdecimal() and int(text) == int(number))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(folders[index] for index in found)
        raise UsageError(f"{flag} {text} means {both}; give the folder's name")
    known = [*names, *(name for _, _, name in names.values())]
    raise UsageError(
        f"there is no stage {text!r} for {flag}{suggest(text, known)} (there are"
        f" {', '.join(names)})"
    )


# --- how far a stage is ---------------------------------------------------------------


def is_finished(
    stage: StageRun, frozen_batch_norm: FrozenBatchNorm = "hold", seed: int | None = None
) -> bool:
    """Whether what a stage hands on is there, whole, and its end was verified.

    A checkpoint whose files are cut short, or that was written but not verified yet, does not
    count: training it again resumes at its end and only verifies. Nor does one of a run with
    other patterns than the stage's config has now: training it again refuses.
    """
    if _verdict(stage).get("ok") is not True:
        return False
    config = PipelineConfig.read(stage.config)
    try:
        record = read_record(stage.model_dir)
        if differing_identity(record, config, frozen_batch_norm, seed, stage.conduct):
            return False
        return is_whole(stage.last_checkpoint, steps_handed_on(stage))
    except RecordError:
        return False


def is_whole(prefix: str | os.PathLike[str], steps: Sequence[int] | None = None) -> bool:
    """Whether a checkpoint is there with all its bytes, and of one of some steps."""
    try:
        with Checkpoint.open(f"{os.fspath(prefix)}.index") as checkpoint:
            _read_ends(checkpoint)
            return steps is None or checkpoint.step in steps
    except CheckpointError:
        return False


def last_step(stage: StageRun) -> int | None:
    """Returns the step of a stage's last checkpoint, None where there is none to read."""
    named = named_in_state(stage.model_dir)
    try:
        if named is not None:
            with Checkpoint.open(f"{named}.index") as checkpoint:
                return checkpoint.step or 0
    except CheckpointError:
        pass
    return None


def has_checkpoint(stage: StageRun) -> bool:
    """Whether a stage has saved a checkpoint of its own, behind the one of its start."""
    return (last_step(stage) or 0) > 0


def is_from_its_start(stage: StageRun) -> bool | None:
    """Whether a stage was trained from what the checkpoint that it starts from holds now.

    Not so once that was trained anew, or another one put in its place. A record of a version
    that did not keep the digest of what it started from is held against its values.

    Returns:
      None where nothing can tell: it has not begun, or what it started from is gone.
    """
    try:
        record = read_record(stage.model_dir)
        if last_step(stage) is None or not record.fine_tune_checkpoint:
            return None
        now = index_digest(record.fine_tune_checkpoint)
        if now is None:
            return None
        if record.start_digest is not None:
            return now == record.start_digest
        return _has_values_of(record)
    except OdfreezeError:
        return None


def _has_values_of(record: RunRecord) -> bool | None:
    """Whether what a run began with are a checkpoint's values; None where types may differ."""
    if record.fine_tune_checkpoint_type != "full" or record.start_step:
        return None
    with Checkpoint.open(f"{record.fine_tune_checkpoint}.index") as checkpoint:
        values = {variable.object_path: variable for variable in checkpoint.variables}
        return all(
            digest(checkpoint.chunks(values[one.object_path])) == one.digest
            for one in record.variables
            if one.object_path in values
        )


def steps_handed_on(stage: StageRun) -> Sequence[int]:
    """Returns the steps of which the checkpoint that a stage hands on may be; () before its end.

    Raises:
      RecordError: The looks at its metric are not as they were written.
    """
    if stage.conduct.until is None:
        return (stage.num_steps,)
    step, conduct = last_step(stage), stage.conduct
    ending = how_ended(stage.model_dir, conduct, stage.num_steps, step)
    return () if ending is None else (ending.handed_on(conduct.handover),)


def _read_ends(checkpoint: Checkpoint) -> None:
    """Reads the last value in each data file; CheckpointError when a file is cut short."""
    entries = sorted(checkpoint.entries.values(), key=lambda entry: entry.offset + entry.size)
    for entry in {entry.shard: entry for entry in entries}.values():
        if entry.dtype == "string":
            checkpoint.strings(entry.key)
        else:
            for _ in checkpoint.chunks(entry.key):
                pass


# --- the account ----------------------------------------------------------------------


def read_run(directory: str | os.PathLike[str]) -> RunState:
    """Returns how far a staged run has come: ``run.json``, put right by the stages' own files.

    Raises:
      UsageError: The directory holds no stage.
    """
    kept = read_run_state(directory) or RunState()
    stages = find_stages(directory)
    return RunState(
        tuple(stage_state(stage, kept.stage(stage.name)) for stage in stages), kept.plan
    )


def stage_state(stage: StageRun, kept: StageState | None = None) -> StageState:
    """Returns how far a stage is, by its own files.

    Args:
      stage: The stage.
      kept: What ``run.json`` says of it, for all that these files do not tell.
    """
    state = kept or StageState(stage.name)
    verdict, told = _verdict(stage), _json(stage.model_dir / "odfreeze" / "report.json")
    step, record = last_step(stage), None
    try:
        record = read_record(stage.model_dir)
    except RecordError:
        step = None  # a checkpoint that no run of ours made
    finished = record is not None and is_finished(stage, record.frozen_batch_norm, record.seed)
    if finished and step is None:  # its last checkpoint is whole, only no file names it any more
        step = max(steps_handed_on(stage))
    if record is None or step is None:  # it has not begun, or was removed to begin anew
        fresh = StageState(stage.name, num_steps=stage.num_steps, config_digest=state.config_digest)
        if state.state != "failed" or not stage.model_dir.is_dir():
            return fresh
        return dataclasses.replace(
            state, num_steps=stage.num_steps, step=0, checkpoint=None, start_digest=None
        )
    failed = verdict.get("ok") is False
    given = verdict.get("reasons")
    reasons = "; ".join(map(str, given)) if failed and isinstance(given, list) else None
    if kept is None or not kept.seconds:
        state = dataclasses.replace(state, **_from_report(told))
    now: Any = "finished" if finished else "waiting"
    if finished and is_from_its_start(stage) is False:
        now = "failed"
        reasons = f"{record.fine_tune_checkpoint}, which it started from, was written anew since"
    elif not finished and (failed or state.state == "failed"):
        now = "failed"
    hands_on = stage.last_checkpoint if finished else stage.model_dir / f"ckpt-{step}"
    return dataclasses.replace(
        state,
        state=now,
        num_steps=stage.num_steps,
        step=step,
        checkpoint=Path(os.path.abspath(hands_on)).as_posix(),  # noqa: PTH100
        start_digest=record.start_digest,
        began=state.began or record.created,
        ended=state.ended if now != "waiting" else None,
        reason=None if now != "failed" else reasons or state.reason,
    )


def _from_report(told: dict[str, Any]) -> dict[str, Any]:
    """Returns what a stage's report.json has of its last sitting, for a run without run.json."""
    scalars, ending = told.get("scalars"), told.get("ending")
    row = {
        "name": "", "state": "waiting", "seconds": told.get("seconds"), "ended": told.get("ended"),
        "steps_per_second": told.get("steps_per_second"),
        "seconds_to_first_step": told.get("seconds_to_first_step"),
        "loss": scalars.get("Loss/total_loss") if isinstance(scalars, dict) else None,
        "decided": ending.get("sentence") if isinstance(ending, dict) else None,
    }  # fmt: skip
    read = RunState.from_json({"version": 1, "stages": [row]}).stages[0]
    names = ("seconds", "ended", "steps_per_second", "seconds_to_first_step", "loss", "decided")
    return {name: getattr(read, name) for name in names}


def _verdict(stage: StageRun) -> dict[str, Any]:
    return _json(stage.model_dir / "odfreeze" / "verification.json")


def _json(path: Path) -> dict[str, Any]:
    """Returns the object in a file of JSON; {} where there is none."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
