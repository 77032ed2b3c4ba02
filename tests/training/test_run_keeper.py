"""What run.json says while a staged run goes on, event by event, by a clock that is set by hand."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from odfreeze.runs.stage_runs import StageRun, find_stages
from odfreeze.runs.state import RunState, StageState, read_run_state
from odfreeze.training.run_keeper import RunKeeper
from tests.support.plans import write_two_stages

LOSS = "Loss/total_loss"
MAP = "DetectionBoxes_Precision/mAP"
MOMENT = r"2025-01-02T03:04:0{}+00:00"


class Run:
    """Two stages, of which the keeper is told."""

    def __init__(self, root: Path, *, known: StageState | None = None, **options: Any) -> None:
        self.root, self.directory, self.now = root, write_two_stages(root), 1000.0
        self.head, self.neck = find_stages(self.directory)
        states = (known or StageState("01_head", num_steps=10), StageState("02_neck"))
        state = RunState(states, "/a.plan")
        self.keeper = RunKeeper(self.directory, state, clock=lambda: self.now, **options)

    def after(self, seconds: float, kind: str, **event: Any) -> None:
        self.now += seconds
        self.keeper({"kind": kind, **event})

    def start(self, resume_at: int | None = None) -> None:
        self.after(0, "start", num_steps=10, resume_at=resume_at)

    def step(self, seconds: float, step: int) -> None:
        self.after(seconds, "step", step=step)

    def train(self, stage: StageRun, *, ok: bool = True) -> None:
        """Puts in place what the run of a stage leaves behind."""
        shutil.copytree(self.root / stage.name, stage.model_dir)
        verdict = {"ok": ok, "reasons": [] if ok else ["1 of 4 frozen variables changed"]}
        (stage.model_dir / "odfreeze/verification.json").write_text(json.dumps(verdict))

    def kept(self, name: str = "01_head") -> StageState:
        """Returns what the file says of a stage."""
        state = read_run_state(self.directory)
        assert state is not None
        one = state.stage(name)
        assert one is not None
        return one

    @property
    def known(self) -> StageState:
        """What is known of the first stage, written or not."""
        one = self.keeper.state.stage("01_head")
        assert one is not None
        return one


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the time of day go on by a second whenever it is asked for."""
    ticks = iter(range(10))
    monkeypatch.setattr("odfreeze.training.run_keeper._now", lambda: MOMENT.format(next(ticks)))


@pytest.fixture
def run(tmp_path: Path, moments: None) -> Run:
    return Run(tmp_path)


# --- how a stage begins, ends and fails ---


def test_nothing_is_written_before_a_stage_begins(run: Run) -> None:
    run.after(0, "run", stages=[], steps_per_second=None, seconds_to_first_step=None)
    run.after(60, "stage", stage="01_head")
    assert not (run.directory / "run.json").exists()


def test_a_stage_that_begins_runs(run: Run) -> None:
    run.keeper.begin(run.head)
    assert run.kept() == StageState("01_head", "running", 10, began=MOMENT.format(0))
    assert run.kept("02_neck") == StageState("02_neck")


def test_one_that_is_taken_up_again_keeps_when_it_began_and_loses_how_it_ended(
    tmp_path: Path, moments: None
) -> None:
    known = StageState(
        "01_head", "failed", 10, 5, 90.0, began="then", ended="later", reason="no images", loss=0.5
    )
    run = Run(tmp_path, known=known)
    run.keeper.begin(run.head)
    assert run.kept() == StageState(
        "01_head", "running", 10, 5, 90.0, began="then", ended=None, reason=None, loss=0.5
    )


def test_at_its_end_the_stages_own_files_say_what_it_is(run: Run) -> None:
    run.keeper.begin(run.head)
    run.start()
    run.step(30, 0)
    run.step(5, 10)
    run.train(run.head)
    run.now += 15  # it is verified
    run.keeper.end(run.head)
    found = run.kept()
    assert (found.state, found.step, found.reason) == ("finished", 10, None)
    assert (found.began, found.ended, found.seconds) == (MOMENT.format(0), MOMENT.format(1), 50.0)
    assert found.checkpoint == (run.head.model_dir / "ckpt-10").as_posix()
    assert (found.steps_per_second, found.seconds_to_first_step) == (2.0, 30.0)


def test_a_stage_that_did_not_pass_has_failed(run: Run) -> None:
    run.keeper.begin(run.head)
    run.train(run.head, ok=False)
    run.keeper.end(run.head)
    found = run.kept()
    assert (found.state, found.reason) == ("failed", "1 of 4 frozen variables changed")


