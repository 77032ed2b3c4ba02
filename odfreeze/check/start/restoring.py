"""Rules about what the checkpoint gives the model."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.case import Case, few, quantity
from odfreeze.findings import Finding
from odfreeze.restore import BACKBONE_ROOT, MODEL_ROOT
from odfreeze.selection import PATH_PREFIX

__all__ = ["RULES"]


def frozen_not_restored(case: Case) -> Iterator[Finding]:
    """ODF301: a frozen variable that stays at its random start."""
    if case.restore.problem:
        return
    selection = case.selection
    rows = zip(selection.variables, selection.states, case.restore.restored, strict=True)
    noise = [v for v, state, given in rows if state == "frozen" and not given]
    if not noise:
        return
    whole = all(v.object_path.startswith(MODEL_ROOT) for v in noise)
    cure = (
        'set fine_tune_checkpoint_type: "full", or leave them out of the patterns'
        if whole and case.checkpoint_type != "full"
        else "leave them out of the patterns"
    )
    start = "its random start" if len(noise) == 1 else "their random start"
    if case.checkpoint_missing:
        message = (
            f"{quantity(len(noise), 'frozen variable')} ({few(noise, 1)}) would stay at {start}: "
            f"{case.checkpoint_missing}; set it, or take the patterns out"
        )
        place = next((p.place for p in selection.patterns if p.place), None)
        yield Finding("ODF301", "warning", message, place)
        return
    message = (
        f"{quantity(len(noise), 'frozen variable')} ({few(noise, 1)}) would stay at {start}: "
        "fine_tune_checkpoint_type "
        f'"{case.checkpoint_type}" does not restore {"it" if len(noise) == 1 else "them"}; {cure}'
    )
    yield Finding("ODF301", "warning", message, case.type_place)


def nothing_restored(case: Case) -> Iterator[Finding]:
    """ODF302: the OD API would refuse the checkpoint, or restore nothing of it."""
    if not case.restore.problem:
        return
    roots = {v.object_path.partition("/")[0] + "/" for v in case.selection.variables}
    cure = "give a checkpoint of the model"
    if MODEL_ROOT in roots:
        cure = (
            'for this checkpoint set fine_tune_checkpoint_type: "detection" '
            '(all but the heads) or "full"'
        )
    elif BACKBONE_ROOT in roots:
        cure = 'for this checkpoint set fine_tune_checkpoint_type: "classification"'
    message = f"nothing of the checkpoint would be restored: {case.restore.problem}; {cure}"
    yield Finding("ODF302", "warning", message, case.type_place)


def names_missing(case: Case) -> Iterator[Finding]:
    """ODF303: the checkpoint holds no names; object paths are listed in their place."""
    if case.names_missing:
        message = (
            f"variables are listed by object path: {case.names_missing}; patterns for names match "
            f"nothing here, those beginning with {PATH_PREFIX} do"
        )
        yield Finding("ODF303", "warning", message)


def backbone_only(case: Case) -> Iterator[Finding]:
    """ODF304: a checkpoint of the backbone says nothing of neck and heads."""
    variables = case.selection.variables
    if variables and all(v.object_path.startswith(BACKBONE_ROOT) for v in variables):
        message = (
            "the checkpoint holds a backbone only: neck and heads are not listed here, and what "
            "the patterns do to them shows when training starts"
        )
        yield Finding("ODF304", "info", message, case.type_place)


RULES = (nothing_restored, frozen_not_restored, names_missing, backbone_only)
