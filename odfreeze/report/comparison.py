"""Runs side by side, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from odfreeze.errors import suggest
from odfreeze.report.text import Line, Span, Style, duration_text, printable, size_text, wrapped
from odfreeze.runs.comparison import ComparedRun, Comparison

__all__ = ["comparison_json", "comparison_lines", "metrics_shown"]

#: What is shown of an evaluation where nothing else is asked for, as far as it is there.
_USUAL = (
    "DetectionBoxes_Precision/mAP",
    "DetectionBoxes_Precision/mAP@.50IOU",
    "PascalBoxes_Precision/mAP@0.5IOU",
    "Loss/total_loss",
)
_PAGE_WIDTH = 100
_UNKNOWN = "-"
_STYLES: dict[str, Style] = {"verified": "", "unfinished": "warning"}


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    style: Style = ""


def metrics_shown(comparison: Comparison) -> tuple[str, ...]:
    """Returns the metrics of a table where none were asked for: the usual ones that are known.

    Where none of these is, the first one that is known.
    """
    known = dict.fromkeys(
        name for run in comparison.runs if run.evaluation for name in run.evaluation.metrics
    )
    usual = tuple(name for name in _USUAL if name in known)
    return usual or tuple(known)[:1]


def comparison_lines(comparison: Comparison, metrics: Sequence[str] = ()) -> Iterator[Line]:
    """Yields a table with a row for each run, and what it takes to read it rightly.

    Args:
      comparison: What to show.
      metrics: Names as the OD API gives them, each a column; `metrics_shown` by default.
    """
    names = tuple(metrics) or metrics_shown(comparison)
    yield from _table([_headings(names), *(_row(run, names) for run in comparison.runs)])
    yield []
    whole = sorted({run.parameters for run in comparison.runs if run.parameters})
    could = f"; {' or '.join(f'{count:,}' for count in whole)} could learn" if whole else ""
    legend = f"at once, in all: parameters trained in the largest stage, in any stage{could}"
    yield [Span(legend, "dim")]
    known = {name for run in comparison.runs if run.evaluation for name in run.evaluation.metrics}
    for name in metrics if known else ():
        if name not in known:
            text = f"no run has a metric {name}{suggest(name, sorted(known))}"
            yield from _paragraph("note", text, "warning")
    for run in comparison.runs:
        if run.failure:
            yield from _paragraph("error", f"{run.name}: {run.failure}", "error")
        elif run.evaluation is None and run.status in ("verified", "not verified"):
            text = f"{run.name}: what it came to has no evaluation; --evaluate makes one"
            yield from _paragraph("note", text, "warning")
    for one in comparison.differences:
        yield []
        yield [Span("warning", "warning"), Span(f" not the same {one.what}", "heading")]
        widest = max(len(run.name) for run in comparison.runs)
        for run, value in zip(comparison.runs, one.values, strict=True):
            yield [Span(f"  {printable(run.name):<{widest}}  ", "dim"), Span(printable(value))]
    if len(comparison.runs) > 1 and not comparison.differences:
        yield []
        yield [Span("same model, base checkpoint, data, evaluation, batch size and seed", "dim")]


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Returns what ``odfreeze compare --format=json`` prints, as plain Python values."""
    return {
        "version": 1,
        "ok": comparison.ok,
        "runs": [_run_json(run) for run in comparison.runs],
        "differences": [
            {"what": one.what, "values": list(one.values)} for one in comparison.differences
        ],
    }


def _run_json(run: ComparedRun) -> dict[str, Any]:
    stages = () if run.account is None else run.account.stages
    variables = () if run.account is None else run.account.variables
    evaluation = None
    if run.evaluation is not None:
        evaluation = {
            "checkpoint": run.evaluation.checkpoint,
            "step": run.evaluation.step,
            "metrics": dict(run.evaluation.metrics),
        }
    return {
        "name": run.name,
        "directory": str(run.directory),
        "status": run.status,
        "failure": run.failure or None,
        "evaluation": evaluation,
        "steps": run.steps,
        "seconds": run.seconds,
        "parameters": run.parameters,
        "trained_at_most": run.trained_at_most,
        "trained_ever": run.trained_ever,
        "peak_memory_bytes": run.peak_memory_bytes,
        "stages": [
            {
                "name": stage.run.name,
                "state": stage.run.state,
                "num_steps": stage.run.num_steps,
                "step": stage.run.step,
                "seconds": stage.run.seconds,
                "trained": stage.parameters(variables),
                "peak_memory_bytes": stage.run.peak_memory_bytes,
            }
            for stage in stages
        ],
    }


def _headings(metrics: Sequence[str]) -> list[_Cell]:
    short = [name.rpartition("/")[2] for name in metrics]
    names = [
        part if short.count(part) == 1 else name for part, name in zip(short, metrics, strict=True)
    ]
    texts = ["Run", *names, "steps", "time", "at once", "in all", "memory", "status"]
    return [_Cell(printable(text), "heading" if text == "Run" else "dim") for text in texts]


def _row(run: ComparedRun, metrics: Sequence[str]) -> list[_Cell]:
    known = {} if run.evaluation is None else run.evaluation.metrics
    values = [known.get(name) for name in metrics]
    memory, seconds = run.peak_memory_bytes, run.seconds
    return [
        _Cell(printable(run.name)),
        *(_Cell(_UNKNOWN if value is None else f"{value:.4f}") for value in values),
        _Cell(f"{run.steps:,}"),
        _Cell(_UNKNOWN if seconds is None else duration_text(round(seconds))),
        _Cell(f"{run.trained_at_most:,}" if run.parameters else _UNKNOWN),
        _Cell(f"{run.trained_ever:,}" if run.parameters else _UNKNOWN),
        _Cell(_UNKNOWN if memory is None else size_text(memory)),
        _Cell(run.status, _STYLES.get(run.status, "error")),
    ]


def _table(rows: Sequence[Sequence[_Cell]]) -> Iterator[Line]:
    """Yields rows in columns: names and states from the left, numbers from the right."""
    widths = [max(len(row[i].text) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        spans = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            is_number = 0 < i < len(row) - 1
            text = f"{cell.text:>{width}}" if is_number else f"{cell.text:<{width}}"
            spans.append(Span(text + ("  " if i < len(row) - 1 else ""), cell.style))
        yield spans


def _paragraph(label: str, text: str, style: Style) -> Iterator[Line]:
    yield []
    first, *others = wrapped(printable(text), _PAGE_WIDTH - len(label) - 2, "")
    yield [Span(f"{label}: ", style), Span(first)]
    for line in others:
        yield [Span(" " * (len(label) + 2) + line)]
