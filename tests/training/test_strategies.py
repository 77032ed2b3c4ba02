"""Every strategy: two replicas in one process, and two workers with two processes on loopback.

The tiny detector stands for any: what is tested is what happens to copies of variables. Its
statistics are such as training leaves behind, because means of zeros and ones are exact.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from odfreeze.cli import main
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import digest, read_record
from odfreeze.runs.verify import verify
from odfreeze.runs.workers import read_workers
from odfreeze.training.launch import TrainingResult, train
from odfreeze.training.live import build_model, live_variables, save_checkpoint
from odfreeze.training.shapes import write_shapes
from tests.conftest import ROOT
from tests.training.replica_child import write_python
from tests.training.replica_probe import REPLICAS
from tests.training.runs import BACKBONE, Workspace, slots, values
from tests.training.tiny import Tiny, make_tiny

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(os.name != "posix", reason="needs an executable script"),
]

_EQUAL = ("frozen", "held", "trainable")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Tiny:
    """The tiny detector with statistics of any value, and two files of records."""
    import numpy as np

    made = make_tiny(tmp_path_factory.mktemp("strategies"))
    model = build_model(made.config("base", freeze=""))
    numbers = np.random.default_rng(1)
    for one in live_variables(model):
        if one.record.statistic:  # small: a mean far above all outputs leaves only zeros behind
            one.value.assign(numbers.random(one.record.shape).astype(np.float32) / 50)
    save_checkpoint(model, made.checkpoint)
    write_shapes(made.records.parent, "more", images=8, size=32, seed=1)
    return made


def in_order(tiny: Tiny, path: Path) -> Path:
    """Lets a config read two files of records, one after the other."""
    one = f'input_path: "{tiny.records.as_posix()}"'
    both = f'input_path: "{tiny.records.with_name("*.record").as_posix()}"'
    text = path.read_text().replace(one, both, 1)
    # Each worker shuffles the names for itself, and both may come to the same file.
    reader = "train_input_reader {"
    path.write_text(text.replace(reader, f"{reader}\n  shuffle: false", 1))
    return path


@pytest.fixture(scope="module")
def config(tiny: Tiny) -> Path:
    return in_order(tiny, tiny.config("frozen"))


@pytest.fixture(scope="module")
def python(tiny: Tiny) -> Path:
    return write_python(tiny.root / "python")


# --- replicas of one process ---


@dataclass(frozen=True)
class Mirrored:
    """A run with averages on two replicas.

    Attributes:
      result: What came of it.
      given: What the optimizer was given on each replica.
      averages: Digests of each replica's average at the end, by the variable's object path.
    """

    result: TrainingResult
    given: list[dict[str, Any]]
    averages: dict[str, list[str]]


@pytest.fixture(scope="module")
def mirrored(tiny: Tiny, python: Path) -> Mirrored:
    config = in_order(tiny, tiny.config("averages", average=True))
    given, averages = config.with_name("given"), config.with_name("averages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODFREEZE_TEST_CPUS", "2")
        patch.setenv("ODFREEZE_TEST_GIVEN", str(given))
        patch.setenv("ODFREEZE_TEST_AVERAGES", str(averages))
        result = train(
            config,
            config.with_name("mirrored"),
            num_train_steps=3,
            ignore=["ODF1"],
            python=str(python),
        )
    rows = [json.loads(line) for line in given.read_text().splitlines()]
    return Mirrored(result, rows, json.loads(averages.read_text()))


def test_two_replicas_train_and_are_verified(mirrored: Mirrored) -> None:
    verification = mirrored.result.verification
    assert verification.reasons == ()
    assert (verification.frozen.variables, verification.held.variables) == (6, 4)
    assert verification.trainable.changed
    (worker,) = verification.workers
    assert (worker.task, worker.replicas, worker.step) == ("worker-0", 2, 3)
    assert worker.compared == 2 * (6 + 4 + 14)


def test_both_replicas_hold_what_was_restored(mirrored: Mirrored, tiny: Tiny) -> None:
    restored = values(tiny.checkpoint)
    (worker,) = read_workers(mirrored.result.model_dir)
    still = [one for one in worker.variables if one.state in ("frozen", "held")]
    assert len(still) == 10
    for one in still:
        assert one.start == one.end == (digest(restored[one.object_path]),) * 2, one.name


def test_both_replicas_end_with_what_was_saved(mirrored: Mirrored) -> None:
    saved = values(mirrored.result.model_dir / "ckpt-3")
    (worker,) = read_workers(mirrored.result.model_dir)
    for one in worker.variables:
        if one.state in _EQUAL:
            assert one.end == (digest(saved[one.object_path]),) * 2, one.name


def test_statistics_that_update_are_each_replicas_own(mirrored: Mirrored) -> None:
    """So that what is equal on both is so because it was held, not because nothing differs."""
    (worker,) = read_workers(mirrored.result.model_dir)
    updating = [one for one in worker.variables if one.state == "updating"]
    assert any(one.end[0] != one.end[1] for one in updating)


def test_only_what_learns_is_reduced_over_the_replicas(mirrored: Mirrored) -> None:
    record = read_record(mirrored.result.model_dir)
    learns = {one.name for one in record.variables if one.state == "trainable"}
    assert {row["replica"] for row in mirrored.given} == {0, 1}
    for row in mirrored.given:
        assert {name.partition(":")[0] for name in row["names"]} == learns


def test_only_what_learns_has_slots(mirrored: Mirrored) -> None:
    record = read_record(mirrored.result.model_dir)
    learns = {one.object_path for one in record.variables if one.state == "trainable"}
    averaged = {one.object_path for one in record.variables if one.trainable}
    checkpoint = mirrored.result.model_dir / "ckpt-3"
    assert slots(checkpoint, but="average") == learns
    assert slots(checkpoint) == averaged


def test_averages_of_the_frozen_are_the_restored_values_on_both_replicas(
    mirrored: Mirrored, tiny: Tiny
) -> None:
    found = mirrored.result.verification.averages
    assert found is not None
    assert (found.variables, found.differing, found.missing) == (6, (), ())
    restored = values(tiny.checkpoint)
    record = read_record(mirrored.result.model_dir)
    frozen = [one.object_path for one in record.variables if one.state == "frozen"]
    assert len(frozen) == 6
    for path in frozen:
        assert mirrored.averages[path] == [digest(restored[path])] * 2, path


def test_averages_of_what_learns_follow_it_alike_on_both_replicas(mirrored: Mirrored) -> None:
    (worker,) = read_workers(mirrored.result.model_dir)
    learning = [one for one in worker.variables if one.state == "trainable"]
    assert len(learning) == 14
    for one in learning:
        first, second = mirrored.averages[one.object_path]
        assert first == second, one.name
    kernels = [one for one in learning if one.object_path.endswith("kernel")]
    assert [one for one in kernels if mirrored.averages[one.object_path][0] == one.end[0]] == []


# --- three of them, in a process that looks at them ---


@pytest.fixture(scope="module")
def probe(tmp_path_factory) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.training.replica_probe", tmp_path_factory.mktemp("probe")],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    line = next((one for one in ran.stdout.splitlines() if one.startswith("FOUND ")), None)
    assert line is not None, ran.stderr
    return json.loads(line.removeprefix("FOUND "))


def test_every_replica_has_a_copy(probe: dict[str, Any]) -> None:
    assert probe["replicas"] == 3
    assert set(probe["copies"]) == {3}


def test_the_mean_of_three_equal_statistics_is_another_number(probe: dict[str, Any]) -> None:
    """What stock saves of a statistic that stood still on all of them."""
    assert not probe["saved by stock"]


def test_held_statistics_are_saved_as_they_are(probe: dict[str, Any]) -> None:
    assert probe["saved when held"]
    assert not probe["saved when lifted"]


def test_held_statistics_stand_still_on_every_replica(probe: dict[str, Any]) -> None:
    assert probe["alone"]["ok"]
    assert probe["alone"]["held as at the start"]
    assert max(probe["alone"]["own statistics"]) == 3


def test_averages_of_what_stands_still_are_its_values_on_every_replica(
    probe: dict[str, Any],
) -> None:
    frozen = ("body/kernel", "body/bias", "norm/gamma", "norm/beta")
    learning = ("head/kernel", "head/bias", "head_norm/gamma", "head_norm/beta")
    assert probe["averages"]["of the frozen"] == dict.fromkeys(frozen, True)
    assert probe["averages"]["moved"] == dict.fromkeys(learning, REPLICAS)


def test_other_slots_of_what_stands_still_are_dropped_on_every_replica(
    probe: dict[str, Any],
) -> None:
    learns = ["head/bias", "head/kernel", "head_norm/beta", "head_norm/gamma"]
    assert probe["averages"]["slots before"] > len(learns)
    assert probe["averages"]["slots after"] == learns


def test_no_replica_has_a_gradient_for_what_is_frozen(probe: dict[str, Any]) -> None:
    learns = [f"{name}:0" for name, state in probe["states"].items() if state == "trainable"]
    assert probe["alone"]["given to the optimizer"] == [learns] * 6


def test_a_copy_that_changed_on_one_replica_is_named(probe: dict[str, Any]) -> None:
    assert probe["alone"]["tampered"] == {
        "ok": False,
        "reasons": [
            "worker-0, replica 1: 1 frozen variables changed: body/kernel",
            "worker-0, replica 1: 1 frozen variables ended with other values than its first"
            " replica: body/kernel",
        ],
    }


def test_workers_that_hold_the_same_agree(probe: dict[str, Any]) -> None:
    assert probe["others"]["nothing"] == "agreed"


@pytest.mark.parametrize(
    ("what", "error", "text"),
    (
        ("terms", "TrainingRefusedError", "the workers differ in num_steps (on worker-0, step 0 "),
        ("values", "TrainingRefusedError", "the workers start with different values of 1 variab"),
        ("end", "TrainingFailedError", "the workers ended with different values of 1 variables"),
    ),
    ids=("other steps", "another checkpoint", "drifted apart"),
)
def test_workers_that_do_not_are_stopped(
    probe: dict[str, Any], what: str, error: str, text: str
) -> None:
    kind, message, agreed = probe["others"][what]
    assert (kind, agreed) == (error, False)
    assert message.startswith(text)


# --- two workers ---

#: The command line in a process whose training environment is another than its own.
_COMMAND = """
import sys
sys.executable = sys.argv.pop(1)
from odfreeze.cli import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Ended:
    """How the command ended on one worker."""

    status: int
    output: str
    errors: str


