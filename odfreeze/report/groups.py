"""The groups of a model, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from odfreeze.groups.grouping import PARTS, Groups
from odfreeze.report.text import Glyphs, Line, Span, printable, wrapped
from odfreeze.variables import Variable

__all__ = ["group_lines", "groups_json"]

Patterns = Mapping[str, Sequence[str]]

_PAGE_WIDTH = 100


def group_lines(groups: Groups, patterns: Patterns, *, glyphs: Glyphs) -> Iterator[Line]:
    """Yields a table of the parts of a model and what is in them, and the notes.

    Args:
      groups: What to show.
      patterns: What matches exactly each of them, by name (`group_patterns`).
      glyphs: What to draw the tree with.
    """
    rows = list(_rows(groups, glyphs))
    wide = max((len(label) for label, _, _, _ in rows), default=5)
    wide_kind = max((len(kind) for _, kind, _, _ in rows), default=0)
    norms = {v.object_path for v in groups.batch_norm}
    whole = sum(v.parameters for v in groups.variables if v.trainable) or 1
    yield [
        Span(f"{'Group':<{wide + 2 + wide_kind}}", "heading"),
        Span(f"{'variables':>11}{'batch norm':>12}{'parameters':>14}{'share':>8}", "dim"),
        Span("  pattern", "dim"),
    ]
    for label, kind, name, variables in rows:
        parameters = sum(v.parameters for v in variables if v.trainable)
        share = 100 * parameters / whole
        percent = "<1 %" if 0 < share < 1 else f"{share:.0f} %"
        normal = sum(v.object_path in norms for v in variables)
        shown = [printable(text) for text in patterns[name]]
        lead = f"{label:<{wide}}  {kind:<{wide_kind}}"
        numbers = f"{len(variables):>11,}{normal:>12,}{parameters:>14,}{percent:>8}"
        yield [
            Span(lead, "heading" if label.isalpha() or label == _NORM else ""),
            Span(numbers),
            Span(f"  {shown[0]}", "dim"),
        ]
        for text in shown[1:]:
            yield [Span(" " * (len(lead) + len(numbers) + 2) + text, "dim")]
    for note in groups.notes:
        yield []
        for line in wrapped(f"note: {printable(note)}", _PAGE_WIDTH, ""):
            yield [Span(line, "warning")]


def groups_json(groups: Groups, patterns: Patterns, config: str, checkpoint: str) -> dict[str, Any]:
    """Returns what ``odfreeze groups --format=json`` prints, as plain Python values.

    Args:
      groups: What to show.
      patterns: As for `group_lines`.
      config: The config's file, as it was given.
      checkpoint: What was listed; "" for the live model.
    """
    norms = {v.object_path for v in groups.batch_norm}
    rows = []
    for one in groups.groups:
        rows.append(
            {
                "name": one.name,
                "part": one.part,
                "kind": one.kind,
                "block": one.block or None,
                "parameters": one.parameters,
                "patterns": list(patterns[one.name]),
                "variables": [
                    {
                        "name": v.name,
                        "object_path": v.object_path,
                        "parameters": v.parameters,
                        "trainable": v.trainable,
                        "batch_norm": v.object_path in norms,
                    }
                    for v in one.variables
                ],
            }
        )
    return {
        "version": 1,
        "config": config,
        "checkpoint": checkpoint,
        "groups": rows,
        "notes": list(groups.notes),
    }


_NORM = "batch norm"

Row = tuple[str, str, str, Sequence[Variable]]


def _rows(groups: Groups, glyphs: Glyphs) -> Iterator[Row]:
    """Yields the label, the name of a block, the name of the set and the variables of each row."""
    for part in PARTS:
        inside = groups.in_part(part)
        if not inside:
            continue
        yield part, "", part, [v for one in inside for v in one.variables]
        rows = [one for one in inside if one.kind]
        for one in rows:
            lead = glyphs.elbow if one is rows[-1] else glyphs.tee
            label, kind = (str(one.block), one.kind) if one.block else (one.kind, "")
            yield lead + label, printable(kind), one.name, one.variables
    if groups.batch_norm:
        yield _NORM, "", "batch_norm", groups.batch_norm
