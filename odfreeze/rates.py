"""Shares of the learning rate: how large a step each variable takes.

A rate has a pattern and a scale. Of those whose patterns match a variable the last one counts;
one that none matches takes the whole learning rate. Patterns are matched as those of the config
are (`odfreeze.selection`), ``(?#path)`` included. A scale says nothing of what is frozen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from odfreeze.errors import UsageError
from odfreeze.selection import Pattern, Selection, match_columns
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.variables import Variable

__all__ = [
    "RatedSelection",
    "expanded_rates",
    "parse_rate",
    "rate_selection",
    "scale_text",
    "scales",
]


@dataclass(frozen=True, slots=True)
class RatedSelection:
    """A selection, and the rates that say how large a step of what learns is.

    Attributes:
      selection: What learns.
      rates: In their order; the last one that matches a variable counts.
      matched_by: For each variable, the indexes of the rates that match it.
    """

    selection: Selection
    rates: tuple[Rate, ...]
    matched_by: tuple[tuple[int, ...], ...]

    @property
    def scales(self) -> tuple[float, ...]:
        """For each variable its share of the learning rate; 1 for one that does not learn."""
        rows = zip(self.matched_by, self.selection.states, strict=True)
        return tuple(
            self.rates[by[-1]].scale if by and state == "trainable" else 1.0 for by, state in rows
        )

    def matches(self) -> tuple[int, ...]:
        """Returns for each rate how many variables its pattern matches."""
        return _counted(self.matched_by, len(self.rates))

    def learning(self) -> tuple[int, ...]:
        """Returns for each rate how many of these learn."""
        rows = zip(self.matched_by, self.selection.states, strict=True)
        return _counted([by for by, state in rows if state == "trainable"], len(self.rates))

    def reach(self) -> tuple[int, ...]:
        """Returns for each rate how many variables learn with it: it is the last that matches."""
        rows = zip(self.matched_by, self.selection.states, strict=True)
        return _counted([by[-1:] for by, state in rows if state == "trainable"], len(self.rates))

    def to_json(self) -> list[dict[str, Any]]:
        """Returns pattern, scale and reach of each rate, as plain values."""
        return [
            {"pattern": one.pattern, "scale": one.scale, "variables": count}
            for one, count in zip(self.rates, self.reach(), strict=True)
        ]


def rate_selection(selection: Selection, rates: Sequence[Rate]) -> RatedSelection:
    """Returns a selection with what rates make of it.

    Raises:
      PatternError: A pattern is no regular expression, or takes too long; with its place.
    """
    return RatedSelection(selection, tuple(rates), _matched(selection.variables, rates))


def scales(variables: Sequence[Variable], rates: Sequence[Rate]) -> tuple[float, ...]:
    """Returns for each variable its share of the learning rate, if it learns.

    Raises:
      PatternError: A pattern is no regular expression, or takes too long; with its place.

    >>> stem = Variable("stem/kernel", "model/stem/kernel", (3,), "float32")
    >>> head = Variable("head/kernel", "model/head/kernel", (3,), "float32")
    >>> scales([stem, head], [Rate("kernel", 0.5), Rate("^stem", 0.1)])
    (0.1, 0.5)
    """
    return tuple(rates[by[-1]].scale if by else 1.0 for by in _matched(variables, rates))


def expanded_rates(
    rates: Iterable[Rate], variables: Callable[[], Sequence[Variable]]
) -> tuple[Rate, ...]:
    """Returns rates with each name of a set, such as ``@backbone``, replaced by patterns.

    Args:
      rates: Rates, with patterns and names of sets.
      variables: Gives all variables of the model; only called where there is a name.

    Raises:
      UsageError: There is no set of a name in this model.
    """
    given = tuple(rates)
    if not any(rate.pattern.startswith("@") for rate in given):
        return given
    from odfreeze.groups.names import expanded

    return tuple(
        replace(rate, pattern=text)
        for rate in given
        for text in expanded((rate.pattern,), variables)
    )


def parse_rate(text: str) -> Rate:
    """Returns the rate that ``PATTERN=SCALE`` on a command line stands for.

    Raises:
      UsageError: It is no such text, or the scale is not above 0.

    >>> parse_rate("@backbone=0.1"), parse_rate("^a(?=/)=2").pattern
    (Rate(pattern='@backbone', scale=0.1), '^a(?=/)')
    """
    pattern, sign, number = text.rpartition("=")
    try:
        scale = float(number)
    except ValueError:
        scale = math.nan
    if not (sign and pattern) or math.isnan(scale):
        raise UsageError(f"--rate {text!r} is not PATTERN=SCALE; write it as @backbone=0.1")
    rate = Rate(pattern, scale)
    for _, problem in Conduct((rate,)).problems():
        raise UsageError(f"--rate {text!r}: {problem}")
    return rate


def scale_text(found: Iterable[float]) -> str:
    """Returns scales as people say them, the smallest first.

    >>> scale_text([1.0, 0.1, 1.0]), scale_text([0.01]), scale_text([1, 0.1, 0.25, 0.5])
    ('0.1, 1', '0.01', '0.1 to 1')
    """
    distinct = sorted(set(found))
    if len(distinct) > 3:
        return f"{distinct[0]:g} to {distinct[-1]:g}"
    return ", ".join(f"{scale:g}" for scale in distinct)


def _matched(variables: Sequence[Variable], rates: Sequence[Rate]) -> tuple[tuple[int, ...], ...]:
    """Returns for each variable the indexes of the rates that match it."""
    if not rates:
        return ((),) * len(variables)
    columns = match_columns(variables, [Pattern("rate", one.pattern, one.place) for one in rates])
    rows = zip(*columns, strict=True)
    return tuple(tuple(i for i, matches in enumerate(row) if matches) for row in rows)


def _counted(rows: Iterable[tuple[int, ...]], count: int) -> tuple[int, ...]:
    counts = [0] * count
    for by in rows:
        for index in by:
            counts[index] += 1
    return tuple(counts)