def run_workers(python: Path, *arguments: str) -> tuple[Ended, Ended]:
    """Runs ``odfreeze`` as two workers of one cluster; returns how both ended."""
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("", 0))) for _ in range(2)]
        hosts = [f"127.0.0.1:{one.getsockname()[1]}" for one in free]
    workers = []
    for index in range(2):
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", _COMMAND, str(python), *arguments, "--num_workers=2"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
                env={**os.environ, "TF_CONFIG": json.dumps(task)},
            )
        )  # fmt: skip
    ended = []
    try:
        for worker in workers:
            output, errors = worker.communicate(timeout=1200)
            ended.append(Ended(worker.returncode, output, errors))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return ended[0], ended[1]


@dataclass(frozen=True)
class Distributed:
    """Two steps on two workers, and two more in a second run; with a copy of the first."""

    model_dir: Path
    first: tuple[Ended, Ended]
    first_dir: Path
    resumed: tuple[Ended, Ended]


@pytest.fixture(scope="module")
def distributed(config: Path, python: Path) -> Iterator[Distributed]:
    model_dir = config.with_name("distributed")
    command = (
        "train",
        f"--pipeline_config_path={config}",
        f"--model_dir={model_dir}",
        "--ignore=ODF1",
    )
    first = run_workers(python, *command, "--num_train_steps=2")
    assert [one.status for one in first] == [0, 0], first
    first_dir = model_dir.with_name("first")
    shutil.copytree(model_dir, first_dir)
    resumed = run_workers(python, *command, "--num_train_steps=4")
    yield Distributed(model_dir, first, first_dir, resumed)


