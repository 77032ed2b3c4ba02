"""Rules about the patterns of a config and what they select in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.selection import moving_names, outcome, pattern_texts, patterns
from odfreeze.check.subject import Subject
from odfreeze.findings import Finding, in_order

__all__ = ["RULES"]


def not_usable(subject: Subject) -> Iterator[Finding]:
    """ODF210: a pattern that is no regular expression, or that never comes to an end."""
    for error in subject.pattern_errors:
        yield Finding("ODF210", "error", error.message, error.place)


def as_previewed(subject: Subject) -> Iterator[Finding]:
    """Yields what preview finds of patterns, but for what a rule of their text tells better."""
    case = subject.case
    if case is None:
        return
    told = {found.place for rule in pattern_texts.RULES for found in rule(subject)}
    rules = (*patterns.RULES, *outcome.RULES, *moving_names.RULES)
    for finding in in_order(finding for rule in rules for finding in rule(case)):
        if finding.place not in told:
            yield finding


def honoured_by_odfreeze_only(subject: Subject) -> Iterator[Finding]:
    """ODF219: stock's TF2 trainer reads neither field (model_lib_v2.py has no mention of them)."""
    if not subject.patterns or subject.flags.is_enforced or subject.is_tf1:
        return
    first = subject.patterns[0]
    message = (
        f"{first.field}: model_main_tf2 reads no patterns and trains everything; `odfreeze train` "
        "takes the same flags and honours them"
    )
    yield Finding("ODF219", "info", message, first.place)


RULES = (not_usable, as_previewed, honoured_by_odfreeze_only)
