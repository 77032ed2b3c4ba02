"""The account of a fine-tuning: everything that a run's directory tells, stage by stage.

Of a directory that ``odfreeze stage`` wrote and ``odfreeze train`` filled, or of the ``model_dir``
of one run; finished, going on or cut off.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import OdfreezeError, UsageError
from odfreeze.files import read_text_file, refuse_remote
from odfreeze.groups.grouping import Group, Groups, group
from odfreeze.runs.movement import record_variables
from odfreeze.runs.record import record_path
from odfreeze.runs.stage_account import StageAccount, read_stage
from odfreeze.runs.state import RUN_NAME, RunState, read_run_state
from odfreeze.selection import State, select
from odfreeze.text_diff import unified_diff
from odfreeze.variables import Variable

__all__ = ["Account", "Stage", "read_account"]

_FOLDER = re.compile(r"(\d+)_.+")
_CONFIG = "pipeline.config"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the account, seen with the others.

    Attributes:
      number: Its place, from 1.
      run: What its files tell.
      states: State by object path: as its record has it, or as its config will have it.
      is_planned: Whether the states are what its config says, since it has not begun.
      diff: The unified diff from the config before to its own.
      diff_against: What that one is, or "" where there is none.
      first_step: The step of the whole run that its own step 0 is.
    """

    number: int
    run: StageAccount
    states: Mapping[str, State]
    is_planned: bool
    diff: str
    diff_against: str
    first_step: int

    @property
    def last_step(self) -> int:
        """The step of the whole run at which it ends: where it did, or where it is to."""
        ended = self.run.state == "finished" and self.run.step is not None
        return self.first_step + ((self.run.step if ended else self.run.num_steps) or 0)

    def parameters(self, variables: Sequence[Variable], state: State = "trainable") -> int:
        """Returns how many elements of variables are in a state."""
        of = (v for v in variables if self.states.get(v.object_path) == state)
        return sum(v.parameters for v in of)


@dataclass(frozen=True, slots=True)
class Account:
    """A fine-tuning of one or more stages.

    Attributes:
      directory: What it is the account of.
      kind: ``plan`` for a directory of stages, ``run`` for a single run.
      stages: In their order.
      variables: The model's; () where no record and no checkpoint lists them.
      groups: The parts of the model; None without variables.
      opened: By object path of a variable that could learn, the number of the first stage in which
        it does; None for one that is frozen in all.
      notes: What is missing or damaged beyond the stages' own notes.
    """

    directory: Path
    kind: Literal["plan", "run"]
    stages: tuple[Stage, ...]
    variables: tuple[Variable, ...]
    groups: Groups | None
    opened: Mapping[str, int | None]
    notes: tuple[str, ...]

    @property
    def is_finished(self) -> bool:
        """Whether every stage is."""
        return all(one.run.state == "finished" for one in self.stages)

    @property
    def failed(self) -> tuple[Stage, ...]:
        """The stages that failed, or whose verification did."""
        return tuple(one for one in self.stages if one.run.state == "failed")

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return sum(one.run.step or 0 for one in self.stages)

    @property
    def seconds(self) -> float | None:
        """What all stages took; None where none tells."""
        known = [s for one in self.stages if (s := one.run.seconds) is not None]
        return sum(known) if known else None

    @property
    def parameters(self) -> int:
        """Elements of all variables that could learn."""
        return sum(v.parameters for v in self.variables if v.trainable)

    @property
    def opened_parameters(self) -> int:
        """Elements of all variables that learn in some stage."""
        return sum(v.parameters for v in self.variables if self.opened.get(v.object_path))

    def opened_in(self, of: Group) -> dict[int | None, int]:
        """Returns the parameters of a group by the number of the stage in which they open."""
        found: dict[int | None, int] = {}
        for variable in of.variables:
            if variable.trainable:
                number = self.opened.get(variable.object_path)
                found[number] = found.get(number, 0) + variable.parameters
        return found


