"""The parent of a training run, with a child that only pretends to train."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from odfreeze import errors
from odfreeze.errors import (
    OdfreezeError,
    RecordError,
    RemotePathError,
    TrainingFailedError,
    TrainingRefusedError,
    UsageError,
)
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.training import launch
from odfreeze.training.launch import run_stock, train
from tests.conftest import ROOT
from tests.support.fake_training import TRAINS, fake_python, start, write_run, write_trained
from tests.support.tiny_detector import write_detector

pytestmark = pytest.mark.usefixtures("unchecked")

posix = pytest.mark.skipif(os.name != "posix", reason="needs executable scripts and signals")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_trained(tmp_path)


def log_of(config: Path) -> bytes:
    return (config.parent / "run" / "odfreeze" / "train.log").read_bytes()


def failure(config: Path, body: str, **options) -> OdfreezeError:
    with pytest.raises(OdfreezeError) as caught:
        start(config, body, **options)
    return caught.value


# --- a run that ends well ---


@posix
def test_a_run_is_verified_and_the_verification_kept(config: Path) -> None:
    result = start(config, TRAINS)
    assert (result.model_dir, result.step, result.trained) == (config.parent / "run", 10, True)
    assert result.verification is not None
    assert result.verification.ok
    kept = json.loads((result.model_dir / "odfreeze/verification.json").read_text())
    assert kept == result.verification.to_json()


@posix
def test_a_run_leaves_a_report_of_all_that_the_child_told(config: Path) -> None:
    told = 'event("selection", resumed_at=None, totals={}, groups=[])\n'
    ended = '\nevent("done", step=10, checkpoint="c", peak_memory_bytes=4096)'
    result = start(config, told + TRAINS + ended)
    report = json.loads((result.model_dir / "odfreeze/report.json").read_text())
    assert report["selection"] == {"totals": {}, "groups": []}
    assert report["peak_memory_bytes"] == 4096
    assert report["seconds"] > 0
    assert report["verification"] == result.verification.to_json()
    again = start(config, "sys.exit(7)")  # all steps are taken: no child is needed
    assert not again.trained
    assert json.loads((result.model_dir / "odfreeze/report.json").read_text()) == report


@posix
def test_the_child_is_told_what_was_decided(config: Path) -> None:
    keeps = 'shutil.copy(sys.argv[3], HERE / "request.json")\n' + TRAINS
    start(
        config, keeps, checkpoint_every_n=5, allow=["all_frozen"], flags=["--use_tpu=true"], seed=5
    )
    asked = json.loads((config.parent / "request.json").read_text())
    expected = asked.pop("expected")
    run = config.parent / "run"
    assert len(expected) == 33
    assert asked == {
        "config": str(config),
        "model_dir": str(run),
        "num_steps": 10,
        "frozen_batch_norm": "hold",
        "allow": ["all_frozen"],
        "flags": [
            f"--pipeline_config_path={config}",
            f"--model_dir={run}",
            "--checkpoint_every_n=5",
            "--use_tpu=true",
        ],
        "seed": 5,
        "expected_scales": {},
        "conduct": Conduct().to_json(),
    }


@posix
def test_the_child_is_told_rates_by_plain_patterns(config: Path) -> None:
    keeps = 'shutil.copy(sys.argv[3], HERE / "request.json")\n' + TRAINS
    events: list[dict] = []
    conduct = Conduct(rates=(Rate("@head", 0.5), Rate("^Conv1", 0.1)))
    start(config, keeps, conduct=conduct, watch=events.append)
    asked = json.loads((config.parent / "request.json").read_text())
    rates = asked["conduct"]["rates"]
    assert [rate["scale"] for rate in rates] == [0.5, 0.1]
    assert not rates[0]["pattern"].startswith("@")
    assert sorted(set(asked["expected_scales"].values())) == [0.5, 1.0]
    (told,) = [event["text"] for event in events if "rate" in event.get("text", "")]
    assert told.startswith("warning ODF225: rate: '^Conv1' matches 1 variable, which does not")


@posix
def test_its_events_come_in_order_behind_the_start(config: Path) -> None:
    events: list[dict] = []
    body = 'event("phase", phase="build")\nevent("step", step=3)\n' + TRAINS
    start(config, body + 'event("done", step=10)', watch=events.append)
    assert events == [
        {"kind": "start", "num_steps": 10, "resume_at": None},
        {"kind": "phase", "phase": "build"},
        {"kind": "step", "step": 3},
        {"kind": "done", "step": 10},
    ]


@posix
def test_all_that_is_no_event_goes_to_the_log(config: Path) -> None:
    events: list[dict] = []
    body = r"""
