"""Faults of a text proto under a schema: what a parser would refuse or overrule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from odfreeze.errors import Place

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from odfreeze.textproto import Field, Message, Scalar

__all__ = ["Fault", "FaultKind"]

#: ``unknown_field``: the message has no such field. ``unknown_value``: the enum has no such
#: value. ``wrong_type``: a value of another kind, also a message for a single value, a list for a
#: field that holds one. ``out_of_range``: an integer that its type cannot hold.
#: ``duplicate``: a field that holds one value stands a second time. ``oneof``: another field of
#: the same oneof stands before. ``missing``: a required field does not stand there.
FaultKind: TypeAlias = Literal[
    "unknown_field", "unknown_value", "wrong_type", "out_of_range", "duplicate", "oneof", "missing"
]


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """One thing that does not fit the schema.

    Attributes:
      kind: What kind of thing.
      message: What is wrong and what to do, in one line.
      place: Where: the field's name, or the value.
      path: Dotted path of the field, with indices behind repeated messages.
      owner: Descriptor of the message that the field stands in.
      described: The field's descriptor; None for an unknown field.
      written: The field as it is written; None for a missing one.
      value: The value that is wrong; None where it is not about a value.
      before: For ``duplicate`` and ``oneof`` the field that stands before.
      above: The messages that hold the field, from the outermost, each as it is written
        and with its descriptor. The last is the field's own.
    """

    kind: FaultKind
    message: str
    place: Place
    path: str
    owner: Descriptor = field(repr=False)
    described: FieldDescriptor | None = field(default=None, repr=False)
    written: Field | None = field(default=None, repr=False)
    value: Scalar | Message | None = field(default=None, repr=False)
    before: Field | None = field(default=None, repr=False)
    above: tuple[tuple[Message, Descriptor], ...] = field(default=(), repr=False)
