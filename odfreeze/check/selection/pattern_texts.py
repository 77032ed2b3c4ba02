"""Rules about the text of single patterns, checkpoint or not: what was certainly not meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from odfreeze.check.case import quoted
from odfreeze.check.selection.parts import parts_meant, parts_of, words_for
from odfreeze.check.selection.regex_parts import parts
from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.regex_guard import compile_regex, search_bounded
from odfreeze.selection import PATH_PREFIX, Pattern

if TYPE_CHECKING:
    from odfreeze.textproto import Edit

__all__ = ["RULES", "rewritten"]

_EMPTY = r"(?:\(\?#[^)]*\))*"
#: ``['a', 'b']`` as one string: what it was meant to hold.
_LIST = r"""\s*\[\s*(?:(?P<mark>['"])[^'"]*(?P=mark)\s*,?\s*)+\]\s*"""
_QUOTED = r"""(['"])([^'"]+)\1"""
#: Scopes of TF1's slim networks, and of the OD API around them, that TF2's names do not have:
#: models/*_feature_extractor.py of TF1 open ``FeatureExtractor``, ``MobilenetV2`` and so on;
#: core/box_predictor.py there opened ``BoxPredictor_0``.
_TF1_SCOPE = (
    r"FeatureExtractor|Mobilenet(?:V[123])?(?![a-z])|Inception(?:Resnet)?V[1-4]|"
    r"resnet_v[12]_[0-9]+|(?<!FirstStage)BoxPredictor_[0-9]|SecondStageBoxPredictor|"
    r"SecondStageFeatureExtractor|bottleneck_v[12]"
)
#: How object paths begin.
_PATH_LIKE = (
    r"(?:\^|\.\*)?model/_(?:feature_extractor|box_predictor|prediction_head_dict|first_stage|mask_)"
)


def empty_pattern(subject: Subject) -> Iterator[Finding]:
    """ODF212: an empty pattern, which matches everything."""
    for pattern in subject.patterns:
        if re.fullmatch(_EMPTY, pattern.text):
            outcome = (
                "so that nothing is left to learn"
                if pattern.field == "freeze_variables"
                else "so that the field limits nothing"
            )
            message = (
                f"{pattern.field}: an empty pattern matches every variable, {outcome}; remove it"
            )
            yield Finding(
                "ODF212", "warning", message, pattern.place, rewritten(subject, pattern, ())
            )


def several_in_one(subject: Subject) -> Iterator[Finding]:
    """ODF213: several patterns in one string, which is one regular expression."""
    for pattern in subject.patterns:
        pieces = _pieces(pattern.text)
        if len(pieces) < 2 or not all(map(_is_regex, pieces)):
            continue
        is_list = re.fullmatch(_LIST, pattern.text) is not None
        if not is_list and _matches(subject, pattern.text):
            continue
        what = (
            "is a set of letters, and takes every name with one of them"
            if is_list
            else "is one regular expression, and no name holds a comma or a blank"
        )
        values = ", ".join(map(quoted, pieces))
        message = f"{pattern.field}: {quoted(pattern.text)} {what}; write {values} as values apart"
        known = [_matches(subject, piece) for piece in pieces]
        edits = () if 0 in known else rewritten(subject, pattern, pieces)
        yield Finding("ODF213", "warning", message, pattern.place, edits)


def _pieces(text: str) -> list[str]:
    """What a string of several patterns holds, by the commas or semicolons in it."""
    if re.fullmatch(_LIST, text):
        return [piece for _, piece in re.findall(_QUOTED, text)]
    if not re.search("[,;]", text) or not _is_regex(text):
        return []
    ends = [part.start for part in parts(text) if part.atom in (",", ";")]
    starts = [0, *(end + 1 for end in ends)]
    pieces = [text[start:end].strip() for start, end in zip(starts, [*ends, None], strict=True)]
    return [piece for piece in pieces if piece]


def written_for_tf1(subject: Subject) -> Iterator[Finding]:
    """ODF215: a pattern for the names that TF1 gave, in a model of TF2."""
    if subject.is_tf1 or subject.meta_architecture is None:
        return
    case = subject.case
    for pattern in subject.patterns:
        scope = re.search(_TF1_SCOPE, pattern.text)
        if scope is None or pattern.by_path or _matches(subject, pattern.text):
            continue
        cure = "`odfreeze preview CONFIG` lists the names that there are"
        if case is not None:
            if not any(v.object_path.startswith("model/") for v in case.selection.variables):
                continue
            for _, names in parts_meant(scope[0]):
                found = parts_of(case.selection.variables, names)
                cure = f"here {words_for(found)}" if found else cure
        message = (
            f"{pattern.field}: {quoted(pattern.text)} is for the names of TF1: TF2's hold no "
            f"{scope[0]!r}, so it matches nothing; {cure}"
        )
        yield Finding("ODF215", "warning", message, pattern.place)


def misplaced_path_prefix(subject: Subject) -> Iterator[Finding]:
    """ODF222: a pattern for object paths that does not begin with ``(?#path)``."""
    for pattern in subject.patterns:
        if pattern.by_path:
            continue
        if PATH_PREFIX in pattern.text:
            what = f"{PATH_PREFIX} counts at the very beginning only"
            right = PATH_PREFIX + pattern.text.replace(PATH_PREFIX, "").strip()
        elif re.match(_PATH_LIKE, pattern.text):
            what = "it is written for object paths, and held against names"
            right = PATH_PREFIX + pattern.text
        else:
            continue
        if _is_regex(pattern.text) and not _matches(subject, pattern.text):
            message = f"{pattern.field}: {quoted(pattern.text)}: {what}; write {quoted(right)}"
            edits = rewritten(subject, pattern, (right,))
            yield Finding("ODF222", "warning", message, pattern.place, edits)


def with_output_number(subject: Subject) -> Iterator[Finding]:
    """ODF223: a pattern with the ``:0`` of a tensor's name, which variables' names do not have."""
    if subject.is_tf1:
        return  # TF1's Estimator path left it on
    for pattern in subject.patterns:
        if not re.search(r":0\$?$", pattern.text) or _matches(subject, pattern.text):
            continue
        right = re.sub(r":0(\$?)$", r"\1", pattern.text)
        message = (
            f"{pattern.field}: {quoted(pattern.text)} ends in ':0', which names are held against "
            f"patterns without, so it matches nothing; write {quoted(right)}"
        )
        certain = _is_regex(right) and _matches(subject, right) != 0
        edits = rewritten(subject, pattern, (right,)) if certain else ()
        yield Finding("ODF223", "warning", message, pattern.place, edits)


def _matches(subject: Subject, text: str) -> int | None:
    """Returns how many variables of the checkpoint a pattern matches; None where none is read."""
    case = subject.case
    if case is None or case.names_missing:
        return None
    found = search_bounded(text, case.subjects(Pattern("freeze_variables", text)))
    return None if found is None else sum(found)


def _is_regex(text: str) -> bool:
    try:
        compile_regex(text)
    except re.error:
        return False
    return True


def rewritten(subject: Subject, pattern: Pattern, values: Sequence[str]) -> tuple[Edit, ...]:
    """Returns the edits that put values in the place of one pattern; () where that is not sure."""
    from odfreeze.textproto import set_repeated

    before = [p for p in subject.patterns if p.field == pattern.field]
    path = f"train_config.{pattern.field}"
    if len(before) != len(subject.occurrences(path)):
        return ()
    after = [value for p in before for value in (values if p is pattern else (p.text,))]
    return set_repeated(subject.config.document, path, after)


RULES = (
    empty_pattern, several_in_one, written_for_tf1, misplaced_path_prefix, with_output_number,
)  # fmt: skip
