"""The account of a real staged run: its curves, how far its parts moved, its page."""

from __future__ import annotations

import json

import pytest

from odfreeze.report.writing import account_bytes
from odfreeze.runs.account import read_account
from odfreeze.runs.movement import measure_movement

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def account(staged_run):
    return read_account(staged_run.stages[0].config.parent.parent)


def moved(stage):
    return {row.key: row.relative_change for row in stage.run.movement}


def test_every_stage_is_finished_and_nothing_is_missing(account):
    assert account.is_finished
    assert [note for one in account.stages for note in one.run.notes] == []
    assert [one.run.step for one in account.stages] == [250, 107]
    assert all(one.run.seconds and one.run.peak_memory_bytes for one in account.stages)


def test_the_curves_reach_from_the_first_block_to_the_last_step(account):
    for one, last in zip(account.stages, (250, 107), strict=True):
        losses, rates = (one.run.curves.scalar(n) for n in ("Loss/total_loss", "learning_rate"))
        assert losses[-1][0] == rates[-1][0] == last
        assert len(losses) == len(rates) >= 2
        assert all(value > 0 for _, value in losses)


def test_only_what_learns_moves(account):
    first, second = map(moved, account.stages)
    assert first["head"] > 0
    assert (first["neck"], first["backbone"]) == (0.0, 0.0)
    assert min(second["head"], second["neck"]) > 0
    assert second["backbone"] == 0.0
    assert {value for key, value in second.items() if key.startswith("backbone/")} == {0.0}


def test_numpy_and_plain_python_tell_the_same_digits(staged_run, account, monkeypatch):
    monkeypatch.setattr("odfreeze.runs.movement._sums_with_numpy", lambda dtype: None)
    plain = measure_movement(staged_run.stages[1].model_dir)
    assert plain == account.stages[1].run.movement


def test_what_opened_when(account):
    opened = {one.name: account.opened_in(one) for one in account.groups.groups}
    assert all(set(of) == {1} for name, of in opened.items() if name.startswith("head"))
    assert all(set(of) == {2} for name, of in opened.items() if name.startswith("neck"))
    assert all(set(of) == {None} for name, of in opened.items() if name.startswith("backbone"))


def test_it_has_a_page_and_json(account):
    page = account_bytes(account, "html").decode()
    assert "Both stages trained and verified: not one frozen value changed" in page
    data = json.loads(account_bytes(account, "json"))
    assert (data["state"], data["architecture"]) == ("finished", "ssd_mobilenet_v2_fpn_keras")
