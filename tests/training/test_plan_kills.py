"""A plan's run that is killed at exact moments: before any file of its own is put in place.

The parent is a real process that kills itself, and with it its child; only what the child does is
played.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.runs.stage_runs import find_stages, is_finished
from odfreeze.runs.state import RunState, read_run_state
from odfreeze.runs.verify import verify
from odfreeze.stages.plan import read_plan
from odfreeze.stages.staging import plan_stages
from odfreeze.training.staged import train_plan
from tests.support.kills import killed_at
from tests.support.plans import HEAD, NECK, trainer, write_base, write_plan

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="forks and sends signals"),
]


def files(directory: Path) -> list[str]:
    """Returns what lies in a run's directory, but for what a kill may leave beside it."""
    return sorted(
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and path.suffix != ".tmp"
    )


def check_whole(directory: Path, configs: dict[Path, bytes]) -> None:
    """Raises where a file of a run is half there, or says what is not so."""
    assert all(path.read_bytes() == configs[path] for path in directory.glob("*/pipeline.config"))
    if (directory / "run.json").exists():
        assert read_run_state(directory) is not None
    for state in directory.glob("*/model/checkpoint"):
        for line in state.read_text().splitlines():
            with Checkpoint.open(state.parent / line.split('"')[1]) as checkpoint:
                assert checkpoint.step is not None


@pytest.mark.parametrize("pace", (1, 3, 7))
def test_killed_at_ever_later_moments_it_ends_as_if_it_never_was(tmp_path: Path, pace: int) -> None:
    write_base(tmp_path)
    plan, directory = write_plan(tmp_path, HEAD, NECK), tmp_path / "run"
    python = trainer(tmp_path, directory)
    configs = {one.config_path: one.data for one in plan_stages(read_plan(plan), directory)}
    finished: list[str] = []
    kills = 0
    while killed_at(kills * pace, lambda: train_plan(plan, directory, python=python)):
        kills += 1
        check_whole(directory, configs)
        kept = read_run_state(directory) or RunState()
        assert finished == finished_in(kept)[: len(finished)]  # what was finished stays so
        finished = finished_in(kept)
    assert kills * pace >= 8
    stages = find_stages(directory)
    assert [stage.config.read_bytes() for stage in stages] == list(configs.values())
    assert all(is_finished(stage) and verify(stage.model_dir).ok for stage in stages)
    kept = read_run_state(directory)
    assert kept is not None
    assert [(one.state, one.step) for one in kept.stages] == [("finished", 10), ("finished", 20)]
    directory.rename(tmp_path / "killed")
    train_plan(plan, directory, python=python)
    assert files(tmp_path / "killed") == files(directory)


def finished_in(kept: RunState) -> list[str]:
    return [one.name for one in kept.stages if one.state == "finished"]
