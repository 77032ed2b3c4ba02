"""Patterns for object paths on the command line, through a shell and in a config."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.pipeline import PipelineConfig
from tests.conftest import ROOT
from tests.support.tiny_detector import write_detector

BLOCKS = "(?#path)^model/_feature_extractor/classification_backbone/layer_with_weights-[2-9]/"
HEADS = r"(?#path)^model/_box_predictor/(_tower|_box_head)/\d+/"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def shell(here: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Runs a line as a person types it; ``odfreeze`` is that of this checkout."""
    start = f"{shlex.quote(sys.executable)} -m odfreeze"
    return subprocess.run(
        ["sh", "-c", command.replace("odfreeze ", start + " ", 1)],
        cwd=here, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def matches(out: str) -> dict[str, int]:
    return {one["pattern"]: one["matches"] for one in json.loads(out)["patterns"]}


def test_preview_takes_them_as_flags(tmp_path: Path) -> None:
    write_detector(tmp_path)
    done = shell(
        tmp_path,
        f"odfreeze preview pipeline.config --format=json --freeze_variables '{BLOCKS}'"
        f" --update-trainable-variables='{HEADS}'",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert matches(done.stdout) == {BLOCKS: 20, HEADS: 3}


def test_a_shell_that_is_not_told_to_leave_them_alone_refuses_them(tmp_path: Path) -> None:
    done = shell(tmp_path, f"odfreeze preview pipeline.config --freeze_variables {BLOCKS}")
    assert done.returncode == 2
    assert "odfreeze" not in done.stderr


def test_set_writes_them_so_that_they_are_read_back(tmp_path: Path) -> None:
    path = write_detector(tmp_path, "^Conv1")
    done = shell(
        tmp_path,
        f"odfreeze set pipeline.config --freeze_variables='{BLOCKS}' --freeze_variables '{HEADS}'"
        " --in_place",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert PipelineConfig.read(path).freeze_variables == (BLOCKS, HEADS)
    assert matches(shell(tmp_path, "odfreeze preview pipeline.config --format=json").stdout) == {
        BLOCKS: 20, HEADS: 3,
    }  # fmt: skip


def test_stage_writes_them_into_its_configs(tmp_path: Path) -> None:
    rate = "learning_rate { constant_learning_rate { learning_rate: 1 } }"
    optimizer = f"optimizer {{ momentum_optimizer {{ {rate} }} }}"
    write_detector(tmp_path, **{"num_steps: 10": f"num_steps: 10 {optimizer}"})
    escaped = HEADS.replace("\\", "\\\\")
    stage = "num_steps: 2 learning_rate: 0.1"
    (tmp_path / "a.plan").write_text(
        'base_config: "pipeline.config"\n'
        f'stage {{ name: "head" {stage} update_trainable_variables: "{escaped}" }}\n'
        f'stage {{ name: "all" {stage} freeze_variables: "{BLOCKS}" }}\n'
    )
    done = shell(
        tmp_path, "odfreeze stage a.plan --output_dir out --allow_random_frozen --ignore ODF"
    )
    assert done.returncode == 0, done.stderr
    first, second = (
        PipelineConfig.read(path) for path in sorted((tmp_path / "out").glob("*/pipeline.config"))
    )
    assert first.update_trainable_variables == (HEADS,)
    assert second.freeze_variables == (BLOCKS,)