def test_a_stage_that_broke_off_says_why_and_what_is_left_of_it(run: Run) -> None:
    run.keeper.begin(run.head)
    run.start()
    run.step(60, 8)
    run.train(run.head)
    (run.head.model_dir / "odfreeze/verification.json").unlink()
    run.keeper.fail(run.head, "no space left")
    found = run.kept()
    assert (found.state, found.reason, found.ended) == ("failed", "no space left", MOMENT.format(1))
    assert (found.step, found.seconds) == (10, 60.0)  # its checkpoint tells, not the last event


def test_a_stage_that_broke_off_without_a_checkpoint_took_no_step(run: Run) -> None:
    run.keeper.begin(run.head)
    run.start()
    run.step(60, 8)
    run.head.model_dir.mkdir()
    run.keeper.fail(run.head, "no images")
    assert (run.kept().state, run.kept().step) == ("failed", 0)


def test_a_refusal_that_left_nothing_is_no_failure(run: Run) -> None:
    run.keeper.begin(run.head)
    run.keeper.fail(run.head, "a pattern matches nothing")
    assert run.kept() == StageState("01_head", num_steps=10)


def test_a_finished_stage_that_is_refused_keeps_its_account(run: Run) -> None:
    run.keeper.begin(run.head)
    run.train(run.head)
    run.now += 60
    run.keeper.end(run.head)
    before = run.kept()
    run.keeper.begin(run.head)
    run.now += 5
    run.keeper.fail(run.head, "its seed was not set and is now 5")
    assert (before.state, before.seconds) == ("finished", 60.0)
    assert run.kept() == before


@pytest.mark.parametrize("end", ("end", "fail"))
def test_what_comes_after_an_end_is_of_no_stage(run: Run, end: str) -> None:
    run.keeper.begin(run.head)
    run.train(run.head)
    run.keeper.end(run.head) if end == "end" else run.keeper.fail(run.head, "x")
    before = run.keeper.state
    run.step(60, 3)
    run.after(1, "saved", step=3, checkpoint="run/ckpt-3")
    assert run.keeper.state == before == read_run_state(run.directory)


def test_a_stage_that_the_run_does_not_have_is_no_obstacle(run: Run) -> None:
    run.keeper.state = RunState()
    run.keeper.begin(run.head)
    run.step(60, 3)
    run.keeper.end(run.head)
    assert read_run_state(run.directory) == RunState()


# --- what each event tells ---


def test_a_run_that_is_resumed_begins_at_its_step(run: Run) -> None:
    run.keeper.begin(run.head)
    run.start(resume_at=5)
    assert run.known.step == 5


