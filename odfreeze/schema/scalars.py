"""Single values under the type of their field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from odfreeze.errors import Place, TextProtoError, suggest

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

    from odfreeze.textproto import Scalar

__all__ = ["ENUM", "MESSAGES", "Misfit", "read_scalar"]

# google.protobuf.FieldDescriptor.TYPE_*, which are facts of descriptor.proto
_INTEGER_BITS = {3: 64, 4: 64, 5: 32, 6: 64, 7: 32, 13: 32, 15: 32, 16: 64, 17: 32, 18: 64}
_UNSIGNED = frozenset({4, 6, 7, 13})
_MOST_SHOWN = 60
_FLOATS, _BOOL, _STRING, _BYTES, ENUM, MESSAGES = {1, 2}, 8, 9, 12, 14, {10, 11}


class Misfit(Exception):  # noqa: N818  # always caught here in schema/, where it becomes a Fault
    """A value that is none of its field's type.

    Attributes:
      kind: As of a `Fault`.
      message: What is wrong and what to do.
      place: Where.
    """

    def __init__(
        self,
        kind: Literal["wrong_type", "out_of_range", "unknown_value"],
        message: str,
        place: Place | None,
    ) -> None:
        """Takes the attributes."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.place = place


def read_scalar(
    node: Scalar, described: FieldDescriptor, path: str
) -> str | bytes | bool | int | float:
    """Returns a single value: str, bytes, bool, int, float, or the name of an enum value.

    Args:
      node: The value as it is written.
      described: Its field, which holds no message.
      path: What messages call the field.

    Raises:
      Misfit: It is of another type, or out of its type's range, or no value of the enum.
    """
    kind = described.type
    try:
        if kind in _INTEGER_BITS:
            return _integer(node, kind, path)
        if kind in _FLOATS:
            return node.as_float()
        if kind == _BOOL:
            return node.as_bool()
        if kind == _STRING:
            return node.as_str()
        if kind == _BYTES:
            return node.as_bytes()
        return _enum(node, described, path)
    except TextProtoError as wrong:
        raise Misfit("wrong_type", f"{path}: {wrong.message}", wrong.place) from None


def _integer(node: Scalar, kind: int, path: str) -> int:
    number = node.as_int()
    bits = _INTEGER_BITS[kind]
    low, high = (0, 2**bits - 1) if kind in _UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    high -= kind not in _UNSIGNED
    if low <= number <= high:
        return number
    raise Misfit(
        "out_of_range",
        f"{path} is {_shown(node)}, outside {low} to {high}; give a number in that range",
        node.place,
    )


def _enum(node: Scalar, described: FieldDescriptor, path: str) -> str:
    enum = described.enum_type
    if node.kind == "integer":
        number = node.as_int()  # protobuf's mapping looks at the lowest 32 bits alone
        value = enum.values_by_number.get(number) if -(2**31) <= number < 2**31 else None
    else:
        value = enum.values_by_name.get(node.as_identifier())
    if value is not None:
        return str(value.name)
    names = [one.name for one in enum.values]
    near = suggest(node.text.upper(), names) or suggest(node.text, names)
    raise Misfit(
        "unknown_value",
        f"{path}: {enum.name} has no value {_shown(node)}{near or '; it has ' + ', '.join(names)}",
        node.place,
    )


def _shown(node: Scalar) -> str:
    return node.text if len(node.text) <= _MOST_SHOWN else node.text[: _MOST_SHOWN - 3] + "..."
