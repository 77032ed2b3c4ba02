"""Rules about what all patterns together decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from odfreeze.check.case import Case, quantity, quoted
from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.regex_guard import search_bounded
from odfreeze.selection import Pattern
from odfreeze.variables import Variable

__all__ = ["RULES"]

#: A pattern with more matches is not compared with other ways to match: that takes too long.
_MOST_NAMES = 20_000


def everything_frozen(case: Case) -> Iterator[Finding]:
    """ODF202: no variable is left that learns."""
    selection = case.selection
    if "trainable" in selection.states or "frozen" not in selection.states:
        return
    frozen = quantity(len(selection.of("frozen")), "variable")
    culprit = _one_that_freezes_all(case)
    if culprit is not None:
        message = (
            f"everything is frozen: {culprit.field} {quoted(culprit.text)} alone matches all "
            f"{frozen} that could learn; narrow it"
        )
        yield Finding("ODF202", "warning", message, culprit.place)
        return
    message = (
        f"everything is frozen: the patterns leave none of {frozen} to learn; a variable learns "
        "when some update_trainable_variables matches it, or there are none, and no "
        "freeze_variables does"
    )
    yield Finding("ODF202", "warning", message, _first_place(case))


def _one_that_freezes_all(case: Case) -> Pattern | None:
    learners = [by for v, by in _rows(case) if v.trainable]
    for index, pattern in enumerate(case.selection.patterns):
        if pattern.field == "freeze_variables" and all(index in by for by in learners):
            return pattern
    return None


def nothing_frozen(case: Case) -> Iterator[Finding]:
    """ODF203: patterns are given, and all variables learn all the same."""
    selection = case.selection
    if not selection.patterns or "frozen" in selection.states:
        return
    if "trainable" not in selection.states:
        return
    message = (
        f"nothing is frozen: all {quantity(len(selection.of('trainable')), 'variable')} that "
        "can learn do, whatever the patterns were meant for"
    )
    yield Finding("ODF203", "warning", message, _first_place(case))


def batch_norm_left_updating(case: Case) -> Iterator[Finding]:
    """ODF206: a convolution is frozen while the batch norm after it goes on changing."""
    if case.frozen_batch_norm == "update" or "updating" not in case.selection.states:
        return
    if "frozen" not in case.selection.states:
        return
    from odfreeze.layers import convolution_of

    variables, states = case.selection.variables, case.selection.states
    learns: dict[str, bool] = {}
    label: dict[str, str] = {}
    updating: dict[str, None] = {}
    for variable, state in zip(variables, states, strict=True):
        label.setdefault(variable.layer, variable.label.rpartition("/")[0])
        if variable.trainable:
            learns[variable.layer] = learns.get(variable.layer, False) or state == "trainable"
        elif variable.statistic and state == "updating":
            updating[variable.layer] = None
    feeders = convolution_of(variables, updating)
    pairs = [
        (feeders[norm], norm)
        for norm in updating
        if norm in feeders and not learns[feeders[norm]]
    ]  # fmt: skip
    if not pairs:
        return
    convolution, norm = pairs[0]
    culprit = _freezer_of(case, convolution)
    message = (
        f"{quantity(len(pairs), 'batch norm layer')} after a frozen convolution "
        f"{'is' if len(pairs) == 1 else 'are'} left updating, as in {label[norm]} after "
        f"{label[convolution]}: what the convolution learnt drifts; freeze gamma and beta too"
    )
    yield Finding("ODF206", "warning", message, culprit.place if culprit else _first_place(case))


def _freezer_of(case: Case, layer: str) -> Pattern | None:
    for variable, by in _rows(case):
        if variable.layer == layer and variable.trainable:
            freezers = [case.selection.patterns[i] for i in by]
            return next((p for p in freezers if p.field == "freeze_variables"), None)
    return None


def match_would_differ(case: Case) -> Iterator[Finding]:
    """ODF207: ``re.match``, as the legacy trainer has it, would decide otherwise."""
    message = (
        "the legacy TF1 trainer matches from the beginning of a name (re.match) and would decide "
        "otherwise for {patterns}; begin with '.*' to have the same everywhere"
    )
    yield from _differing(case, "ODF207", message, _match_variant)


def _match_variant(pattern: Pattern) -> str | None:
    if re.match(r"(?:\(\?[^)]*\))*(?:\.\*|\^)[^|]*$", pattern.text):
        return None
    flags = re.match(r"\(\?[aiLmsux]+\)", pattern.text)
    lead = flags[0] if flags else ""
    return rf"{lead}\A(?:{pattern.text[len(lead) :]})"


def suffix_would_differ(case: Case) -> Iterator[Finding]:
    """ODF208: the ``:0`` ending, which TF1's Estimator path left on, would decide otherwise."""
    message = (
        "TF1's Estimator path matched names with their ':0' ending and would decide otherwise for "
        "{patterns}; odfreeze leaves ':0' out"
    )
    yield from _differing(case, "ODF208", message, _suffix_variant, ":0")


def _suffix_variant(pattern: Pattern) -> str | None:
    # Without any of these, what matches a name matches it with more text after it, too.
    return pattern.text if re.search(r"\$|\\[ZbB]|\(\?(?:!|<?=|<!)", pattern.text) else None


def _differing(
    case: Case,
    code: str,
    message: str,
    variant: Callable[[Pattern], str | None],
    suffix: str = "",
) -> Iterator[Finding]:
    """Compares what each pattern matches with what its variant does (None: surely the same)."""
    counts = case.selection.match_counts()
    differing: list[tuple[Pattern, str]] = []
    for index, pattern in enumerate(case.selection.patterns):
        text = None if pattern.by_path else variant(pattern)
        if text is None or counts[index] > _MOST_NAMES:
            continue
        matched = case.matched(index)
        found = search_bounded(text, [name + suffix for name in matched])
        if found is not None and not all(found):
            words = f"{quoted(pattern.text)} ({sum(found)} instead of {len(matched)})"
            differing.append((pattern, words))
    if differing:
        texts = [words for _, words in differing]
        listed = ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
        yield Finding(code, "info", message.format(patterns=listed), differing[0][0].place)


def _rows(case: Case) -> Iterator[tuple[Variable, tuple[int, ...]]]:
    return zip(case.selection.variables, case.selection.matched_by, strict=True)


def _first_place(case: Case) -> Place | None:
    return next((p.place for p in case.selection.patterns if p.place), None)


RULES = (
    everything_frozen, nothing_frozen, batch_norm_left_updating, match_would_differ,
    suffix_would_differ,
)  # fmt: skip
