"""Rules about the text of the config."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.case import Case
from odfreeze.findings import Finding

__all__ = ["RULES"]

#: Field names seen in tutorials and issues that no version of the OD API has, with the right one.
_WRONG_NAMES = {
    "freeze_vars": "freeze_variables",
    "freeze_variable": "freeze_variables",
    "freeze_layers": "freeze_variables",
    "frozen_variables": "freeze_variables",
    "freezed_variables": "freeze_variables",
    "non_trainable_variables": "freeze_variables",
    "trainable_variables": "update_trainable_variables",
    "train_variables": "update_trainable_variables",
    "update_variables": "update_trainable_variables",
    "update_trainable_variable": "update_trainable_variables",
}
_FIELDS = ("freeze_variables", "update_trainable_variables")


def wrong_field_name(case: Case) -> Iterator[Finding]:
    """ODF101: patterns under a name that does not exist, or outside of train_config."""
    if case.document is None:
        return
    from odfreeze.textproto import walk

    for path, field in walk(case.document):
        right = _WRONG_NAMES.get(field.name)
        if right is not None:
            message = (
                f"there is no field {field.name!r}: the OD API refuses the config, and nothing is "
                f"frozen by it; write {right!r} in train_config"
            )
        elif field.name in _FIELDS and path != f"train_config.{field.name}":
            message = f"{field.name!r} has no effect as {path}; it belongs in train_config"
        else:
            continue
        yield Finding("ODF101", "warning", message, case.document.place(field.name_start))


RULES = (wrong_field_name,)
