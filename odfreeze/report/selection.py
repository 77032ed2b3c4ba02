"""What a run will train, for people: lines for the log, Markdown for TensorBoard, a short form.

All of them take the data of a ``selection`` event (:mod:`odfreeze.training.summary`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odfreeze.report.text import size_text
from odfreeze.selection import STATES

__all__ = ["selection_lines", "selection_markdown", "short_selection"]

_HEAD = ("", *("trainable", "frozen", "updating", "held"), "parameters", "of these learn")


def selection_lines(summary: Mapping[str, Any]) -> list[str]:
    """Returns a table, a line a group, a line of totals, and what is saved below it."""
    rows = [_HEAD, *_rows(summary)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]
    return [*lines, *_savings(summary)]


def selection_markdown(summary: Mapping[str, Any]) -> str:
    """Returns the same as a Markdown table with a paragraph below it."""
    rows = [_HEAD, ("---", *["---:"] * (len(_HEAD) - 1)), *_rows(summary)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, *_savings(summary)]) + "\n"


def short_selection(summary: Mapping[str, Any]) -> str:
    """Returns what learns of each part of the model, and what is saved, in one line; or "".

    >>> short_selection({
    ...     "groups": [{"part": "backbone", "trainable": 0, "frozen": 156},
    ...                {"part": "head", "trainable": 20, "frozen": 2},
    ...                {"part": "head", "trainable": 6, "frozen": 0}],
    ...     "optimizer": {"saved_bytes": 2_500_000}})
    'learning of backbone 0 of 156, head 26 of 28; optimizer memory saved 2.4 MiB'
    """
    parts: dict[str, list[int]] = {}
    for row in summary.get("groups", ()):
        learns, stays = row["trainable"], row["frozen"]
        if learns + stays:
            of = parts.setdefault(row["part"], [0, 0])
            of[0] += learns
            of[1] += learns + stays
    if not parts:
        return ""
    text = "learning of " + ", ".join(f"{part} {n} of {of}" for part, (n, of) in parts.items())
    saved = summary.get("optimizer", {}).get("saved_bytes", 0)
    return text + (f"; optimizer memory saved {size_text(saved)}" if saved else "")


def _rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    totals = summary["totals"]
    rows = [
        _row(one["name"], one, one["parameters"], one["trainable_parameters"])
        for one in summary["groups"]
    ]
    counts: dict[str, int] = {state: totals[state]["variables"] for state in STATES}
    learns = totals["trainable"]["parameters"]
    rows.append(_row("all", counts, learns + totals["frozen"]["parameters"], learns))
    return rows


def _row(name: str, counts: Mapping[str, int], parameters: int, learns: int) -> tuple[str, ...]:
    numbers = [counts[state] for state in _HEAD[1:5]]
    return (name, *(f"{number:,}" for number in (*numbers, parameters, learns)))


def _savings(summary: Mapping[str, Any]) -> list[str]:
    """Returns a sentence on the optimizer's memory, and one on the loss, where there is one."""
    optimizer = summary["optimizer"]
    slots = optimizer["slots"]
    each = f"{slots} value{'s' * (slots > 1)} for each that learns"
    lines = [
        f"{optimizer['name']} keeps {each}: {size_text(optimizer['bytes'])},"
        f" {size_text(optimizer['saved_bytes'])} less than for all"
        if slots
        else f"{optimizer['name']} keeps nothing for a variable"
    ]
    constant = summary.get("frozen_regularization")
    if constant:
        lines.append(f"frozen weights add {constant:.4g} to the loss, in every step the same")
    return lines
