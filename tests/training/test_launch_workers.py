"""The parent of one worker of several, with a child that only pretends to train."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from odfreeze.errors import RecordError, TrainingRefusedError
from tests.support.fake_training import TRAINS, start, write_trained, write_workers

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_trained(tmp_path)


def as_worker(monkeypatch, index: int) -> dict:
    """Sets ``TF_CONFIG`` to that of one of two workers; returns the options of the run."""
    hosts = []
    for _ in range(2):
        with socket.create_server(("", 0)) as free:
            hosts.append(f"127.0.0.1:{free.getsockname()[1]}")
    task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    return {"flags": ["--num_workers=2"]}


def test_a_worker_verifies_too_and_leaves_the_files_to_the_chief(config: Path, monkeypatch) -> None:
    kept = config.parent / "run" / "odfreeze" / "verification.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("the chief's")
    result = start(config, TRAINS, **as_worker(monkeypatch, 1))
    assert result.verification.ok
    assert kept.read_text() == "the chief's"


def test_each_worker_has_a_log_of_its_own(config: Path, monkeypatch) -> None:
    start(config, 'print("here")\n' + TRAINS, **as_worker(monkeypatch, 1))
    folder = config.parent / "run" / "odfreeze"
    assert (folder / "train.worker-1.log").read_bytes() == b"here\n"
    assert not (folder / "train.log").exists()


def test_a_worker_on_a_machine_of_its_own_verifies_what_it_held(config: Path, monkeypatch) -> None:
    write_workers(config.parent / "alone", config, 10, tasks=("worker-1",))
    result = start(config, 'copy_run("alone")\n', **as_worker(monkeypatch, 1))
    assert (result.step, result.verification.ok) == (10, True)
    assert result.verification.after.endswith("worker-1.json")


def test_a_worker_that_left_nothing_is_not_taken_for_verified(config: Path, monkeypatch) -> None:
    with pytest.raises(RecordError, match="there is no record of a run here"):
        start(config, "", **as_worker(monkeypatch, 1))


def test_what_a_worker_needs_is_refused_before_the_child_starts(config: Path, monkeypatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(TrainingRefusedError):
        start(config, "sys.exit(1)", flags=["--num_workers=2"])
    assert not (config.parent / "run").exists()
