"""Reading by dotted path: all pieces of a message count, the last value wins."""

from __future__ import annotations

import pytest

from odfreeze.errors import TextProtoError, UsageError
from odfreeze.textproto import (
    Message,
    Scalar,
    duplicates,
    fields_at,
    find,
    last,
    last_set,
    parse,
    walk,
)
from odfreeze.textproto.query import split_path

TEXT = b"""\
train {
  rate: 0.1  freeze: "a"
  step { at: 1 }
}
[p.ext] { rate: 3 }
train: <
  freeze: ["b", "c"]
  step { at: 2 at: 3 }
  rate: 0.2
  none: []
>
"""


def texts(path: str) -> list[str]:
    values = (one.value for one in find(parse(TEXT), path))
    return [value.text if isinstance(value, Scalar) else "{}" for value in values]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train", ["{}", "{}"]),
        ("train.rate", ["0.1", "0.2"]),
        ("train.freeze", ['"a"', '"b"', '"c"']),
        ("train.freeze[2]", ['"c"']),
        ("train.freeze[3]", []),
        ("train.step.at", ["1", "2", "3"]),
        ("train.step[1].at", ["2", "3"]),
        ("train.step[1].at[0]", ["2"]),
        ("train[0].rate", ["0.1"]),
        ("train[7].rate", []),
        ("[p.ext].rate", ["3"]),
        ("train.none", []),
        ("train.missing.deeper", []),
        ("rate", []),
    ],
)
def test_find(path: str, expected: list[str]) -> None:
    assert texts(path) == expected


def test_places_are_those_of_the_values() -> None:
    places = [(one.place.line, one.place.column) for one in find(parse(TEXT), "train.freeze")]
    assert places == [(2, 22), (7, 12), (7, 17)]


def test_the_last_value_counts_over_all_pieces() -> None:
    found = last(parse(TEXT), "train.rate")
    assert found is not None
    assert isinstance(found.value, Scalar)
    assert found.value.as_float() == 0.2
    assert last(parse(TEXT), "train.missing") is None


def test_duplicates_are_reported_only_where_there_are_any() -> None:
    assert [one.place.line for one in duplicates(parse(TEXT), "train.rate")] == [2, 9]
    assert duplicates(parse(TEXT), "[p.ext].rate") == ()
    assert duplicates(parse(TEXT), "train.missing") == ()


def test_the_last_message_of_a_oneof_counts() -> None:
    document = parse(b"model { ssd {} num: 1 } model { faster {} name: 'x' }")
    found = last_set(document, "model")
    assert found is not None
    assert found.path == "model.faster"
    assert isinstance(found.value, Message)
    assert last_set(document, "model.ssd") is None


def test_an_empty_list_is_a_field_without_values() -> None:
    assert [field.name for _, field in fields_at(parse(TEXT), "train.none")] == ["none"]


def test_walk_gives_every_field_with_its_path() -> None:
    assert [path for path, _ in walk(parse(TEXT))] == [
        "train", "train.rate", "train.freeze", "train.step", "train.step.at",
        "[p.ext]", "[p.ext].rate",
        "train", "train.freeze", "train.step", "train.step.at", "train.step.at",
        "train.rate", "train.none",
    ]  # fmt: skip


_HUGE = "a[" + "9" * 5000 + "]"  # more digits than int() takes


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "a b", "a[x]", "a[-1]", "a]", "é", _HUGE]
)
def test_a_malformed_path(path: str) -> None:
    with pytest.raises(UsageError, match="malformed field path"):
        split_path(path)


def test_a_path_through_a_value_is_an_error_with_its_place() -> None:
    with pytest.raises(TextProtoError) as caught:
        find(parse(TEXT, "x.config"), "train.rate.unit")
    assert str(caught.value) == (
        "x.config:2:9: train.rate.unit goes through rate, which is 0.1 and no message; shorten "
        'the path\n  rate: 0.1  freeze: "a"\n        ^'
    )
