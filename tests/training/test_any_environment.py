"""What holds with every TensorFlow: `make matrix` runs this in each environment it has.

One short training as a person starts it, its freezing enforced and verified by odfreeze, and
looked at again through TensorFlow's own reader. The measures that it took are properties of
the result, which the table of `make matrix` shows.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest

from odfreeze.runs.record import RunRecord, read_record
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


def test_the_log_and_the_progress_say_what_learns(run):
    log = (run.workspace.root / "model" / "odfreeze" / "train.log").read_text()
    assert "] what will learn:\n" in log
    assert "SGD keeps 1 value for each that learns: 1.3 MiB, 8.5 MiB less than for all" in log
    assert "learning of backbone 0 of 156, neck 22 of 22, head 54 of 54;" in run.process.stdout


def test_tensorboard_is_told_the_same(run):
    import tensorflow as tf

    (events,) = (run.workspace.root / "model" / "train").glob("events*")
    tags = {
        value.tag: event.step
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert tags.pop("odfreeze/selection") == 0
    assert tags.pop("Loss/total_loss") == STEPS


def test_the_report_says_what_the_run_did_and_cost(run):
    report = json.loads((run.workspace.root / "model" / "odfreeze" / "report.json").read_text())
    assert report["verification"]["ok"] is True
    assert report["verification"]["trainable"]["without_gradient"] == []
    assert report["verification"]["updating"]["never_run"] == []
    assert report["selection"]["totals"]["frozen"]["variables"] == 156
    assert report["selection"]["optimizer"]["slots"] == 1
    assert [one["name"] for one in report["checkpoints"]] == ["ckpt-0", f"ckpt-{STEPS}"]
    assert report["seconds"] > report["seconds_to_first_step"] > 0
    assert report["peak_memory_bytes"] is None or report["peak_memory_bytes"] > 1 << 28


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