def test_two_workers_train_and_both_verify(distributed: Distributed) -> None:
    for ended in distributed.first:
        assert ended.status == 0, ended
        assert "trained to step 2\n  verified: 0 of 6 frozen values changed" in ended.output


def test_both_hold_the_same_as_the_checkpoint(distributed: Distributed) -> None:
    saved = values(distributed.first_dir / "ckpt-2")
    chief, other = read_workers(distributed.first_dir)
    assert (chief.task, other.task) == ("worker-0", "worker-1")
    assert chief.agreed
    assert other.agreed
    for mine, its in zip(chief.variables, other.variables, strict=True):
        if mine.state in _EQUAL:
            assert mine.end == its.end == (digest(saved[mine.object_path]),), mine.name


def test_their_own_statistics_differ(distributed: Distributed) -> None:
    chief, other = read_workers(distributed.first_dir)
    pairs = zip(chief.variables, other.variables, strict=True)
    assert any(mine.end != its.end for mine, its in pairs if mine.state == "updating")


def test_what_is_frozen_is_what_was_restored_on_both(distributed: Distributed, tiny: Tiny) -> None:
    restored = values(tiny.checkpoint)
    for worker in read_workers(distributed.first_dir):
        still = [one for one in worker.variables if one.state in ("frozen", "held")]
        assert len(still) == 10
        for one in still:
            assert one.start == one.end == (digest(restored[one.object_path]),), one.name


