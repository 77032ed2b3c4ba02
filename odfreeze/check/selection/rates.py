"""Rules about rates: shares of the learning rate that nothing takes."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.case import Case, quantity, quoted
from odfreeze.check.selection.patterns import reason_of
from odfreeze.findings import Finding
from odfreeze.selection import Pattern
from odfreeze.stages.conduct import Rate

__all__ = ["RULES"]


def _counted(case: Case) -> Iterator[tuple[Rate, int, int]]:
    """Yields each rate, how many variables it matches, and how many of these learn."""
    rated = case.rated
    if rated is not None:
        yield from zip(rated.rates, rated.matches(), rated.learning(), strict=True)


def matches_nothing(case: Case) -> Iterator[Finding]:
    """ODF224: a rate whose pattern matches no variable, with the reason where one is found."""
    for rate, matched, _ in _counted(case):
        if not matched:
            reason = reason_of(case, Pattern("rate", rate.pattern, rate.place))
            message = (
                f"rate: {quoted(rate.pattern)} matches none of "
                f"{quantity(len(case.selection.variables), 'variable')}; {reason}"
            )
            yield Finding("ODF224", "warning", message, rate.place)


def nothing_learns(case: Case) -> Iterator[Finding]:
    """ODF225: a rate for variables none of which learns."""
    for rate, matched, learning in _counted(case):
        if matched and not learning:
            what = "none of which learns" if matched > 1 else "which does not learn"
            message = (
                f"rate: {quoted(rate.pattern)} matches {quantity(matched, 'variable')}, {what}: "
                f"there is no step for {rate.scale:g} to scale; remove the rate, or let them learn"
            )
            yield Finding("ODF225", "warning", message, rate.place)


def covered_by_later(case: Case) -> Iterator[Finding]:
    """ODF226: a rate that later ones take the place of, for all that it matches."""
    if case.rated is None:
        return
    counts = zip(case.rated.learning(), case.rated.reach(), strict=True)
    for index, (learning, reach) in enumerate(counts):
        if learning and not reach:
            rate = case.rated.rates[index]
            rows = zip(case.rated.matched_by, case.selection.states, strict=True)
            later = next(by[-1] for by, state in rows if index in by and state == "trainable")
            message = (
                f"rate: {quoted(rate.pattern)} decides nothing: for all that it matches a later "
                f"rate counts, such as {quoted(case.rated.rates[later].pattern)}; the last that "
                "matches wins, so put it behind that one, or remove it"
            )
            yield Finding("ODF226", "warning", message, rate.place)


RULES = (matches_nothing, nothing_learns, covered_by_later)
