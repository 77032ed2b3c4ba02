"""Verification of a run of several workers, from what they left in its directory."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from odfreeze.cli import main
from odfreeze.errors import RecordError
from odfreeze.report.verification import verification_lines
from odfreeze.runs.record import digest, read_record
from odfreeze.runs.verify import verify
from odfreeze.runs.workers import WorkerRecord, read_worker, worker_path, write_worker
from tests.support.fake_training import write_run, write_workers
from tests.support.tiny_detector import write_detector

OTHER = digest(b"another value")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two workers that ended at step 10."""
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    write_run(tmp_path / "run", config, 10)
    write_workers(tmp_path / "run", config, 10)
    return tmp_path / "run"


def change(run: Path, task: str, state: str, **fields: tuple[str, ...]) -> str:
    """Changes the digests of a worker's first variable in a state; returns its name."""
    worker = read_worker(worker_path(run, task))
    one = next(variable for variable in worker.variables if variable.state == state)
    changed = dataclasses.replace(one, **fields)
    rows = tuple(changed if variable is one else variable for variable in worker.variables)
    rewrite(run, dataclasses.replace(worker, variables=rows))
    return one.name


def rewrite(run: Path, worker: WorkerRecord) -> None:
    write_worker(worker, run)


def test_all_workers_are_verified(run: Path) -> None:
    found = verify(run)
    assert found.ok
    assert [(one.task, one.step, one.reasons) for one in found.workers] == [
        ("worker-0", 10, ()),
        ("worker-1", 10, ()),
    ]


@pytest.mark.parametrize("task", ("worker-0", "worker-1"))
@pytest.mark.parametrize("state", ("frozen", "held"))
def test_a_value_that_changed_on_one_worker_only_is_named(run: Path, task: str, state: str) -> None:
    name = change(run, task, state, end=(OTHER,))
    found = verify(run)
    assert not found.ok
    assert not found.frozen.changed  # the checkpoint knows nothing of it
    assert found.reasons == (
        f"{task}: 1 {state} variables changed: {name}",
        f"{task}: 1 {state} variables ended with other values than the checkpoint: {name}",
    )


def test_a_worker_that_learned_something_else_is_named(run: Path) -> None:
    name = change(run, "worker-1", "trainable", end=(OTHER,))
    assert verify(run).reasons == (
        f"worker-1: 1 trainable variables ended with other values than the checkpoint: {name}",
    )


def test_statistics_that_update_are_each_workers_own(run: Path) -> None:
    change(run, "worker-1", "updating", end=(OTHER,))
    assert verify(run).ok


def test_a_run_that_was_cut_off_has_no_ends_yet(run: Path) -> None:
    for task in ("worker-0", "worker-1"):
        worker = read_worker(worker_path(run, task))
        rows = tuple(dataclasses.replace(one, end=()) for one in worker.variables)
        rewrite(run, dataclasses.replace(worker, end_step=None, agreed=False, variables=rows))
    found = verify(run)
    assert found.ok
    lines = verification_lines(found)
    assert "  worker-1  left nothing of its end: it was cut off, or still trains" in lines


def test_another_checkpoint_of_the_run_says_nothing_of_their_ends(run: Path) -> None:
    config = Path(read_record(run).config_path)
    earlier = write_run(run.parent / "earlier", config, 5, changed=("trainable",), record=False)
    change(run, "worker-1", "trainable", end=(OTHER,))
    assert verify(run, earlier / "ckpt-5").ok


def test_a_record_without_a_directory_has_no_workers(run: Path, monkeypatch) -> None:
    monkeypatch.chdir(run)  # where a folder odfreeze/workers is
    assert verify(read_record(run), run / "ckpt-10").workers == ()


def test_the_file_of_a_worker_that_is_damaged_is_an_error(run: Path, capsys) -> None:
    worker_path(run, "worker-1").write_text("{}")
    with pytest.raises(RecordError):
        verify(run)
    assert main(["verify", str(run)]) == 2
    assert "worker-1.json is not what a worker of `odfreeze train` wrote" in capsys.readouterr().err


def test_json_and_text_tell_of_each_worker(run: Path, capsys) -> None:
    name = change(run, "worker-1", "frozen", end=(OTHER,))
    assert main(["verify", str(run), "--format=json"]) == 1
    data = json.loads(capsys.readouterr().out)
    equal = 3 + 2 + 18
    assert data["workers"] == [
        {"task": "worker-0", "replicas": 1, "step": 10, "compared": equal, "reasons": []},
        {
            "task": "worker-1",
            "replicas": 1,
            "step": 10,
            "compared": equal,
            "reasons": [
                f"worker-1: 1 frozen variables changed: {name}",
                f"worker-1: 1 frozen variables ended with other values than the checkpoint: {name}",
            ],
        },
    ]
    assert main(["verify", str(run)]) == 1
    text = capsys.readouterr().out
    assert f"\n  worker-0  {equal} values equal to the others' by the bit\n" in text
    assert f"\n  worker-1  {equal} values NOT as they have to be\n" in text


def test_copies_on_several_replicas_are_counted(run: Path) -> None:
    config = Path(read_record(run).config_path)
    write_workers(run, config, 10, tasks=("worker-0",), replicas=4)
    lines = verification_lines(verify(run))
    assert "  worker-0  92 copies on 4 replicas equal to the others' by the bit" in lines


def test_a_run_of_one_replica_says_nothing_of_workers(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    found = verify(write_run(tmp_path / "run", config, 10))
    assert found.workers == ()
    assert "workers" not in found.to_json()


# --- on a machine that has neither record nor checkpoint ---


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    write_workers(tmp_path / "alone", config, 10, tasks=("worker-1",))
    return tmp_path / "alone"


def test_a_worker_alone_is_verified_by_what_it_held(alone: Path) -> None:
    found = verify(alone)
    assert found.ok
    assert (found.before_step, found.after_step) == (0, 10)
    assert found.before == found.after == str(worker_path(alone, "worker-1"))
    assert (found.frozen.variables, len(found.trainable.changed)) == (3, 18)


def test_what_changed_on_it_fails(alone: Path) -> None:
    name = change(alone, "worker-1", "held", end=(OTHER,))
    found = verify(alone)
    assert [one.name for one in found.held.changed] == [name]
    assert found.reasons == (
        "1 of 2 held variables changed",
        f"worker-1: 1 held variables changed: {name}",
    )


def test_it_has_to_have_been_compared_with_the_others(alone: Path) -> None:
    worker = read_worker(worker_path(alone, "worker-1"))
    rewrite(alone, dataclasses.replace(worker, agreed=False))
    assert verify(alone).reasons == (
        "worker-1: nothing compared its values with those of worker-0",
    )


def test_without_its_end_nothing_is_verified(alone: Path) -> None:
    worker = read_worker(worker_path(alone, "worker-1"))
    rows = tuple(dataclasses.replace(one, end=()) for one in worker.variables)
    rewrite(alone, dataclasses.replace(worker, end_step=None, variables=rows))
    assert verify(alone).reasons == (
        "worker-1 left no digests of its end: it was cut off, or still trains",
    )