def test_only_the_chief_writes_what_the_run_has_once(distributed: Distributed) -> None:
    files = {path.name for path in (distributed.first_dir / "odfreeze").iterdir()}
    assert {"record.json", "verification.json", "train.log", "train.worker-1.log"} <= files
    assert "\nsaved " in distributed.first[0].output
    assert "\nsaved " not in distributed.first[1].output
    assert not list(distributed.first_dir.rglob("temp_worker_*"))


def test_a_resumed_run_of_two_workers_goes_on_and_is_verified(distributed: Distributed) -> None:
    for ended in distributed.resumed:
        assert ended.status == 0, ended
        assert "resuming at step 2" in ended.output
    workers = read_workers(distributed.model_dir)
    assert [(one.start_step, one.end_step) for one in workers] == [(2, 4), (2, 4)]
    assert verify(distributed.model_dir).reasons == ()


def test_verification_can_be_repeated_at_any_time(distributed: Distributed, capsys) -> None:
    assert main(["verify", str(distributed.first_dir)]) == 0
    text = capsys.readouterr().out
    assert "  worker-0  24 values equal to the others' by the bit\n" in text
    assert "  worker-1  24 values equal to the others' by the bit\n" in text


def test_a_frozen_value_that_changed_on_one_worker_fails_and_is_named(
    distributed: Distributed, tmp_path: Path, capsys
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(distributed.first_dir, copy)
    path = copy / "odfreeze" / "workers" / "worker-1.json"
    data = json.loads(path.read_text())
    frozen = next(row for row in data["variables"] if row["state"] == "frozen")
    frozen["end"] = [digest(b"another value")]
    path.write_text(json.dumps(data))
    assert main(["verify", str(copy)]) == 1
    text = capsys.readouterr().out
    assert f"worker-1: 1 frozen variables changed: {frozen['name']}\n" in text
    assert "  worker-0  24 values equal to the others' by the bit\n" in text
    assert "  worker-1  24 values NOT as they have to be\n" in text


@pytest.mark.slow
def test_two_workers_train_the_detector_of_the_demo(workspace: Workspace) -> None:
    path = workspace.config_with("two_workers.config", freeze_variables=[BACKBONE])
    records = workspace.root / "data" / "train.record"
    shutil.copy(records, records.with_name("more.record"))
    files = [str(records), str(records.with_name("more.record"))]
    PipelineConfig.read(path).with_values(
        "train_input_reader.tf_record_input_reader.input_path", files
    ).write(path, force=True)
    model_dir = workspace.root / "two_workers"
    command = ("train", f"--pipeline_config_path={path}", f"--model_dir={model_dir}")
    ended = run_workers(Path(sys.executable), *command, "--num_train_steps=4")
    assert [one.status for one in ended] == [0, 0], ended
    found = verify(model_dir)
    assert found.reasons == ()
    assert (found.frozen.variables, len(found.workers)) == (156, 2)


# --- what stock does, for what is refused ---


def test_with_the_flag_or_tf_config_alone_a_worker_would_train_alone() -> None:
    """Silently, and as a chief: every worker would write its checkpoints to one directory."""
    code = (
        "from odfreeze.training import compat; compat.prepare(); import os, tensorflow as tf\n"
        "one = tf.distribute.MirroredStrategy()\n"
        "del os.environ['TF_CONFIG']\n"
        "other = tf.distribute.experimental.MultiWorkerMirroredStrategy()\n"
        "for of in one, other: print(of.num_replicas_in_sync, of.extended.should_checkpoint)"
    )
    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 1}})
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "TF_CONFIG": task},
    )  # fmt: skip
    assert "1 True\n1 True\n" in ran.stdout, ran.stderr
