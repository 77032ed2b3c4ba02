"""Rules about single values: of the wrong type, out of range, no value of their enum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from odfreeze.check.subject import Subject
from odfreeze.errors import nearest
from odfreeze.findings import Finding
from odfreeze.schema import Fault
from odfreeze.schema.scalars import Misfit, read_scalar
from odfreeze.textproto import Edit, Scalar, parse
from odfreeze.textproto.strings import quote

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

__all__ = ["RULES"]

# google.protobuf.FieldDescriptor.TYPE_*
_FLOATS, _BOOL, _STRING, _BYTES, _ENUM = {1, 2}, 8, 9, 12, 14
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), "true"),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), "false"),
}


def unknown_enum_value(subject: Subject) -> Iterator[Finding]:
    """ODF103: a value that its enum does not have: misspelt, in quotes, or in lower case."""
    for fault in subject.faults:
        described, value = fault.described, fault.value
        if described is None or not isinstance(value, Scalar) or described.type != _ENUM:
            continue
        names = [one.name for one in described.enum_type.values]
        bare = value.as_str() if value.kind == "string" and _is_text(value) else value.text
        same = [name for name in names if name.lower() == bare.strip().lower()]
        near = same[0] if same else nearest(bare.upper(), names)
        hint = f"write {near}" if same else f"did you mean {near}?" if near else ""
        if same and value.kind == "string":
            hint += " without quotes"
        message = (
            f"{fault.path} has no value {value.text}, and the OD API refuses the config; "
            f"{hint or 'it has ' + ', '.join(names)}"
        )
        edits = (Edit(value.start, value.end, same[0].encode()),) if same else ()
        yield Finding("ODF103", "error", message, fault.place, edits)


def wrong_type(subject: Subject) -> Iterator[Finding]:
    """ODF104: a value of another type than its field's, or out of its range."""
    for fault in subject.faults:
        described = fault.described
        if described is None or fault.kind not in {"wrong_type", "out_of_range"}:
            continue
        if described.type == _ENUM and isinstance(fault.value, Scalar):
            continue
        if described.type in {_STRING, _BYTES} and _is_string(fault):
            continue  # bytes that are no UTF-8: one finding for the file, ODF111
        if fault.kind == "out_of_range":
            message = f"{fault.message}, or the OD API refuses the config"
            yield Finding("ODF104", "error", message, fault.place)
            continue
        yield _wrong_type(fault, described)


RULES = (unknown_enum_value, wrong_type)


def _is_text(value: Scalar) -> bool:
    try:
        value.as_str()
    except ValueError:
        return False
    return True


def _is_string(fault: Fault) -> bool:
    return isinstance(fault.value, Scalar) and fault.value.kind == "string"


def _wrong_type(fault: Fault, described: FieldDescriptor) -> Finding:
    value = fault.value
    if not isinstance(value, Scalar):  # a message, or a list, where one value belongs
        message = f"{fault.message}; the OD API refuses the config"
        edits = _unbracketed(fault)
        return Finding("ODF104", "error", message, fault.place, edits)
    if described.message_type is not None:
        message = f"{fault.path}: {fault.message}; the OD API refuses the config"
        return Finding("ODF104", "error", message, fault.place)
    right = _meant(value, described)
    if right is not None:
        hint = f"write {right}"
    elif described.type in {_STRING, _BYTES}:
        hint = "remove the field where nothing is meant"
    else:
        hint = f"write {_kind(described)}"
    message = (
        f"{fault.path} is {_kind(described)}, not {value.text[:60]}, and the OD API refuses the "
        f"config; {hint}"
    )
    edits = (Edit(value.start, value.end, right.encode()),) if right is not None else ()
    return Finding("ODF104", "error", message, fault.place, edits)


def _unbracketed(fault: Fault) -> tuple[Edit, ...]:
    """Returns the edits that take the brackets from a list of one value."""
    written = fault.written
    if written is None or not written.is_list or len(written.values) != 1 or written.commas:
        return ()
    (value,) = written.values
    return (Edit(written.list_start, value.start, b""), Edit(value.end, written.end, b""))


def _kind(described: FieldDescriptor) -> str:
    if described.type in _FLOATS:
        return "a number"
    if described.type == _BOOL:
        return "true or false"
    if described.type in {_STRING, _BYTES}:
        return "a string in quotes"
    return "an integer"


def _meant(value: Scalar, described: FieldDescriptor) -> str | None:
    """Returns the value as it has to be written, None where it is not certain what was meant."""
    kind, text = described.type, value.text
    if kind in {_STRING, _BYTES}:
        return None if text in {"None", "null", "nil"} else quote(text).decode()
    if value.kind == "string":
        if not _is_text(value):
            return None
        text = value.as_str().strip()
    if kind == _BOOL:
        return _TRUTH.get(text.lower())
    if kind not in _FLOATS and (exact := _integer(text)) is not None:
        text = exact
    try:
        (field,) = parse(f"value: {text}".encode()).root.fields
        (read,) = field.values
        if isinstance(read, Scalar) and field.end == len(text.encode()) + 7:
            read_scalar(read, described, "")
            return text
    except (ValueError, Misfit):
        pass
    return None


def _integer(text: str) -> str | None:
    """Returns the integer that a number with a fraction or an exponent is, None where it is none.

    >>> _integer("1e4"), _integer("100.0"), _integer("0.5"), _integer("1e-2"), _integer("1e999")
    ('10000', '100', None, None, None)
    """
    if not re.fullmatch(
        r"-?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE]\+?[0-9]{1,2})?f?", text
    ):
        return None
    from fractions import Fraction

    exact = Fraction(text.rstrip("f"))
    return str(exact.numerator) if exact.denominator == 1 else None
