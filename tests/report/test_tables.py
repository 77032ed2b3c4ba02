"""The tables of the page: their cells, and what a screen reader and a pointer are told."""

from __future__ import annotations

from typing import Any

import pytest

from odfreeze.report.html import Element, element
from odfreeze.report.tables import chip, cost, movement, scrolled, table, verification
from odfreeze.runs.account import Account
from odfreeze.runs.movement import Movement
from tests.support.accounts import account, moved, run, verdict


def text(of: Element) -> str:
    return "".join(of.itertext())


def cells(of: Element) -> list[list[str]]:
    """Returns the texts of a section's table, its heads first."""
    return [[text(cell) for cell in row] for row in of.iter("tr")]


def found(of: Element, class_: str) -> list[Element]:
    """Returns the elements that have a class."""
    return [one for one in of.iter() if class_ in (one.get("class") or "").split()]


def section(of: object) -> Element:
    assert isinstance(of, Element)
    return of


# --- any table ---


def test_a_table_has_heads_of_columns_and_of_rows() -> None:
    made = table(["a", "b"], [["1", "2"], ["3", "4"]])
    assert cells(made) == [["a", "b"], ["1", "2"], ["3", "4"]]
    assert [(one.text, one.get("scope")) for one in made.iter("th")] == [
        ("a", "col"), ("b", "col"), ("1", "row"), ("3", "row"),
    ]  # fmt: skip
    assert not [one for one in made.iter() if one.get("class")]


def test_a_cell_may_be_text_elements_or_nothing() -> None:
    made = table(["a", "b"], [[["x ", element("b", "y")], None]])
    assert cells(made)[1] == ["x y", ""]


def test_columns_rows_and_tables_have_their_classes() -> None:
    rows = [["1", "2", "3"], ["4", "5", "6"]]
    made = table(["a", "b", "c"], rows, left=(1,), inner=(1,), kinds=[None, None, "m"], dense=True)
    assert made.get("class") == "dense"
    assert [one.get("class") for one in made.iter("tr")] == [None, None, "inner"]
    assert [one.text for one in found(made, "l")] == ["b", "2", "5"]
    assert [one.text for one in found(made, "m")] == ["3", "6"]  # a head is no cell of its kind


