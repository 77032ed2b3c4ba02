"""Reading a lossless text proto under a schema: every value checked, every value with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from odfreeze.errors import ConfigError, Place, TextProtoError, suggest
from odfreeze.schema.descriptors import is_repeated, is_required
from odfreeze.schema.pool import message_descriptor
from odfreeze.textproto import Document, Field, Message, Scalar

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["Duplicates", "Record", "Value", "read_message"]

#: What a field that may stand once and stands twice is: an error, or what protobuf's
#: ``text_format.Merge`` makes of it (scalars: the last one counts, messages: merged; of a
#: oneof: the last member).
Duplicates = Literal["error", "last"]

PlainValue: TypeAlias = "str | bytes | bool | int | float | Record"

# google.protobuf.FieldDescriptor.TYPE_*, which are facts of descriptor.proto
_INTEGER_BITS = {3: 64, 4: 64, 5: 32, 6: 64, 7: 32, 13: 32, 15: 32, 16: 64, 17: 32, 18: 64}
_UNSIGNED = frozenset({4, 6, 7, 13})
_FLOATS, _BOOL, _STRING, _BYTES, _ENUM, _MESSAGES = {1, 2}, 8, 9, 12, 14, {10, 11}


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One value as it was written.

    Attributes:
      plain: str, bytes, bool, int, float, the name of an enum value, or a Record.
      node: The scalar or message of the tree that it was read from.
    """

    plain: PlainValue
    node: Scalar | Message = field(repr=False)

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.node.place


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One message, read and checked.

    Attributes:
      name: Full name of the message.
      node: The message of the tree that it was read from.
      fields: The fields that are written, each with its values; one value where the
        field is no repeated one.
    """

    name: str
    node: Message = field(repr=False)
    fields: dict[str, tuple[Value, ...]]
    descriptor: Any = field(repr=False)

    @property
    def place(self) -> Place:
        """Where the message begins."""
        return self.node.place

    def __contains__(self, name: object) -> bool:
        """Whether a field is written."""
        return name in self.fields

    def __iter__(self) -> Iterator[str]:
        """Yields the names of the fields that are written."""
        return iter(self.fields)

    def get(self, name: str) -> Any:
        """Returns a field's plain value, its default where it is not written.

        A repeated field gives a tuple; a message that is not written gives None.
        """
        described = self.descriptor.fields_by_name[name]
        values = self.fields.get(name, ())
        if is_repeated(described):
            return tuple(value.plain for value in values)
        if values:
            return values[0].plain
        if described.type in _MESSAGES:
            return None
        if described.type == _ENUM:
            return described.enum_type.values_by_number[described.default_value].name
        return described.default_value

    def place_of(self, name: str, index: int = 0) -> Place:
        """Returns where a field's value is, or where the message begins when it is not written."""
        values = self.fields.get(name, ())
        return values[index].place if index < len(values) else self.place

    def member(self, oneof: str) -> str | None:
        """Returns which member of a oneof is written, or None."""
        members = self.descriptor.oneofs_by_name[oneof].fields
        return next((member.name for member in members if member.name in self.fields), None)

    def as_dict(self) -> dict[str, Any]:
        """Returns what is written as dicts, lists and plain values."""
        result: dict[str, Any] = {}
        for name, values in self.fields.items():
            plain = [v.plain.as_dict() if isinstance(v.plain, Record) else v.plain for v in values]
            repeated = is_repeated(self.descriptor.fields_by_name[name])
            result[name] = plain if repeated else plain[0]
        return result


def read_message(
    document: Document,
    message: str | Descriptor,
    *,
    error: type[ConfigError] = ConfigError,
    duplicates: Duplicates = "last",
) -> Record:
    """Returns a document read as a message of a schema.

    Args:
      document: A parsed text proto.
      message: Full name of a message of the package's schemas, such as ``odfreeze.Plan``, or a
        descriptor.
      error: What to raise; a ConfigError class that takes a message and a place.
      duplicates: What a field that may stand once and stands twice is.

    Raises:
      ConfigError: As ``error``, at the place of the first field that the schema does not know,
        value of the wrong type or out of its range, duplicate, or missing required field.
      UnknownFieldError: The schemas have no such message.
    """
    descriptor = message_descriptor(message) if isinstance(message, str) else message
    return _Reader(error, duplicates).message((document.root,), descriptor, "")


