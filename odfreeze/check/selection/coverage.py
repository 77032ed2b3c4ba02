"""Rules about how the patterns divide a model: overlaps, and very much or very little frozen."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.case import Case, few, quantity, quoted
from odfreeze.check.selection.parts import part_at
from odfreeze.check.selection.pattern_texts import rewritten
from odfreeze.check.selection.regex_parts import Part, parts
from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.regex_guard import search_bounded
from odfreeze.selection import Pattern

__all__ = ["RULES"]

#: Shares, of parameters and of variables, from which very much or very little is frozen.
_VERY_MUCH, _VERY_LITTLE = 0.95, 0.05
#: As many patterns were not written for next to nothing.
_MANY_PATTERNS = 3


def dots_that_matter(subject: Subject) -> Iterator[Finding]:
    """ODF214: a dot between letters that takes other characters along."""
    case = subject.case
    if case is None:
        return
    for index, pattern in enumerate(case.selection.patterns):
        dots = list(_dots(pattern.text))
        if not dots:
            continue
        strict = pattern.text
        for dot in reversed(dots):
            strict = f"{strict[: dot.start]}[.]{strict[dot.end :]}"
        matched = case.matched(index)
        found = search_bounded(strict, matched)
        if found is None or not 0 < sum(found) < len(matched):
            continue
        extra = [one for one, meant in zip(matched, found, strict=True) if not meant]
        message = (
            f"{pattern.field}: in {quoted(pattern.text)} the dot stands for any character, and "
            f"takes {few(extra)} along ({len(extra)} of its "
            f"{quantity(len(matched), 'variable')}); if that is not meant, write {quoted(strict)}"
        )
        yield Finding("ODF214", "warning", message, pattern.place)


def _dots(text: str) -> Iterator[Part]:
    """Yields the dots that stand alone between letters or digits."""
    found = parts(text) if "." in text else []
    for before, part, after in zip(found, found[1:], found[2:], strict=False):
        neighbours = (before, after)
        if part.kind != "dot" or part.quantifier or before.quantifier:
            continue
        if all(one.kind == "letter" and one.atom.isalnum() for one in neighbours) and (
            before.end == part.start and part.end == after.start
        ):
            yield part


def covered_by_another(subject: Subject) -> Iterator[Finding]:
    """ODF216: a pattern without which the selection is the same: another covers it."""
    first: dict[tuple[str, str], Pattern] = {}
    for pattern in subject.patterns:
        if first.setdefault((pattern.field, pattern.text), pattern) is not pattern:
            message = f"{pattern.field}: {quoted(pattern.text)} is there twice; remove one of them"
            edits = rewritten(subject, pattern, ())
            yield Finding("ODF216", "info", message, pattern.place, edits)
    case = subject.case
    if case is None:
        return
    patterns, counts = case.selection.patterns, case.selection.match_counts()
    for index, others in enumerate(_together(case)):
        pattern = patterns[index]
        wider = [
            other
            for other in others
            if patterns[other].field == pattern.field
            and patterns[other].text != pattern.text
            and counts[other] < len(case.selection.variables)
            and (counts[other] > counts[index] or other < index)
        ]
        if wider:
            message = (
                f"{pattern.field}: all {quantity(counts[index], 'variable')} of "
                f"{quoted(pattern.text)} {'are' if counts[index] > 1 else 'is'} matched by "
                f"{quoted(patterns[wider[0]].text)} too: it decides nothing; remove it, or narrow "
                "the other"
            )
            yield Finding("ODF216", "info", message, pattern.place)


def _together(case: Case) -> list[set[int]]:
    """Returns for each pattern the others that match all that it matches."""
    together: list[set[int] | None] = [None] * len(case.selection.patterns)
    for by in set(case.selection.matched_by):
        for index in by:
            known = together[index]
            together[index] = set(by) if known is None else known & set(by)
    return [(found or set()) - {index} for index, found in enumerate(together)]


def very_much_frozen(subject: Subject) -> Iterator[Finding]:
    """ODF217: next to nothing learns, by parameters and by variables."""
    shares = _shares(subject)
    if shares is None or min(shares) <= _VERY_MUCH or max(shares) == 1:
        return
    case = subject.case
    if case is None or _learns_all_heads(case):
        return
    learning = case.selection.of("trainable")
    message = (
        f"{shares[0]:.1%} of the parameters and {shares[1]:.1%} of the variables are frozen; "
        f"only {quantity(len(learning), 'variable')} ({few(learning)}) "
        f"{'learns' if len(learning) == 1 else 'learn'}: look whether these are what is to learn"
    )
    yield Finding("ODF217", "info", message, subject.patterns[0].place)


def _learns_all_heads(case: Case) -> bool:
    """Whether the heads learn as a whole, which is the usual first stage of a fine-tuning."""
    states = [
        state
        for variable, state in zip(case.selection.variables, case.selection.states, strict=True)
        if variable.trainable and part_at(variable.object_path) == "heads"
    ]
    return bool(states) and set(states) == {"trainable"}


def very_little_frozen(subject: Subject) -> Iterator[Finding]:
    """ODF218: many patterns freeze next to nothing."""
    shares = _shares(subject)
    if shares is None or max(shares) >= _VERY_LITTLE or max(shares) == 0:
        return
    count = len(subject.patterns)
    if count < _MANY_PATTERNS:
        return
    message = (
        f"{count} patterns freeze no more than {shares[0]:.1%} of the parameters and "
        f"{shares[1]:.1%} of the variables: look whether they match what they were written for"
    )
    yield Finding("ODF218", "warning", message, subject.patterns[0].place)


def _shares(subject: Subject) -> tuple[float, float] | None:
    """Returns how much of what could learn is frozen: of its parameters, of its variables."""
    case = subject.case
    if case is None or not case.selection.patterns:
        return None
    totals = case.selection.totals()
    frozen, learning = totals["frozen"], totals["trainable"]
    parameters = frozen.parameters + learning.parameters
    variables = frozen.variables + learning.variables
    if not parameters or not variables:
        return None
    return frozen.parameters / parameters, frozen.variables / variables


def frozen_all_the_same(subject: Subject) -> Iterator[Finding]:
    """ODF220: an update pattern all of whose variables a freeze pattern takes away."""
    case = subject.case
    if case is None or "trainable" not in case.selection.states:
        return  # that everything is frozen is ODF202
    selection = case.selection
    learning = {
        index
        for state, by in zip(selection.states, selection.matched_by, strict=True)
        if state == "trainable"
        for index in by
    }
    could = {
        index
        for variable, by in zip(selection.variables, selection.matched_by, strict=True)
        if variable.trainable
        for index in by
    }
    for index, pattern in enumerate(selection.patterns):
        if pattern.field == "update_trainable_variables" and index in could - learning:
            message = (
                f"{pattern.field}: {quoted(pattern.text)} lets nothing learn: freeze_variables "
                "matches all of it too, and freezing wins; take it out of one of them"
            )
            yield Finding("ODF220", "warning", message, pattern.place)


RULES = (
    dots_that_matter, covered_by_another, very_much_frozen, very_little_frozen,
    frozen_all_the_same,
)  # fmt: skip
