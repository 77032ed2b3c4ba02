"""A plan as `odfreeze plan` drafts it, with rates by part, trains each kind of detector in stages.

Images are small and stages short; the structure of the models is whole.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import read_record
from odfreeze.runs.stage_runs import find_stages
from odfreeze.stages.drafting import draft_plan
from odfreeze.training.staged import train_plan
from tests.training.models import CENTERNET, EFFICIENTDET, FASTER_RCNN, SSD, built, write_small
from tests.training.runs import step_of, values

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train

#: In all stages but the first, in which nothing but the head learns.
RATE = '  rate { pattern: "@head" scale: 0.1 }\n'


def write_plan(name: str, folder: Path) -> Path:
    """Drafts a plan for a sample, and lets its head learn slower from the second stage on."""
    config = write_small(name, folder)
    draft = draft_plan(PipelineConfig.read(config), built(name).records, stages=1, num_steps=6)
    first, *rest = draft.to_text(folder).split("  num_steps:")
    path = folder / "my.plan"
    path.write_text(first + "  num_steps:" + f"{RATE}  num_steps:".join(rest), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        pytest.param(SSD, ["01_head", "02_head_and_neck", "03_all"], id="ssd"),
        pytest.param(
            EFFICIENTDET,
            ["01_head", "02_head_and_neck", "03_all"],
            id="efficientdet",
            marks=pytest.mark.slow,
        ),
        pytest.param(FASTER_RCNN, ["01_head", "02_all"], id="faster_rcnn", marks=pytest.mark.slow),
        pytest.param(
            CENTERNET,
            ["01_head", "02_head_and_neck", "03_all"],
            id="centernet",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_drafted_plan_with_rates_runs_to_its_end(
    name: str, stages: list[str], tmp_path: Path
) -> None:
    plan, run = write_plan(name, tmp_path), tmp_path / "run"
    results = train_plan(plan, run, keep_checkpoints="all")
    assert all(one.verification is not None and one.verification.ok for one in results)
    found = find_stages(run)
    assert [one.name for one in found] == stages
    assert sum(one.num_steps for one in found) == 6
    start = values(built(name).prefix)
    learned: set[str] = set()
    for stage in found:
        assert step_of(stage.last_checkpoint) == stage.num_steps
        record, end = read_record(stage.model_dir), values(stage.last_checkpoint)
        states = {one.object_path: one.state for one in record.variables}
        still = {path for path, state in states.items() if state in ("frozen", "held")}
        assert {path for path in still if start[path] != end[path]} == set()
        learns = {path for path, state in states.items() if state == "trainable"}
        assert learns > learned
        assert any(start[path] != end[path] for path in learns)
        report = json.loads((stage.model_dir / "odfreeze" / "report.json").read_text())
        rates = [(one["scale"], one["variables"] > 0) for one in report["rates"]]
        assert rates == ([] if stage is found[0] else [(0.1, True)])
        start, learned = end, learns
    assert still == {path for path in still if states[path] == "held"}
