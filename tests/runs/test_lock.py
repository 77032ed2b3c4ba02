"""One process at a time in a run's directory, however the one before ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.errors import OutputError, TrainingRefusedError
from odfreeze.runs.lock import LOCK_NAME, RunLock
from tests.conftest import ROOT

HOLDS = """
import sys
from odfreeze.runs.lock import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    """Starts a process that has the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(TrainingRefusedError) as caught, RunLock(tmp_path):
            pass
        process.communicate()
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path))} is being trained by another process \(pid {process.pid} on"
        r" \S+, since 20\S+\): two would write the same checkpoints; wait for it, or end it and"
        r" give this command again",
        str(caught.value),
    )
    assert caught.value.exit_status == 2


def test_who_is_refused_leaves_it_to_the_holder(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        for _ in range(2):
            with (
                pytest.raises(TrainingRefusedError, match=f"pid {os.getpid()} "),
                RunLock(tmp_path),
            ):
                pass


def test_it_is_free_again_when_the_holder_ended(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.communicate()
    with RunLock(tmp_path):
        pass


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_killed_holder_keeps_nobody_out(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / LOCK_NAME).read_text().startswith(f"pid {process.pid} ")  # it is left behind
    with RunLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text().startswith(f"pid {os.getpid()} ")


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with RunLock(tmp_path / "new" / "run"):
        assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == [LOCK_NAME]
    assert [path.name for path in (tmp_path / "new").iterdir()] == []


def test_a_directory_that_was_there_or_is_in_use_stays(tmp_path: Path) -> None:
    with RunLock(tmp_path / "empty"):
        (tmp_path / "empty" / "run.json").write_text("{}")
    (tmp_path / "old").mkdir()
    with RunLock(tmp_path / "old"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "old"]


def test_workers_of_one_run_have_a_lock_each(tmp_path: Path) -> None:
    with RunLock(tmp_path), RunLock(tmp_path, "run.worker-1.lock"):
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.name != "posix", reason="replaces an open file")
def test_a_lock_on_a_file_that_was_removed_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its holder gives it back between our opening the file and our locking it."""
    from odfreeze.runs import lock as run_lock

    real, path, calls = run_lock._lock, tmp_path / LOCK_NAME, []

    def lock(stream):
        if not calls:
            path.unlink()
        calls.append(stream)
        real(stream)

    monkeypatch.setattr(run_lock, "_lock", lock)
    with RunLock(tmp_path):
        assert path.read_text().startswith("pid ")
    assert len(calls) == 2


def test_a_file_system_without_locks_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(stream):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("odfreeze.runs.lock._lock", lock)
    with RunLock(tmp_path):
        pass


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught, RunLock(tmp_path / "file"):
        pass
    assert str(caught.value).endswith("check the directory")
    assert str(caught.value).startswith(f"{tmp_path / 'file'} cannot be used: ")
