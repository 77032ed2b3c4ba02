"""Cases for rules: patterns on the tiny detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from odfreeze.check import Case
from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.restore import restore
from odfreeze.selection import Pattern, select
from odfreeze.variables import Variable
from tests.support.tiny_detector import variables as tiny_variables

#: Where the n-th pattern of a case stands: on line n + 1.
PLACES = [Place("a.config", line, 3) for line in range(1, 9)]


def case_of(
    *freeze: str,
    update: Sequence[str] = (),
    variables: Sequence[Variable] | None = None,
    kind: str = "detection",
    **options: Any,
) -> Case:
    patterns = [Pattern("freeze_variables", t, p) for t, p in zip(freeze, PLACES, strict=False)]
    patterns += [Pattern("update_trainable_variables", text) for text in update]
    variables = tiny_variables() if variables is None else variables
    selection = select(
        variables, patterns, frozen_batch_norm=options.get("frozen_batch_norm", "hold")
    )
    architecture = options.setdefault("meta_architecture", "ssd")
    given = restore(variables, kind, architecture, object_based=options.pop("object_based", True))
    return Case(selection=selection, restore=given, checkpoint_type=kind, **options)


def told(rule: Callable[[Case], Iterator[Finding]], case: Case) -> list[str]:
    """What a rule finds, as ``CODE severity line: message``."""
    return [
        f"{found.code} {found.severity} {found.place.line if found.place else '-'}: {found.message}"
        for found in rule(case)
    ]
