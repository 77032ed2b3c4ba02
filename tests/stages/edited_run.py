"""A run's directory whose plan is edited, between one laying out of it and the next."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from odfreeze.errors import OutputError, TrainingRefusedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.conduct import Conduct, Until
from odfreeze.stages.plan import Plan, Stage
from odfreeze.stages.restage import Restaged, config_digest, restage
from tests.stages.base_model import snapshot

NECK = Stage("neck", 70, update_trainable_variables=("^Head/", "^fpn/"))
UNTIL = Conduct(until=Until(patience=10))


class EditedRun:
    """A run's directory, and what is known of the configs that a plan wrote there."""

    def __init__(self, base: Path, out: Path) -> None:
        self.base, self.out = base, out
        self.written: dict[str, str | None] = {}

    def lay_out(self, *stages: Stage, **options: Any) -> Restaged:
        """Lays a plan out, and notes what it wrote as the run's run.json does."""
        found = restage(Plan(self.base, stages), self.out, self.written, **options)
        self.written = {one.directory.name: config_digest(one.directory) for one in found.stages}
        return found

    def refuse(self, *stages: Stage, **options: Any) -> str:
        """Returns why a plan is not laid out, and holds that nothing was touched."""
        before = snapshot(self.out)
        with pytest.raises((OutputError, TrainingRefusedError)) as caught:
            self.lay_out(*stages, **options)
        assert snapshot(self.out) == before
        return str(caught.value)

    def begin(self, name: str) -> Path:
        """Leaves what a run does that has saved a checkpoint; returns its model_dir."""
        model = self.out / name / "model"
        model.mkdir()
        (model / "checkpoint").write_text('model_checkpoint_path: "ckpt-5"\n')
        return model

    def edit(self, name: str, file: str = "pipeline.config") -> Path:
        """Edits a file of a stage by hand."""
        path = self.out / name / file
        path.write_text(path.read_text() + "\n")
        return path

    def names(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir())

    def steps(self) -> list[int | None]:
        return [PipelineConfig.read(self.out / n / "pipeline.config").num_steps
                for n in self.names()]  # fmt: skip


def longer(stage: Stage, num_steps: int) -> Stage:
    return dataclasses.replace(stage, num_steps=num_steps)
