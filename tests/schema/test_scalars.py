"""Single values under every type that a field may have, against protobuf's own parser."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.schema.scalars import Misfit, read_scalar
from odfreeze.textproto import Scalar, parse

TYPES = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7,
    "bool": 8, "string": 9, "bytes": 12, "uint32": 13, "enum": 14, "sfixed32": 15,
    "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
INTEGERS = [name for name in TYPES if "int" in name or "fixed" in name]
WRITTEN = (
    "0", "1", "-1", "-0", "0x10", "-0x10", "017", "1e3", "1.5f", "inf", "-inf", "true", "t",
    "False", "2", "'x'", "'a' \"b\"", r"'\377'", r"'\u00e9'", "Two", "two", "4294967296",
    "-2147483649", "-9223372036854775808", "18446744073709551616", "9" * 400,
)  # fmt: skip


@functools.cache
def message_class() -> Any:
    """The class of a message with a field of each type, named as the type."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="one_of_each.proto", package="one")
    kind = file.enum_type.add(name="Kind")
    for name, number in (("UNSET", 0), ("Two", 2), ("LOW", -1)):
        kind.value.add(name=name, number=number)
    message = file.message_type.add(name="Each")
    for name, number in TYPES.items():
        field = message.field.add(name=f"a_{name}", number=number, type=number, label=1)
        if name == "enum":
            field.type_name = ".one.Kind"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("one.Each"))


def read(kind: str, written: str) -> Any:
    node = parse(f"a_{kind}: {written}".encode()).root.fields[0].values[0]
    assert isinstance(node, Scalar)
    return read_scalar(node, message_class().DESCRIPTOR.fields_by_name[f"a_{kind}"], "p.a")


def misfit(kind: str, written: str) -> Misfit:
    with pytest.raises(Misfit) as caught:
        read(kind, written)
    return caught.value


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("written", WRITTEN, ids=lambda text: text[:22])
def test_what_protobuf_reads_is_read_and_what_it_refuses_is_none(kind: str, written: str) -> None:
    from google.protobuf import text_format

    if kind == "enum" and written.lstrip("-").isdigit() and abs(int(written)) > 2**31:
        return  # protobuf takes the lowest 32 bits for the number; see below
    message = message_class()()
    try:
        text_format.Merge(f"a_{kind}: {written}", message)
    except text_format.ParseError:
        misfit(kind, written)
        return
    value, theirs = read(kind, written), getattr(message, f"a_{kind}")
    if kind == "enum":
        kinds = message.DESCRIPTOR.file.enum_types_by_name["Kind"]
        value = kinds.values_by_name[value].number
    assert type(value) is type(theirs)
    assert value == theirs or (kind == "float" and math.isclose(value, theirs, rel_tol=1e-6))


@pytest.mark.parametrize("number", [2**31, 2**32, 2**32 + 2, -(2**31) - 1, -(2**63)])
def test_the_number_of_an_enum_is_no_other_one_modulo_32_bits(number: int) -> None:
    assert misfit("enum", str(number)).kind == "unknown_value"


@pytest.mark.parametrize(("kind", "value"), [("int32", -1), ("float", -1.0), ("enum", "LOW")])
def test_a_sign_may_stand_apart(kind: str, value: object) -> None:
    assert read(kind, "- # less\n 1") == value


@pytest.mark.parametrize("kind", INTEGERS)
@settings(max_examples=30)
@given(number=st.integers(-(2**66), 2**66))
def test_an_integer_has_the_range_of_its_type(kind: str, number: int) -> None:
    bits = 64 if "64" in kind else 32
    is_signed = kind.startswith(("int", "s"))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if low <= number <= high:
        assert read(kind, hex(number)) == read(kind, str(number)) == number
        return
    wrong = misfit(kind, str(number))
    assert wrong.kind == "out_of_range"
    assert str(wrong) == f"p.a is {number}, outside {low} to {high}; give a number in that range"


@pytest.mark.parametrize(
    ("kind", "written", "fault", "message"),
    [
        ("enum", "two", "unknown_value", "Kind has no value two; did you mean 'Two'?"),
        ("enum", "UNSE", "unknown_value", "Kind has no value UNSE; did you mean 'UNSET'?"),
        ("enum", "7", "unknown_value", "Kind has no value 7; it has UNSET, Two, LOW"),
        (
            "enum", "-9223372036854775808", "unknown_value",
            "Kind has no value -9223372036854775808; it has UNSET, Two, LOW",
        ),
        (
            "enum", "9" * 400, "unknown_value",
            f"Kind has no value {'9' * 57}...; it has UNSET, Two, LOW",
        ),
        (
            "enum", "'Two'", "wrong_type",
            "expected an identifier, found a string: 'Two'; write an identifier here",
        ),
        (
            "bool", "2", "wrong_type",
            "expected true or false, found an integer: 2; write true or false here",
        ),
        (
            "int32", "9" * 401, "wrong_type",
            f"expected an integer of at most 400 digits, found an integer: {'9' * 57}...; write an "
            "integer of at most 400 digits here",
        ),
        (
            "string", r"'\377'", "wrong_type",
            "the string is not UTF-8 (byte 0xff); save the file as UTF-8",
        ),
    ],
    ids=lambda value: value[:24],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(
    kind: str, written: str, fault: str, message: str
) -> None:
    wrong = misfit(kind, written)
    assert (wrong.kind, str(wrong)) == (fault, f"p.a: {message}")
    assert wrong.place is not None
    assert wrong.place.column == len(f"a_{kind}: ") + 1
