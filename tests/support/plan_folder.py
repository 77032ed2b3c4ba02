"""A folder with a plan of two stages, and children that only pretend to train."""

from __future__ import annotations

import json
from pathlib import Path

from odfreeze.training.staged import train_plan
from tests.support.plans import HEAD, NECK, TRAINS, trainer, write_base, write_plan

MUST_NOT_RUN = "sys.exit('must not run')"


class Folder:
    """A folder with a plan of two stages, and what was told of its runs."""

    def __init__(self, root: Path) -> None:
        self.root, self.run_dir = root, root / "run"
        self.events: list[dict] = []
        write_base(root)
        self.edit(HEAD, NECK)

    def edit(self, *stages: str) -> None:
        """Writes the plan anew."""
        self.plan = write_plan(self.root, *stages)

    def run(self, body: str = TRAINS, *, changed=None, **options):
        """Runs the plan; returns the results."""
        python = trainer(self.root, self.run_dir, body, **(changed or {}))
        self.events = []
        return train_plan(
            self.plan, self.run_dir, python=python, watch=self.events.append, **options
        )

    def told(self, *kinds: str) -> list[tuple]:
        """Returns kind and subject of the events of some kinds."""
        return [
            (one["kind"], one.get("stage", one.get("text"))) for one in self.events
            if one["kind"] in kinds
        ]  # fmt: skip

    def model(self, stage: str) -> Path:
        return self.run_dir / stage / "model"

    def checkpoints(self, stage: str) -> list[str]:
        return sorted(path.stem for path in self.model(stage).glob("*.index"))

    def kept(self) -> dict[str, dict]:
        """Returns the stages of run.json by name."""
        data = json.loads((self.run_dir / "run.json").read_text())
        return {one["name"]: one for one in data["stages"]}

    def files(self) -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in self.run_dir.rglob("*") if p.is_file()}
