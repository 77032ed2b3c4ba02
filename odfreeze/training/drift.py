"""What is told when the live model's names are not those that were previewed.

A checkpoint was written by another process than the one that trains, and Keras numbers layers
that have no name by what a process built before. Both sides are shown, and patterns for object
paths that select what was previewed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odfreeze.check.case import quantity, quoted
from odfreeze.check.selection.moving_names import path_patterns
from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import OdfreezeError
from odfreeze.pipeline import PipelineConfig
from odfreeze.selection import Pattern, Selection, match_columns
from odfreeze.textproto.strings import quote
from odfreeze.variables import Variable

__all__ = ["describe_difference", "names_in_checkpoint"]

#: A pattern for names, the paths that it matches in the live model, and by the checkpoint's names.
_Matches = tuple[Pattern, set[str], set[str]]

#: As many variables are shown.
_MOST_ROWS = 20


def names_in_checkpoint(config: PipelineConfig) -> dict[str, str]:
    """Returns name by object path in ``fine_tune_checkpoint``, {} where it cannot be read."""
    try:
        with Checkpoint.open(config.fine_tune_checkpoint or "") as source:
            return {v.object_path: v.name for v in source.variables if v.name is not None}
    except OdfreezeError:
        return {}


def describe_difference(
    live: Selection, expected: Mapping[str, str], names: Mapping[str, str]
) -> str:
    """Returns what to say of a live selection that is not the previewed one.

    Args:
      live: What the patterns decide by the live model's names.
      expected: Previewed state by object path. A path that only one side knows is no difference.
      names: Name by object path in the checkpoint; may be empty.
    """
    rows = [
        (variable, expected[variable.object_path], state)
        for variable, state in zip(live.variables, live.states, strict=True)
        if expected.get(variable.object_path, state) != state
    ]
    matches = _matches(live, names) if names else []
    lines = [
        f"the live model does not give what was previewed for {quantity(len(rows), 'variable')}:"
        " nothing was trained",
        *_sides(matches),
        *_table(rows, names),
    ]
    # What matches only by the live model's names was written for these.
    written_for_live = any(here and not there for _, here, there in matches)
    wanted = {pattern: here if written_for_live else there for pattern, here, there in matches}
    texts = _by_path(live, wanted) if names else []
    if texts:
        what = "the live model's names do" if written_for_live else "was previewed"
        lines.append(f"Whatever the names are, by object path these select what {what}:")
        lines += [f"  {pattern.field}: {quote(pattern.text).decode()}" for pattern in texts]
    else:
        lines.append("Match object paths instead, with patterns that begin with (?#path)")
    return "\n".join(lines)


def _sides(matches: Sequence[_Matches]) -> list[str]:
    """Says for each pattern for names what it matches on either side."""
    lines = []
    for pattern, here, there in matches:
        if here == there:
            continue
        there_count, here_count = (quantity(len(side), "variable") for side in (there, here))
        if len(here) == len(there):
            here_count = f"{len(here):,} others"
        lines.append(
            f"{pattern.field} {quoted(pattern.text)} matches"
            f" {there_count if there else 'nothing'} by the checkpoint's names and"
            f" {here_count if here else 'nothing'} by those of the live model"
        )
    return lines


def _matches(live: Selection, names: Mapping[str, str]) -> list[_Matches]:
    """Returns each pattern for names with the paths that it matches: live, and by other names."""
    others = [
        Variable(name, path, (), "float32")
        for path in (v.object_path for v in live.variables)
        if (name := names.get(path)) is not None
    ]
    columns = match_columns(others, live.patterns)
    return [
        (
            pattern,
            {v.object_path for v in live.matches(index)},
            {v.object_path for v, is_match in zip(others, column, strict=True) if is_match},
        )
        for index, (pattern, column) in enumerate(zip(live.patterns, columns, strict=True))
        if not pattern.by_path
    ]


def _table(rows: Sequence[tuple[Variable, str, str]], names: Mapping[str, str]) -> list[str]:
    """Returns both sides of each variable whose states differ."""
    cells = [("in the checkpoint", "previewed", "in the live model", "now", "object path")]
    for variable, previewed, state in rows[:_MOST_ROWS]:
        path = variable.object_path
        cells.append((names.get(path, "-"), previewed, variable.label, state, path))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        "  " + "  ".join([*(f"{cell:<{wide}}" for cell, wide in zip(row, widths)), row[4]])  # noqa: B905
        for row in cells
    ]
    if len(rows) > _MOST_ROWS:
        lines.append(f"  … and {len(rows) - _MOST_ROWS:,} more")
    return lines


def _by_path(live: Selection, wanted: Mapping[Pattern, set[str]]) -> list[Pattern]:
    """Returns the patterns with object paths in place of names; [] where none can be written."""
    found: list[Pattern] = []
    for pattern in live.patterns:
        if pattern.by_path:
            found.append(pattern)
        elif wanted[pattern]:
            texts = path_patterns(wanted[pattern], live.variables)
            if not texts:
                return []
            found += [Pattern(pattern.field, text) for text in texts]
    return found
