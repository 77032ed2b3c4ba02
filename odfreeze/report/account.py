"""The account of a fine-tuning as JSON, and as a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odfreeze.report.icicle import network_order
from odfreeze.report.plots import number_text
from odfreeze.report.summary import (
    STATE_WORDS,
    architecture,
    count_text,
    final_value,
    headline,
    share_text,
    stage_steps,
    stage_time,
)
from odfreeze.report.text import duration_text, printable
from odfreeze.runs.account import Account, Stage
from odfreeze.runs.curves import Point
from odfreeze.stages.conduct import TRAINING_LOSS

__all__ = ["account_json", "account_lines"]

#: Changes when a key changes its meaning.
_VERSION = 1


def account_lines(account: Account) -> Iterator[str]:
    """Yields the account in short, without line endings."""
    yield headline(account)
    yield ""
    heads = ("Stage", "state", "learns", "steps", "time", "loss")
    rows: list[tuple[str, ...]] = [heads]
    for one in account.stages:
        learns = "–"
        if account.variables and one.states:
            parameters = one.parameters(account.variables)
            share = share_text(parameters, account.parameters)
            learns = f"{count_text(parameters)} ({share})"
        losses = one.run.curves.scalar(TRAINING_LOSS)
        loss = number_text(losses[-1][1]) if losses else "–"
        rows.append(
            (printable(one.run.name), STATE_WORDS[one.run.state], learns, stage_steps(one),
             stage_time(one), loss)
        )  # fmt: skip
    wide = [max(len(row[n]) for row in rows) for n in range(len(heads))]
    for row in rows:
        cells = [row[n].ljust(wide[n]) if n < 2 else row[n].rjust(wide[n]) for n in range(len(row))]
        yield "  ".join(cells).rstrip()
    yield ""
    if account.variables:
        learned = account.opened_parameters
        share = share_text(learned, account.parameters)
        word = "learned" if account.is_finished else "to learn"
        yield f"{word:<11} {learned:,} of {account.parameters:,} parameters, {share}"
    value = final_value(account)
    if value is not None:
        name, first, last = value
        yield f"{name.lower() if ' ' in name else name:<11} {number_text(last)}, from " + (
            number_text(first)
        )
    if account.seconds is not None:
        yield f"time        {duration_text(account.seconds)}"
    for one in account.stages:
        if one.run.ending:
            yield f"{printable(one.run.name)}: {printable(one.run.ending)}"
    for one in account.failed:
        reasons = (one.run.verdict.reasons if one.run.verdict else ()) or (one.run.reason,)
        yield from (f"{printable(one.run.name)}: {printable(text)}" for text in reasons if text)
    yield from (f"note: {printable(note)}" for note in account.notes)
    for one in account.stages:
        yield from (f"note: {printable(one.run.name)}: {printable(n)}" for n in one.run.notes)


def account_json(account: Account) -> dict[str, Any]:
    """Returns the account as plain Python values.

    Keys: ``version``, ``directory``, ``kind`` (``plan`` or ``run``), ``headline``,
    ``architecture``, ``state`` (that of the stages together), ``totals``, ``stages``, ``groups``
    (from the image to the predictions, with the parameters by the stage in which they open;
    ``never`` for those frozen to the end), ``variables`` and ``notes``. What is not known is null.
    """
    value = final_value(account)
    return {
        "version": _VERSION,
        "directory": str(account.directory),
        "kind": account.kind,
        "headline": headline(account),
        "architecture": architecture(account) or None,
        "state": _state(account),
        "totals": {
            "steps": account.steps,
            "seconds": account.seconds,
            "parameters": account.parameters if account.variables else None,
            "learned_parameters": account.opened_parameters if account.variables else None,
            "metric": None
            if value is None
            else {"name": value[0], "first": value[1], "last": value[2]},
        },
        "stages": [_stage(account, one) for one in account.stages],
        "groups": [
            {
                "key": one.name,
                "label": one.kind or one.part,
                "parameters": one.parameters,
                "opened": {
                    "never" if number is None else str(number): count
                    for number, count in account.opened_in(one).items()
                },
            }
            for one in network_order(account)
        ],
        "variables": [
            {
                "name": v.name,
                "object_path": v.object_path,
                "parameters": v.parameters,
                "opened": account.opened.get(v.object_path),
            }
            for v in account.variables
            if v.trainable
        ],
        "notes": list(account.notes),
    }


def _state(account: Account) -> str:
    if account.failed:
        return "failed"
    if account.is_finished:
        return "finished"
    begun = any(one.run.state != "waiting" for one in account.stages)
    return "unfinished" if begun else "waiting"


def _stage(account: Account, one: Stage) -> dict[str, Any]:
    run, verdict = one.run, one.run.verdict
    known = bool(account.variables and one.states)
    return {
        "number": one.number,
        "name": run.name,
        "state": run.state,
        "model_dir": str(run.model_dir),
        "num_steps": run.num_steps,
        "step": run.step,
        "first_step": one.first_step,
        "is_planned": one.is_planned,
        "trainable_parameters": one.parameters(account.variables) if known else None,
        "learning_rate": run.learning_rate,
        "conduct": run.conduct.to_json(),
        "started": run.started or None,
        "ended": run.ended or None,
        "seconds": run.seconds,
        "seconds_to_first_step": run.seconds_to_first_step,
        "steps_per_second": run.steps_per_second,
        "peak_memory_bytes": run.peak_memory_bytes,
        "checkpoints": [{"name": name, "bytes": size} for name, size in run.checkpoints],
        "verification": None
        if verdict is None
        else {
            "ok": verdict.ok,
            **{
                row.state: {"variables": row.variables, "changed": row.changed}
                for row in verdict.rows
            },
            "reasons": list(verdict.reasons),
        },
        "movement": [row.to_json() for row in run.movement],
        "curves": {
            "scalars": [_point(point) for point in run.curves.scalars],
            "metrics": [_point(point) for point in run.curves.metrics],
        },
        "ending": run.ending or None,
        "reason": run.reason or None,
        "versions": dict(run.versions),
        "config": {
            "path": run.config_path,
            "text": run.config_text,
            "diff": one.diff if one.diff_against else None,
            "diff_against": one.diff_against or None,
        },
        "notes": list(run.notes),
    }


def _point(point: Point) -> dict[str, Any]:
    return {"step": point.step, "time": point.time, "values": dict(point.values)}
