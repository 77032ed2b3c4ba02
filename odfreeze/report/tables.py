"""The tables of the page of an account: verification, movement, time and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from odfreeze.report.html import Element, Node, element, stage_class
from odfreeze.report.plots import number_text
from odfreeze.report.summary import STATE_WORDS, stage_time
from odfreeze.report.text import duration_text, size_text
from odfreeze.runs.account import Account, Stage
from odfreeze.runs.movement import Movement
from odfreeze.runs.stage_account import StageAccount
from odfreeze.selection import State

__all__ = ["chip", "cost", "movement", "scrolled", "table", "verification"]

#: The bars of movement span these changes, on a logarithmic scale.
_LEAST, _MOST = 1e-5, 1.0
_NAMES = 5


def chip(stage: Stage) -> Element:
    """Returns a stage's number in its colour."""
    return element("span", str(stage.number), class_=f"chip {stage_class(stage.number)}")


def table(
    heads: Sequence[Node],
    rows: Sequence[Sequence[Node]],
    *,
    left: Sequence[int] = (),
    inner: Sequence[int] = (),
    kinds: Sequence[str | None] = (),
    dense: bool = False,
) -> Element:
    """Returns a table whose first column heads its rows.

    Args:
      heads: Of the columns.
      rows: Cells.
      left: Columns of text, set flush left; the first is one.
      inner: Rows that belong to one above.
      kinds: Class of each column's cells.
      dense: Whether its rows are close together.
    """
    kind = [*kinds, *[None] * (len(heads) - len(kinds))]
    classes = ["l" if n in left else kind[n] for n in range(len(heads))]
    head = [element("th", one, scope="col", class_=c if c == "l" else None)
            for one, c in zip(heads, classes, strict=True)]  # fmt: skip
    body = []
    for number, row in enumerate(rows):
        cells = [element("th", row[0], scope="row")]
        cells += [element("td", cell, class_=c)
                  for cell, c in zip(row[1:], classes[1:], strict=True)]  # fmt: skip
        body.append(element("tr", cells, class_="inner" if number in inner else None))
    inside = element("thead", element("tr", head)), element("tbody", body)
    return element("table", inside, class_="dense" if dense else None)


def scrolled(of: Element) -> Element:
    """Returns a table that a narrow screen can move sideways."""
    return element("div", of, class_="scroll", tabindex="0", role="group")


def verification(account: Account) -> Element:
    """Returns what the verification of each stage found."""
    rows: list[list[Node]] = []
    for one in account.stages:
        verdict = one.run.verdict
        words = STATE_WORDS[one.run.state] if verdict is not None else "not verified"
        kind = one.run.state if verdict is not None else "waiting"
        cells: list[Node] = [[chip(one), one.run.title],
                             element("span", words, class_=f"mark {kind}")]  # fmt: skip
        states: tuple[State, ...] = ("frozen", "held", "trainable", "updating")
        for state in states:
            row = None if verdict is None else verdict.row(state)
            cells.append("–" if row is None else f"{row.changed} of {row.variables}")
        rows.append(cells)
    reasons = []
    for one in account.stages:
        if one.run.verdict is not None and not one.run.verdict.ok:
            names = [n for row in one.run.verdict.rows for n in row.names]
            some = ", ".join(names[:_NAMES]) + (" …" if len(names) > _NAMES else "")
            texts = [*one.run.verdict.reasons, *([f"changed: {some}"] if names else [])]
            reasons += [element("p", chip(one), text) for text in texts]
    heads = ["Stage", "Verdict", "Frozen changed", "Held changed", "Trainable changed",
             "Updating changed"]  # fmt: skip
    return element(
        "section",
        element("h2", "Verification"),
        element("p", "After each stage every value was compared with the one it began with, bit by"
                " bit. Of what was frozen or held none may change; that something trainable did is"
                " the proof that anything was trained.", class_="hint"),
        scrolled(table(heads, rows, left=(1,))),
        reasons,
    )  # fmt: skip


