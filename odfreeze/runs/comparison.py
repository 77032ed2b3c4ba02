"""Runs side by side: what each reached, what it took, and whether that can be compared."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from odfreeze.errors import UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.account import Account, read_account
from odfreeze.runs.evaluations import Evaluation, kept_evaluation
from odfreeze.runs.stage_runs import find_stages
from odfreeze.textproto import Scalar, walk

__all__ = ["ComparedRun", "Comparison", "Difference", "compared", "find_runs", "read_run"]

#: How a run stands: all of it verified; a verification that failed; not at its end; ended by an
#: error now.
Status = Literal["verified", "not verified", "unfinished", "failed"]


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run: all stages of a plan, or one training.

    Attributes:
      name: The directory as it was given, or the plan's name.
      directory: Where it is.
      account: What its files tell; None for a plan of which no stage was laid out.
      checkpoint: Prefix of the checkpoint that it ends with, or None.
      evaluation: Of that checkpoint, or None.
      failure: What kept it from its end, or from an evaluation, in this call; or "".
    """

    name: str
    directory: Path
    account: Account | None
    checkpoint: Path | None = None
    evaluation: Evaluation | None = None
    failure: str = ""

    @property
    def status(self) -> Status:
        """``verified`` when all stages are and nothing failed now."""
        if self.account is None or self.failure:
            return "failed"
        verdicts = [stage.run.verdict for stage in self.account.stages]
        if any(verdict is not None and not verdict.ok for verdict in verdicts):
            return "not verified"
        return "verified" if self.account.is_finished else "unfinished"

    @property
    def config(self) -> PipelineConfig | None:
        """What its last stage is trained and evaluated with."""
        return None if self.account is None else self.account.stages[-1].run.config

    @property
    def model_dir(self) -> Path | None:
        """The directory of its last stage's checkpoints."""
        return None if self.account is None else self.account.stages[-1].run.model_dir

    @property
    def steps(self) -> int:
        """Steps taken in all stages."""
        return 0 if self.account is None else self.account.steps

    @property
    def seconds(self) -> float | None:
        """How long its stages took to train; None where none tells."""
        return None if self.account is None else self.account.seconds

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most memory that the training of a stage held; None where none tells."""
        stages = () if self.account is None else self.account.stages
        known = [s.run.peak_memory_bytes for s in stages if s.run.peak_memory_bytes]
        return max(known, default=None)

    @property
    def trained_at_most(self) -> int:
        """Parameters that learn in the stage in which the most do."""
        if self.account is None:
            return 0
        variables = self.account.variables
        return max(stage.parameters(variables) for stage in self.account.stages)

    @property
    def trained_ever(self) -> int:
        """Parameters that learn in some stage."""
        return 0 if self.account is None else self.account.opened_parameters

    @property
    def parameters(self) -> int:
        """Parameters of the model that could learn."""
        return 0 if self.account is None else self.account.parameters


@dataclass(frozen=True, slots=True)
class Difference:
    """Something besides the plan in which runs differ, so that their results tell less.

    Attributes:
      what: In words, such as ``training data``.
      values: What each run has, in their order.
    """

    what: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side.

    Attributes:
      runs: In the order in which they were given.
      differences: Empty where all have the same model, start, data, batch size and seed.
    """

    runs: tuple[ComparedRun, ...]
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Whether every run came to its end and was verified."""
        return all(run.status == "verified" for run in self.runs)


def find_runs(directories: Sequence[str | os.PathLike[str]]) -> tuple[ComparedRun, ...]:
    """Returns the runs in directories, as `read_run` does.

    Raises:
      UsageError: A directory holds no run, or is given twice.
      RemotePathError: A directory is not on this machine.
    """
    resolved = [os.path.realpath(one) for one in directories]
    for index, one in enumerate(resolved):
        if one in resolved[:index]:
            raise UsageError(f"{directories[index]} is given twice; give each run once")
    return tuple(read_run(one) for one in directories)


def read_run(directory: str | os.PathLike[str], name: str = "") -> ComparedRun:
    """Returns what a run's files tell of it, an evaluation of what it came to among it.

    Args:
      directory: What `odfreeze stage` wrote and `odfreeze train` trained, or one ``model_dir``.
      name: What to call it; by default the directory as it is given.

    Raises:
      UsageError: It is neither.
      RemotePathError: It is not on this machine.
    """
    account = read_account(directory)
    last = account.stages[-1].run
    if account.kind == "plan":
        checkpoint = find_stages(directory)[-1].last_checkpoint
    else:
        checkpoint = last.model_dir / f"ckpt-{last.step}"
    run = ComparedRun(name or os.fspath(directory), Path(directory), account, checkpoint)
    if last.config is None:
        return run
    evaluation = kept_evaluation(last.config, checkpoint, last.model_dir)
    if evaluation is None and run.status in ("verified", "not verified"):
        told = [point for point in last.curves.metrics if point.step == last.step]
        if told and checkpoint.name == f"ckpt-{last.step}":  # not an earlier one that was better
            metrics = dict(told[-1].values)
            evaluation = Evaluation(checkpoint.name, told[-1].step, metrics, "", 0.0, "")
    return dataclasses.replace(run, evaluation=evaluation)


def compared(runs: Sequence[ComparedRun]) -> Comparison:
    """Returns runs side by side, with what keeps them from being comparable."""
    return Comparison(tuple(runs), tuple(_differences(runs)))


# --- differences ----------------------------------------------------------------------


def _differences(runs: Sequence[ComparedRun]) -> Iterator[Difference]:
    told = [_basis(run) for run in runs]
    for what in dict.fromkeys(what for one in told for what in one):
        known = [set(one[what]) for one in told if what in one]
        common = set.intersection(*known)
        if any(items != common for items in known):
            yield Difference(what, tuple(_told(one.get(what), common) for one in told))


def _told(items: Sequence[str] | None, common: Collection[str]) -> str:
    """Returns what of a run's items the others do not have, on a line."""
    if items is None:
        return "not known"
    return ", ".join(item for item in items if item not in common) or "nothing of its own"