@pytest.mark.parametrize(
    ("event", "fields"),
    (
        ({"kind": "step", "step": 3}, {"step": 3}),
        ({"kind": "block", "step": 3, "scalars": {LOSS: 0.5, "x": 1}}, {"step": 3, "loss": 0.5}),
        ({"kind": "block", "step": 3, "scalars": {}}, {"step": 3, "loss": 9.0}),
        ({"kind": "block", "step": 3, "scalars": {LOSS: math.nan}}, {"step": 3, "loss": None}),
        ({"kind": "evaluated", "step": 3, "metrics": {MAP: 0.25}}, {"metrics": {MAP: 0.25}}),
        ({"kind": "evaluated", "step": 3, "metrics": {MAP: 0.25, LOSS: math.inf}},
         {"metrics": {MAP: 0.25}}),
        ({"kind": "decided", "sentence": "it rests"}, {"decided": "it rests"}),
    ),
    ids=("step", "block", "block without loss", "loss that is no number", "evaluation",
         "metric that is no number", "decision"),
)  # fmt: skip
def test_what_an_event_tells(tmp_path: Path, event: dict[str, Any], fields: dict[str, Any]) -> None:
    run = Run(tmp_path, known=StageState("01_head", loss=9.0))
    run.keeper.begin(run.head)
    run.now += 60
    run.keeper(event)
    found = run.kept()
    assert {name: getattr(found, name) for name in fields} == fields
    text = (run.directory / "run.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_checkpoint_is_named_by_its_whole_path(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.root)
    run.keeper.begin(run.head)
    run.after(1, "saved", step=5, checkpoint="stages/01_head/model/ckpt-5")
    assert run.kept().checkpoint == (run.head.model_dir / "ckpt-5").as_posix()
    assert run.kept().step == 5


@pytest.mark.parametrize("kind", ("phase", "selection", "done", "finding", "verified", "later"))
def test_other_events_change_and_write_nothing(run: Run, kind: str) -> None:
    run.keeper.begin(run.head)
    (run.directory / "run.json").unlink()
    before = run.keeper.state
    run.after(60, kind, step=9, stage="01_head", metrics={MAP: 1}, checkpoint="x")
    assert run.keeper.state == before
    assert not (run.directory / "run.json").exists()


# --- time and speed ---


def test_the_time_of_all_sittings_counts(tmp_path: Path) -> None:
    run = Run(tmp_path, known=StageState("01_head", seconds=100.0))
    run.keeper.begin(run.head)
    run.step(30, 0)
    run.step(12.5, 5)
    assert run.known.seconds == 142.5


def test_what_is_between_two_stages_is_of_neither(run: Run) -> None:
    run.keeper.begin(run.head)
    run.train(run.head)
    run.now += 10
    run.keeper.end(run.head)
    run.now += 1000
    run.keeper.begin(run.neck)
    run.step(7, 0)
    assert [one.seconds for one in run.keeper.state.stages] == [10.0, 7.0]


def test_a_stage_has_no_speed_before_it_is_measured(run: Run) -> None:
    run.keeper.begin(run.head)
    run.start()
    run.step(30, 0)
    assert (run.known.steps_per_second, run.known.seconds_to_first_step) == (None, None)
    run.step(3, 1)
    assert (run.known.steps_per_second, run.known.seconds_to_first_step) == (0.3333, 30.0)


def test_the_speed_of_one_stage_is_not_that_of_the_next(run: Run) -> None:
    run.keeper.begin(run.head)
    run.start()
    run.step(30, 0)
    run.step(5, 10)
    run.train(run.head)
    run.keeper.end(run.head)
    run.keeper.begin(run.neck)
    found = run.kept("02_neck")
    assert (found.steps_per_second, found.seconds_to_first_step) == (None, None)


def test_until_it_is_measured_anew_the_speed_of_the_last_sitting_stays(tmp_path: Path) -> None:
    known = StageState("01_head", steps_per_second=4.0, seconds_to_first_step=20.0)
    run = Run(tmp_path, known=known)
    run.keeper.begin(run.head)
    run.start(resume_at=5)
    run.step(30, 5)
    assert (run.known.steps_per_second, run.known.seconds_to_first_step) == (4.0, 20.0)


# --- when it is written ---


def test_steps_are_written_every_few_seconds(run: Run) -> None:
    run.keeper.begin(run.head)
    seen = []
    for number, seconds in enumerate((2, 2, 1, 4, 2), 1):
        run.step(seconds, number)
        seen.append(run.kept().step)
    assert seen == [0, 0, 3, 3, 5]


@pytest.mark.parametrize(
    "event",
    (
        {"kind": "evaluated", "metrics": {MAP: 0.25}},
        {"kind": "decided", "sentence": "it rests"},
        {"kind": "saved", "step": 3, "checkpoint": "ckpt-3"},
    ),
    ids=lambda event: event["kind"],
)
def test_what_comes_seldom_is_written_at_once_with_all_that_is_known(
    run: Run, event: dict[str, Any]
) -> None:
    run.keeper.begin(run.head)
    run.step(1, 3)
    assert run.kept().step == 0
    run.keeper(event)
    assert run.kept() == run.known
    assert run.kept().step == 3


def test_a_worker_that_is_not_the_chief_writes_and_removes_nothing(tmp_path: Path) -> None:
    directory = write_two_stages(tmp_path / "a")
    (directory / ".run.json.0a.tmp").write_text("")
    keeper = RunKeeper(directory, RunState(), is_chief=False)
    keeper.begin(find_stages(directory)[0])
    keeper.write()
    assert sorted(path.name for path in directory.iterdir()) == [
        ".run.json.0a.tmp", "01_head", "02_neck",
    ]  # fmt: skip


def test_what_a_sitting_that_was_killed_left_half_written_is_removed(tmp_path: Path) -> None:
    for name in (".run.json.0a.tmp", ".run.json.ff.tmp", "run.json.tmp", ".run.lock.0a.tmp"):
        (tmp_path / name).write_text("")
    RunKeeper(tmp_path, RunState())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run.lock.0a.tmp", "run.json.tmp"]


def test_a_run_goes_on_where_the_file_cannot_be_written(run: Run) -> None:
    (run.directory / "run.json").mkdir()
    run.keeper.begin(run.head)
    run.after(9, "saved", step=3, checkpoint="ckpt-3")
    assert run.known.step == 3
    assert [path.name for path in run.directory.glob("*run.json*")] == ["run.json"]
