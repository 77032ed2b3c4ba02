"""A plan killed twenty times, at any moment: the same command again, and it ends as if never."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from odfreeze.runs.record import read_record
from odfreeze.runs.stage_runs import find_stages, is_finished
from odfreeze.runs.state import read_run_state
from odfreeze.runs.verify import verify
from tests.conftest import ROOT
from tests.training.replica_child import write_python
from tests.training.runs import step_of, values

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="kills process groups"),
]

STEPS = 60
PLAN = """\
base_config: "kills.config"
stage { name: "head" freeze_variables: "^tiny_extractor/" num_steps: 60 learning_rate: 0.01 }
stage { name: "top" freeze_variables: "tiny_(conv|bn)1/" num_steps: 60 learning_rate: 0.01 }
stage { name: "most" freeze_variables: "tiny_conv1/" num_steps: 60 learning_rate: 0.01 }
stage { name: "slow" freeze_variables: "tiny_conv1/" num_steps: 60 learning_rate: 0.001 }
"""
#: The real command, but for the child's Python, which knows the tiny detector.
COMMAND = """
import sys
from functools import partial
from odfreeze.training import staged
staged.train_plan = partial(staged.train_plan, python=sys.argv[1])
from odfreeze.cli import main
sys.exit(main(sys.argv[2:]))
"""


@dataclass(frozen=True)
class Moment:
    """When to kill: so long after so many lines that hold a text."""

    name: str
    text: str
    count: int
    delay: float


def moments(rng: random.Random) -> list[Moment]:
    """Returns 20 moments all over a run, of which three take it to the end of a stage."""
    last = rf"saved .*ckpt-{STEPS}$"
    found = [
        *(Moment("before anything", "", 0, rng.uniform(0, 1.5)) for _ in range(2)),
        *(Moment("import", "^importing", 1, rng.uniform(0, 8)) for _ in range(3)),
        *(Moment("build", "^building", 1, rng.uniform(0, 8)) for _ in range(3)),
        *(Moment("selection", "^trainable", 1, rng.uniform(0, 4)) for _ in range(2)),
        *(Moment("steps", "step [1-9]", 1, rng.uniform(0, 0.2)) for _ in range(2)),
        *(Moment("saving", "^saved", rng.randint(1, 3), rng.uniform(0, 0.2)) for _ in range(5)),
    ]
    rng.shuffle(found)
    for place in (6, 12):  # its last save is followed by its verification
        found.insert(place, Moment("verification", last, 1, rng.uniform(0, 1)))
    found.insert(9, Moment("between stages", r"verified: ", 1, rng.uniform(0, 0.3)))
    return found


@dataclass
class Ended:
    status: int
    lines: list[str]
    errors: str


def run(command: list[str], moment: Moment | None) -> Ended:
    """Runs the command until a moment, then kills its process group; to its end without one."""
    parent = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    lines, left = [], moment.count if moment else -1
    assert parent.stdout
    assert parent.stderr
    if left:
        for line in parent.stdout:
            lines.append(line.rstrip("\n"))
            left -= bool(moment and re.search(moment.text, lines[-1]))
            if not left:
                break
    if moment and not left:
        time.sleep(moment.delay)
        os.killpg(parent.pid, signal.SIGKILL)
    lines += parent.stdout.read().splitlines()
    errors = parent.stderr.read()
    return Ended(parent.wait(), lines, errors)


def test_a_plan_killed_at_twenty_moments_ends_as_if_it_never_was(tiny, tmp_path: Path) -> None:
    base = tiny.config("kills", freeze="")
    plan = base.with_suffix(".plan")
    plan.write_text(PLAN)
    directory = tmp_path / "run"
    python = write_python(tmp_path / "python")
    command = [
        sys.executable, "-c", COMMAND, str(python), "train", "--plan", str(plan),
        "--output_dir", str(directory), "--checkpoint_every_n=3", "--record_summaries=false",
        "--ignore=ODF113",  # the OD API has no such extractor: this test's Python adds it
    ]  # fmt: skip
    configs: dict[Path, bytes] = {}
    kills = []
    begun = time.monotonic()
    for moment in moments(random.Random(20)):
        ended = run(command, moment)
        if ended.status != -signal.SIGKILL:  # it was there before the moment came
            assert ended.errors == ""
            break
        states = read_run_state(directory)
        shown = [] if states is None else [f"{one.state} {one.step}" for one in states.stages]
        kills.append(moment.name)
        print(f"{time.monotonic() - begun:6.1f} s  {moment}  {shown}", flush=True)
        for path in directory.glob("*/pipeline.config"):
            assert path.read_bytes() == configs.setdefault(path, path.read_bytes())
    assert len(kills) == 20
    ended = run(command, None)
    assert (ended.status, ended.errors) == (0, "")
    print(f"{time.monotonic() - begun:6.1f} s", *ended.lines[-8:], sep="\n")

    stages = find_stages(directory)
    assert [stage.name for stage in stages] == ["01_head", "02_top", "03_most", "04_slow"]
    assert {stage.config: stage.config.read_bytes() for stage in stages} == configs
    kept = read_run_state(directory)
    assert kept is not None
    assert [(one.state, one.step) for one in kept.stages] == [("finished", STEPS)] * 4
    start = values(tiny.checkpoint)
    for stage in stages:
        assert is_finished(stage)
        assert verify(stage.model_dir).ok
        assert step_of(stage.last_checkpoint) == STEPS
        end, record = values(stage.last_checkpoint), read_record(stage.model_dir)
        frozen = [one.object_path for one in record.variables if one.state in ("frozen", "held")]
        assert frozen
        assert all(end[path] == start[path] for path in frozen)
        learned = [one.object_path for one in record.variables if one.state == "trainable"]
        assert any(end[path] != start[path] for path in learned)
    for stage in stages[:-1]:
        assert [path.stem for path in stage.model_dir.glob("*.index")] == [f"ckpt-{STEPS}"]
    assert not list(directory.glob("*.lock"))
    assert not list(directory.glob(".*.tmp"))
    before = files(directory)
    assert run(command, None).status == 0
    assert files(directory) == before


def files(directory: Path) -> dict[Path, int]:
    """Returns when each file of a run was written, but for the report that every end writes."""
    return {
        path: path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if path.is_file() and path != directory / "report.html"
    }
