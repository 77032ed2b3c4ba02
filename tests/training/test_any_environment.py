"""What holds with every TensorFlow: `make matrix` runs this in each environment it has.

One short training as a person starts it, its freezing enforced and verified by odfreeze, and
looked at again through TensorFlow's own reader. The measures that it took are properties of
the result, which the table of `make matrix` shows.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest

from odfreeze.record import RunRecord, read_record
from tests.conftest import ROOT
from tests.training.runs import BACKBONE, Workspace, make_workspace, odfreeze, step_of, values

pytestmark = pytest.mark.train

STEPS = 12


@dataclass(frozen=True)
class Run:
    """A training that ended, and where it began."""

    workspace: Workspace
    process: subprocess.CompletedProcess[str]
    record: RunRecord

    @property
    def last(self) -> str:
        return str(self.workspace.root / "model" / f"ckpt-{STEPS}")

    def paths(self, *states: str) -> set[str]:
        return {one.object_path for one in self.record.variables if one.state in states}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    workspace = make_workspace(tmp_path_factory.mktemp("any"))
    config = workspace.config_with("short.config", num_steps=STEPS, freeze_variables=[BACKBONE])
    model_dir = workspace.root / "model"
    flags = ("--pipeline_config_path", str(config), "--model_dir", str(model_dir))
    process = subprocess.run(
        odfreeze("train", *flags), capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return Run(workspace, process, read_record(model_dir))


def test_a_run_takes_its_steps_and_is_verified(run, record_property):
    for package, version in run.record.versions.items():
        record_property(package, version)
    record_property("measures", " ".join(run.record.measures))
    said = "verified: 0 of 156 frozen values changed, 0 of 104 held statistics changed"
    assert said in run.process.stdout
    assert step_of(run.last) == STEPS


def test_frozen_and_held_values_are_bit_for_bit_those_of_the_start(run):
    start, end = values(run.workspace.checkpoint), values(run.last)
    still = run.paths("frozen", "held")
    assert len(still) == 156 + 104
    assert {path for path in still if start[path] != end[path]} == set()


def test_what_learns_changes(run):
    start, end = values(run.workspace.checkpoint), values(run.last)
    heads = {path for path in run.paths("trainable") if "_prediction_head" in path}
    assert heads
    assert {path for path in heads if start[path] != end[path]} == heads