class _Reader:
    """Walks the tree; carries what to raise and how to take duplicates."""

    def __init__(self, error: type[ConfigError], duplicates: Duplicates) -> None:
        self._error = error
        self._duplicates = duplicates

    def message(self, pieces: tuple[Message, ...], descriptor: Descriptor, path: str) -> Record:
        """Reads a message that is written in one or several pieces."""
        known = descriptor.fields_by_name
        written: dict[str, list[tuple[Field, Scalar | Message]]] = {}
        of_oneof: dict[str, tuple[str, Field]] = {}
        for piece in pieces:
            for one in piece.fields:
                described = known.get(one.name)
                if described is None:
                    raise self._unknown(one, descriptor)
                if not is_repeated(described):
                    self._singular(one, written)
                    self._oneof(one, described, of_oneof, written)
                written.setdefault(one.name, []).extend((one, value) for value in one.values)
        fields = {
            name: self._values(found, known[name], f"{path}{name}")
            for name, found in written.items()
            if found  # `name: []` writes nothing
        }
        for described in descriptor.fields:
            if is_required(described) and described.name not in fields:
                where = f" in {path.rstrip('.')}" if path else ""
                raise self._error(
                    f"{described.name} is missing{where}; every {descriptor.name} needs it",
                    place=pieces[-1].place,
                )
        return Record(descriptor.full_name, pieces[-1], fields, descriptor)

    def _unknown(self, one: Field, descriptor: Descriptor) -> ConfigError:
        names = [described.name for described in descriptor.fields]
        hint = suggest(one.name, names) or f"; it has {', '.join(names) or 'no fields'}"
        return self._error(f"{descriptor.name} has no field {one.name!r}{hint}", place=one.place)

    def _singular(
        self, one: Field, written: dict[str, list[tuple[Field, Scalar | Message]]]
    ) -> None:
        """Refuses a list for a field that holds one value, and a second value where asked to."""
        if one.is_list:
            raise self._error(
                f"{one.name} holds one value, not a list; drop the brackets", place=one.place
            )
        before = written.get(one.name)
        if before and self._duplicates == "error":
            raise self._error(
                f"{one.name} is written a second time (first in line {before[0][0].place.line});"
                " keep one of them",
                place=one.place,
            )

    def _oneof(
        self,
        one: Field,
        described: FieldDescriptor,
        of_oneof: dict[str, tuple[str, Field]],
        written: dict[str, list[tuple[Field, Scalar | Message]]],
    ) -> None:
        oneof = described.containing_oneof
        if oneof is None:
            return
        name, before = of_oneof.get(oneof.name, (one.name, one))
        if name != one.name:
            if self._duplicates == "error":
                raise self._error(
                    f"{one.name} cannot stand beside {name} (line {before.place.line}): only one"
                    f" of {', '.join(member.name for member in oneof.fields)} counts; keep one",
                    place=one.place,
                )
            del written[name]
        of_oneof[oneof.name] = (one.name, one)

    def _values(
        self,
        found: list[tuple[Field, Scalar | Message]],
        described: FieldDescriptor,
        path: str,
    ) -> tuple[Value, ...]:
        if described.type not in _MESSAGES:
            # All are checked, as a parser would, also those that a later one overrules.
            values = tuple(Value(self._scalar(node, described, path), node) for _, node in found)
            return values if is_repeated(described) else values[-1:]
        messages = tuple(self._as_message(node, described) for _, node in found)
        if not is_repeated(described):
            record = self.message(messages, described.message_type, f"{path}.")
            return (Value(record, messages[-1]),)
        return tuple(
            Value(self.message((one,), described.message_type, f"{path}[{index}]."), one)
            for index, one in enumerate(messages)
        )

    def _as_message(self, node: Scalar | Message, described: FieldDescriptor) -> Message:
        if isinstance(node, Message):
            return node
        raise self._error(
            f"{described.name} is a message: write {described.name} {{ … }} instead of {node.text}",
            place=node.place,
        )

    def _scalar(self, node: Scalar | Message, described: FieldDescriptor, path: str) -> PlainValue:
        kind = described.type
        if isinstance(node, Message):
            raise self._error(
                f"{path} holds a single value, not a message; write {described.name}: VALUE",
                place=node.place,
            )
        try:
            if kind in _INTEGER_BITS:
                return self._integer(node, kind, path)
            if kind in _FLOATS:
                return node.as_float()
            if kind == _BOOL:
                return node.as_bool()
            if kind == _STRING:
                return node.as_str()
            if kind == _BYTES:
                return node.as_bytes()
            return self._enum(node, described, path)
        except TextProtoError as wrong:
            raise self._error(f"{path}: {wrong.message}", place=wrong.place) from None

    def _integer(self, node: Scalar, kind: int, path: str) -> int:
        number = node.as_int()
        bits = _INTEGER_BITS[kind]
        low, high = (0, 2**bits - 1) if kind in _UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        high -= kind not in _UNSIGNED
        if low <= number <= high:
            return number
        raise self._error(
            f"{path} is {node.text}, outside {low} to {high}; give a number in that range",
            place=node.place,
        )

    def _enum(self, node: Scalar, described: FieldDescriptor, path: str) -> str:
        enum = described.enum_type
        if node.kind == "integer":
            value = enum.values_by_number.get(node.as_int())
        else:
            value = enum.values_by_name.get(node.as_identifier())
        if value is None:
            names = [one.name for one in enum.values]
            near = suggest(node.text.upper(), names) or suggest(node.text, names)
            raise self._error(
                f"{path}: {enum.name} has no value {node.text}"
                f"{near or '; it has ' + ', '.join(names)}",
                place=node.place,
            )
        return str(value.name)
