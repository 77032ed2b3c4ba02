"""The files of an account, written at a run's end and by ``odfreeze report``."""

from __future__ import annotations

import json

from odfreeze.report.account import account_json
from odfreeze.report.writing import account_bytes, keep_report, write_account
from odfreeze.runs.account import read_account
from tests.support.account_runs import write_staged
from tests.support.tiny_detector import BACKBONE


def test_page_and_json_are_written_beside_the_stages(tmp_path):
    root = write_staged(tmp_path / "run")
    assert keep_report(root) == root / "report.html"
    assert (root / "report.html").read_bytes() == account_bytes(read_account(root), "html")
    data = json.loads((root / "report.json").read_text(encoding="utf-8"))
    assert data == account_json(read_account(root))


def test_a_report_is_not_taken_for_a_stage(tmp_path):
    root = write_staged(tmp_path / "run")
    keep_report(root)
    assert len(read_account(root).stages) == 2


def test_files_that_say_the_same_are_left_alone(tmp_path):
    root = write_staged(tmp_path / "run")
    files = [root / "report.html", root / "report.json"]
    keep_report(root)
    before = [path.stat().st_ino for path in files]
    keep_report(root)
    assert [path.stat().st_ino for path in files] == before


def test_what_is_no_run_has_no_report(tmp_path):
    assert keep_report(tmp_path) is None
    assert keep_report(tmp_path / "nowhere") is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_does_not_fail_where_its_report_cannot_be_written(tmp_path):
    root = write_staged(tmp_path / "run")
    (root / "report.html").mkdir()
    assert keep_report(root) is None


def test_a_directory_is_made_where_it_is_missing(tmp_path):
    account = read_account(write_staged(tmp_path / "run"))
    written = write_account(account, tmp_path / "a/b")
    assert [path.name for path in written] == ["report.html", "report.json"]


def test_the_json_of_an_account(tmp_path):
    data = account_json(read_account(write_staged(tmp_path / "run", trained=1)))
    assert list(data) == [
        "version", "directory", "kind", "headline", "architecture", "state", "totals", "stages",
        "groups", "variables", "notes",
    ]  # fmt: skip
    assert (data["version"], data["kind"], data["state"]) == (1, "plan", "unfinished")
    assert data["totals"] == {
        "steps": 10, "seconds": 60.0, "parameters": 1112, "learned_parameters": 880,
        "metric": {"name": "mAP", "first": 0.1, "last": 0.2},
    }  # fmt: skip
    first, second = data["stages"]
    assert list(first) == [
        "number", "name", "state", "model_dir", "num_steps", "step", "first_step", "is_planned",
        "trainable_parameters", "learning_rate", "conduct", "started", "ended", "seconds",
        "seconds_to_first_step", "steps_per_second", "peak_memory_bytes", "checkpoints",
        "verification", "movement", "curves", "ending", "reason", "versions", "config", "notes",
    ]  # fmt: skip
    assert first["verification"]["frozen"] == {"variables": 16, "changed": 0}
    assert first["movement"][0] == {
        "key": "head", "label": "head", "parameters": 272, "relative_change": 0.25,
    }  # fmt: skip
    assert first["curves"]["metrics"][-1]["values"] == {"DetectionBoxes_Precision/mAP": 0.2}
    assert (second["verification"], second["seconds"], second["is_planned"]) == (None, None, True)
    assert data["groups"][0] == {
        "key": "backbone/1", "label": "Conv1", "parameters": 232, "opened": {"never": 232},
    }  # fmt: skip
    assert data["variables"][0] == {
        "name": "Conv1/kernel",
        "object_path": f"{BACKBONE}/layer_with_weights-0/kernel",
        "parameters": 216,
        "opened": None,
    }
