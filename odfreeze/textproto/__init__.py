"""Lossless protobuf text format: read with places, edited as splices of the original bytes.

It knows no schema and nothing of object detection.
"""

from odfreeze.textproto.edit import add_value, remove_field, set_field, set_repeated
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
from odfreeze.textproto.splice import Edit, apply_edits
from odfreeze.textproto.style import Identifier, Raw, Value
from odfreeze.textproto.tree import Document, Field, Message, Scalar, Source

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
