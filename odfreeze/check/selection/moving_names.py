"""Names that differ from process to process, and the object paths to match in their place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from odfreeze.check.case import Case, few, quantity, quoted
from odfreeze.findings import Finding
from odfreeze.keras_names import keras_name
from odfreeze.regex_guard import search_bounded
from odfreeze.selection import PATH_PREFIX, Pattern
from odfreeze.variables import Variable

__all__ = ["RULES", "classes_named", "moved_away", "path_patterns"]

#: More or longer patterns are not offered.
_MOST_PATTERNS = 4
_LONGEST_PATTERN = 200
#: Of more variables no patterns are written: that takes too long.
_MOST_VARIABLES = 20_000


def path_patterns(wanted: Collection[str], variables: Sequence[Variable]) -> tuple[str, ...]:
    """Returns patterns for object paths that match exactly some variables of a model.

    Args:
      wanted: Object paths of what is to be matched.
      variables: All of the model.

    Returns:
      A few patterns that begin with ``(?#path)``, tried on all variables; () for none so short.
    """
    from odfreeze.groups.synthesis import patterns_for

    if not wanted or len(variables) > _MOST_VARIABLES:
        return ()
    nameless = [Variable(None, v.object_path, v.shape, v.dtype) for v in variables]
    found = patterns_for([v for v in nameless if v.object_path in wanted], nameless)
    is_short = len(found) <= _MOST_PATTERNS and max(map(len, found)) <= _LONGEST_PATTERN
    return found if is_short else ()


def names_not_dependable(case: Case) -> Iterator[Finding]:
    """ODF211: names that Keras made up (``conv2d_166``) differ from process to process."""
    patterns = case.selection.patterns
    if all(pattern.by_path for pattern in patterns) or not case.keras_numbers:
        return
    for index, pattern in enumerate(patterns):
        matched = () if pattern.by_path else case.selection.matches(index)
        made_up = [v for v in matched if keras_name(v) is not None]
        if not made_up:
            continue
        here = {v.object_path for v in matched}
        there = _matched_elsewhere(case, pattern)
        differs = there is not None and there & _known_to_both(case) != here & _known_to_both(case)
        message = (
            f"{pattern.field}: {quoted(pattern.text)} matches names that Keras numbers as it goes "
            f"({few(made_up)}); {_evidence(case, made_up, there, differs)}; {_cure(case, here)}"
        )
        yield Finding("ODF211", "warning" if differs else "info", message, pattern.place)


def moved_away(case: Case, pattern: Pattern) -> str:
    """Returns why a pattern for names that Keras made up matches nothing here, or ""."""
    if pattern.by_path or not case.keras_numbers:
        return ""
    there = _matched_elsewhere(case, pattern)
    if there:
        labels = [case.other_names[path] for path in case.other_names if path in there]
        return (
            f"in {_other_side(case)} it matches {len(there)} ({few(labels, 1)}), since Keras "
            f"numbers such names as it goes; {_cure(case, there)}"
        )
    for layer_class in classes_named(pattern.text, case.keras_numbers):
        return (
            "names that Keras numbers as it goes "
            f"{_range(layer_class, case.keras_numbers[layer_class])} here, and are others in "
            f"another process; match object paths instead, with {PATH_PREFIX} at the beginning"
        )
    return ""


def classes_named(text: str, classes: Iterable[str]) -> list[str]:
    """Returns those classes of layers that a pattern names as Keras does.

    >>> classes_named("^conv2d_[0-7]/", ["conv2d", "dense"]), classes_named("my_conv2d", ["conv2d"])
    (['conv2d'], [])
    """
    return [name for name in classes if re.search(rf"(?<![A-Za-z_]){name}(?!_?[A-Za-z])", text)]


def _evidence(
    case: Case, made_up: Sequence[Variable], there: set[str] | None, differs: bool
) -> str:
    """Returns how it is known that the names are not dependable."""
    if there is not None:
        other = next(
            (v for v in made_up if case.other_names.get(v.object_path, v.name) != v.name), None
        )
        renamed = f", where {other.name} is {case.other_names[other.object_path]}" if other else ""
        if differs:
            what = f"{len(there)}, not the same" if there else "nothing"
            return f"in {_other_side(case)}{renamed}, it matches {what}"
        return f"in {_other_side(case)}{renamed}, it matches the same, but no object is called so"
    numbers = case.keras_numbers
    classes = list(dict.fromkeys(name.layer_class for v in made_up if (name := keras_name(v))))
    ranges = [_range(layer_class, numbers[layer_class]) for layer_class in classes[:2]]
    lowest = min(min(numbers[layer_class]) for layer_class in classes)
    before = ", others having been built before," if lowest else ""
    return (
        f"no object is called so; the numbers {' and '.join(ranges)}{before} and are others in "
        "another process"
    )


def _cure(case: Case, wanted: Collection[str]) -> str:
    found = path_patterns(wanted, case.selection.variables)
    if not found:
        return f"match object paths instead, with {PATH_PREFIX} at the beginning"
    texts = ", ".join(f"'{text}'" for text in found)
    match = "matches" if len(found) == 1 else "match"
    return (
        f"match object paths instead: {texts} {match} the same {quantity(len(wanted), 'variable')}"
    )


def _range(layer_class: str, numbers: Collection[int]) -> str:
    """``run from conv2d_13 to conv2d_25``."""
    low, high = (
        f"{layer_class}_{number}" if number else layer_class
        for number in (min(numbers), max(numbers))
    )
    return f"run from {low} to {high}" if low != high else f"are {low} alone"


def _other_side(case: Case) -> str:
    return "the checkpoint" if case.is_live else "the model that `--live` lists"


def _known_to_both(case: Case) -> set[str]:
    return case.other_names.keys() & {v.object_path for v in case.selection.variables}


def _matched_elsewhere(case: Case, pattern: Pattern) -> set[str] | None:
    """Returns the paths of what a pattern matches by the other side's names; None: not known."""
    names = case.other_names
    found = search_bounded(pattern.text, list(names.values())) if names else None
    if found is None:
        return None
    return {path for path, is_match in zip(names, found, strict=True) if is_match}


RULES = (names_not_dependable,)
