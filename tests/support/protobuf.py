"""Messages of protobuf's own, for tests that hold odfreeze's reading against it."""

from __future__ import annotations

import math
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor


def class_of(descriptor: Descriptor) -> Any:
    """Returns the class of a message, whatever pool its descriptor is in."""
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(descriptor.file.pool).GetPrototype(descriptor)


def as_dict(message: Any) -> dict[str, Any]:
    """Returns a message of protobuf's own as ``Record.as_dict`` gives it."""
    result: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_messages = field.message_type.fields_by_name["value"].message_type is not None
            result[field.name] = {k: as_dict(v) if of_messages else v for k, v in value.items()}
            continue
        repeated = hasattr(value, "append")
        values = list(value) if repeated else [value]
        if field.message_type is not None:
            values = [as_dict(one) for one in values]
        elif field.enum_type is not None:
            values = [field.enum_type.values_by_number[one].name for one in values]
        result[field.name] = values if repeated else values[0]
    return result


def same(ours: Any, theirs: Any) -> bool:
    """Returns equality, but for a float32's rounding, which only protobuf does, and nan."""
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float) and isinstance(ours, float):
        return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-6)
    return type(ours) is type(theirs) and bool(ours == theirs)
