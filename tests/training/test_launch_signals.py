"""Signals to the parent of a training run, with a child that only pretends to train."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from odfreeze.training import launch
from tests.conftest import ROOT
from tests.support.fake_training import TRAINS, fake_python, start, write_trained

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts and signals"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_trained(tmp_path)


_PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
from odfreeze.errors import OdfreezeError
from odfreeze.training.launch import train
config, model_dir, python = sys.argv[1:]
try:
    watch = lambda e: print(e["kind"], flush=True)
    train(config, model_dir, python=python, ignore=["ODF"], watch=watch)
except OdfreezeError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_status)
"""


def start_parent(config: Path, body: str, **options) -> subprocess.Popen[str]:
    """Starts a process that trains with a fake child, and waits until that is ready."""
    command = [sys.executable, "-c", _PARENT, str(config), str(config.parent / "run")]
    parent = subprocess.Popen(
        [*command, fake_python(config.parent, body, **options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert parent.stdout is not None
    assert [parent.stdout.readline() for _ in range(2)] == ["start\n", "ready\n"]
    return parent


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT), ids=("SIGTERM", "SIGINT"))
def test_a_signal_reaches_the_child_and_its_status_comes_back(config: Path, number: int) -> None:
    parent = start_parent(
        config,
        f"""
def end(number, frame):
    (HERE / "got").write_text(str(number))
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)

signal.signal({int(number)}, end)
event("ready")
time.sleep(60)
""",
    )
    parent.send_signal(number)
    _, err = parent.communicate(timeout=60)
    assert (config.parent / "got").read_text() == str(int(number))
    assert parent.returncode == 128 + number
    assert err.startswith(f"training was ended by {signal.Signals(number).name}; ")


def test_the_child_ends_when_its_parent_is_killed(config: Path) -> None:
    alive = config.parent / "alive"
    os.mkfifo(alive)  # whoever holds its other end lives
    watcher = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    parent = start_parent(
        config,
        """
from odfreeze.training.child import end_with_parent
assert "tensorflow" not in sys.modules
open(HERE / "alive", "w").write("begun")
held = os.open(HERE / "alive", os.O_WRONLY)
end_with_parent()
event("ready")
time.sleep(60)
os.write(held, b"survived")
""",
        isolated=False,
    )
    parent.kill()
    parent.communicate()
    os.set_blocking(watcher, True)
    with os.fdopen(watcher, "rb") as stream:
        assert stream.read() == b"begun"


def test_a_signal_that_comes_too_late_for_the_child_is_not_lost(monkeypatch) -> None:
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        child = SimpleNamespace(returncode=0, send_signal=lambda number: None)
        with launch._forwarded_signals(child):  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGTERM)
            assert received == []
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    sent = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = SimpleNamespace(returncode=0, send_signal=sent.append)
        with launch._forwarded_signals(child):  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGINT)
        assert sent == []
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_are_put_back(config: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    start(config, TRAINS)
    assert [signal.getsignal(number) for number in numbers] == before
