"""What a run will train, as people see it: in the log, in TensorBoard, in one line."""

from __future__ import annotations

from typing import Any

import pytest

from odfreeze.report.selection import selection_lines, selection_markdown, short_selection


def totals(**states: tuple[int, int]) -> dict[str, Any]:
    zero = {"trainable": (0, 0), "frozen": (0, 0), "updating": (0, 0), "held": (0, 0)}
    return {
        state: {"variables": variables, "parameters": parameters, "bytes": 4 * parameters}
        for state, (variables, parameters) in {**zero, **states}.items()
    }


def row(name: str, part: str, *numbers: int) -> dict[str, Any]:
    keys = (
        "trainable", "frozen", "updating", "held", "parameters", "trainable_parameters",
    )  # fmt: skip
    return {"name": name, "part": part, **dict(zip(keys, numbers, strict=True))}


SUMMARY: dict[str, Any] = {
    "totals": totals(
        trainable=(23, 41_000), frozen=(178, 2_257_984), updating=(4, 96), held=(112, 34_112)
    ),
    "groups": [
        row("backbone/1", "backbone", 0, 178, 0, 112, 2_257_984, 0),
        row("neck/fpn", "neck", 3, 0, 4, 0, 1_000, 1_000),
        row("head/box", "head", 20, 0, 0, 0, 40_000, 40_000),
    ],
    "optimizer": {"name": "Adam", "slots": 2, "bytes": 328_000, "saved_bytes": 18_063_872},
    "frozen_regularization": 0.123456,
}


def test_the_log_has_a_line_a_group_and_what_is_saved() -> None:
    assert selection_lines(SUMMARY) == [
        "            trainable  frozen  updating  held  parameters  of these learn",
        "backbone/1          0     178         0   112   2,257,984               0",
        "neck/fpn            3       0         4     0       1,000           1,000",
        "head/box           20       0         0     0      40,000          40,000",
        "all                23     178         4   112   2,298,984          41,000",
        "Adam keeps 2 values for each that learns: 320.3 KiB, 17.2 MiB less than for all",
        "frozen weights add 0.1235 to the loss, in every step the same",
    ]


RATED = {
    **SUMMARY,
    "groups": [
        {**one, "rate_scales": scales}
        for one, scales in zip(SUMMARY["groups"], ([], [0.1], [0.5, 1.0]), strict=True)
    ],
    "rates": [
        {"pattern": "^fpn/", "scale": 0.1, "variables": 3},
        {"pattern": "^box/bias$", "scale": 0.5, "variables": 1},
    ],
}


def test_rates_have_a_column_and_a_line_each() -> None:
    lines = selection_lines(RATED)
    assert lines[:7] == [
        "            trainable  frozen  updating  held  parameters  of these learn         rate",
        "backbone/1          0     178         0   112   2,257,984               0",
        "neck/fpn            3       0         4     0       1,000           1,000          0.1",
        "head/box           20       0         0     0      40,000          40,000       0.5, 1",
        "all                23     178         4   112   2,298,984          41,000  0.1, 0.5, 1",
        "0.1 of the learning rate for 3 variables: ^fpn/",
        "0.5 of the learning rate for 1 variable: ^box/bias$",
    ]
    assert lines[7:] == selection_lines(SUMMARY)[5:]


CARRIED = {"checkpoint": "a/ckpt-1", "variables": 2, "slots": 1234, "note": ""}


@pytest.mark.parametrize(
    ("carried", "line"),
    [
        (CARRIED, "the optimizer goes on with 1,234 slots of 2 variables of a/ckpt-1"),
        (
            {**CARRIED, "note": "1 begins anew"},
            "the optimizer goes on with 1,234 slots of 2 variables of a/ckpt-1; 1 begins anew",
        ),
        (
            {**CARRIED, "variables": 0, "slots": 0, "note": "it holds none"},
            "nothing was carried over into the optimizer: it holds none (a/ckpt-1)",
        ),
        (
            {"checkpoint": None, "variables": 0, "slots": 0, "note": "no checkpoint"},
            "nothing was carried over into the optimizer: no checkpoint",
        ),
    ],
    ids=("all", "not all", "nothing", "from nowhere"),
)
def test_what_was_carried_over_has_a_line(carried: dict[str, Any], line: str) -> None:
    assert selection_lines({**SUMMARY, "carried": carried})[-2] == line


def test_tensorboard_has_the_same_as_a_table() -> None:
    assert selection_markdown(SUMMARY) == (
        "|  | trainable | frozen | updating | held | parameters | of these learn |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| backbone/1 | 0 | 178 | 0 | 112 | 2,257,984 | 0 |\n"
        "| neck/fpn | 3 | 0 | 4 | 0 | 1,000 | 1,000 |\n"
        "| head/box | 20 | 0 | 0 | 0 | 40,000 | 40,000 |\n"
        "| all | 23 | 178 | 4 | 112 | 2,298,984 | 41,000 |\n"
        "\n"
        "Adam keeps 2 values for each that learns: 320.3 KiB, 17.2 MiB less than for all\n"
        "\n"
        "frozen weights add 0.1235 to the loss, in every step the same\n"
    )


def test_one_line_tells_the_parts() -> None:
    assert short_selection(SUMMARY) == (
        "learning of backbone 0 of 178, neck 3 of 3, head 20 of 20; optimizer memory saved 17.2 MiB"
    )


@pytest.mark.parametrize(
    ("slots", "line"),
    (
        (0, "SGD keeps nothing for a variable"),
        (1, "SGD keeps 1 value for each that learns: 160.2 KiB, 0 B less than for all"),
    ),
)
def test_what_an_optimizer_keeps(slots: int, line: str) -> None:
    optimizer = {"name": "SGD", "slots": slots, "bytes": slots * 164_000, "saved_bytes": 0}
    summary = {**SUMMARY, "optimizer": optimizer, "frozen_regularization": 0.0}
    assert selection_lines(summary)[-1] == line
    assert "saved" not in short_selection(summary)


def test_an_event_without_groups_has_no_short_form() -> None:
    assert short_selection({"totals": totals()}) == ""
