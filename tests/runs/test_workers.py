"""What the workers of a run leave behind, held against its record and checkpoint."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import RecordError, RemotePathError
from odfreeze.runs.workers import (
    Copies,
    WorkerRecord,
    check_worker,
    disagreements,
    forget_workers,
    read_worker,
    read_workers,
    worker_path,
    write_worker,
)
from tests.support.fake_training import record_of, write_workers
from tests.support.tiny_detector import write_detector

A, B = "a" * 64, "b" * 64


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_detector(tmp_path, "^Conv1", "^bn_Conv1")


def worker(*variables: Copies, **fields) -> WorkerRecord:
    replicas = len(variables[0].start)
    end_step = 7 if variables[0].end else None
    made = WorkerRecord(
        "worker-1", ("worker-0", "worker-1"), replicas, 0, end_step, True, variables
    )
    return dataclasses.replace(made, **fields)


def copies(state: str, start: str, end: str = "", name: str = "v") -> Copies:
    """One variable; each letter of ``start`` and ``end`` stands for a replica's digest."""
    return Copies(name, f"model/{name}", state, tuple(start), tuple(end))


# --- the files ---


def test_a_worker_is_read_as_it_was_written(tmp_path: Path) -> None:
    wrote = worker(copies("frozen", "ab", "ab"), copies("trainable", "aa", "bb", "w"))
    path = write_worker(wrote, tmp_path)
    assert path == tmp_path / "odfreeze" / "workers" / "worker-1.json"
    assert read_worker(path) == wrote
    assert read_workers(tmp_path) == (wrote,)


def test_a_run_of_one_replica_has_none(tmp_path: Path) -> None:
    assert read_workers(tmp_path) == ()


def test_workers_that_the_run_has_no_more_are_forgotten(tmp_path: Path) -> None:
    one = worker(copies("frozen", "a"))
    for task in ("chief-0", "worker-0", "worker-1"):
        write_worker(dataclasses.replace(one, task=task), tmp_path)
    forget_workers(tmp_path, ("worker-0", "worker-1"))
    assert [found.task for found in read_workers(tmp_path)] == ["worker-0", "worker-1"]
    forget_workers(tmp_path)
    assert read_workers(tmp_path) == ()


