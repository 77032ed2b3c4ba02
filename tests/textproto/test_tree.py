"""Scalars: what each kind reads as, and what is said about the wrong kind."""

from __future__ import annotations

import math

import pytest

from odfreeze.errors import TextProtoError
from odfreeze.textproto import Scalar, parse


def scalar(text: str | bytes) -> Scalar:
    data = text.encode() if isinstance(text, str) else text
    value = parse(b"a: " + data, "x.config").root.fields[0].values[0]
    assert isinstance(value, Scalar)
    return value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("10", 10), ("-10", -10), ("- # c\n 10", -10), ("0x1F", 31), ("-0Xa", -10),
        ("017", 15), ("00", 0), ("18446744073709551615", 2**64 - 1),
    ],
)  # fmt: skip
def test_integers(text: str, number: int) -> None:
    assert scalar(text).as_int() == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1.0), ("-1.", -1.0), (".5", 0.5), ("1.5f", 1.5), ("1F", 1.0), ("1e-3", 0.001),
        ("- 2.5E+1f", -25.0), ("inf", math.inf), ("-Infinity", -math.inf), ("-# c\ninf", -math.inf),
        ("1e999", math.inf), ("-0.0", -0.0), ("9" * 5000, math.inf),
    ],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_floats(text: str, number: float) -> None:
    read = scalar(text).as_float()
    assert (read, math.copysign(1, read)) == (number, math.copysign(1, number))


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "nanf"])
def test_nan(text: str) -> None:
    assert math.isnan(scalar(text).as_float())


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("true", True), ("True", True), ("t", True), ("1", True), ("0x1", True),
        ("false", False), ("False", False), ("f", False), ("0", False), ("00", False),
    ],
)  # fmt: skip
def test_bools(text: str, truth: bool) -> None:
    assert scalar(text).as_bool() is truth


def test_adjacent_literals_are_one_string() -> None:
    assert scalar("'a' # not 'b'\n \"c\"\t'd'").as_str() == "acd"
    assert scalar(rb"'\303' '\251'").as_str() == "é"


@pytest.mark.parametrize(
    ("text", "method", "message"),
    [
        ("5", "str", "expected a string in quotes, found an integer: 5; write a string in quotes"),
        ("V2", "str", "expected a string in quotes, found an identifier: V2"),
        ("'5'", "int", "expected an integer, found a string: '5'"),
        ("5.0", "int", "expected an integer, found a float: 5.0"),
        ("1" * 500, "int", "expected an integer of at most 400 digits, found an integer: 111"),
        ("017", "float", "expected a decimal number, found an integer: 017"),
        ("0x1", "float", "expected a decimal number, found an integer: 0x1"),
        ("infinite", "float", "expected a decimal number, found an identifier: infinite"),
        ("'1'", "float", "expected a decimal number, found a string: '1'"),
        ("TRUE", "bool", "expected true or false, found an identifier: TRUE"),
        ("2", "bool", "expected true or false, found an integer: 2"),
        ("-1", "bool", "expected true or false, found an integer: -1"),
        ("'true'", "bool", "expected true or false, found a string: 'true'"),
        ("'V2'", "identifier", "expected an identifier, found a string: 'V2'"),
        ("'\\377'", "str", "the string is not UTF-8 (byte 0xff); save the file as UTF-8"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_wrong_kind(text: str, method: str, message: str) -> None:
    with pytest.raises(TextProtoError) as caught:
        getattr(scalar(text), f"as_{method}")()
    assert caught.value.message.startswith(message)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (1, 4)


@pytest.mark.parametrize(
    ("text", "value"),
    [("'x'", "x"), ("5", 5), ("5.", 5.0), ("true", True), ("f", "f"), ("V2", "V2"), ("inf", "inf")],
)
def test_as_python_goes_by_what_a_value_looks_like(text: str, value: object) -> None:
    read = scalar(text).as_python()
    assert (read, type(read)) == (value, type(value))


def test_undefined_escapes_have_places() -> None:
    places = scalar(r"'\d' # c" + "\n" + r"'a\n\.'").undefined_escapes()
    assert [(place.line, place.column) for place in places] == [(1, 5), (2, 5)]
