"""A staged fine-tuning run: the stages in order, finished ones skipped, a cut-off one resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from odfreeze.errors import OdfreezeError, OutputError, TrainingRefusedError, UsageError
from odfreeze.files import refuse_remote
from odfreeze.pipeline import PipelineConfig
from odfreeze.report.training import describe_verification
from odfreeze.runs.lock import LOCK_NAME, RunLock
from odfreeze.runs.pruning import prune_checkpoints
from odfreeze.runs.stage_runs import (
    StageRun,
    choose_stage,
    find_stages,
    has_checkpoint,
    is_finished,
    is_from_its_start,
    is_whole,
    last_step,
    refuse_lost_stages,
    stage_state,
    steps_handed_on,
)
from odfreeze.runs.state import RunState, read_run_state
from odfreeze.selection import FrozenBatchNorm
from odfreeze.stages.plan import read_plan
from odfreeze.stages.restage import config_digest, restage
from odfreeze.training.cluster import Cluster, read_cluster
from odfreeze.training.launch import TrainingResult, train
from odfreeze.training.run_keeper import RunKeeper

__all__ = [
    "KeepCheckpoints",
    "StageRun",
    "find_stages",
    "is_finished",
    "train_plan",
    "train_stages",
]

#: What is kept of a finished stage's checkpoints when the next one has its own.
KeepCheckpoints: TypeAlias = Literal["all", "last"]

Watch = Callable[[dict[str, Any]], None]


def train_stages(
    stages_dir: str | os.PathLike[str],
    *,
    from_stage: str | None = None,
    only_stage: str | None = None,
    keep_checkpoints: KeepCheckpoints = "all",
    checkpoint_every_n: int = 1000,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    seed: int | None = None,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
    flags: Sequence[str] = (),
    python: str = sys.executable,
    watch: Watch | None = None,
    verbose: bool = False,
) -> tuple[TrainingResult, ...]:
    """Runs every stage that is not finished, each followed by its verification.

    Stops after a stage whose verification fails. The same call again goes on where a run was
    cut off. How far it is stands in the directory's ``run.json``.

    Args:
      stages_dir: Directory that ``odfreeze stage`` wrote.
      from_stage: Name or number of the stage to begin with; those before it are not run, but
        what it starts from must be there.
      only_stage: Name or number of the one stage to run.
      keep_checkpoints: ``last`` removes a finished and verified stage's checkpoints when the
        next one has saved its own, but for the last one, the one that was handed on, and that
        of a random start; ``all`` removes none.
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
      UsageError: If the directory holds no stage, or not the one that was named.
      TrainingRefusedError: If another process runs these stages; if a stage was trained from
        something else than what the one before hands on now; and see :func:`odfreeze.train`.
      TrainingFailedError: See :func:`odfreeze.train`.
    """
    refuse_remote(stages_dir)
    directory = Path(stages_dir)
    refuse_lost_stages(find_stages(directory), directory)  # before a lock makes the directory
    settings = _Settings(
        from_stage, only_stage, keep_checkpoints, frozen_batch_norm, seed, tuple(allow)
    )
    options = {
        "checkpoint_every_n": checkpoint_every_n,
        "ignore": ignore,
        "flags": flags,
        "python": python,
        "verbose": verbose,
    }
    cluster = read_cluster(flags, os.environ.get("TF_CONFIG"))
    with RunLock(directory, _lock_name(cluster)):
        return _Run(directory, settings, cluster, options, watch).run()


def train_plan(
    plan: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    force: bool = False,
    from_stage: str | None = None,
    only_stage: str | None = None,
    keep_checkpoints: KeepCheckpoints = "last",
    checkpoint_every_n: int = 1000,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    seed: int | None = None,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
    flags: Sequence[str] = (),
    python: str = sys.executable,
    watch: Watch | None = None,
    verbose: bool = False,
) -> tuple[TrainingResult, ...]:
    """Writes the stages of a plan and runs them; the same call again goes on.

    The plan may have been edited since: a stage that has not begun takes its new config, for
    one that has a checkpoint that is refused.

    Args:
      plan: The plan's file.
      output_dir: The run's directory; made when it is missing.
      force: Whether to overwrite a stage's config that was edited by hand.
      from_stage: See :func:`train_stages`, as for all below.
      only_stage: The one stage to run.
      keep_checkpoints: What to keep of a stage when the next one has its own.
      checkpoint_every_n: Save every so many steps.
      frozen_batch_norm: ``hold`` or ``update``.
      seed: Makes every stage repeatable.
      allow: What to go on in spite of.
      ignore: Findings to go on in spite of.
      flags: More flags for ``model_main_tf2``.
      python: The Python of the training environment.
      watch: Called with each event; ``note`` tells what became of stages that were there.
      verbose: Whether to repeat the children's logs.

    Returns:
      The results of the stages that were run now, in order.

    Raises:
      TrainingRefusedError, OutputError: See :func:`odfreeze.stages.restage.restage` and
        :func:`train_stages`.
      PlanError, ConfigError, TextProtoError: See :func:`odfreeze.stages.plan.read_plan`.
      TrainingFailedError, UsageError: See :func:`train_stages`.
    """
    refuse_remote(output_dir)  # as it was given: a Path makes one slash of two
    read, directory = read_plan(plan), Path(output_dir)
    settings = _Settings(
        from_stage, only_stage, keep_checkpoints, frozen_batch_norm, seed, tuple(allow)
    )
    options = {
        "checkpoint_every_n": checkpoint_every_n,
        "ignore": ignore,
        "flags": flags,
        "python": python,
        "verbose": verbose,
    }
    cluster = read_cluster(flags, os.environ.get("TF_CONFIG"))
    _due(read.folders, from_stage, only_stage)  # for its errors, before anything is written
    with RunLock(directory, _lock_name(cluster)):
        kept = read_run_state(directory) or RunState()
        written = {one.name: one.config_digest for one in kept.stages}
        staged = restage(read, directory, written, force=force, allow=allow, ignore=ignore)
        run = _Run(directory, settings, cluster, options, watch)
        digests = {one.directory.name: config_digest(one.directory) for one in staged.stages}
        run.adopt(Path(plan), digests)
        for one in staged.stages:
            for finding in one.findings:
                if one.is_written and finding.severity != "info":  # later its own run tells them
                    run.notify({"kind": "finding", "text": str(finding).partition("\n")[0]})
        for text in staged.changes:
            run.notify({"kind": "note", "text": text})
        return run.run()


@dataclass(frozen=True, slots=True)
class _Settings:
    """What was asked for, as far as it is about stages."""

    from_stage: str | None
    only_stage: str | None
    keep_checkpoints: KeepCheckpoints
    frozen_batch_norm: FrozenBatchNorm
    seed: int | None
    allow: tuple[str, ...]


class _Run:
    """One sitting of a staged run."""

    def __init__(
        self,
        directory: Path,
        settings: _Settings,
        cluster: Cluster,
        options: Mapping[str, Any],
        watch: Watch | None,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._options = options
        self._watch = watch
        self._stages = find_stages(directory)
        folders = [stage.name for stage in self._stages]
        self._due = _due(folders, settings.from_stage, settings.only_stage)
        self._pruned: set[int] = set()
        kept = read_run_state(directory) or RunState()
        stages = tuple(stage_state(stage, kept.stage(stage.name)) for stage in self._stages)
        state = RunState(stages, kept.plan)
        self._keeper = RunKeeper(directory, state, is_chief=cluster.is_chief)

    def adopt(self, plan: Path, digests: Mapping[str, str | None]) -> None:
        """Notes which plan the stages are of, and their configs as it wrote them."""
        stages = tuple(
            dataclasses.replace(one, config_digest=digests.get(one.name))
            for one in self._keeper.state.stages
        )
        path = Path(os.path.abspath(plan)).as_posix()  # noqa: PTH100
        self._keeper.state = RunState(stages, path)

    def notify(self, event: dict[str, Any]) -> None:
        """Passes an event on."""
        if self._watch is not None:
            self._watch(event)

    def run(self) -> tuple[TrainingResult, ...]:
        """Runs what is due and not finished."""
        self._keeper.write()
        finished = [self._is_finished(stage) for stage in self._stages]
        self._tell_all(finished)
        for index in range(len(self._stages) - 1):
            self._prune(index)
        results = []
        for index in self._due:
            stage = self._stages[index]
            place = {"stage": stage.name, "number": index + 1, "of": len(self._stages)}
            self._check_start(index)
            if finished[index]:
                self.notify({"kind": "skipped", **place})
                continue
            self.notify({"kind": "stage", **place})
            result = self._train(index)
            results.append(result)
            summary = describe_verification(result.verification)
            self.notify({"kind": "verified", **place, "step": result.step, "summary": summary})
            if not result.verification.ok:
                break
        return tuple(results)

    def _train(self, index: int) -> TrainingResult:
        stage = self._stages[index]

        def watch(event: dict[str, Any]) -> None:
            self._keeper(event)
            if event["kind"] == "saved" and index:
                self._prune(index - 1)
            self.notify(event)

        self._keeper.begin(stage)
        try:
            result = train(
                stage.config,
                stage.model_dir,
                frozen_batch_norm=self._settings.frozen_batch_norm,
                seed=self._settings.seed,
                conduct=stage.conduct,
                allow=self._settings.allow,
                watch=watch,
                **self._options,
            )
        except OdfreezeError as error:
            self._keeper.fail(stage, error.message)
            raise
        self._keeper.end(stage)
        return result

    def _is_finished(self, stage: StageRun) -> bool:
        return is_finished(stage, self._settings.frozen_batch_norm, self._settings.seed)

    def _tell_all(self, finished: Sequence[bool]) -> None:
        """Tells what there is to do, and how fast such a thing went the last time."""
        rows = []
        for index, stage in enumerate(self._stages):
            known = self._keeper.state.stages[index]
            rows.append({
                "stage": stage.name,
                "num_steps": stage.num_steps,
                "step": known.step,
                "is_finished": finished[index],
                "is_due": index in self._due and not finished[index],
                "metric": stage.conduct.until.metric if stage.conduct.until else None,
            })  # fmt: skip
        timed = [one for one in self._keeper.state.stages if one.steps_per_second]
        event = {
            "kind": "run",
            "stages": rows,
            "steps_per_second": timed[-1].steps_per_second if timed else None,
            "seconds_to_first_step": timed[-1].seconds_to_first_step if timed else None,
        }
        self._keeper(event)
        self.notify(event)

    def _check_start(self, index: int) -> None:
        """Raises where a stage is not, or could not be, trained from what it starts from."""
        stage, which = self._stages[index], self._called(index)
        if "used_model_dir" not in self._settings.allow and is_from_its_start(stage) is False:
            raise TrainingRefusedError(
                f"{which}, was trained from what {_start_of(stage)} held before that was written"
                f" anew: remove {stage.model_dir} to train the stage from what is there now"
                " (--allow_used_model_dir keeps it as it is)"
            )
        if index == 0 or index - 1 in self._due or last_step(stage) is not None:
            return
        start, flag = _start_of(stage), self._flag()
        if start is not None and not is_whole(start):
            raise TrainingRefusedError(
                f"{which}, starts from {start}, which is not there, or not whole: run the stages"
                f" before it first ({flag} leaves them out)"
            )
        if not self._is_finished(self._stages[index - 1]):
            text = f"{self._called(index - 1)}, is not finished and verified; {flag} goes on"
            self.notify({"kind": "note", "text": text})

    def _called(self, index: int) -> str:
        return f"stage {index + 1} of {len(self._stages)}, {self._stages[index].name}"

    def _flag(self) -> str:
        return "--from_stage" if self._settings.only_stage is None else "--only_stage"

    def _prune(self, index: int) -> None:
        """Removes what nothing needs of a finished stage once the next has its own."""
        if self._settings.keep_checkpoints == "all" or not self._cluster.is_chief:
            return
        stage, after = self._stages[index], self._stages[index + 1]
        if index in self._pruned or not has_checkpoint(after):
            return
        if not self._is_finished(stage) or is_from_its_start(after) is False:
            return
        self._pruned.add(index)
        keep = {f"ckpt-{step}" for step in steps_handed_on(stage)}
        config = PipelineConfig.read(stage.config)
        if not config.fine_tune_checkpoint or config.fine_tune_checkpoint_type != "full":
            keep.add("ckpt-0")  # where its random values were is nowhere else
        with contextlib.suppress(OutputError):  # then the next time
            prune_checkpoints(stage.model_dir, keep)


def _due(folders: Sequence[str], from_stage: str | None, only_stage: str | None) -> tuple[int, ...]:
    """Returns the indexes of the stages that were asked for, of all of them by their folders."""
    if from_stage is not None and only_stage is not None:
        raise UsageError("--from_stage and --only_stage do not go together; give one of them")
    if only_stage is not None:
        return (choose_stage(folders, only_stage, "--only_stage"),)
    first = 0 if from_stage is None else choose_stage(folders, from_stage, "--from_stage")
    return tuple(range(first, len(folders)))


def _start_of(stage: StageRun) -> str | None:
    return PipelineConfig.read(stage.config).fine_tune_checkpoint


def _lock_name(cluster: Cluster) -> str:
    """Returns the lock's name; workers of one run may share its directory."""
    return LOCK_NAME if cluster.is_chief else f"run.{cluster.task}.lock"
