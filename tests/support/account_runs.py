"""Directories of staged runs of the tiny detector, as training leaves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from odfreeze.runs.curves import CurvesWriter
from odfreeze.runs.verify import verify
from odfreeze.training.run_report import RunFacts, keep_verification
from tests.support.fake_training import write_run
from tests.support.tiny_detector import write_detector

#: Patterns of two stages: the head alone, then all but the first blocks.
STAGES = (("01_head", ("^Conv1", "^bn_", "^block_", "^SSD/")), ("02_more", ("^Conv1", "^bn_")))
LOSS = "Loss/total_loss"
MAP = "DetectionBoxes_Precision/mAP"


def write_staged(root: Path, *, trained: int = 2, **changes: Any) -> Path:
    """Writes a directory of two stages of 10 steps, the first ``trained`` of them finished.

    Args:
      root: Where; made.
      trained: How many stages are finished; the others have their config only.
      **changes: For `write_trained`.
    """
    for number, (name, patterns) in enumerate(STAGES, 1):
        (root / name).mkdir(parents=True)
        config = write_detector(root / name, *patterns)
        if number <= trained:
            write_trained(root / name / "model", config, number, **changes)
    return root


def write_trained(
    model_dir: Path, config: Path, number: int = 1, *, movement: bool = True, **changes: Any
) -> Path:
    """Writes what a finished run leaves: checkpoint, record, curves, verification, report."""
    write_run(model_dir, config, 10, versions={"tensorflow": "2.21.0"}, **changes)
    ticks = iter(range(1_700_000_000 + 1000 * number, 1_800_000_000, 5))
    keep = CurvesWriter(model_dir, lambda: next(ticks))
    events: list[dict[str, Any]] = [{"kind": "selection", "resumed_at": None, "totals": {}}]
    for step in (5, 10):
        scalars = {LOSS: 2.0 / (number * step), "learning_rate": 0.01 / step}
        events.append({"kind": "block", "step": step, "scalars": scalars})
        events.append({"kind": "evaluated", "step": step, "metrics": {MAP: number * step / 50}})
    events.append({"kind": "done", "step": 10, "checkpoint": "x", "peak_memory_bytes": 1 << 30})
    facts = RunFacts()
    for event in events:
        keep(event)
        facts(event)
    keep_verification(model_dir, verify(model_dir), facts)
    change_json(
        model_dir / "odfreeze/report.json", seconds=60.0 * number, seconds_to_first_step=15.0,
        started="2025-01-02T03:04:05+00:00", ended=f"2025-01-02T03:1{number}:00+00:00",
        steps_per_second=2.5,
    )  # fmt: skip
    if movement:  # the values of these runs begin with zeros, of which there is no share
        rows = json.loads((model_dir / "odfreeze/report.json").read_text())["movement"]
        moved = [{**row, "relative_change": 0.25 if row["key"] == "head" else 0} for row in rows]
        change_json(model_dir / "odfreeze/report.json", movement=moved)
    return model_dir


def change_json(path: Path, **changes: Any) -> None:
    """Changes keys of a JSON file."""
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(data | changes), encoding="utf-8")
