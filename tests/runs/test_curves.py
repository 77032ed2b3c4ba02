"""The curves of a run: appended event by event, read without what a resume overwrote."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.runs.curves import Curves, CurvesWriter, Point, curves_path, read_curves

BEGUN: dict[str, Any] = {"kind": "selection", "resumed_at": None, "totals": {}}
LOSS = "Loss/total_loss"
MAP = "DetectionBoxes_Precision/mAP"


def block(step: int, loss: float = 1.0) -> dict[str, Any]:
    return {"kind": "block", "step": step, "scalars": {LOSS: loss}}


def evaluated(step: int, value: float) -> dict[str, Any]:
    return {"kind": "evaluated", "step": step, "metrics": {MAP: value}}


def resumed(step: int) -> dict[str, Any]:
    return {**BEGUN, "resumed_at": step}


def written(directory: Path, *events: dict[str, Any]) -> Curves:
    ticks = iter(range(1000, 9999))
    write = CurvesWriter(directory, lambda: next(ticks))
    for event in events:
        write(event)
    return read_curves(directory)


def test_what_a_run_told_is_read_again(tmp_path: Path) -> None:
    found = written(tmp_path, BEGUN, block(10, 0.5), evaluated(10, 0.25), block(20, 0.375))
    assert found == Curves(
        scalars=(Point(10, 1001.0, {LOSS: 0.5}), Point(20, 1003.0, {LOSS: 0.375})),
        metrics=(Point(10, 1002.0, {MAP: 0.25}),),
    )
    assert found.scalar(LOSS) == ((10, 0.5), (20, 0.375))
    assert (found.metric_names, found.metric(MAP)) == ((MAP,), ((10, 0.25),))
    assert (found.scalar(MAP), found.metric(LOSS)) == ((), ())


def test_the_file_has_one_json_object_a_line(tmp_path: Path) -> None:
    written(tmp_path, BEGUN, block(10, 0.5), evaluated(10, 0.25))
    assert curves_path(tmp_path).read_text().splitlines() == [
        '{"step": 0, "time": 1000, "begins": true}',
        '{"step": 10, "time": 1001, "scalars": {"Loss/total_loss": 0.5}}',
        '{"step": 10, "time": 1002, "metrics": {"DetectionBoxes_Precision/mAP": 0.25}}',
    ]


def test_other_events_leave_no_trace(tmp_path: Path) -> None:
    kinds = ("start", "phase", "step", "saved", "done", "verified", "decided")
    written(tmp_path, *({"kind": kind, "step": 3} for kind in kinds))
    assert not curves_path(tmp_path).exists()


def test_a_run_that_kept_none_has_empty_curves(tmp_path: Path) -> None:
    assert read_curves(tmp_path / "nowhere") == Curves()


def test_curves_that_cannot_be_read_at_all_are_a_line_that_cannot(tmp_path: Path) -> None:
    curves_path(tmp_path).mkdir(parents=True)
    assert read_curves(tmp_path) == Curves(skipped=1)


@pytest.mark.parametrize(
    ("events", "steps", "looks"),
    [
        ((block(10), block(20), resumed(10), block(20), block(30)), [10, 20, 30], []),
        ((block(10), block(20), resumed(0)), [], []),
        ((block(10), block(20), resumed(15)), [10], []),
        ((block(10), evaluated(10, 0.1), block(20), resumed(10)), [10], [10]),
        ((block(10), evaluated(10, 0.1), block(10)), [10], [10]),
        ((evaluated(10, 0.1), block(10), evaluated(10, 0.2)), [10], [10]),
        ((block(10), evaluated(20, 0.1), block(20), evaluated(10, 0.3)), [10], [10]),
        ((block(10), block(20), BEGUN, block(5)), [5], []),
    ],
    ids=[
        "resumed", "resumed, nothing yet", "resumed between", "an evaluation stays",
        "both of a step", "either order", "back without a word", "begun anew",
    ],
)  # fmt: skip
def test_what_a_resume_overwrote_is_left_out(
    tmp_path: Path, events: tuple[dict[str, Any], ...], steps: list[int], looks: list[int]
) -> None:
    found = written(tmp_path, BEGUN, *events)
    assert [one.step for one in found.scalars] == steps
    assert [one.step for one in found.metrics] == looks


def test_the_later_value_of_a_step_counts(tmp_path: Path) -> None:
    found = written(tmp_path, BEGUN, block(10, 1.0), block(20, 2.0), resumed(10), block(20, 3.0))
    assert found.scalar(LOSS) == ((10, 1.0), (20, 3.0))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null_in_the_file_and_left_out_of_the_curve(
    tmp_path: Path, number: float
) -> None:
    found = written(tmp_path, block(10, number), block(20, 0.5))
    assert found.scalar(LOSS) == ((20, 0.5),)
    assert '{"Loss/total_loss": null}' in curves_path(tmp_path).read_text()


def test_a_line_that_was_cut_off_is_ignored_and_the_next_one_starts_anew(tmp_path: Path) -> None:
    written(tmp_path, block(10), block(20))
    path = curves_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    assert [one.step for one in read_curves(tmp_path).scalars] == [10]
    assert read_curves(tmp_path).skipped == 0
    found = written(tmp_path, block(20, 0.5))
    assert found.scalar(LOSS) == ((10, 1.0), (20, 0.5))


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", "3", "null", '{"step": 5}', '{"step": "5", "time": 1, "scalars": {}}',
        '{"step": -5, "time": 1, "scalars": {}}', '{"step": 5, "time": "x", "scalars": {}}',
        '{"step": 5, "time": NaN, "scalars": {}}', '{"step": 5, "time": 1e999, "scalars": {}}',
        '{"step": 9223372036854775808, "time": 1, "scalars": {}}',
        "[" * 100_000, "\x00", '{"step": 5, "time": {}, "scalars": {}}',
    ],
)  # fmt: skip
def test_a_damaged_line_costs_nothing_but_itself(tmp_path: Path, line: str) -> None:
    written(tmp_path, block(10))
    with curves_path(tmp_path).open("a") as stream:
        stream.write(line + "\n")
    found = written(tmp_path, block(20))
    assert [one.step for one in found.scalars] == [10, 20]
    assert found.skipped == 1


@pytest.mark.parametrize("value", ['"x"', "true", "[]", "1e999", "1" * 400], ids=lambda v: v[:6])
def test_a_value_that_is_no_number_is_left_out(tmp_path: Path, value: str) -> None:
    curves_path(tmp_path).parent.mkdir()
    line = f'{{"step": 5, "time": 1, "scalars": {{"a": {value}, "b": 2}}}}\n'
    curves_path(tmp_path).write_text(line)
    assert [one.values for one in read_curves(tmp_path).scalars] == [{"b": 2.0}]


def test_a_disk_that_takes_nothing_more_ends_no_training(tmp_path: Path) -> None:
    (tmp_path / "odfreeze").write_text("a file where the folder should be")
    CurvesWriter(tmp_path)(block(10))
    assert read_curves(tmp_path) == Curves()


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.mktemp("any")
    curves_path(directory).parent.mkdir()
    curves_path(directory).write_bytes(data)
    read_curves(directory)


def test_values_are_what_json_gives(tmp_path: Path) -> None:
    written(tmp_path, block(10, 0.1))
    (line,) = curves_path(tmp_path).read_text().splitlines()
    assert json.loads(line)["scalars"] == {LOSS: 0.1}
