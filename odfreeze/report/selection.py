"""What a run will train, for people: lines for the log, Markdown for TensorBoard, a short form.

All of them take the data of a ``selection`` event (:mod:`odfreeze.training.summary`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odfreeze.rates import scale_text
from odfreeze.report.text import size_text
from odfreeze.selection import STATES

__all__ = ["selection_lines", "selection_markdown", "short_selection"]

_HEAD = ("", *("trainable", "frozen", "updating", "held"), "parameters", "of these learn")


def selection_lines(summary: Mapping[str, Any]) -> list[str]:
    """Returns a table, a line a group, a line of totals, and what is saved below it."""
    rows = _table(summary)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]
    return [*lines, *_sentences(summary)]


def selection_markdown(summary: Mapping[str, Any]) -> str:
    """Returns the same as a Markdown table with a paragraph below it."""
    head, *rows = _table(summary)
    rows = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([table, *_sentences(summary)]) + "\n"


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


def _table(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Returns the table, its head first; with the shares of the learning rate where there are."""
    rows = [_HEAD, *_rows(summary)]
    if not summary.get("rates"):
        return rows
    groups = summary["groups"]
    found = [scale_text(one["rate_scales"]) for one in groups]
    of_all = scale_text(scale for one in groups for scale in one["rate_scales"])
    return [(*row, cell) for row, cell in zip(rows, ["rate", *found, of_all], strict=True)]


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


def _sentences(summary: Mapping[str, Any]) -> list[str]:
    """Returns what is to say of rates, of the optimizer, and of the loss, where there is any."""
    optimizer = summary["optimizer"]
    slots = optimizer["slots"]
    each = f"{slots} value{'s' * (slots > 1)} for each that learns"
    lines = [_of_rate(rate) for rate in summary.get("rates") or ()]
    lines += [
        f"{optimizer['name']} keeps {each}: {size_text(optimizer['bytes'])},"
        f" {size_text(optimizer['saved_bytes'])} less than for all"
        if slots
        else f"{optimizer['name']} keeps nothing for a variable"
    ]
    if summary.get("carried"):
        lines.append(_of_carried(summary["carried"]))
    constant = summary.get("frozen_regularization")
    if constant:
        lines.append(f"frozen weights add {constant:.4g} to the loss, in every step the same")
    return lines


def _of_rate(rate: Mapping[str, Any]) -> str:
    count = rate["variables"]
    return (
        f"{rate['scale']:g} of the learning rate for {count:,} variable{'s' * (count != 1)}:"
        f" {rate['pattern']}"
    )


def _of_carried(carried: Mapping[str, Any]) -> str:
    """Returns what was carried over into the optimizer, and why nothing or not all was."""
    note, where = carried["note"], carried["checkpoint"]
    if not carried["variables"]:
        return f"nothing was carried over into the optimizer: {note}" + (
            f" ({where})" if where else ""
        )
    counts = f"{carried['slots']:,} slots of {carried['variables']:,} variables"
    return f"the optimizer goes on with {counts} of {where}" + (f"; {note}" if note else "")
