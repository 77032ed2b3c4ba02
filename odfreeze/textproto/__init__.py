"""Lossless protobuf text format: read with places, edited as splices of the original bytes.

It knows no schema and nothing of object detection. What edits is loaded on first use, since
reading is what most do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from odfreeze.textproto.parser import MAX_DEPTH, parse, render
from odfreeze.textproto.query import (
    Occurrence,
    duplicates,
    fields_at,
    find,
    last,
    last_scalar,
    last_set,
    walk,
)
from odfreeze.textproto.tree import Document, Field, Message, Scalar, Source

if TYPE_CHECKING:
    from odfreeze.textproto.edit import add_value, remove_field, set_field, set_repeated
    from odfreeze.textproto.splice import Edit, apply_edits
    from odfreeze.textproto.style import Identifier, Raw, Value

__all__ = [
    "MAX_DEPTH",
    "Document",
    "Edit",
    "Field",
    "Identifier",
    "Message",
    "Occurrence",
    "Raw",
    "Scalar",
    "Source",
    "Value",
    "add_value",
    "apply_edits",
    "duplicates",
    "fields_at",
    "find",
    "last",
    "last_scalar",
    "last_set",
    "parse",
    "remove_field",
    "render",
    "set_field",
    "set_repeated",
    "walk",
]

_EDITING = frozenset({
    "Edit", "Identifier", "Raw", "Value", "add_value", "apply_edits", "remove_field", "set_field",
    "set_repeated",
})  # fmt: skip


def __getattr__(name: str) -> object:
    """Returns a name for editing, importing what edits now."""
    if name not in _EDITING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.edit"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Returns the names, loaded or not."""
    return sorted({*globals(), *__all__})