def read_account(directory: str | os.PathLike[str]) -> Account:
    """Returns the account of a staged run's directory, or of one run's ``model_dir``.

    Files that are missing or damaged are told of in notes.

    Raises:
      RemotePathError: The directory is not on this machine.
      UsageError: It is no directory of a run.
    """
    refuse_remote(directory)
    root = Path(directory)
    notes: list[str] = []
    folders = _stage_folders(root)
    if folders:
        state = _run_state(root, notes)
        runs = [
            read_stage(one.name, one / "model", one / _CONFIG, state.stage(one.name))
            for one in folders
        ]
        base = _base(state, notes)
    elif record_path(root).exists() or (root / "odfreeze").is_dir():
        runs, base = [read_stage(_run_name(root), root)], None
    else:
        what = "is not a directory" if not root.is_dir() else "holds no run"
        raise UsageError(
            f"{directory} {what}: give the directory that `odfreeze stage` wrote (with folders such"
            " as 01_head), or the model_dir of one `odfreeze train`"
        )
    variables = _variables(runs, notes)
    stages: list[Stage] = []
    for number, run in enumerate(runs, 1):
        before = stages[-1] if stages else None
        stages.append(_stage(number, run, before, base, variables, notes))
    return Account(
        directory=root,
        kind="plan" if folders else "run",
        stages=tuple(stages),
        variables=variables,
        groups=group(variables) if variables else None,
        opened=_opened(variables, stages),
        notes=tuple(dict.fromkeys(notes)),
    )


def _stage_folders(root: Path) -> list[Path]:
    """Returns the folders of stages in their order: those to be run, and those that were."""
    if not root.is_dir():
        return []
    found = [
        (int(number[1]), path.name, path)
        for path in root.iterdir()
        if (number := _FOLDER.fullmatch(path.name))
        and ((path / _CONFIG).is_file() or record_path(path / "model").is_file())
    ]
    return [path for _, _, path in sorted(found)]


def _run_name(model_dir: Path) -> str:
    """Returns what to call a run: its folder, or that of its stage."""
    path = model_dir.resolve()
    return (path.parent.name if path.name == "model" else path.name) or str(path)


def _run_state(root: Path, notes: list[str]) -> RunState:
    state = read_run_state(root)
    if state is None and (root / RUN_NAME).exists():
        notes.append(
            f"{root / RUN_NAME} is damaged, or of another version of odfreeze; what it told is left"
            " out"
        )
    return state or RunState()


def _base(state: RunState, notes: list[str]) -> tuple[str, bytes] | None:
    """Returns name and text of the config that the plan edits, where the plan is known."""
    if state.plan is None:
        return None
    try:
        from odfreeze.stages.plan import read_plan

        path = read_plan(state.plan).base_config
        return str(path), read_text_file(path)
    except OdfreezeError as error:
        notes.append(f"the plan's base config is not at hand: {error.message}")
        return None


def _variables(runs: Sequence[StageAccount], notes: list[str]) -> tuple[Variable, ...]:
    """Returns the model's variables, from a record, else from the checkpoint it starts from."""
    for run in runs:
        if run.record is not None:
            return record_variables(run.record)
    config = next((run.config for run in runs if run.config is not None), None)
    start = None if config is None else config.fine_tune_checkpoint
    if start:
        try:
            with Checkpoint.open(start) as checkpoint:
                return checkpoint.variables
        except OdfreezeError as error:
            notes.append(f"the model cannot be listed: {error.message}")
    elif runs:
        notes.append("the model cannot be listed: no stage has begun, and none names a checkpoint")
    return ()


def _stage(
    number: int,
    run: StageAccount,
    before: Stage | None,
    base: tuple[str, bytes] | None,
    variables: Sequence[Variable],
    notes: list[str],
) -> Stage:
    states: dict[str, State] = {}
    if run.record is not None:
        states = {one.object_path: one.state for one in run.record.variables}
    elif run.config is not None and variables:
        try:
            chosen = select(
                variables, run.config.patterns(), config_holds=run.config.holds_statistic
            )
            pairs = zip(chosen.variables, chosen.states, strict=True)
            states = {variable.object_path: state for variable, state in pairs}
        except OdfreezeError as error:
            notes.append(f"{run.name}: {error.message}")
    against, old = base or ("", b"")
    if before is not None:
        against = f"{before.run.name}/{_CONFIG}" if before.run.config_text else ""
        old = before.run.config_text.encode()
    diff = unified_diff(old, run.config_text.encode(), _CONFIG) if against else b""
    return Stage(
        number=number,
        run=run,
        states=states,
        is_planned=run.record is None,
        diff=diff.decode("utf-8", "backslashreplace"),
        diff_against=against,
        first_step=0 if before is None else before.last_step,
    )


def _opened(variables: Sequence[Variable], stages: Sequence[Stage]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for variable in variables:
        if variable.trainable:
            path = variable.object_path
            learning = (one.number for one in stages if one.states.get(path) == "trainable")
            found[path] = next(learning, None)
    return found
