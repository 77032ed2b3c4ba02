"""What training does not reach: kept beside the record, and read back only for its own run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.runs.unreached import Unreached, read_unreached, write_unreached

NOW = "2025-01-02T03:04:05+00:00"
FOUND = Unreached(frozenset({"model/top_bn/gamma", "model/top_conv/kernel"}), frozenset({"m/mean"}))


def content(**changes: object) -> str:
    whole = {"version": 1, "created": NOW, "without_gradient": [], "never_run": []}
    return json.dumps({**whole, **changes})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_unreached(FOUND, tmp_path, NOW)
    assert path == tmp_path / "odfreeze" / "gradients.json"
    assert read_unreached(path.parent, NOW) == FOUND


def test_it_is_json_in_a_fixed_order(tmp_path: Path) -> None:
    assert json.loads(write_unreached(FOUND, tmp_path, NOW).read_text()) == {
        "version": 1,
        "created": NOW,
        "without_gradient": ["model/top_bn/gamma", "model/top_conv/kernel"],
        "never_run": ["m/mean"],
    }


def test_what_an_earlier_run_left_is_not_taken(tmp_path: Path) -> None:
    write_unreached(FOUND, tmp_path, "2024-01-01T00:00:00+00:00")
    assert read_unreached(tmp_path / "odfreeze", NOW) is None


@pytest.mark.parametrize(
    "text",
    (
        None,
        "",
        "[" * 100_000,
        "[]",
        "{}",
        content(version=2),
        content(without_gradient=[1]),
        content(without_gradient=None),
        content(never_run=3),
    ),
    ids=("gone", "empty", "deep", "list", "bare", "later version", "number", "null", "no list"),
)
def test_a_file_that_is_of_no_use_is_as_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "gradients.json").write_text(text)
    assert read_unreached(tmp_path, NOW) is None