out = sys.stdout.buffer
out.write(b"\xff\xfe\x00 garbage\n@odfreeze {broken\n@odfreeze []\nglued @odfreeze {}\nno end")
out.flush()
"""
    start(config, body + TRAINS, watch=events.append)
    assert [event["kind"] for event in events] == ["start"]
    assert log_of(config) == (
        b"\xff\xfe\x00 garbage\n@odfreeze {broken\n@odfreeze []\nglued @odfreeze {}\nno end"
    )


@posix
def test_a_child_that_logs_much_is_not_held_up(config: Path) -> None:
    events: list[dict] = []
    body = """
for step in range(16):
    sys.stderr.write("x" * 65535 + "\\n")
    event("step", step=step)
"""
    start(config, body + TRAINS, watch=events.append)
    assert [event.get("step") for event in events] == [None, *range(16)]
    assert log_of(config) == (b"x" * 65535 + b"\n") * 16


@posix
def test_the_log_of_a_resumed_run_goes_on(config: Path) -> None:
    failure(config, 'sys.exit("first")')
    start(config, 'sys.stderr.write("second\\n")\n' + TRAINS)
    assert log_of(config) == b"first\nsecond\n"


@posix
def test_verbose_repeats_the_log(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(config, 'sys.stderr.write("a line\\n")\n' + TRAINS, verbose=True)
    assert capsys.readouterr() == ("", "a line\n")


@posix
def test_without_verbose_nothing_is_printed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start(config, 'print("out")\nsys.stderr.write("a line\\n")\n' + TRAINS)
    assert capsys.readouterr() == ("", "")


@posix
def test_paths_may_be_relative_and_end_with_a_slash(config: Path, monkeypatch) -> None:
    monkeypatch.chdir(config.parent)
    result = train("pipeline.config", "run/", python=fake_python(config.parent, TRAINS))
    assert (result.model_dir, result.step) == (Path("run"), 10)


@posix
def test_a_frozen_value_that_changed_all_the_same_is_told(config: Path) -> None:
    write_run(config.parent / "trained", config, 10, changed=("trainable", "frozen"))
    verification = start(config, TRAINS).verification
    assert verification is not None
    assert (verification.ok, len(verification.frozen.changed)) == (False, 3)


@posix
def test_a_run_can_be_started_in_a_thread(config: Path) -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(start(config, TRAINS)))
    thread.start()
    thread.join()
    assert [result.step for result in results] == [10]


def test_a_finished_run_is_only_verified(config: Path) -> None:
    result = train(config, config.parent / "trained", python="no-such-python")
    assert (result.step, result.trained) == (10, False)
    assert result.verification is not None
    assert result.verification.ok


@posix
def test_an_old_verification_does_not_outlive_the_values(config: Path) -> None:
    kept = config.parent / "run" / "odfreeze" / "verification.json"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"ok": true}')
    failure(config, "sys.exit(1)")
    assert not kept.exists()


# --- before it starts ---


@pytest.mark.parametrize(
    ("options", "error", "message"),
    (
        ({"checkpoint_every_n": 0}, UsageError, "--checkpoint_every_n is 0; give 1 or more"),
        (
            {"num_train_steps": 0},
            UsageError,
            "--num_train_steps is 0: a run takes at least 1 step",
        ),
        (
            {"model_dir": "s3://b/run"},
            RemotePathError,
            "s3://b/run is not on this machine, and a run keeps its record beside its checkpoints;"
            " give a local --model_dir",
        ),
    ),
    ids=("checkpoint_every_n", "num_train_steps", "remote model_dir"),
)
def test_bad_arguments_start_nothing(
    config: Path, monkeypatch, options: dict, error: type[OdfreezeError], message: str
) -> None:
    monkeypatch.chdir(config.parent)
    before = sorted(config.parent.iterdir())
    with pytest.raises(error) as caught:
        train(config, options.pop("model_dir", "run"), python="no-such-python", **options)
    assert str(caught.value) == message
    assert sorted(config.parent.iterdir()) == before


def test_what_is_refused_starts_nothing(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv9")
    with pytest.raises(TrainingRefusedError, match="matches none of 33"):
        train(config, tmp_path / "run", python="no-such-python")
    assert not (tmp_path / "run").exists()


# --- a run that fails ---


@posix
@pytest.mark.parametrize("name", [n for n in errors.__all__ if n.endswith("Error")])
def test_an_error_of_the_child_comes_back_as_itself(name: str) -> None:
    kind = getattr(errors, name)
    details = {
        "CheckpointError": {"path": "p"},
        "DataError": {"path": "p"},
        "PatternError": {"pattern": "p"},
        "UnknownFieldError": {"field": "f"},
        "RemotePathError": {"path": "p"},
        "OutputError": {"path": "p"},
        "RecordError": {"path": "p"},
        "TrainingFailedError": {"returncode": 3},
    }
    given = next((details[c.__name__] for c in kind.__mro__ if c.__name__ in details), {})
    event = {"kind": "error", "error": name, "message": "a:1:2: why", "details": given}
    error = launch._failure(kind.exit_status, event, Path("train.log"), [])
    assert (type(error), str(error), error.exit_status) == (kind, "a:1:2: why", kind.exit_status)
    assert {key: getattr(error, key) for key in given} == given


@posix
def test_the_error_event_decides_not_the_log(config: Path) -> None:
    error = failure(
        config,
        'event("error", error="SelectionMismatchError", message="they differ", details={})\n'
        'sys.stderr.write("much else\\n")\nsys.exit(1)',
    )
    assert (type(error).__name__, str(error)) == ("SelectionMismatchError", "they differ")
    assert error.exit_status == 1


@posix
def test_the_childs_status_is_the_parents(config: Path) -> None:
    body = 'event("error", error="UsageError", message="no")\nsys.exit(5)'
    assert failure(config, body).exit_status == 5


@posix
def test_a_foreign_error_of_the_child_is_told_with_the_log(config: Path) -> None:
    body = 'event("error", error="", message="ValueError: no such op")\nsys.exit(1)'
    error = failure(config, body)
    log = config.parent / "run" / "odfreeze" / "train.log"
    assert str(error) == (
        f"training failed with exit status 1: ValueError: no such op (log: {log})"
    )
    assert isinstance(error, TrainingFailedError)
    assert (error.exit_status, error.returncode) == (1, 1)


@posix
@pytest.mark.parametrize(
    ("body", "what"),
    (
        ('raise ValueError("boom")', "ValueError: boom"),
        ('sys.stderr.write("why\\n\\n  \\n")\nsys.exit(1)', "why"),
        ("sys.exit(1)", "no output"),
        ('sys.stderr.write("x\\n" * 50000)\nsys.exit("why")', "why"),
    ),
    ids=("traceback", "blank lines at the end", "silence", "much before it"),
)
def test_without_an_event_the_last_line_says_why(config: Path, body: str, what: str) -> None:
    error = failure(config, body)
    assert str(error).startswith(f"training failed with exit status 1: {what} (log: ")
    assert error.exit_status == 1


@pytest.mark.parametrize(
    "event",
    (
        {"error": "suggest", "message": "m"},
        {"error": "Place", "message": "m"},
        {"error": "annotations", "message": "m"},
        {"error": "NoSuchError", "message": "m"},
        {"error": ["UsageError"], "message": "m"},
        {"message": "m"},
    ),
    ids=("a function", "no error class", "a feature", "unknown", "a list", "missing"),
)
def test_an_event_that_names_no_error_of_ours_is_a_failed_run(event: dict) -> None:
    error = launch._failure(1, {"kind": "error", **event}, Path("train.log"), [])
    assert type(error) is TrainingFailedError
    assert str(error) == "training failed with exit status 1: m (log: train.log)"


def test_an_error_that_lacks_its_details_keeps_its_message() -> None:
    event = {"kind": "error", "error": "PatternError", "message": "m", "details": {}}
    error = launch._failure(2, event, Path("train.log"), [])
    assert (type(error), str(error), error.exit_status) == (OdfreezeError, "m", 2)


@posix
@pytest.mark.parametrize("number", (signal.SIGTERM, 9, 11), ids=("SIGTERM", "SIGKILL", "SIGSEGV"))
def test_a_child_killed_by_a_signal_gives_the_shells_status(config: Path, number: int) -> None:
    error = failure(config, f"os.kill(os.getpid(), {int(number)})\ntime.sleep(60)")
    name = signal.Signals(number).name
    log = config.parent / "run" / "odfreeze" / "train.log"
    assert str(error) == (f"training was ended by {name}; the same command resumes it (log: {log})")
    assert error.exit_status == 128 + number


def test_a_signal_that_has_no_name_is_told_by_number() -> None:
    error = launch._failure(-200, {}, Path("train.log"), [])
    assert str(error).startswith("training was ended by signal 200; ")
    assert error.exit_status == 328


@posix
@pytest.mark.parametrize("left", (None, 4), ids=("no checkpoint", "an early one"))
def test_a_child_that_ends_well_without_its_last_checkpoint_failed(
    config: Path, left: int | None
) -> None:
    if left is not None:
        write_run(config.parent / "early", config, left)
    error = failure(config, "" if left is None else 'copy_run("early")')
    log = config.parent / "run" / "odfreeze" / "train.log"
    assert str(error) == (
        "training ended without an error, but the last checkpoint is of step"
        f" {left or 0}, not 10 (log: {log})"
    )
    assert error.exit_status == 1


@posix
def test_a_run_without_record_cannot_be_verified(config: Path) -> None:
    (config.parent / "trained/odfreeze/record.json").unlink()
    assert type(failure(config, TRAINS)) is RecordError


@posix
def test_an_error_of_the_watcher_ends_the_child(config: Path) -> None:
    def watch(event: dict) -> None:
        if event["kind"] == "ready":
            raise LookupError(event["pid"])

    with pytest.raises(LookupError) as caught:
        start(config, 'event("ready", pid=os.getpid())\ntime.sleep(600)', watch=watch)
    with pytest.raises(ProcessLookupError):
        os.kill(caught.value.args[0], 0)


# --- its surroundings ---


def test_the_child_can_import_odfreeze_and_keeps_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    environment = launch.child_environment()
    assert environment["PYTHONPATH"] == os.pathsep.join([str(ROOT), "mine"])
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert environment["PYTHONIOENCODING"] == "utf-8"


# --- stock ---


@posix
def test_stock_runs_with_its_flags_and_nothing_enforced(config: Path) -> None:
    python = fake_python(config.parent, 'shutil.copy(sys.argv[3], HERE / "request.json")\n')
    run = config.parent / "run"
    assert run_stock(config, run, flags=["--checkpoint_dir=x"], seed=3, python=python) is None
    asked = json.loads((config.parent / "request.json").read_text())
    assert asked == {
        "config": str(config),
        "model_dir": str(run),
        "num_steps": 0,
        "frozen_batch_norm": "hold",
        "allow": [],
        "expected": {},
        "flags": [
            f"--pipeline_config_path={config}", f"--model_dir={run}", "--checkpoint_dir=x",
        ],
        "seed": 3,
        "expected_scales": {},
        "conduct": Conduct().to_json(),
    }  # fmt: skip


@posix
def test_a_failed_stock_run_is_an_error(config: Path) -> None:
    python = fake_python(config.parent, 'sys.exit("no images")')
    with pytest.raises(TrainingFailedError, match="failed with exit status 1: no images "):
        run_stock(config, config.parent / "run", python=python)


def test_a_seed_out_of_range_is_refused_before_anything_is_written(config: Path) -> None:
    for start_run in (train, run_stock):
        with pytest.raises(UsageError, match=r"^--seed is -1; give a number from 0 to 4294967295$"):
            start_run(config, config.parent / "run", seed=-1, python="no-such-python")
    assert not (config.parent / "run").exists()


def test_stock_needs_a_local_model_dir(config: Path) -> None:
    with pytest.raises(RemotePathError, match=r"gs://b/run is not on this machine"):
        run_stock(config, "gs://b/run", python="no-such-python")
