"""A base to stage, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.base_model import BASE, model
from tests.stages.edited_run import EditedRun
from tests.support.bundle_writer import write_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    return write_checkpoint(tmp_path / "base" / "ckpt-0", model())


@pytest.fixture
def base(tmp_path: Path, checkpoint: Path) -> Path:
    path = tmp_path / "base.config"
    path.write_text(BASE.replace("CHECKPOINT", checkpoint.as_posix()), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(base: Path, out: Path) -> EditedRun:
    return EditedRun(base, out)
