"""Runs that are killed at bad moments resume and end as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time

import pytest

from odfreeze.runs.record import record_path
from odfreeze.runs.verify import verify
from odfreeze.stages.plan import Stage
from odfreeze.stages.staging import write_stages
from odfreeze.training.staged import find_stages, is_finished
from tests.training.runs import BACKBONE, HEADS, start, step_of, values

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(os.name != "posix", reason="sends signals"),
]


def run_until(directory, text, *, kill=signal.SIGKILL):
    """Runs the stages until a line of output holds a text, then kills the parent."""
    parent = start("train", "--stages_dir", str(directory), "--checkpoint_every_n=10")
    seen = []
    for line in parent.stdout:
        seen.append(line)
        if text in line:
            parent.send_signal(kill)
            break
    rest = parent.communicate()
    return parent.returncode, "".join(seen), rest[1]


def wait_for_silence(directory, seconds=3.0):
    """Waits until the orphaned child has gone: nothing is written any more."""
    newest = -1.0
    while True:
        now = max(p.stat().st_mtime for p in directory.rglob("*") if p.is_file())
        if now == newest:
            return
        newest = now
        time.sleep(seconds)


def test_a_staged_run_killed_three_times_ends_with_the_same_stages_done(workspace):
    directory = workspace.root / "killed"
    plan = workspace.plan(
        Stage("head", 20, update_trainable_variables=(HEADS,)),
        Stage("head_and_neck", 10, freeze_variables=(BACKBONE,)),
    )
    write_stages(plan, directory)
    first, second = find_stages(directory)

    status, seen, _ = run_until(directory, "saved")  # ckpt-0: no step is taken yet
    assert status == -signal.SIGKILL
    wait_for_silence(directory)
    assert not is_finished(first)

    status, seen, _ = run_until(directory, "ckpt-10")
    assert status == -signal.SIGKILL
    wait_for_silence(directory)
    assert not is_finished(first)
    baseline = record_path(first.model_dir).read_bytes()

    status, seen, _ = run_until(directory, "stage 2 of 2")
    assert status == -signal.SIGKILL
    assert "resuming at step 10" in seen
    wait_for_silence(directory)
    assert is_finished(first)
    assert record_path(first.model_dir).read_bytes() == baseline
    finished = {p: p.stat().st_mtime_ns for p in first.model_dir.rglob("*") if p.is_file()}

    last = start("train", "--stages_dir", str(directory))
    out, err = last.communicate()
    assert (last.returncode, err) == (0, "")
    assert "stage 1 of 2: 01_head is finished" in out
    assert {p: p.stat().st_mtime_ns for p in first.model_dir.rglob("*") if p.is_file()} == finished
    assert step_of(second.last_checkpoint) == 10
    assert verify(second.model_dir).ok
    start_values, end_values = values(workspace.checkpoint), values(second.last_checkpoint)
    kernels = [k for k in start_values if "_feature_extractor/classification_backbone" in k]
    assert kernels
    assert all(start_values[k] == end_values[k] for k in kernels)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_reaches_the_child_and_its_status_comes_back(workspace, number):
    model_dir = workspace.root / f"signal-{number.name}"
    config = workspace.config_with("signal.config", freeze_variables=[BACKBONE])
    parent = start("train", "--pipeline_config_path", str(config), "--model_dir", str(model_dir))
    for line in parent.stdout:
        if "importing" in line:
            time.sleep(2)
            parent.send_signal(number)
            break
    _, err = parent.communicate(timeout=60)
    assert parent.returncode == 128 + number
    assert err.startswith(f"odfreeze: training was ended by {number.name}; the same command")
