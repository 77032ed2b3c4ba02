"""Runs side by side, as people and programs see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.report.comparison import comparison_json, comparison_lines, metrics_shown
from odfreeze.report.text import plain
from odfreeze.runs.comparison import Comparison, compared, find_runs, read_run
from tests.support.compared_runs import (
    HEAD,
    LOWER,
    MEAN_AP,
    write_evaluation,
    write_single,
    write_staged,
)


@pytest.fixture
def comparison(tmp_path, monkeypatch) -> Comparison:
    """A staged run and a single one, both evaluated; and one that is not verified."""
    monkeypatch.chdir(tmp_path)
    here = Path()
    staged = write_staged(
        here / "staged",
        {"freeze": (LOWER,), "seconds": 61.4, "memory": 900 << 20},
        {"freeze": ("^(bn_)?Conv1",), "seconds": 200.0, "memory": 1100 << 20},
    )
    last = staged / "02_stage_2"
    write_evaluation(last / "model", last / "pipeline.config", 0.4)
    all_at_once = write_single(here / "everything", steps=20, seconds=7300.0)
    write_evaluation(all_at_once, here / "everything.config", 0.5, step=20)
    bad = write_single(here / "bad", HEAD, verified=False, batch=4)
    return compared(find_runs([staged, all_at_once, bad]))


def test_the_table(comparison):
    assert (
        plain(comparison_lines(comparison))
        == """\
Run            mAP  mAP@.50IOU  total_loss  steps        time  at once  in all   memory  status
staged      0.4000      0.6000      0.6000     20  4 min 21 s      880     880  1.1 GiB  verified
everything  0.5000      0.7500      0.5000     20  2 h 01 min    1,112   1,112  1.0 GiB  verified
bad              -           -           -     10  1 min 00 s      552     552  1.0 GiB  not \
verified

at once, in all: parameters trained in the largest stage, in any stage; 1,112 could learn

note: bad: what it came to has no evaluation; --evaluate makes one

warning not the same batch size
  staged      8
  everything  8
  bad         4
"""
    )


def test_runs_that_can_be_compared(tmp_path):
    runs = [write_single(tmp_path / name, LOWER) for name in ("a", "b")]
    text = plain(comparison_lines(compared(find_runs(runs))))
    assert text.endswith("\nsame model, base checkpoint, data, evaluation, batch size and seed\n")


def test_a_single_run_is_like_nothing(tmp_path):
    text = plain(comparison_lines(compared([read_run(write_single(tmp_path / "a", LOWER))])))
    assert "same" not in text


def test_columns_for_the_metrics_that_are_asked_for(comparison):
    (headings, *_) = plain(
        comparison_lines(comparison, ["Loss/total_loss", "Other/total_loss", MEAN_AP])
    ).splitlines()
    assert headings.split()[:4] == ["Run", "Loss/total_loss", "Other/total_loss", "mAP"]


def test_the_usual_metrics_are_shown_as_far_as_they_are_known(comparison):
    assert metrics_shown(comparison) == (MEAN_AP, f"{MEAN_AP}@.50IOU", "Loss/total_loss")


def test_a_failure_is_told_in_whole_and_does_nothing_to_the_terminal(tmp_path):
    from dataclasses import replace

    run = replace(read_run(write_single(tmp_path / "a")), name="a", failure="no \x1b[2J data " * 12)
    text = plain(comparison_lines(compared([run])))
    assert "failed" in text.splitlines()[1]
    assert text.count("no \\x1b[2J") + text.count("\n       \\x1b[2J") == 12
    assert max(map(len, text.splitlines()[4:])) <= 100


def test_the_json(comparison):
    found = comparison_json(comparison)
    assert (found["version"], found["ok"]) == (1, False)
    assert found["differences"] == [{"what": "batch size", "values": ["8", "8", "4"]}]
    staged, _, bad = found["runs"]
    assert bad["status"], bad["evaluation"] == ("not verified", None)
    assert staged == {
        "name": "staged",
        "directory": "staged",
        "status": "verified",
        "failure": None,
        "evaluation": {
            "checkpoint": "ckpt-10",
            "step": 10,
            "metrics": {
                MEAN_AP: 0.4,
                f"{MEAN_AP}@.50IOU": 0.4 * 1.5,
                "Loss/total_loss": 0.6,
            },
        },
        "steps": 20,
        "seconds": 261.4,
        "parameters": 1112,
        "trained_at_most": 880,
        "trained_ever": 880,
        "peak_memory_bytes": 1100 << 20,
        "stages": [
            {
                "name": "01_stage_1",
                "state": "finished",
                "num_steps": 10,
                "step": 10,
                "seconds": 61.4,
                "trained": 560,
                "peak_memory_bytes": 900 << 20,
            },
            {
                "name": "02_stage_2",
                "state": "finished",
                "num_steps": 10,
                "step": 10,
                "seconds": 200.0,
                "trained": 880,
                "peak_memory_bytes": 1100 << 20,
            },
        ],
    }
