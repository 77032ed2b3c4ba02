"""run.json: what is written is read, and what nobody can read is no obstacle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.runs.state import (
    RunState,
    StageState,
    read_run_state,
    write_run_state,
)

HEAD = StageState(
    "01_head", "finished", 40, 40, 12.5, "run/01_head/model/ckpt-40", "a" * 64, "b" * 64,
    "2025-01-02T03:04:05+00:00", "2025-01-02T03:05:05+00:00", 0.5, {"mAP": 0.25}, 2.0, 8.0,
    "it went on to its end", None,
)  # fmt: skip
RUN = RunState((HEAD, StageState("02_neck", num_steps=20)), "/plans/a.plan")


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_run_state(RUN, tmp_path)
    assert read_run_state(tmp_path) == RUN


def test_its_form(tmp_path: Path) -> None:
    write_run_state(RunState((StageState("01_head", num_steps=5),)), tmp_path)
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "version": 1,
        "plan": None,
        "stages": [
            {
                "name": "01_head", "state": "waiting", "num_steps": 5, "step": 0, "seconds": 0.0,
                "checkpoint": None, "start_digest": None, "config_digest": None, "began": None,
                "ended": None, "loss": None, "metrics": None, "steps_per_second": None,
                "seconds_to_first_step": None, "decided": None, "reason": None,
            }
        ],
    }  # fmt: skip


def test_the_same_again_leaves_the_file_alone(tmp_path: Path) -> None:
    write_run_state(RUN, tmp_path)
    before = (tmp_path / "run.json").stat().st_mtime_ns
    write_run_state(RUN, tmp_path)
    assert (tmp_path / "run.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "text",
    (
        None, "", "{", "[]", '{"version": 2, "stages": []}', '{"version": 1, "stages": {}}',
        '{"version": 1, "stages": [3]}', '{"version": 1, "stages": [{"name": "a"}]}', "\xff",
        '{"version": 1, "stages": [{"name": "a", "state": "done"}]}', "[" * 100_000,
    ),
    ids=(
        "none", "empty", "cut short", "a list", "a later version", "stages of another kind",
        "a stage of another kind", "a stage without state", "no text", "an unknown state", "deep",
    ),
)  # fmt: skip
def test_what_cannot_be_read_counts_as_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text, encoding="latin-1")
    assert read_run_state(tmp_path) is None


def test_values_of_another_type_count_as_not_there(tmp_path: Path) -> None:
    row = {
        "name": "a", "state": "failed", "step": "3", "seconds": True, "loss": float("nan"),
        "num_steps": 10**400,
        "metrics": {"mAP": 0.5, "x": "y"}, "reason": 7, "ended": "then", "later": 1,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps({"version": 1, "plan": 3, "stages": [row]}))
    stage = StageState("a", "failed", metrics={"mAP": 0.5}, ended="then")
    assert read_run_state(tmp_path) == RunState((stage,))


def test_a_stage_is_found_and_replaced_by_its_folder() -> None:
    changed = StageState("02_neck", "running", 20, 3)
    assert RUN.stage("02_neck") == StageState("02_neck", num_steps=20)
    assert RUN.stage("03_all") is None
    assert RUN.with_stage(changed) == RunState((HEAD, changed), "/plans/a.plan")
