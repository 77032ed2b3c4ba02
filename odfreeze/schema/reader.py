"""Reading a lossless text proto under a schema: every value checked, every value with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from odfreeze.errors import ConfigError, Place, suggest
from odfreeze.schema.descriptors import is_map, is_repeated, is_required
from odfreeze.schema.faults import Fault, FaultKind
from odfreeze.schema.pool import message_descriptor
from odfreeze.schema.scalars import ENUM, MESSAGES, Misfit, read_scalar
from odfreeze.textproto import Document, Field, Message, Scalar

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["Duplicates", "Record", "Value", "find_faults", "read_message", "read_with_faults"]

#: What a field that may stand once and stands twice is: an error, or what protobuf's
#: ``text_format.Merge`` makes of it (scalars: the last one counts, messages: merged; of a
#: oneof: the last member).
Duplicates = Literal["error", "last"]

#: The messages that hold something, from the outermost, each as it is written and described.
_Above: TypeAlias = "tuple[tuple[Message, Descriptor], ...]"
#: A value of a field, with the field that it is written in.
_Written: TypeAlias = "tuple[_Spot, Scalar | Message]"

PlainValue: TypeAlias = "str | bytes | bool | int | float | Record"


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
        if described.type in MESSAGES:
            return None
        if described.type == ENUM:
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
        """Returns what is written as dicts, lists and plain values.

        Of the entries of a map that share a key the last one counts.
        """
        result: dict[str, Any] = {}
        for name, values in self.fields.items():
            plain = [v.plain.as_dict() if isinstance(v.plain, Record) else v.plain for v in values]
            described = self.descriptor.fields_by_name[name]
            if is_map(described):
                result[name] = dict(_entry(v.plain) for v in values if isinstance(v.plain, Record))
            else:
                result[name] = plain if is_repeated(described) else plain[0]
        return result


def _entry(entry: Record) -> tuple[Any, Any]:
    """Returns key and value of one entry of a map, defaults where they are not written."""
    value = entry.get("value")
    if isinstance(value, Record):
        return entry.get("key"), value.as_dict()
    is_message = entry.descriptor.fields_by_name["value"].type in MESSAGES
    return entry.get("key"), {} if is_message else value


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
    overruled = {"duplicate", "oneof"} if duplicates == "last" else set()

    def refuse(fault: Fault) -> None:
        if fault.kind not in overruled:
            raise error(fault.message, place=fault.place)

    return _read(document, message, refuse)


def find_faults(document: Document, message: str | Descriptor) -> tuple[Fault, ...]:
    """Returns everything in a document that does not fit a message of a schema, in file order.

    What stands inside an unknown field is not looked at.

    Args:
      document: A parsed text proto.
      message: As `read_message`.

    Raises:
      UnknownFieldError: The schemas have no such message.

    >>> from odfreeze.schema import PIPELINE
    >>> from odfreeze.textproto import parse
    >>> text = parse(b"train_config { num_step: 1 batch_size: 1e2 }")
    >>> [(fault.kind, fault.path) for fault in find_faults(text, PIPELINE)]
    [('unknown_field', 'train_config.num_step'), ('wrong_type', 'train_config.batch_size')]
    """
    return read_with_faults(document, message)[1]


def read_with_faults(
    document: Document, message: str | Descriptor
) -> tuple[Record, tuple[Fault, ...]]:
    """Returns a document read as a message, without what is at fault, and those faults.

    Arguments and errors are those of `find_faults`.
    """
    faults: list[Fault] = []
    record = _read(document, message, faults.append)
    return record, tuple(sorted(faults, key=lambda fault: (fault.place.line, fault.place.column)))


def _read(document: Document, message: str | Descriptor, report: Callable[[Fault], None]) -> Record:
    descriptor = message_descriptor(message) if isinstance(message, str) else message
    return _Reader(report).message((document.root,), descriptor, "", ())


class _Reader:
    """Walks the tree; tells of each fault and goes on without what is at fault."""

    def __init__(self, report: Callable[[Fault], None]) -> None:
        self._report = report

    def message(
        self, pieces: tuple[Message, ...], descriptor: Descriptor, path: str, above: _Above
    ) -> Record:
        """Reads a message that is written in one or several pieces."""
        known = descriptor.fields_by_name
        written: dict[str, list[_Written]] = {}
        of_oneof: dict[str, Field] = {}
        for piece in pieces:
            holders = (*above, (piece, descriptor))
            for one in piece.fields:
                described = known.get(one.name)
                place = _Spot(f"{path}{one.name}", holders, one, described)
                if described is None:
                    self._unknown(place)
                    continue
                if not is_repeated(described):
                    if one.is_list:
                        self._wrong(
                            place, f"{one.name} holds one value, not a list; drop the brackets"
                        )
                        continue
                    self._singular(place, written)
                    self._oneof(place, described, of_oneof, written)
                written.setdefault(one.name, []).extend((place, value) for value in one.values)
        fields = {
            name: values
            for name, found in written.items()
            if (values := self._values(found, known[name], f"{path}{name}"))
        }
        for described in descriptor.fields:
            if is_required(described) and described.name not in written:
                where = f" in {path.rstrip('.')}" if path else ""
                self._report(
                    Fault(
                        "missing",
                        f"{described.name} is missing{where}; every {descriptor.name} needs it",
                        pieces[-1].place,
                        f"{path}{described.name}",
                        descriptor,
                        described,
                        above=(*above, (pieces[-1], descriptor)),
                    )
                )
        return Record(descriptor.full_name, pieces[-1], fields, descriptor)

    def _unknown(self, spot: _Spot) -> None:
        names = [described.name for described in spot.owner.fields]
        name = spot.written.name
        hint = suggest(name, names) or f"; it has {', '.join(names) or 'no fields'}"
        self._report(spot.fault("unknown_field", f"{spot.owner.name} has no field {name!r}{hint}"))

    def _wrong(self, spot: _Spot, message: str, value: Scalar | Message | None = None) -> None:
        self._report(spot.fault("wrong_type", message, value))

    def _singular(self, spot: _Spot, written: dict[str, list[_Written]]) -> None:
        """Tells of a second value."""
        one, found = spot.written, written.get(spot.written.name)
        if found:
            before = found[0][0].written
            self._report(
                spot.fault(
                    "duplicate",
                    f"{one.name} is written a second time (first in line {before.place.line});"
                    " keep one of them",
                    before=found[-1][0].written,
                )
            )

    def _oneof(
        self,
        spot: _Spot,
        described: FieldDescriptor,
        of_oneof: dict[str, Field],
        written: dict[str, list[_Written]],
    ) -> None:
        oneof, one = described.containing_oneof, spot.written
        if oneof is None:
            return
        before = of_oneof.get(oneof.name, one)
        if before.name != one.name:
            self._report(
                spot.fault(
                    "oneof",
                    f"{one.name} cannot stand beside {before.name} (line {before.place.line}): "
                    f"only one of {', '.join(m.name for m in oneof.fields)} counts; keep one",
                    before=before,
                )
            )
            # A parser checks them too, before it drops them.
            overruled = written.pop(before.name)
            path = spot.path[: -len(one.name)] + before.name
            self._values(overruled, spot.owner.fields_by_name[before.name], path)
        of_oneof[oneof.name] = one

    def _values(
        self, found: list[_Written], described: FieldDescriptor, path: str
    ) -> tuple[Value, ...]:
        """Reads the values of a field; those at fault are left out."""
        if described.type not in MESSAGES:
            # All are checked, as a parser would, also those that a later one overrules.
            values = tuple(
                Value(plain, node)
                for spot, node in found
                if (plain := self._scalar(node, described, spot)) is not None
            )
            return values if is_repeated(described) else values[-1:]
        messages = []
        for spot, node in found:
            if isinstance(node, Message):
                messages.append((spot.holders, node))
            else:
                self._wrong(
                    spot,
                    f"{described.name} is a message: write {described.name} {{ … }} instead of "
                    f"{node.text}",
                    node,
                )
        if not messages:
            return ()
        if not is_repeated(described):
            pieces = tuple(node for _, node in messages)
            record = self.message(pieces, described.message_type, f"{path}.", messages[-1][0])
            return (Value(record, pieces[-1]),)
        return tuple(
            Value(self.message((one,), described.message_type, f"{path}[{index}].", above), one)
            for index, (above, one) in enumerate(messages)
        )

    def _scalar(
        self, node: Scalar | Message, described: FieldDescriptor, spot: _Spot
    ) -> PlainValue | None:
        """Returns a single value, None for one at fault."""
        if isinstance(node, Message):
            self._wrong(
                spot,
                f"{spot.path} holds a single value, not a message; write {described.name}: VALUE",
                node,
            )
            return None
        try:
            return read_scalar(node, described, spot.path)
        except Misfit as misfit:
            self._report(spot.fault(misfit.kind, misfit.message, node))
            return None


@dataclass(frozen=True, slots=True, eq=False)
class _Spot:
    """One field as it is written, and what it stands in."""

    path: str
    holders: _Above
    written: Field
    described: FieldDescriptor | None

    @property
    def owner(self) -> Descriptor:
        """Descriptor of the message that it stands in."""
        return self.holders[-1][1]

    def fault(
        self,
        kind: FaultKind,
        message: str,
        value: Scalar | Message | None = None,
        *,
        before: Field | None = None,
    ) -> Fault:
        """Returns a fault of this field, at its value where it is about one."""
        return Fault(
            kind,
            message,
            self.written.place if value is None else value.place,
            self.path,
            self.owner,
            self.described,
            self.written,
            value,
            before,
            self.holders,
        )