@pytest.mark.parametrize("row", (["1"], ["1", "2", "3"]), ids=("too short", "too long"))
def test_a_row_that_does_not_fit_is_a_fault(row: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        table(["a", "b"], [row])


def test_a_table_that_is_too_wide_can_be_moved_by_keys_too() -> None:
    made = scrolled(table(["a"], []))
    assert (made.get("class"), made.get("tabindex"), made.get("role")) == ("scroll", "0", "group")


def test_a_stage_is_a_number_in_its_colour() -> None:
    made = chip(account(run(), run()).stages[1])
    assert (made.text, made.get("class")) == ("2", "chip s2")


# --- verification ---


def test_each_stage_tells_what_was_found_of_each_state() -> None:
    made = verification(account(
        run("01_head", state="finished", verdict=verdict(4, held=2)),
        run("02_all", state="failed", verdict=verdict(4, 1, held=0)),
    ))  # fmt: skip
    assert cells(made) == [
        ["Stage", "Verdict", "Frozen changed", "Held changed", "Trainable changed",
         "Updating changed"],
        ["1head", "verified", "0 of 4", "0 of 2", "3 of 3", "0 of 0"],
        ["2all", "failed", "1 of 4", "0 of 0", "3 of 3", "0 of 0"],
    ]  # fmt: skip
    assert [one.get("class") for one in found(made, "mark")] == ["mark finished", "mark failed"]


@pytest.mark.parametrize("state", ("waiting", "unfinished", "failed"))
def test_a_stage_without_a_verdict_is_not_verified_whatever_became_of_it(state: str) -> None:
    made = verification(account(run(state=state)))
    assert cells(made)[1] == ["1head", "not verified", "–", "–", "–", "–"]
    assert [one.get("class") for one in found(made, "mark")] == ["mark waiting"]


def reasons(of: Account) -> list[str]:
    """Returns what is said below the table of verifications."""
    return [text(one) for one in verification(of).iter("p")][1:]


@pytest.mark.parametrize(
    ("count", "named"),
    ((0, []), (1, ["changed: v0"]), (5, ["changed: v0, v1, v2, v3, v4"]),
     (6, ["changed: v0, v1, v2, v3, v4 …"])),
    ids=("none named", "one", "five", "more"),
)  # fmt: skip
def test_below_it_is_said_why_and_which_the_first_were(count: int, named: list[str]) -> None:
    wrong = verdict(9, 6, names=tuple(f"v{n}" for n in range(count)))
    of = account(run(state="finished", verdict=verdict()), run(state="failed", verdict=wrong))
    assert reasons(of) == [f"2{one}" for one in ["6 of 9 frozen variables changed", *named]]


def test_where_all_is_well_nothing_is_said() -> None:
    assert reasons(account(run(state="finished", verdict=verdict()), run())) == []


# --- movement ---


def test_without_measurements_there_is_no_section() -> None:
    assert movement(account(run(), run())) is None


def test_a_part_is_a_row_and_a_stage_that_was_measured_a_column() -> None:
    made = section(movement(account(
        run("01_head", movement=moved(head=0.25, backbone=0.0)),
        run("02_neck"),
        run("03_all", movement=moved(head=None, backbone=0.00002)),
    )))  # fmt: skip
    assert cells(made) == [
        ["Part", "Parameters", "1head", "3all"],
        ["head", "1,500", "25 %", "–"],
        ["backbone", "1,500", "0", "0.0020 %"],
    ]
    assert [one.get("title") for one in found(made, "zero")] == [
        "no start value is at hand", "not one bit changed",
    ]  # fmt: skip


def test_a_part_that_one_stage_does_not_tell_of_is_a_dash_there() -> None:
    made = section(movement(account(
        run("01_a", movement=moved(head=0.5)), run("02_b", movement=moved(neck=0.5)),
    )))  # fmt: skip
    assert cells(made)[1:] == [["head", "1,500", "50 %", "–"], ["neck", "1,500", "–", "50 %"]]


def test_parts_of_parts_are_inner_rows_with_their_number_and_statistics_come_last() -> None:
    rows = (
        Movement("statistics", "statistics", 7, 0.5),
        Movement("backbone", "backbone", 6, 0.5),
        Movement("backbone/3", "block_3", 5, 0.5),
        Movement("head/box", "box", 4, 0.5),
    )
    made = section(movement(account(run(movement=rows))))
    assert [row[0] for row in cells(made)[1:]] == [
        "backbone", "3 block_3", "box", "batch norm statistics",
    ]  # fmt: skip
    assert [text(one[0]) for one in found(made, "inner")] == ["3 block_3", "box"]


@pytest.mark.parametrize(
    ("change", "shown", "width"),
    (
        (1e-9, "<0.0001 %", "0.0%"), (1e-5, "0.0010 %", "0.0%"), (1e-4, "0.01 %", "20.0%"),
        (0.1, "10 %", "80.0%"), (1.0, "100 %", "100.0%"), (9.994, "999 %", "100.0%"),
        (9.996, "1,000 %", "100.0%"), (42.0, "4,200 %", "100.0%"), (1e300, None, "100.0%"),
    ),
    ids=("too small to see", "the least", "in between", "a tenth", "as much as it was",
         "below a thousand", "a thousand", "many times", "without end"),
)  # fmt: skip
def test_a_change_is_a_number_and_a_bar_on_a_logarithmic_scale(
    change: float, shown: str | None, width: str
) -> None:
    made = section(movement(account(run(movement=moved(head=change)))))
    (bar,) = found(made, "bar")
    assert (bar.get("class"), bar.get("style")) == ("bar s1", f"width:{width}")
    assert shown is None or cells(made)[1][2] == shown


# --- time and memory ---


def test_without_any_time_there_is_no_section() -> None:
    assert cost(account(run(), run(steps_per_second=2.0))) is None


def test_each_stage_that_took_any_time_tells_what_it_cost() -> None:
    made = section(cost(account(
        run("01_head", seconds=60.0, seconds_to_first_step=15.0, steps_per_second=2.5,
            peak_memory_bytes=1 << 30, checkpoints=(("ckpt-5", 9), ("ckpt-10", 2048))),
        run("02_neck", seconds=4.0),
        run("03_all"),
    )))  # fmt: skip
    assert cells(made) == [
        ["Stage", "Time", "Before the first step", "Steps per second", "Peak memory",
         "Last checkpoint"],
        ["1head", "1 min 00 s", "15 s", "2.5", "1.0 GiB", "2.0 KiB"],
        ["2neck", "4 s", "–", "–", "–", "–"],
    ]  # fmt: skip


def bars(*runs: Any) -> list[tuple[str | None, ...]]:
    """Returns text, class, tip and style of the pieces of the bar of time."""
    made = section(cost(account(*runs)))
    return [(text(one), one.get("class"), one.get("title"), one.get("style"))
            for one in made.iter("i")]  # fmt: skip


def test_one_bar_has_all_the_time_start_ups_apart() -> None:
    assert bars(
        run("01_head", seconds=60.0, seconds_to_first_step=15.0), run("02_all", seconds=40.0)
    ) == [
        ("1 start", "s1 idle", "stage 1, head: start 15 s", "width:15.00%"),
        ("1 steps", "s1", "stage 1, head: steps 45 s", "width:45.00%"),
        ("2 steps", "s2", "stage 2, all: steps 40 s", "width:40.00%"),
    ]
    made = section(cost(account(run(seconds=60.0), run(seconds=40.0))))
    (bar,) = found(made, "split")
    assert (bar.get("role"), bar.get("aria-label")) == (
        "img", "Time of the stages, 1 min 40 s in all",
    )  # fmt: skip


def test_a_piece_that_is_too_small_for_its_name_has_none() -> None:
    shown = bars(run(seconds=90.0), run(seconds=10.0))
    assert [piece[0] for piece in shown] == ["1 steps", ""]


@pytest.mark.parametrize(
    ("fields", "widths"),
    (
        ({"seconds": 10.0, "seconds_to_first_step": 99.0}, ["width:100.00%"]),
        ({"seconds": 10.0, "seconds_to_first_step": 0.0}, ["width:100.00%"]),
        ({"seconds": 0.0}, []),
    ),
    ids=("a start-up longer than all", "no start-up", "no time at all"),
)
def test_pieces_never_make_more_than_the_whole(fields: dict[str, float], widths: list[str]) -> None:
    assert [piece[3] for piece in bars(run(**fields))] == widths


@pytest.mark.parametrize(
    ("speed", "shown"), ((0.01234, "0.0123"), (999.4, "999"), (999.7, "1,000"), (12345.0, "12,345"))
)
def test_a_speed_is_written_as_people_read_it(speed: float, shown: str) -> None:
    made = section(cost(account(run(seconds=1.0, steps_per_second=speed))))
    assert cells(made)[1][3] == shown