def _basis(run: ComparedRun) -> dict[str, Sequence[str]]:
    """Returns what runs have to share for their results to tell of their plans, in words."""
    stages = [] if run.account is None else [stage.run for stage in run.account.stages]
    configs = [stage.config for stage in stages if stage.config is not None]
    if not configs or len(configs) < len(stages):
        return {}
    first, last = configs[0], configs[-1]
    start = first.fine_tune_checkpoint
    seeds = [stage.record.seed for stage in stages if stage.record is not None]
    readers = [field for config in configs for field in _section(config, "train_input_reader")]
    basis: dict[str, Sequence[str]] = {
        "model": _section(first, "model"),
        "base checkpoint": [
            "none"
            if start is None
            else f"{_absolute(start)} (type {first.fine_tune_checkpoint_type})"
        ],
        "training data": list(dict.fromkeys(readers)),
        "batch size": list(dict.fromkeys(str(config.batch_size) for config in configs)),
        "evaluation data": _section(last, "eval_input_reader"),
        "evaluation": _section(last, "eval_config"),
    }
    if seeds:
        basis["seed"] = list(dict.fromkeys("none" if s is None else str(s) for s in seeds))
    return basis


def _section(config: PipelineConfig, name: str) -> list[str]:
    """Returns the fields of a part of a config, each with its path in it and its value."""
    fields = []
    for path, one in walk(config.document):
        if not path.startswith(f"{name}."):
            continue
        for value in one.values:
            if isinstance(value, Scalar):
                text = value.text
                if value.kind == "string":
                    text = value.as_bytes().decode("utf-8", "backslashreplace")
                    text = _absolute(text) if path.endswith("_path") else text
                fields.append(f"{path.removeprefix(name + '.')}: {text}")
    return fields


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 a prefix, or wildcards
