"""A verification as lines: how what training does not reach is told from what it left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.report.verification import verification_lines
from odfreeze.runs.record import read_record
from odfreeze.runs.unreached import Unreached, write_unreached
from odfreeze.runs.verify import verify
from tests.support.fake_training import write_run
from tests.support.tiny_detector import write_detector


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run in which nothing changed: 18 variables were trainable, 6 statistics updating."""
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    return write_run(tmp_path / "run", config, 10, changed=())


def states(run: Path, state: str) -> list[str]:
    return [one.object_path for one in read_record(run).variables if one.state == state]


def lines(run: Path, found: Unreached | None, **options: int) -> list[str]:
    if found is not None:
        write_unreached(found, run, read_record(run).created)
    shown = verification_lines(verify(run), **options)
    return [line for line in shown if line.startswith(("  trainable", "  updating", "    "))]


def test_names_without_gradient_are_named_apart_from_the_others(run: Path) -> None:
    first, *others = states(run, "trainable")
    statistic = states(run, "updating")[0]
    name = {one.object_path: one.label for one in read_record(run).variables}
    shown = lines(run, Unreached(frozenset({first, *others[1:]}), frozenset({statistic})), shown=1)
    assert shown == [
        "  trainable      0 of 18 changed",
        f"    17 unchanged without a gradient: {name[first]} and 16 more",
        f"    1 unchanged with a gradient: {name[others[0]]}",
        f"  updating       0 of {len(states(run, 'updating'))} changed",
        f"    1 unchanged in layers that never run: {name[statistic]}",
        *shown[5:],
    ]
    assert shown[5].startswith("    ")
    assert " unchanged in layers that run: " in shown[5]


def test_where_it_is_not_known_nothing_is_said(run: Path) -> None:
    assert [line.split()[0] for line in lines(run, None)] == ["trainable", "updating"]
