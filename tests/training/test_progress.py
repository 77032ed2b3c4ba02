"""What a person sees of a run: the lines, to the character, and the bar."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from odfreeze.training.progress import (
    BarProgress,
    PlainProgress,
    describe_selection,
    open_progress,
)

START = {"kind": "start", "num_steps": 100, "resume_at": None}
TOTALS = {
    "trainable": {"variables": 26, "parameters": 412_345, "bytes": 0},
    "frozen": {"variables": 178, "parameters": 2_257_984, "bytes": 0},
    "updating": {"variables": 0, "parameters": 0, "bytes": 0},
    "held": {"variables": 112, "parameters": 34_112, "bytes": 0},
}


class Clock:
    """A clock that goes only when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        """What was written, without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def step(number: int) -> dict[str, Any]:
    return {"kind": "step", "step": number}


def block(number: int, loss: float) -> dict[str, Any]:
    return {"kind": "block", "step": number, "scalars": {"Loss/total_loss": loss, "lr": 0.1}}


def lines(*timed: tuple[float, dict[str, Any]]) -> list[str]:
    """Returns what is printed of events, each with the seconds that pass before it."""
    stream, clock = io.StringIO(), Clock()
    with PlainProgress(stream, clock=clock) as progress:
        for seconds, event in timed:
            clock.now += seconds
            progress(event)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("totals", "text"),
    (
        (
            TOTALS,
            "trainable 26 variables (412,345 parameters), frozen 178 (2,257,984), held 112"
            " (34,112)",
        ),
        ({"frozen": {"variables": 1, "parameters": 9}}, "frozen 1 variable (9 parameters)"),
        ({}, ""),
    ),
    ids=("three states", "one variable", "nothing"),
)
def test_what_learns_in_one_line(totals: dict[str, dict[str, int]], text: str) -> None:
    assert describe_selection(totals) == text


def test_a_whole_run_in_plain_lines() -> None:
    assert lines(
        (0, {"kind": "stage", "stage": "01_head", "number": 1, "of": 2}),
        (0, START),
        (0, {"kind": "phase", "phase": "import"}),
        (0, {"kind": "phase", "phase": "connect"}),
        (0, {"kind": "phase", "phase": "build"}),
        (0, {"kind": "selection", "totals": TOTALS, "resumed_at": None}),
        (60, step(0)),
        (5, step(10)),
        (5, step(20)),
        (1, step(22)),
        (9, block(50, 0.5)),
        (30, block(100, 0.25)),
        (0, {"kind": "saved", "step": 100, "checkpoint": "run/ckpt-100"}),
        (0, {"kind": "done", "step": 100, "checkpoint": "run/ckpt-100"}),
        (0, {"kind": "verified", "number": 1, "of": 2, "summary": "verified: all"}),
        (0, {"kind": "skipped", "stage": "02_neck", "number": 2, "of": 2}),
    ) == [
        "stage 1 of 2: 01_head",
        "importing TensorFlow and the OD API",
        "waiting for the other workers",
        "building the model, restoring and tracing (the first step takes a while)",
        "trainable 26 variables (412,345 parameters), frozen 178 (2,257,984), held 112 (34,112)",
        "stage 1 of 2, 01_head: step 0 of 100",
        "stage 1 of 2, 01_head: step 20 of 100, 2.00 steps/s, 40 s left",
        "stage 1 of 2, 01_head: step 50 of 100, loss 0.5000, 2.50 steps/s, 20 s left",
        "stage 1 of 2, 01_head: step 100 of 100, loss 0.2500, 2.00 steps/s, 0 s left",
        "saved run/ckpt-100",
        "stage 1 of 2: verified: all",
        "stage 2 of 2: 02_neck is finished",
    ]


def test_what_comparing_says() -> None:
    assert lines(
        (0, {"kind": "plan", "name": "staged", "number": 1, "of": 3}),
        (0, {"kind": "evaluating", "run": "runs/staged", "checkpoint": "ckpt-300"}),
    ) == ["plan 1 of 3: staged", "evaluating ckpt-300 of runs/staged"]


def test_a_resumed_run_says_so_and_counts_its_own_speed() -> None:
    start = {"kind": "start", "num_steps": 100, "resume_at": 60}
    assert lines(
        (0, start),
        (0, {"kind": "selection", "totals": {}, "resumed_at": 60}),
        (0, step(60)),
        (10, step(70)),
    ) == ["resuming at step 60", "step 60 of 100", "step 70 of 100, 1.00 steps/s, 30 s left"]


def test_what_learns_of_each_part_is_a_line_of_its_own() -> None:
    groups = [{"part": "backbone", "trainable": 0, "frozen": 178}]
    event = {"kind": "selection", "totals": TOTALS, "resumed_at": None, "groups": groups}
    shown = ["trainable 26 variables (412,345 parameters)", "learning of backbone 0 of 178"]
    assert [line.partition(", frozen")[0] for line in lines((0, event))] == shown
    stream = Terminal()
    with BarProgress(stream) as progress:
        progress(START)
        progress(event)
    assert all(text in stream.text() for text in shown)


def test_the_last_block_is_shown_at_once() -> None:
    assert lines((0, START), (0, step(0)), (1, block(99, 1)), (1, block(100, 0.5))) == [
        "step 0 of 100",
        "step 100 of 100, loss 0.5000, 50.00 steps/s, 0 s left",
    ]


def test_a_step_is_shown_once() -> None:
    assert lines((0, START), (0, step(3)), (30, step(3)), (30, block(3, 1))) == ["step 3 of 100"]


def test_the_time_before_the_first_step_is_no_part_of_the_speed() -> None:
    shown = lines((0, START), (0, step(0)), (60, step(0)), (10, step(10)))
    assert shown == ["step 0 of 100", "step 10 of 100, 1.00 steps/s, 1 min 30 s left"]


def test_the_next_stage_begins_anew() -> None:
    second = {"kind": "start", "num_steps": 40, "resume_at": None}
    shown = lines((0, START), (0, step(90)), (10, block(100, 0.5)), (0, second), (20, step(0)))
    assert shown[-1] == "step 0 of 40"


@pytest.mark.parametrize(
    "event",
    ({"kind": "later"}, {"kind": "phase", "phase": "later"}, {"kind": "done", "step": 1}),
    ids=("kind", "phase", "done"),
)
def test_events_that_nothing_is_to_be_said_of(event: dict[str, Any]) -> None:
    assert lines((0, START), (0, event)) == []


def test_a_block_without_total_loss_shows_none() -> None:
    assert lines((0, START), (0, {"kind": "block", "step": 1, "scalars": {}})) == ["step 1 of 100"]


def test_a_reader_that_has_gone_does_not_end_the_run() -> None:
    PlainProgress(Closed()).say("a line")


# --- several stages ---

RUN = {
    "kind": "run",
    "stages": [
        {
            "stage": name, "num_steps": steps, "step": step, "is_finished": done,
            "is_due": not done, "metric": metric,
        }
        for name, steps, step, done, metric in (
            ("01_head", 40, 40, True, None),
            ("02_neck", 100, 0, False, "DetectionBoxes_Precision/mAP@.50IOU"),
            ("03_all", 60, 20, False, None),
        )
    ],
    "steps_per_second": None,
    "seconds_to_first_step": None,
}  # fmt: skip
NECK = {"kind": "stage", "stage": "02_neck", "number": 2, "of": 3}
ALL = {"kind": "stage", "stage": "03_all", "number": 3, "of": 3}


def test_the_time_left_for_all_stages_is_that_of_this_one_and_of_those_behind_it() -> None:
    shown = lines(
        (0, RUN),
        (0, {"kind": "skipped", "stage": "01_head", "number": 1, "of": 3}),
        (0, NECK),
        (0, START),
        (30, step(0)),  # its start-up takes 30 s
        (10, step(20)),
    )
    # 80 steps of this stage at 2 a second, then 30 s of start-up and the other 40 steps.
    assert shown[-1] == (
        "stage 2 of 3, 02_neck: step 20 of 100, 2.00 steps/s, 40 s left, 1 min 30 s for all stages"
    )


def test_a_stage_that_starts_is_taken_to_go_as_the_one_before() -> None:
    shown = lines(
        (0, RUN), (0, NECK), (0, START), (30, step(0)), (50, block(100, 0.5)),
        (0, {"kind": "verified", "stage": "02_neck", "number": 2, "of": 3, "summary": "verified"}),
        (0, ALL),
        (0, {"kind": "start", "num_steps": 60, "resume_at": 20}),
        (12, step(20)),
    )  # fmt: skip
    # 40 steps at 2 a second, and what is left of 30 s of start-up.
    assert shown[-1] == "stage 3 of 3, 03_all: step 20 of 60, 38 s for all stages"


def test_before_anything_is_measured_the_last_sitting_counts() -> None:
    run = {**RUN, "steps_per_second": 4.0, "seconds_to_first_step": 10.0}
    shown = lines((0, run), (0, NECK), (0, START), (4, step(0)))
    # 6 s of start-up, 100 steps; 10 s of start-up, 40 steps.
    assert shown[-1] == "stage 2 of 3, 02_neck: step 0 of 100, 51 s for all stages"


def test_a_stage_that_ended_early_leaves_no_time_behind() -> None:
    shown = lines(
        (0, RUN), (0, NECK), (0, START), (0, step(0)), (10, step(40)),
        (0, {"kind": "decided", "step": 40, "sentence": "the loss rests; the stage ends"}),
        (0, {"kind": "verified", "stage": "02_neck", "number": 2, "of": 3, "summary": "verified"}),
        (0, ALL),
        (0, {"kind": "start", "num_steps": 60, "resume_at": 20}),
        (10, step(20)),
    )  # fmt: skip
    assert shown[-4:] == [
        "the loss rests; the stage ends",
        "stage 2 of 3: verified",
        "stage 3 of 3: 03_all",
        "stage 3 of 3, 03_all: step 20 of 60, 10 s for all stages",
    ]


def test_loss_metric_and_rate_are_shown_as_they_come() -> None:
    metrics = {"DetectionBoxes_Precision/mAP": 0.125, "DetectionBoxes_Precision/mAP@.50IOU": 0.5}
    rated = {"Loss/total_loss": 0.25, "learning_rate": 0.0123456}
    shown = lines(
        (0, RUN), (0, NECK), (0, START), (0, step(0)),
        (10, {"kind": "block", "step": 10, "scalars": rated}),
        (10, {"kind": "evaluated", "step": 10, "metrics": metrics}),
        (10, step(20)),
    )  # fmt: skip
    assert shown[-1].startswith(
        "stage 2 of 3, 02_neck: step 20 of 100, loss 0.2500, mAP@.50IOU 0.5000, rate 0.0123, "
    )


@pytest.mark.parametrize(
    ("metrics", "text"),
    (
        ({"Loss/total_loss": 0.5, "DetectionBoxes_Precision/mAP": 0.25}, "mAP 0.2500"),
        ({"Loss/total_loss": 0.5}, "total_loss 0.5000"),
        ({}, None),
    ),
    ids=("the usual one", "the first", "none"),
)
def test_of_an_evaluation_that_nothing_waits_for_the_usual_metric_is_shown(
    metrics: dict[str, float], text: str | None
) -> None:
    evaluated = {"kind": "evaluated", "step": 3, "metrics": metrics}
    assert lines((0, START), (0, evaluated), (0, step(3))) == [
        ", ".join(filter(None, ("step 3 of 100", text)))
    ]


def test_a_plan_of_one_stage_has_no_time_for_all() -> None:
    run = {**RUN, "stages": RUN["stages"][1:2], "steps_per_second": 4.0}
    assert lines((0, run), (0, START), (0, step(0))) == ["step 0 of 100"]


# --- the bar ---


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name, value in (("TERM", "xterm"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def test_the_display_fits_the_stream(terminal: Terminal) -> None:
    assert isinstance(open_progress(io.StringIO()), PlainProgress)
    assert isinstance(open_progress(terminal), BarProgress)


def test_the_bar_shows_step_loss_and_speed_on_its_stream(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    with BarProgress(terminal) as progress:
        for event in (
            START,
            {"kind": "phase", "phase": "build"},
            {"kind": "selection", "totals": TOTALS, "resumed_at": None},
            step(10),
            block(50, 0.5),
            {"kind": "saved", "step": 50, "checkpoint": "run/[ckpt]-50"},
        ):
            progress(event)
    text = terminal.text()
    assert "trainable 26 variables (412,345 parameters), frozen 178 (2,257,984)" in text
    assert "saved run/[ckpt]-50" in text
    bar, line = text.splitlines()[-2:]
    assert " 50/100 " in bar
    assert re.fullmatch(r"  training, loss 0\.5000, [0-9.]+ steps/s", line.rstrip())
    assert capsys.readouterr() == ("", "")


def test_the_bar_of_a_resumed_run_begins_where_that_stood(terminal: Terminal) -> None:
    with BarProgress(terminal) as progress:
        progress({"kind": "start", "num_steps": 100, "resume_at": 60})
    assert " 60/100 " in terminal.text()


def test_the_next_stage_gets_a_bar_of_its_own(terminal: Terminal) -> None:
    with BarProgress(terminal) as progress:
        progress(START)
        progress(block(100, 0.5))
        progress({"kind": "start", "num_steps": 40, "resume_at": None})
        progress({"kind": "skipped", "stage": "02_neck", "number": 2, "of": 2})
        assert len(progress._bar.tasks) == 1
    text = terminal.text()
    bar, line = text.splitlines()[-2:]
    assert " 0/40 " in bar
    assert line.strip() == "starting"


def test_a_finding_is_said_as_it_is() -> None:
    text = "a.config:3:1: warning ODF410: nobody reads [bold] it"
    assert lines((0, {"kind": "finding", "text": text})) == [text]


def test_the_bar_of_all_stages_is_below_the_stages_own(terminal: Terminal) -> None:
    clock = Clock()
    with BarProgress(terminal, clock=clock) as progress:
        for seconds, event in (
            (0, RUN), (0, NECK), (0, START), (0, step(0)), (10, block(50, 0.5)),
        ):  # fmt: skip
            clock.now += seconds
            progress(event)
    own, overall, line = [" ".join(line.split()) for line in terminal.text().splitlines()[-3:]]
    assert "stage 2 of 3, 02_neck " in own
    assert own.endswith(" 50/100 10 s left")
    assert "all stages " in overall
    assert overall.endswith(" 90/200 18 s left")
    assert line == "training, loss 0.5000, 5.00 steps/s"


def test_a_stage_that_is_verified_counts_once(terminal: Terminal) -> None:
    verified = {"kind": "verified", "stage": "02_neck", "number": 2, "of": 3, "summary": "verified"}
    start = {"kind": "start", "num_steps": 60, "resume_at": 20}
    shown = []
    with BarProgress(terminal) as progress:
        for event in (RUN, NECK, START, step(0), step(80), verified, ALL, start, step(30)):
            progress(event)
            shown.append(int(progress._bar.tasks[-1].completed))
    # A stage that ended early has done all that it will do.
    assert shown == [40, 40, 40, 40, 120, 140, 140, 160, 170]
