"""``report.json``: what is gathered of a run, kept, and repeated by a later verification."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from odfreeze.errors import RecordError
from odfreeze.runs.verify import verify
from odfreeze.training.run_report import RunFacts, keep_verification, peak_memory_bytes
from tests.support.fake_training import write_run
from tests.support.tiny_detector import write_detector


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def facts_of(*timed: tuple[float, dict[str, Any]]) -> dict[str, Any]:
    """Returns the facts of a run, of whose events each comes some seconds after the last."""
    clock = Clock()
    facts = RunFacts(clock)
    for seconds, event in timed:
        clock.now += seconds
        facts(event)
    return facts.to_json()


def step(number: int) -> dict[str, Any]:
    return {"kind": "step", "step": number}


SELECTION = {
    "kind": "selection", "resumed_at": None, "totals": {"frozen": 1}, "groups": [],
    "rates": [{"pattern": "a", "scale": 0.1, "variables": 2}], "carried": None,
}  # fmt: skip
RUN = (
    (0.0, {"kind": "start", "num_steps": 100, "resume_at": None}),
    (5.0, SELECTION),
    (15.0, step(0)),
    (10.0, step(0)),
    (5.0, step(10)),
    (20.0, {"kind": "block", "step": 60, "scalars": {"Loss/total_loss": 0.5}}),
    (1.0, {"kind": "done", "step": 60, "checkpoint": "x", "peak_memory_bytes": 1 << 30}),
    (9.0, {"kind": "verified"}),
)


def test_the_facts_of_a_run() -> None:
    facts = facts_of(*RUN)
    times = facts.pop("started"), facts.pop("ended")
    assert facts == {
        "started_at_step": 0,
        "seconds": 56.0,
        "seconds_to_first_step": 30.0,
        "steps_per_second": 2.4,  # 60 in the 25 seconds since step 0 was last seen
        "peak_memory_bytes": 1 << 30,
        "scalars": {"Loss/total_loss": 0.5},
        "selection": {"totals": {"frozen": 1}, "groups": []},
        "rates": [{"pattern": "a", "scale": 0.1, "variables": 2}],
        "carried": None,
    }
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", time) for time in times)


def test_a_resumed_run_says_where_it_went_on() -> None:
    facts = facts_of((0, {**SELECTION, "resumed_at": 40}), (1, step(40)), (10, step(60)))
    assert (facts["started_at_step"], facts["steps_per_second"]) == (40, 2.0)


def test_what_nothing_told_is_null() -> None:
    facts = facts_of()
    names = ("seconds_to_first_step", "steps_per_second", "peak_memory_bytes")
    assert [facts[name] for name in names] == [None, None, None]
    first = facts_of((0, SELECTION), (90, step(3)))  # what of it was the first step?
    assert (first["seconds_to_first_step"], first["steps_per_second"]) == (None, None)


def test_a_loss_that_is_no_number_is_null() -> None:
    scalars = {"Loss/total_loss": float("nan"), "learning_rate": 0.5}
    facts = facts_of((0, {"kind": "block", "step": 5, "scalars": scalars}), (1, step(6)))
    assert facts["scalars"] == {"Loss/total_loss": None, "learning_rate": 0.5}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    return write_run(tmp_path / "run", config, 10, measures=("a",), versions={"python": "3.10"})


def report_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "odfreeze/report.json").read_text())
    return found


def test_a_report_holds_the_run_and_its_verification(run: Path) -> None:
    found = verify(run)
    (run / "ckpt-note.index").write_text("no checkpoint")
    keep_verification(run, found, RunFacts())
    report = report_of(run)
    size = sum(path.stat().st_size for path in run.glob("ckpt-10.*"))
    assert list(report) == [
        "version", "config", "model_dir", "num_steps", "step", "frozen_batch_norm", "started",
        "ended", "started_at_step", "seconds", "seconds_to_first_step", "steps_per_second",
        "peak_memory_bytes", "scalars", "selection", "rates", "carried", "measures", "versions",
        "checkpoints", "movement", "ending", "verification",
    ]  # fmt: skip
    assert (report["version"], report["num_steps"], report["step"]) == (1, 10, 10)
    assert (report["measures"], report["versions"]) == (["a"], {"python": "3.10"})
    assert report["checkpoints"] == [{"name": "ckpt-10", "bytes": size}]
    assert report["verification"] == found.to_json()
    kept = json.loads((run / "odfreeze/verification.json").read_text())
    assert kept == report["verification"]


def test_checkpoints_come_in_the_order_of_their_steps(run: Path) -> None:
    for step in (100, 9, 20):
        (run / f"ckpt-{step}.index").write_bytes(bytes(step))
    keep_verification(run, verify(run), None)
    rows = report_of(run)["checkpoints"]
    assert [row["name"] for row in rows] == ["ckpt-9", "ckpt-10", "ckpt-20", "ckpt-100"]
    assert rows[0]["bytes"] == 9


def test_a_verification_without_training_keeps_the_facts_of_the_training(run: Path) -> None:
    facts = RunFacts()
    facts(SELECTION)
    keep_verification(run, verify(run), facts)
    before = report_of(run)
    assert before["selection"] == {"totals": {"frozen": 1}, "groups": []}
    keep_verification(run, verify(run), None)
    assert report_of(run) == before


@pytest.mark.parametrize("text", (None, "{", "[]", '{"version": 2, "seconds": 3}'))
def test_where_no_report_is_left_they_are_null(run: Path, text: str | None) -> None:
    if text is not None:
        (run / "odfreeze/report.json").write_text(text)
    keep_verification(run, verify(run), None)
    report = report_of(run)
    assert report["seconds"] is None
    assert report["selection"] is None
    assert report["verification"]["ok"] is True


def test_a_run_without_a_record_has_no_report(run: Path) -> None:
    found = verify(run)
    (run / "odfreeze/record.json").unlink()
    with pytest.raises(RecordError):
        keep_verification(run, found, None)
    assert not (run / "odfreeze/report.json").exists()


def test_the_memory_of_this_process_is_of_a_process() -> None:
    peak = peak_memory_bytes()
    assert peak is None or 1 << 20 < peak < 1 << 45
