"""Runs that are compared: their plans carried out, what they came to evaluated."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from odfreeze.errors import OdfreezeError, TrainingFailedError, UsageError
from odfreeze.files import refuse_remote
from odfreeze.runs.comparison import ComparedRun, Comparison, compared, find_runs, read_run
from odfreeze.training.determinism import check_seed
from odfreeze.training.evaluation import evaluate

__all__ = ["compare_plans", "compare_runs"]

#: Called with each event of the runs and evaluations, a dict with ``kind`` and more.
Watch = Callable[[dict[str, Any]], None]


def compare_runs(
    directories: Sequence[str | os.PathLike[str]],
    *,
    evaluating: bool = False,
    python: str = sys.executable,
    watch: Watch | None = None,
) -> Comparison:
    """Compares runs.

    Args:
      directories: Of each what `odfreeze stage` wrote and `odfreeze train` trained, or one
        ``model_dir``.
      evaluating: Whether to evaluate what the runs came to, those that came to their end and
        where no result is known.
      python: The Python of the environment that has TensorFlow and the OD API.
      watch: Called with the event ``evaluating`` for each evaluation, ``run`` and ``checkpoint``.

    Raises:
      UsageError: A directory holds no run, or is given twice.
      RemotePathError: A directory is not on this machine.
    """
    runs = find_runs(directories)
    return compared([_evaluated(run, python, watch) for run in runs] if evaluating else runs)


def compare_plans(
    plans: Sequence[str | os.PathLike[str]],
    output_dir: str | os.PathLike[str],
    *,
    seed: int | None = None,
    checkpoint_every_n: int = 1000,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
    python: str = sys.executable,
    watch: Watch | None = None,
    verbose: bool = False,
) -> Comparison:
    """Runs plans one after the other, evaluates what they come to, and compares them.

    Stages that are finished are not run again, and one that was cut off is resumed: the same
    call goes on where it was ended. A plan that fails does not keep the others from running.

    Args:
      plans: Files of plans; a file's name without its ending is that of the run.
      output_dir: Each run gets a folder of its name there.
      seed: See :func:`odfreeze.train`.
      checkpoint_every_n: See :func:`odfreeze.train`.
      allow: See :func:`odfreeze.train`.
      ignore: See :func:`odfreeze.train`.
      python: The Python of the environment that has TensorFlow and the OD API.
      watch: Called with each event of every run; ``plan`` tells which ``name`` begins, and
        ``evaluating`` is as for `compare_runs`.
      verbose: Whether to repeat the children's logs on standard error.

    Raises:
      UsageError: Two plans are of one name; or the seed is out of its range.
      PlanError, ConfigError, RemotePathError: A plan cannot be carried out; nothing was trained.
      TrainingFailedError: Ended by a signal.
    """
    from odfreeze.stages.plan import read_plan
    from odfreeze.stages.staging import plan_stages

    check_seed(seed)
    refuse_remote(output_dir)  # as it was given: a Path makes one slash of two
    names = [Path(file).stem for file in plans]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise UsageError(f"two plans are called {name}; their runs would be one: rename a file")
    targets = [Path(output_dir) / name for name in names]
    for file, directory in zip(plans, targets, strict=True):
        plan_stages(read_plan(file), directory)  # for its errors, before hours of training
    runs = []
    for number, (file, directory) in enumerate(zip(plans, targets, strict=True), start=1):
        if watch is not None:
            watch({"kind": "plan", "name": directory.name, "number": number, "of": len(targets)})
        failure = _run_plan(
            file,
            directory,
            {"allow": allow, "ignore": ignore},
            {
                "seed": seed,
                "checkpoint_every_n": checkpoint_every_n,
                "python": python,
                "watch": watch,
                "verbose": verbose,
            },
        )
        try:
            run = read_run(directory, directory.name)
        except OdfreezeError as error:
            run = ComparedRun(directory.name, directory, None, failure=str(error))
        run = dataclasses.replace(run, failure=failure or run.failure)
        runs.append(_evaluated(run, python, watch))
    return compared(runs)


def _run_plan(
    file: str | os.PathLike[str],
    directory: Path,
    permits: dict[str, Any],
    options: dict[str, Any],
) -> str:
    """Lays out and trains what is left of a plan; returns why it failed, or ""."""
    from odfreeze.stages.plan import read_plan
    from odfreeze.stages.staging import write_stages
    from odfreeze.training.staged import train_stages

    try:
        write_stages(read_plan(file), directory, **permits)
        train_stages(directory, **permits, **options)
    except TrainingFailedError as error:
        if error.exit_status >= 128:  # a signal is meant for all of it
            raise
        return str(error)
    except OdfreezeError as error:
        return str(error)
    return ""


def _evaluated(run: ComparedRun, python: str, watch: Watch | None) -> ComparedRun:
    """Returns a run with an evaluation of what it came to; as it is, if it came to no end."""
    config, model_dir = run.config, run.model_dir
    if run.evaluation is not None or run.status not in ("verified", "not verified"):
        return run
    if config is None or model_dir is None or run.checkpoint is None:
        return run
    if watch is not None:
        watch({"kind": "evaluating", "run": run.name, "checkpoint": run.checkpoint.name})
    try:
        found = evaluate(config, run.checkpoint, model_dir, python=python)
    except OdfreezeError as error:
        return dataclasses.replace(run, failure=str(error))
    return dataclasses.replace(run, evaluation=found)
