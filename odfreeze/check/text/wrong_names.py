"""Rules about the text of the config that need no schema, and so no protobuf.

`odfreeze.check.text.fields` finds the same, and more, with the schema; the table is its as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.case import Case
from odfreeze.findings import Finding

__all__ = ["RULES", "WRONG_NAMES", "wrong_name"]

#: Field names seen in tutorials and issues that no version of the OD API has, with the right one.
WRONG_NAMES = {
    "freeze_vars": "freeze_variables",
    "freeze_variable": "freeze_variables",
    "freeze_layers": "freeze_variables",
    "freeze_layer": "freeze_variables",
    "freeze_backbone": "freeze_variables",
    "frozen_layers": "freeze_variables",
    "fixed_variables": "freeze_variables",
    "frozen_variables": "freeze_variables",
    "freezed_variables": "freeze_variables",
    "non_trainable_variables": "freeze_variables",
    "trainable_variables": "update_trainable_variables",
    "trainable_vars": "update_trainable_variables",
    "variables_to_train": "update_trainable_variables",
    "train_variables": "update_trainable_variables",
    "update_variables": "update_trainable_variables",
    "update_trainable_variable": "update_trainable_variables",
}
_FIELDS = ("freeze_variables", "update_trainable_variables")


def wrong_name(name: str, right: str) -> str:
    """Returns what to say of a field name that does not exist."""
    return (
        f"there is no field {name!r}: the OD API refuses the config, and nothing is frozen by "
        f"it; write {right!r} in train_config"
    )


def wrong_field_name(case: Case) -> Iterator[Finding]:
    """ODF101, ODF102: patterns under a name that does not exist, or outside of train_config."""
    if case.document is None:
        return
    from odfreeze.textproto import walk

    for path, field in walk(case.document):
        right = WRONG_NAMES.get(field.name)
        if right is not None:
            code, message = "ODF101", wrong_name(field.name, right)
        elif field.name in _FIELDS and path != f"train_config.{field.name}":
            code = "ODF102"
            message = (
                f"{field.name!r} has no effect as {path}; it belongs in train_config (elsewhere "
                "the OD API refuses it)"
            )
        else:
            continue
        yield Finding(code, "warning", message, case.document.place(field.name_start))


RULES = (wrong_field_name,)
