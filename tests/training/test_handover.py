"""What an ended run hands on: there as a whole under one name, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import OutputError, TrainingRefusedError
from odfreeze.training import handover
from odfreeze.training.handover import hand_over, handed_on_step, handover_prefix, withdraw
from tests.support.bundle_writer import Spec, floats, write_checkpoint


def write(folder: Path, step: int, shards: int = 1) -> dict[str, bytes]:
    """Writes a checkpoint of a step; returns its files by what follows the prefix."""
    values: dict[str, Spec] = {
        f"model/{name}": (name, "float32", (2,), floats(step, step)) for name in "ab"
    }
    write_checkpoint(folder / f"ckpt-{step}", values, step=step)
    return content(folder, f"ckpt-{step}")


def content(folder: Path, prefix: str) -> dict[str, bytes]:
    return {
        path.name.removeprefix(prefix): path.read_bytes()
        for path in folder.iterdir()
        if path.name.startswith(f"{prefix}.")
    }


@pytest.fixture(params=("links", "copies"))
def folder(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "copies":

        def refuse(*args: object) -> None:
            raise PermissionError("no links here")

        monkeypatch.setattr(os, "link", refuse)
    return tmp_path


def test_it_is_the_checkpoint_under_another_name(folder: Path) -> None:
    files = write(folder, 30)
    assert hand_over(folder, 30) == handover_prefix(folder) == folder / "handover"
    assert content(folder, "handover") == files == content(folder, "ckpt-30")
    assert handed_on_step(folder) == 30
    with Checkpoint.open(folder / "handover") as checkpoint:
        assert {one.name for one in checkpoint.variables} >= {"a", "b"}


def test_it_stays_when_the_checkpoint_is_pruned(folder: Path) -> None:
    files = write(folder, 30)
    hand_over(folder, 30)
    for path in folder.glob("ckpt-30.*"):
        path.unlink()
    assert hand_over(folder, 30) == folder / "handover"
    assert content(folder, "handover") == files


def test_again_it_is_the_same(folder: Path) -> None:
    write(folder, 30)
    hand_over(folder, 30)
    before = content(folder, "handover")
    hand_over(folder, 30)
    assert content(folder, "handover") == before


def test_another_one_takes_its_place(folder: Path) -> None:
    write(folder, 10)
    files = write(folder, 30)
    hand_over(folder, 10)
    (folder / "handover.data-00001-of-00002").touch()  # of another number of files
    hand_over(folder, 30)
    assert content(folder, "handover") == files


def test_cut_off_anywhere_it_is_no_half_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, 10)
    files = write(folder, 30)
    hand_over(folder, 10)
    stock = handover._link_or_copy
    for survived in range(2):
        calls = iter(range(10))

        def cut_off(source: Path, target: Path, calls=calls, survived=survived) -> None:
            if next(calls) == survived:
                target.write_bytes(b"torn")
                raise KeyboardInterrupt
            stock(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(handover, "_link_or_copy", cut_off)
            with pytest.raises(KeyboardInterrupt):
                hand_over(folder, 30)
        assert handed_on_step(folder) is None
    hand_over(folder, 30)
    assert content(folder, "handover") == files
    assert handed_on_step(folder) == 30


def test_one_that_is_gone_is_told_before_the_next_stage_wants_it(folder: Path) -> None:
    write(folder, 10)
    hand_over(folder, 10)
    with pytest.raises(TrainingRefusedError, match=r"ckpt-30 was to be handed on.*handover: LAST"):
        hand_over(folder, 30)
    assert handed_on_step(folder) == 10


def test_withdrawn_it_is_gone(folder: Path) -> None:
    files = write(folder, 10)
    hand_over(folder, 10)
    withdraw(folder)
    assert content(folder, "handover") == {}
    assert content(folder, "ckpt-10") == files
    withdraw(folder)
    withdraw(folder / "not there")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions bind here")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    write(tmp_path, 10)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            hand_over(tmp_path, 10)
    finally:
        tmp_path.chmod(0o700)


def test_it_is_never_taken_for_the_last_checkpoint(tmp_path: Path) -> None:
    from odfreeze.checkpoint.locate import latest

    write(tmp_path, 10)
    write(tmp_path, 30)
    hand_over(tmp_path, 10)
    assert latest(tmp_path) == str(tmp_path / "ckpt-30")
    shutil.copytree(tmp_path, tmp_path / "alone")
    for path in (tmp_path / "alone").glob("ckpt-*"):
        path.unlink()
    assert latest(tmp_path / "alone") == str(tmp_path / "alone" / "handover")
