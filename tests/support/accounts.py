"""Accounts of runs that there never were: what a page is to say, without files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from odfreeze.runs.account import Account, Stage
from odfreeze.runs.curves import Curves, Point
from odfreeze.runs.movement import Movement
from odfreeze.runs.stage_account import StageAccount, Verdict, VerdictRow
from odfreeze.stages.conduct import Conduct

_EMPTY = StageAccount(
    name="", model_dir=Path(), state="waiting", num_steps=10, step=None, config=None,
    config_text="", config_path="", conduct=Conduct(), record=None, verdict=None, movement=(),
    curves=Curves(), seconds=None, seconds_to_first_step=None, steps_per_second=None,
    peak_memory_bytes=None, started="", ended="", checkpoints=(), versions={}, ending="", reason="",
    notes=(),
)  # fmt: skip


def run(name: str = "01_head", **fields: Any) -> StageAccount:
    """Returns what the files of a run tell, of which nothing is known but some fields."""
    return dataclasses.replace(_EMPTY, name=name, **fields)


def account(*runs: StageAccount, kind: Literal["plan", "run"] = "plan") -> Account:
    """Returns the account of such runs, one behind the other."""
    stages = tuple(
        Stage(number, one, {}, True, "", "", 0) for number, one in enumerate(runs, 1)
    )  # fmt: skip
    return Account(Path("run"), kind, stages, (), None, {}, ())


def verdict(
    frozen: int = 4, changed: int = 0, *, held: int = 2, names: tuple[str, ...] = ()
) -> Verdict:
    """Returns what a verification found: ok where no frozen variable changed."""
    rows = (
        VerdictRow("frozen", frozen, changed, names),
        VerdictRow("held", held, 0),
        VerdictRow("trainable", 3, 3),
    )
    reasons = (f"{changed} of {frozen} frozen variables changed",) if changed else ()
    return Verdict(not changed, rows, reasons)


def curves(scalars: dict[str, list[float]], metrics: dict[str, list[float]]) -> Curves:
    """Returns curves with a value at each of steps 1, 2, …."""
    return Curves(_points(scalars), _points(metrics))


def _points(values: dict[str, list[float]]) -> tuple[Point, ...]:
    length = max(map(len, values.values()), default=0)
    return tuple(
        Point(at + 1, 0.0, {name: of[at] for name, of in values.items() if at < len(of)})
        for at in range(length)
    )


def moved(**changes: float | None) -> tuple[Movement, ...]:
    """Returns how far parts moved, by their keys with ``__`` for ``/``, each of 1,500 elements."""
    return tuple(
        Movement(name.replace("__", "/"), name.rpartition("__")[2], 1500, change)
        for name, change in changes.items()
    )
