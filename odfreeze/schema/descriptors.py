"""Questions to a field's descriptor that every protobuf runtime from 3.20 to 7 answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["is_map", "is_repeated", "is_required"]

# google.protobuf.FieldDescriptor.LABEL_*, which are facts of descriptor.proto
_LABEL_REQUIRED, _LABEL_REPEATED = 2, 3


def is_repeated(field: FieldDescriptor) -> bool:
    """Returns whether a field holds any number of values; so does a map."""
    # protobuf 7 has no `label`, before 6.31 there is no `is_repeated`.
    known = getattr(field, "is_repeated", None)
    return bool(field.label == _LABEL_REPEATED if known is None else known)


def is_required(field: FieldDescriptor) -> bool:
    """Returns whether every message of its kind must have a field."""
    known = getattr(field, "is_required", None)
    return bool(field.label == _LABEL_REQUIRED if known is None else known)


def is_map(field: FieldDescriptor) -> bool:
    """Returns whether a field is a map: repeated entries of which the last of a key counts."""
    entry = field.message_type
    return entry is not None and bool(entry.GetOptions().map_entry)
