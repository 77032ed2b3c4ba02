"""Rules about whether the checkpoint fits the model, and what it gives the frozen variables.

They judge by what the index shows for certain; everything else is left to the OD API, which
stops where an object that it asks for has no value in the checkpoint, or one of another shape
(model_lib_v2.py:407).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from odfreeze.check.start import restoring
from odfreeze.check.start.backbones import Network, asked_for, held, types_with
from odfreeze.check.start.checkpoint_type import RULES as TYPE_RULES
from odfreeze.check.start.checkpoint_type import TYPE, roots, type_in_effect
from odfreeze.check.start.class_count import class_count
from odfreeze.check.start.starting import FIELD, is_of_saved_model, shard_missing, written_path
from odfreeze.check.subject import Subject
from odfreeze.checkpoint.graph import GRAPH_KEY
from odfreeze.errors import OdfreezeError
from odfreeze.findings import Finding
from odfreeze.restore import BACKBONE_ROOT, MODEL_ROOT
from odfreeze.variables import Variable

__all__ = ["RULES", "does_not_fit"]

Rule = Callable[[Subject], Iterator[Finding]]
#: What says more than ODF302 of why nothing is restored.
_MORE_SPECIFIC = frozenset({"ODF310", "ODF312", "ODF314", "ODF315"})


def does_not_fit(subject: Subject) -> Iterator[Finding]:
    """ODF315: the checkpoint of another architecture."""
    kind, variables = type_in_effect(subject), _variables(subject)
    if kind is None or not _has_what_it_asks_for(subject, kind):
        return
    wanted, found = asked_for(subject.meta_architecture, subject.extractor_type), held(variables)
    kind_place = f"model.{subject.meta_architecture}.feature_extractor.type"
    place = subject.place(kind_place, f"model.{subject.meta_architecture}", FIELD)
    if kind != "classification" and found.meta and wanted.meta and found.meta != wanted.meta:
        what = (
            f"the checkpoint is that of a model of {found.meta}, the config's is of {wanted.meta}"
        )
    elif found.backbone and wanted.backbone and found.backbone != wanted.backbone:
        what = (
            f"the checkpoint's backbone is {found.backbone} (it has {found.sign}), that of "
            f"{subject.extractor_type} is {wanted.backbone}"
        )
    elif kind != "classification" and found.neck and wanted.neck and found.neck != wanted.neck:
        what = (
            f"the checkpoint's model has {found.neck}, {subject.extractor_type} has {wanted.neck}"
        )
    else:
        return
    message = f"{what}: what the one holds does not fit the other; {_cure(wanted, found)}"
    yield Finding("ODF315", "error", message, place)


def _cure(wanted: Network, found: Network) -> str:
    same = wanted.meta if found.meta in ("", wanted.meta) else ""
    types = types_with(same, found.backbone, found.neck) if same and found.backbone else []
    if len(types) == 1:
        return f'give the checkpoint of such a model, or set type: "{types[0]}"'
    return "give the checkpoint of a model of the config's architecture"


def other_number_of_classes(subject: Subject) -> Iterator[Finding]:
    """ODF316: type ``full`` with a checkpoint for another number of classes."""
    meta = subject.meta_architecture
    path = f"model.{meta}.num_classes"
    asked = subject.integer(path)
    if type_in_effect(subject) != "full" or asked is None or MODEL_ROOT not in roots(subject):
        return
    if subject.has("model.ssd.box_coder.keypoint_box_coder"):
        return  # its boxes have more numbers than the four by which the anchors are counted
    background = subject.flag("model.ssd.add_background_class", default=True)
    there = class_count(_variables(subject), background=background)
    if there is None or there == asked or any(does_not_fit(subject)):
        return
    message = (
        f'fine_tune_checkpoint_type "full" restores the heads too, and the checkpoint\'s tell '
        f"{there} {'class' if there == 1 else 'classes'} apart where num_classes is {asked}: their "
        'shapes differ; set "detection", which leaves the heads out'
    )
    yield Finding("ODF316", "error", message, subject.place(TYPE))


def of_the_patterns(subject: Subject) -> Iterator[Finding]:
    """ODF301, ODF302, ODF303 and ODF304: what `odfreeze.check.start.restoring` finds.

    ODF302 is what is left where no other rule says why nothing is restored, and ODF303 where no
    data file is missing.
    """
    case, found = subject.case, subject.checkpoint
    if written_path(subject) is None or case is None or found is None:
        return
    for rule in restoring.RULES:
        for finding in rule(case):
            place = finding.place or subject.place(FIELD)
            if finding.code == "ODF302":
                if not _is_said(subject):
                    yield dataclasses.replace(finding, severity="error", place=place)
            elif finding.code == "ODF303":
                if GRAPH_KEY not in found.entries:
                    message = f"{finding.message}; the OD API refuses such a checkpoint"
                    yield Finding("ODF303", "error", message, place)
                elif not any(_found_by((shard_missing,), subject)):
                    yield dataclasses.replace(finding, place=place)
            else:
                yield dataclasses.replace(finding, place=place)


def _is_said(subject: Subject) -> bool:
    """Whether another rule says why nothing of the checkpoint is restored."""
    found = subject.checkpoint
    if found is None or is_of_saved_model(found.path) or GRAPH_KEY not in found.entries:
        return True
    rules = (*TYPE_RULES, does_not_fit)
    return any(f.code in _MORE_SPECIFIC for f in _found_by(rules, subject))


def _found_by(rules: Iterable[Rule], subject: Subject) -> Iterator[Finding]:
    return (finding for rule in rules for finding in rule(subject))


def _has_what_it_asks_for(subject: Subject, kind: str) -> bool:
    return (BACKBONE_ROOT if kind == "classification" else MODEL_ROOT) in roots(subject)


def _variables(subject: Subject) -> Sequence[Variable]:
    """Returns the checkpoint's variables; none where they cannot be read, or not be judged."""
    found = subject.checkpoint
    if written_path(subject) is None or found is None:
        return ()
    try:
        return found.variables
    except OdfreezeError:
        return ()


RULES = (does_not_fit, other_number_of_classes, of_the_patterns)
