"""How a staged run is shown when it has ended: a line for each stage."""

from __future__ import annotations

from typing import Any

from odfreeze.report.text import duration_text
from odfreeze.runs.state import RunState

__all__ = ["render_stages", "stages_json"]

_VERIFIED = {"finished": "yes", "failed": "NO", "waiting": "not yet", "running": "not yet"}


def render_stages(state: RunState) -> str:
    """Returns stage, steps, time, loss and verification of a run as a table.

    >>> from odfreeze.runs.state import StageState
    >>> print(render_stages(RunState((
    ...     StageState("01_head", "finished", 40, 40, 75.0, loss=0.5),
    ...     StageState("02_neck", num_steps=20),
    ... ))))
    Stage    steps     time        loss    verified
    01_head  40 of 40  1 min 15 s  0.5000  yes
    02_neck  0 of 20                       not yet
    all                1 min 15 s          1 of 2
    """
    rows = [("Stage", "steps", "time", "loss", "verified")]
    for one in state.stages:
        loss = "" if one.loss is None else f"{one.loss:.4f}"
        steps = f"{one.step} of {one.num_steps}"
        rows.append((one.name, steps, _time(one.seconds), loss, _VERIFIED[one.state]))
    if len(state.stages) > 1:
        done = sum(one.state == "finished" for one in state.stages)
        seconds = sum(one.seconds for one in state.stages)
        rows.append(("all", "", _time(seconds), "", f"{done} of {len(state.stages)}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def stages_json(state: RunState) -> list[dict[str, Any]]:
    """Returns the stages as ``run.json`` has them."""
    stages: list[dict[str, Any]] = state.to_json()["stages"]
    return stages


def _time(seconds: float) -> str:
    return duration_text(round(seconds)) if seconds else ""
