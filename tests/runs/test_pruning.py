"""Checkpoints that nothing needs go, and TensorFlow's list of them follows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint, latest
from odfreeze.runs.pruning import prune_checkpoints
from tests.conftest import ROOT
from tests.support.bundle_writer import write_checkpoint
from tests.support.tiny_detector import specs

STATE = """\
model_checkpoint_path: "ckpt-40"
all_model_checkpoint_paths: "ckpt-0"
all_model_checkpoint_paths: "ckpt-10"
all_model_checkpoint_paths: "ckpt-20"
all_model_checkpoint_paths: "ckpt-40"
all_model_checkpoint_timestamps: 1700000000.25
all_model_checkpoint_timestamps: 1700000010.5
all_model_checkpoint_timestamps: 1700000020.75
all_model_checkpoint_timestamps: 1700000040.125
last_preserved_timestamp: 1700000000.0
"""
PRUNED = """\
model_checkpoint_path: "ckpt-40"
all_model_checkpoint_paths: "ckpt-40"
all_model_checkpoint_timestamps: 1700000040.125
last_preserved_timestamp: 1700000000.0
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with checkpoints of the steps 0, 10, 20 and 40."""
    for step in (0, 10, 20, 40):
        write_checkpoint(tmp_path / f"ckpt-{step}", specs(), step=step)
    (tmp_path / "checkpoint").write_text(STATE)
    return tmp_path


def names(run: Path) -> list[str]:
    return sorted(path.name for path in run.iterdir())


def files(*prefixes: str) -> list[str]:
    return sorted(f"{p}.{end}" for p in prefixes for end in ("index", "data-00000-of-00001"))


def test_all_but_the_last_go(run: Path) -> None:
    assert prune_checkpoints(run, ()) == ("ckpt-0", "ckpt-10", "ckpt-20")
    assert names(run) == ["checkpoint", *files("ckpt-40")]
    assert (run / "checkpoint").read_text() == PRUNED
    assert latest(run) == str(run / "ckpt-40")
    with Checkpoint.open(run) as checkpoint:
        assert checkpoint.step == 40


def test_those_that_are_to_be_kept_stay(run: Path) -> None:
    assert prune_checkpoints(run, ["ckpt-10", "ckpt-7"]) == ("ckpt-0", "ckpt-20")
    assert names(run) == ["checkpoint", *files("ckpt-10", "ckpt-40")]
    assert (run / "checkpoint").read_text() == STATE.replace(
        'all_model_checkpoint_paths: "ckpt-0"\n', ""
    ).replace('all_model_checkpoint_paths: "ckpt-20"\n', "").replace(
        "all_model_checkpoint_timestamps: 1700000000.25\n", ""
    ).replace("all_model_checkpoint_timestamps: 1700000020.75\n", "")


def test_nothing_else_is_touched(run: Path) -> None:
    for name in ("handover.index", "handover.data-00000-of-00001", "ckpt-1.txt", "ckpt-best.index"):
        (run / name).write_text("")
    (run / "odfreeze").mkdir()
    prune_checkpoints(run, ())
    assert names(run) == sorted([
        "checkpoint", "ckpt-1.txt", "ckpt-best.index", "handover.data-00000-of-00001",
        "handover.index", "odfreeze", *files("ckpt-40"),
    ])  # fmt: skip


def test_absolute_paths_of_a_directory_that_was_moved_are_known_by_their_name(run: Path) -> None:
    (run / "checkpoint").write_text(STATE.replace('"ckpt', '"/was/here/ckpt'))
    assert prune_checkpoints(run, ()) == ()  # TensorFlow would find no last one here
    (run / "checkpoint").write_text(STATE.replace('"ckpt', f'"{run.as_posix()}/ckpt'))
    assert prune_checkpoints(run, ()) == ("ckpt-0", "ckpt-10", "ckpt-20")
    assert (run / "checkpoint").read_text() == PRUNED.replace('"ckpt', f'"{run.as_posix()}/ckpt')


@pytest.mark.parametrize(
    "state",
    (None, "", "model_checkpoint_path: 3", 'model_checkpoint_path: "c"', STATE + "{"),
    ids=("none", "empty", "no text", "of one that is gone", "damaged"),
)  # fmt: skip
def test_without_a_state_file_that_names_the_last_nothing_goes(
    run: Path, state: str | None
) -> None:
    (run / "checkpoint").unlink()
    if state is not None:
        (run / "checkpoint").write_text(state)
    before = names(run)
    assert prune_checkpoints(run, ()) == ()
    assert names(run) == before


def test_again_it_does_nothing(run: Path) -> None:
    prune_checkpoints(run, ())
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    assert prune_checkpoints(run, ()) == ()
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before


KILLED = """
import os, sys
from pathlib import Path
left = int(sys.argv[2])
def dying(real):
    def call(*args, **options):
        global left
        if not left:
            os._exit(9)
        left -= 1
        return real(*args, **options)
    return call
Path.unlink, os.replace, os.fsync = dying(Path.unlink), dying(os.replace), dying(os.fsync)
from odfreeze.runs.pruning import prune_checkpoints
prune_checkpoints(sys.argv[1], ())
"""


def test_killed_at_any_moment_every_listed_checkpoint_is_whole_and_the_next_call_finishes(
    run: Path,
) -> None:
    import shutil

    for left in range(20):
        copy = run.parent / f"{run.name}-{left}"
        shutil.copytree(run, copy)
        command = [sys.executable, "-c", KILLED, str(copy), str(left)]
        status = subprocess.run(command, check=False, cwd=ROOT).returncode
        text = (copy / "checkpoint").read_text()
        assert text in (STATE, PRUNED)
        for step in (0, 10, 20, 40):
            if f'all_model_checkpoint_paths: "ckpt-{step}"' in text:
                with Checkpoint.open(copy / f"ckpt-{step}") as checkpoint:
                    assert checkpoint.step == step
        prune_checkpoints(copy, ())
        assert [n for n in names(copy) if not n.endswith(".tmp")] == [
            "checkpoint", *files("ckpt-40"),
        ]  # fmt: skip
        if status == 0:
            break
        assert status == 9
    assert left == 8  # a sync and a replacement of the list, then two files of three checkpoints