def movement(account: Account) -> Node:
    """Returns how far each part moved in each stage; None where nothing tells."""
    measured = [one for one in account.stages if one.run.movement]
    if not measured:
        return None
    by_key = [{row.key: row for row in one.run.movement} for one in measured]
    keys: dict[str, Movement] = {}
    for rows in by_key:
        for key, row in rows.items():
            keys.setdefault(key, row)
    if "statistics" in keys:  # no gradient reaches them: they come last
        keys["statistics"] = keys.pop("statistics")
    body: list[list[Node]] = []
    inner = []
    for key, row in keys.items():
        if "/" in key:
            inner.append(len(body))
        label = row.label
        if "/" in key and key.rpartition("/")[2].isdigit():
            label = f"{key.rpartition('/')[2]} {row.label}"
        label = {"statistics": "batch norm statistics"}.get(key, label)
        cells = [_moved(of.get(key), one) for of, one in zip(by_key, measured, strict=True)]
        body.append([label, f"{row.parameters:,}", *cells])
    heads: list[Node] = ["Part", "Parameters"]
    heads += [[chip(one), one.run.title] for one in measured]
    return element(
        "section",
        element("h2", "How far each part moved"),
        element("p", "The change of a part's values in a stage against their size at its start,"
                " ‖end − start‖ ∕ ‖start‖; bars on a logarithmic scale from 0.001 % to 100 %. A"
                " dash stands for a part whose start values are on no disk, such as a head that"
                " began at random.", class_="hint"),
        scrolled(
            table(heads, body, inner=inner, kinds=[None, None, *["m"] * len(measured)], dense=True)
        ),
    )  # fmt: skip


def _moved(row: Movement | None, stage: Stage) -> Node:
    change = None if row is None else row.relative_change
    if change is None:
        return element("span", "–", class_="zero", title="no start value is at hand")
    if change == 0:
        return element("span", "0", class_="zero", title="not one bit changed")
    reach = math.log(min(max(change, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    bar = element("div", class_=f"bar {stage_class(stage.number)}",
                  style=f"width:{100 * reach:.1f}%")  # fmt: skip
    return element("div", bar, element("span", _percent(change)), class_="meter")


def _percent(change: float) -> str:
    """Returns a relative change in per cent.

    >>> [_percent(n) for n in (0.1234, 0.0000123, 3.5, 42.0, 1e-7)]
    ['12.3 %', '0.0012 %', '350 %', '4,200 %', '<0.0001 %']
    """
    value = 100 * change
    if value < 1e-4:
        return "<0.0001 %"
    return f"{number_text(value) if value >= 0.01 else f'{value:.4f}'} %"


def cost(account: Account) -> Node:
    """Returns time and memory of each stage; None where nothing tells."""
    stages = [one for one in account.stages if one.run.seconds is not None]
    if not stages:
        return None
    whole = sum(one.run.seconds or 0 for one in stages)
    pieces = []
    for one in stages:
        seconds = one.run.seconds or 0
        idle = min(one.run.seconds_to_first_step or 0, seconds)
        for part, what in ((idle, "start"), (seconds - idle, "steps")):
            if part > 0:
                tip = f"stage {one.number}, {one.run.title}: {what} {duration_text(part)}"
                kind = f"{stage_class(one.number)}{' idle' if what == 'start' else ''}"
                text = f"{one.number} {what}" if part > 0.1 * whole else ""
                pieces.append(element("i", text, class_=kind, title=tip,
                                      style=f"width:{100 * part / whole:.2f}%"))  # fmt: skip
    rows: list[list[Node]] = []
    for one in stages:
        run = one.run
        first, speed = run.seconds_to_first_step, run.steps_per_second
        memory, size = run.peak_memory_bytes, _checkpoint_size(run)
        rows.append([
            [chip(one), run.title],
            stage_time(one),
            "–" if first is None else duration_text(first),
            "–" if speed is None else number_text(speed),
            "–" if memory is None else size_text(memory),
            "–" if size is None else size_text(size),
        ])  # fmt: skip
    heads = ["Stage", "Time", "Before the first step", "Steps per second", "Peak memory",
             "Last checkpoint"]  # fmt: skip
    label = f"Time of the stages, {duration_text(whole)} in all"
    return element(
        "section",
        element("h2", "Time and memory"),
        element("p", "Before the first step TensorFlow is imported, the model built and traced; of"
                " a run that was resumed, speed and memory are of its last sitting.",
                class_="hint"),
        element("div", pieces, class_="split", role="img", aria_label=label),
        scrolled(table(heads, rows)),
    )  # fmt: skip


def _checkpoint_size(run: StageAccount) -> int | None:
    return run.checkpoints[-1][1] if run.checkpoints else None
