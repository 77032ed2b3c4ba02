"""Runs that several training tests look at; each is made once in a test session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from odfreeze.stages.plan import Stage
from odfreeze.stages.staging import write_stages
from odfreeze.training.launch import TrainingResult, run_stock
from odfreeze.training.staged import StageRun, find_stages, train_stages
from tests.support.plan_folder import Folder
from tests.training.runs import BACKBONE, HEADS, Workspace, make_workspace
from tests.training.tiny import Tiny, make_tiny


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Tiny:
    """Data and a checkpoint of a detector so small that a real training takes seconds."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@dataclass(frozen=True)
class StagedRun:
    """Two stages that ran to their end, with all events in order."""

    stages: tuple[StageRun, ...]
    results: tuple[TrainingResult, ...]
    events: list[dict]


@pytest.fixture(scope="session")
def staged_run(workspace) -> StagedRun:
    """250 steps of the heads, then 107 of heads and neck; the backbone is frozen in both."""
    plan = workspace.plan(
        Stage("head", 250, update_trainable_variables=(HEADS,)),
        Stage("head_and_neck", 107, freeze_variables=(BACKBONE,), learning_rate_scale=0.5),
    )
    directory = workspace.root / "staged"
    write_stages(plan, directory)
    events: list[dict] = []
    results = train_stages(directory, checkpoint_every_n=1000, watch=events.append)
    return StagedRun(find_stages(directory), results, events)


@pytest.fixture(scope="session")
def stock_run(workspace, staged_run) -> Path:
    """The first stage's config under plain model_main_tf2; returns its model_dir."""
    model_dir = workspace.root / "stock"
    short = workspace.config_with(
        "stock.config",
        num_steps=40,
        batch_size=4,  # with 2, the coarsest level's single pixels would get no gradient at all
        learning_rate=0.1,
        update_trainable_variables=[HEADS],
    )
    run_stock(short, model_dir, flags=["--checkpoint_every_n=40"])
    return model_dir


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
