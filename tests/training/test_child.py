"""How the child ends and what it tells of it, with stock and TensorFlow only pretended."""

from __future__ import annotations

import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from odfreeze.errors import CheckpointCorruptError, OdfreezeError, PatternError, Place
from odfreeze.training import child, launch
from odfreeze.training.request import TrainingRequest, parse_event
from tests.conftest import ROOT

REQUEST = TrainingRequest(config="a.config", model_dir="run", num_steps=0, flags=("--x=1",))


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A stock launcher whose ``run`` a test sets."""
    fake = types.SimpleNamespace(run=lambda argv: None)
    app = types.SimpleNamespace(run=lambda main, argv: fake.run(argv))
    names = {"model_lib_v2": types.SimpleNamespace(), "model_main_tf2": types.SimpleNamespace()}
    names["model_main_tf2"].main = None
    monkeypatch.setitem(sys.modules, "absl", types.SimpleNamespace(app=app))
    monkeypatch.setitem(sys.modules, "object_detection", types.SimpleNamespace(**names))
    monkeypatch.setattr(child, "end_with_parent", lambda: None)
    monkeypatch.setattr(child.compat, "prepare", lambda: ())
    before = signal.getsignal(signal.SIGINT)
    yield fake
    signal.signal(signal.SIGINT, before)


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict], str]:
    status = child.run_child(REQUEST)
    out, err = capsys.readouterr()
    return status, [parse_event(line) for line in out.splitlines()], err


def raising(error: BaseException):
    def run(argv: list[str]) -> None:
        raise error

    return run


def test_stock_gets_its_flags(stock, capsys) -> None:
    seen = []
    stock.run = seen.append
    assert run(capsys) == (0, [{"kind": "phase", "phase": "import"}], "")
    assert seen == [["model_main_tf2", "--x=1"]]


@pytest.mark.parametrize(
    ("code", "status"), ((None, 0), (0, 0), (1, 1), (3, 3), ("usage", 1)), ids=str
)
def test_the_exit_status_of_stock_is_the_childs(stock, capsys, code: object, status: int) -> None:
    stock.run = raising(SystemExit(code))
    assert run(capsys)[0] == status


@pytest.mark.parametrize(
    "error",
    (
        CheckpointCorruptError("cut off", path="run/ckpt-1"),
        PatternError("no regex", pattern="(", place=Place("a.config", 2, 3, "  ((")),
    ),
    ids=("with a path", "with a place"),
)
def test_an_error_of_ours_reaches_the_parent_as_it_was(stock, capsys, error) -> None:
    stock.run = raising(error)
    status, (_, event), err = run(capsys)
    assert (status, err) == (2, "")
    back = launch._failure(status, event, Path("train.log"), [])
    assert (type(back), str(back)) == (type(error), str(error))
    details = {k: v for k, v in vars(error).items() if k not in ("message", "place")}
    assert details
    assert {k: getattr(back, k) for k in details} == details


def test_a_foreign_error_leaves_its_traceback_in_the_log(stock, capsys) -> None:
    stock.run = raising(ValueError("no such op"))
    status, (_, event), err = run(capsys)
    assert status == 1
    assert event == {"kind": "error", "message": "ValueError: no such op", "error": ""}
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("\nValueError: no such op\n")


def test_what_is_missing_is_told(stock, capsys, monkeypatch) -> None:
    def prepare() -> None:
        raise OdfreezeError("training needs tensorflow")

    monkeypatch.setattr(child.compat, "prepare", prepare)
    status, events, _ = run(capsys)
    assert (status, events[-1]["message"]) == (2, "training needs tensorflow")


@pytest.mark.parametrize("before", (signal.SIG_IGN, signal.default_int_handler))
def test_an_interrupt_ends_the_child_unless_it_was_ignored(stock, capsys, before) -> None:
    signal.signal(signal.SIGINT, before)
    run(capsys)
    after = signal.SIG_IGN if before is signal.SIG_IGN else signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is after


def test_an_event_is_one_write_so_that_those_of_two_threads_stay_lines(monkeypatch) -> None:
    written: list[str] = []
    stream = types.SimpleNamespace(write=written.append, flush=lambda: written.append("flushed"))
    monkeypatch.setattr(sys, "stdout", stream)
    child._emit("step", step=3)
    assert written == ['@odfreeze {"kind": "step", "step": 3}\n', "flushed"]


def test_it_ends_when_the_pipe_from_its_parent_is_closed() -> None:
    code = (
        "import sys, time; from odfreeze.training.child import end_with_parent;"
        "heavy = {'tensorflow', 'numpy', 'absl', 'google.protobuf'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "end_with_parent(); print('ready', flush=True); time.sleep(60); sys.exit(0)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with process:
        assert process.stdout.readline().strip() == b"ready"
        process.stdin.write(b"words are no end")
        process.stdin.flush()
        assert process.poll() is None
        process.stdin.close()
        assert process.wait() == 1