def test_a_remote_directory_is_not_written_to() -> None:
    with pytest.raises(RemotePathError):
        write_worker(worker(copies("frozen", "a")), "gs://bucket/run")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    (
        ("version", 2, "its version is 2, not 1"),
        ("replicas", 0, "a number in it is none"),
        ("end_step", "7", "a number in it is none"),
        ("end_step", None, "'v' has not one digest a replica"),
        ("replicas", 2, "'v' has not one digest a replica"),
        ("variables", [{}], "'start'"),
        ("variables", [{"start": [], "end": []}], "missing 3 required"),
        ("variables", None, "'NoneType'"),
    ),
    ids=(
        "version", "no replica", "end is text", "end without step", "copies missing",
        "empty row", "half a row", "no rows",
    ),
)  # fmt: skip
def test_a_file_that_is_not_what_a_worker_wrote_is_an_error(
    tmp_path: Path, key: str, value: object, why: str
) -> None:
    path = write_worker(worker(copies("frozen", "a", "a")), tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(
        RecordError, match="is not what a worker of `odfreeze train` wrote"
    ) as found:
        read_worker(path)
    assert why in str(found.value)
    assert found.value.path == str(path)


@given(data=st.binary(max_size=60))
def test_garbage_is_an_error_too(tmp_path_factory, data: bytes) -> None:
    path = worker_path(tmp_path_factory.getbasetemp(), "garbage")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    with pytest.raises(RecordError):
        read_worker(path)


# --- against record and checkpoint ---


def test_equal_copies_have_nothing_wrong(config: Path, tmp_path: Path) -> None:
    (one,) = write_workers(tmp_path, config, 7, tasks=("worker-1",), replicas=2)
    after = {variable.object_path: variable.end[0] for variable in one.variables}
    found = check_worker(one, record_of_run(config), after, 7)
    assert found.reasons == ()
    equal = [v for v in one.variables if v.state != "updating"]
    assert (found.task, found.replicas, found.step) == ("worker-1", 2, 7)
    assert found.compared == 2 * len(equal)


def record_of_run(config: Path):
    from odfreeze.pipeline import PipelineConfig

    return record_of(PipelineConfig.read(config))


@pytest.mark.parametrize(
    ("variable", "reasons"),
    (
        (copies("frozen", "ab", "ab"), [
            "worker-1, replica 1: 1 frozen variables started with other values than its first"
            " replica: v",
            "worker-1, replica 1: 1 frozen variables ended with other values than its first"
            " replica: v",
        ]),
        (copies("frozen", "aa", "ab"), [
            "worker-1, replica 1: 1 frozen variables changed: v",
            "worker-1, replica 1: 1 frozen variables ended with other values than its first"
            " replica: v",
        ]),
        (copies("held", "a", "b"), ["worker-1: 1 held variables changed: v"]),
        (copies("held", "aa", "bb"), [
            "worker-1, replica 0: 1 held variables changed: v",
            "worker-1, replica 1: 1 held variables changed: v",
        ]),
        (copies("trainable", "aa", "bc"), [
            "worker-1, replica 1: 1 trainable variables ended with other values than its first"
            " replica: v",
        ]),
        (copies("trainable", "aa", "bb"), []),
        (copies("updating", "aa", "bc"), []),
        (copies("frozen", "aa"), []),
    ),
    ids=(
        "started apart", "one replica's copy changed", "held changed", "held changed on both",
        "learned apart", "learned", "statistics of its own", "cut off",
    ),
)  # fmt: skip
def test_a_worker_alone_is_held_against_its_start_and_first_replica(
    variable: Copies, reasons: list[str]
) -> None:
    assert list(check_worker(worker(variable)).reasons) == reasons


def only(config: Path, of: str, **fields) -> tuple[WorkerRecord, dict[str, str], str]:
    """A worker of one replica, a checkpoint like it, and the name of its first in a state."""
    (one,) = write_workers(config.parent, config, 7, tasks=("worker-1",))
    after = {variable.object_path: variable.end[0] for variable in one.variables}
    changed = next(variable for variable in one.variables if variable.state == of)
    rows = tuple(
        dataclasses.replace(variable, **fields) if variable is changed else variable
        for variable in one.variables
    )
    return dataclasses.replace(one, variables=rows), after, changed.name


@pytest.mark.parametrize("state", ("frozen", "held", "trainable"))
def test_a_copy_that_is_not_the_checkpoints_is_named(config: Path, state: str) -> None:
    one, after, name = only(config, state, end=(B,))
    reasons = check_worker(one, record_of_run(config), after, 7).reasons
    wrong = f"worker-1: 1 {state} variables ended with other values than the checkpoint: {name}"
    assert wrong in reasons
    assert len(reasons) == 1 + (state != "trainable")  # what was to stand still changed, too


@pytest.mark.parametrize("state", ("frozen", "held", "trainable"))
def test_a_copy_that_did_not_start_as_recorded_is_named(config: Path, state: str) -> None:
    one, after, name = only(config, state, start=(B,))
    wrong = f"worker-1: 1 {state} variables started with other values than the record: {name}"
    assert wrong in check_worker(one, record_of_run(config), after, 7).reasons


def test_a_resumed_run_starts_with_what_it_had_learned(config: Path) -> None:
    one, after, _ = only(config, "trainable", start=(B,))
    resumed = dataclasses.replace(one, start_step=3)
    assert check_worker(resumed, record_of_run(config), after, 7).reasons == ()


def test_but_with_the_frozen_values_of_the_record(config: Path) -> None:
    one, after, name = only(config, "frozen", start=(B,))
    resumed = dataclasses.replace(one, start_step=3)
    wrong = f"worker-1: 1 frozen variables started with other values than the record: {name}"
    assert wrong in check_worker(resumed, record_of_run(config), after, 7).reasons


def test_a_checkpoint_of_another_step_says_nothing_of_the_end(config: Path) -> None:
    one, after, _ = only(config, "trainable", end=(B,))
    assert check_worker(one, record_of_run(config), after, 5).reasons == ()


def test_another_selection_on_a_worker_is_named(config: Path) -> None:
    one, after, name = only(config, "trainable", state="updating")
    (reason,) = check_worker(one, record_of_run(config), after, 7).reasons
    assert reason.startswith("worker-1: 1 variables are not there, or were decided otherwise")
    assert reason.endswith(name)


# --- among each other ---


def two(**fields) -> list[WorkerRecord]:
    one = worker(copies("frozen", "a", "a"))
    return [dataclasses.replace(one, task="worker-0"), dataclasses.replace(one, **fields)]


@pytest.mark.parametrize(
    ("workers", "wrong"),
    (
        (two(), []),
        (two(end_step=5), ["worker-1: left no digests of step 7, but those of step 5"]),
        (two(end_step=None), ["worker-1: left no digests of step 7, but none"]),
        (two(agreed=False), []),
        (two()[1:], []),
        (two(agreed=False)[1:], ["worker-1: nothing compared its values with those of worker-0"]),
        ([worker(copies("frozen", "a"), agreed=False)], []),
        ([], []),
    ),
    ids=(
        "all at the end", "an earlier end", "no end", "all files here",
        "compared while training", "never compared", "cut off", "none",
    ),
)  # fmt: skip
def test_workers_that_do_not_belong_together_are_named(
    workers: list[WorkerRecord], wrong: list[str]
) -> None:
    assert list(disagreements(workers)) == wrong
