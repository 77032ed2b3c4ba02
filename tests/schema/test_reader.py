"""Reading a text proto under a schema, held against protobuf's own parser."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as F
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.errors import ConfigError, PlanError
from odfreeze.schema import Record, find_faults, read_message
from odfreeze.textproto import parse
from tests.support.protobuf import as_dict, class_of, same

SCALARS = {
    "a_double": F.TYPE_DOUBLE, "a_float": F.TYPE_FLOAT, "an_int64": F.TYPE_INT64,
    "an_uint64": F.TYPE_UINT64, "an_int32": F.TYPE_INT32, "a_fixed64": F.TYPE_FIXED64,
    "a_fixed32": F.TYPE_FIXED32, "a_bool": F.TYPE_BOOL, "a_string": F.TYPE_STRING,
    "a_bytes": F.TYPE_BYTES, "an_uint32": F.TYPE_UINT32, "a_sfixed32": F.TYPE_SFIXED32,
    "a_sfixed64": F.TYPE_SFIXED64, "a_sint32": F.TYPE_SINT32, "a_sint64": F.TYPE_SINT64,
}  # fmt: skip
RANGES = {
    "an_int32": (-(2**31), 2**31 - 1), "a_sint32": (-(2**31), 2**31 - 1),
    "a_sfixed32": (-(2**31), 2**31 - 1), "an_uint32": (0, 2**32 - 1), "a_fixed32": (0, 2**32 - 1),
    "an_int64": (-(2**63), 2**63 - 1), "a_sint64": (-(2**63), 2**63 - 1),
    "a_sfixed64": (-(2**63), 2**63 - 1), "an_uint64": (0, 2**64 - 1), "a_fixed64": (0, 2**64 - 1),
}  # fmt: skip


@functools.cache
def everything() -> Any:
    """Descriptor of a message with every kind of field: single, repeated, nested, in a oneof."""
    file = FileDescriptorProto(name="test.proto", package="test", syntax="proto2")
    enum = file.enum_type.add(name="Color")
    for number, name in enumerate(("RED", "GREEN", "BLUE")):
        enum.value.add(name=name, number=number)
    message = file.message_type.add(name="All")
    message.oneof_decl.add(name="choice")
    optional, repeated = F.LABEL_OPTIONAL, F.LABEL_REPEATED
    number = 0

    def add(name: str, kind: int, label: int = optional, **more: Any) -> None:
        nonlocal number
        number += 1
        message.field.add(name=name, number=number, type=kind, label=label, **more)

    for name, kind in SCALARS.items():
        add(name, kind)
        add(f"{name}s", kind, repeated)
    add("color", F.TYPE_ENUM, type_name=".test.Color", default_value="GREEN")
    add("colors", F.TYPE_ENUM, repeated, type_name=".test.Color")
    add("inner", F.TYPE_MESSAGE, type_name=".test.All")
    add("inners", F.TYPE_MESSAGE, repeated, type_name=".test.All")
    add("this", F.TYPE_INT32, oneof_index=0)
    add("that", F.TYPE_MESSAGE, type_name=".test.All", oneof_index=0)
    add("with_default", F.TYPE_INT32, default_value="7")
    for name, key, value in (
        ("counts", F.TYPE_STRING, {"type": F.TYPE_INT32}),
        ("by_id", F.TYPE_INT32, {"type": 11, "type_name": ".test.All"}),
    ):
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=key, label=optional)
        entry.field.add(name="value", number=2, label=optional, **value)
        add(name, F.TYPE_MESSAGE, repeated, type_name=f".test.All.{entry.name}")
    strict = file.message_type.add(name="Strict")
    strict.field.add(name="must", number=1, type=F.TYPE_INT32, label=F.LABEL_REQUIRED)
    strict.field.add(name="strict", number=2, type=11, label=optional, type_name=".test.Strict")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def descriptor(name: str = "All") -> Any:
    return everything().FindMessageTypeByName(f"test.{name}")


def read(text: str | bytes, name: str = "All", **options: Any) -> Record:
    data = text if isinstance(text, bytes) else text.encode()
    return read_message(parse(data, "a.txt"), descriptor(name), **options)


def message_class() -> Any:
    return class_of(descriptor())


def values_of(name: str) -> st.SearchStrategy[Any]:
    if name in RANGES:
        return st.integers(*RANGES[name])
    return {
        "a_double": st.floats(),
        "a_float": st.floats(width=32, allow_subnormal=False),  # printed with few digits
        "a_bool": st.booleans(),
        "a_string": st.text(st.characters(exclude_categories=["Cs"])),
        "a_bytes": st.binary(),
        "color": st.integers(0, 2),
    }[name]


@st.composite
def messages(draw: st.DrawFn, depth: int = 2) -> Any:
    message = message_class()()
    for name in draw(st.lists(st.sampled_from([*SCALARS, "color"]), unique=True, max_size=5)):
        setattr(message, name, draw(values_of(name)))
    for name in draw(st.lists(st.sampled_from([*SCALARS, "color"]), unique=True, max_size=3)):
        getattr(message, f"{name}s").extend(draw(st.lists(values_of(name), min_size=1, max_size=3)))
    if depth and draw(st.booleans()):
        message.inner.CopyFrom(draw(messages(depth - 1)))
    if depth and draw(st.booleans()):
        message.inners.extend(draw(st.lists(messages(depth - 1), max_size=2)))
    if draw(st.booleans()):
        message.this = draw(st.integers(-5, 5))
    message.counts.update(draw(st.dictionaries(values_of("a_string"), st.integers(-3, 3))))
    for key in draw(st.lists(st.integers(0, 3), max_size=1)) if depth == 2 else ():
        message.by_id[key].CopyFrom(draw(messages(0)))
    return message


class TestAgainstProtobuf:
    @settings(max_examples=30, deadline=None)
    @given(messages(), st.booleans(), st.booleans())
    def test_what_protobuf_prints_reads_as_the_same_values(
        self, message: Any, one_line: bool, short: bool
    ) -> None:
        text = text_format.MessageToString(
            message, as_one_line=one_line, use_short_repeated_primitives=short
        )
        assert same(read(text).as_dict(), as_dict(message))

    @settings(max_examples=30, deadline=None)
    @given(messages(1), messages(1))
    def test_what_is_written_twice_merges_as_protobuf_merges_it(self, one: Any, two: Any) -> None:
        text = text_format.MessageToString(one) + text_format.MessageToString(two)
        merged = text_format.Merge(text, message_class()())
        assert same(read(text).as_dict(), as_dict(merged))

    @pytest.mark.parametrize("name", RANGES)
    @pytest.mark.parametrize("by", (-1, 0, 1), ids=("below", "at", "above"))
    def test_integers_have_the_range_of_their_type(self, name: str, by: int) -> None:
        for limit, sign in zip(RANGES[name], (-1, 1), strict=True):
            text = f"{name}: {limit + by}"
            try:
                expected = as_dict(text_format.Parse(text, message_class()()))
            except text_format.ParseError:
                with pytest.raises(ConfigError, match="outside"):
                    read(text)
                assert by == sign
            else:
                assert read(text).as_dict() == expected


MAPS = {
    "entries with one key": 'counts { key: "a" value: 1 } counts { key: "a" value: 2 }',
    "a list of entries": 'counts: [{ key: "a" value: 1 }, { key: "b" }]',
    "neither key nor value": "counts { } by_id { }",
    "the value first": "by_id { value { a_bool: true } key: 3 }",
    "a value in pieces": "by_id { value { a_bool: true } value { an_int32: 2 } }",
}


class TestMaps:
    @pytest.mark.parametrize("text", MAPS.values(), ids=MAPS)
    def test_reads_as_protobuf_reads_it(self, text: str) -> None:
        assert read(text).as_dict() == as_dict(text_format.Merge(text, message_class()()))

    def test_every_entry_keeps_its_place(self) -> None:
        record = read('counts { key: "a" }\ncounts { key: "a" value: 2 }')
        assert [str(value.place) for value in record.fields["counts"]] == ["a.txt:1:8", "a.txt:2:8"]
        assert [entry.get("value") for entry in record.get("counts")] == [0, 2]

    def test_key_of_another_type_is_refused_where_it_is(self) -> None:
        with pytest.raises(ConfigError, match=r"^a.txt:1:15: by_id\[0\].key: "):
            read('by_id { key: "a" }'.replace("key: ", "key:  "))


class TestValues:
    def test_default_counts_where_nothing_is_written(self) -> None:
        record = read("")
        assert (record.get("with_default"), record.get("color"), record.get("a_string")) == (
            7,
            "GREEN",
            "",
        )
        assert (record.get("inner"), record.get("inners"), "color" in record) == (None, (), False)

    def test_an_empty_list_writes_nothing(self) -> None:
        assert read("an_int32s: []").as_dict() == {}

    def test_enum_by_its_number(self) -> None:
        assert read("color: 2").get("color") == "BLUE"

    def test_values_know_their_places(self) -> None:
        record = read('a_bool: true\ninner {\n  a_strings: ["a",\n "b"] }')
        inner = record.get("inner")
        places = [
            str(inner.place),
            str(inner.place_of("a_strings", 1)),
            str(inner.place_of("color")),
        ]
        assert places == ["a.txt:2:7", "a.txt:4:2", "a.txt:2:7"]

    def test_member_of_a_oneof(self) -> None:
        assert read("this: 1").member("choice") == "this"
        assert read("").member("choice") is None

    def test_of_a_oneof_the_last_member_counts(self) -> None:
        assert read("this: 1 that { a_bool: true }").as_dict() == {"that": {"a_bool": True}}
        assert read("that { a_bool: true } this: 1 that { }").as_dict() == {"that": {}}


ERRORS = {
    "unknown field": (
        "a_bol: true",
        "a.txt:1:1: All has no field 'a_bol'; did you mean 'a_bool'?\na_bol: true\n^",
    ),
    "unknown field of a nested message": (
        "inner {\n  a_bol: true\n}",
        "a.txt:2:3: All has no field 'a_bol'; did you mean 'a_bool'?\n  a_bol: true\n  ^",
    ),
    "string without quotes": (
        "inner { a_string: b }",
        "a.txt:1:19: inner.a_string: expected a string in quotes, found an identifier: b;"
        " write a string in quotes here\n" + "inner { a_string: b }\n" + " " * 18 + "^",
    ),
    "fraction for an integer": (
        "inners {} inners { an_int32: 1e4 }",
        "a.txt:1:30: inners[1].an_int32: expected an integer, found a float: 1e4;"
        " write an integer here\ninners {} inners { an_int32: 1e4 }\n" + " " * 29 + "^",
    ),
    "negative for an unsigned": (
        "an_uint32: -1",
        "a.txt:1:12: an_uint32 is -1, outside 0 to 4294967295; give a number in that range\n"
        "an_uint32: -1\n           ^",
    ),
    "unknown enum value": (
        "color: green",
        "a.txt:1:8: color: Color has no value green; did you mean 'GREEN'?\ncolor: green\n       ^",
    ),
    "enum value in quotes": (
        'color: "RED"',
        'a.txt:1:8: color: expected an identifier, found a string: "RED"; write an identifier here'
        '\ncolor: "RED"\n       ^',
    ),
    "enum number that is none": (
        "color: 9",
        "a.txt:1:8: color: Color has no value 9; it has RED, GREEN, BLUE\ncolor: 9\n       ^",
    ),
    "value for a message": (
        "inner: 3",
        "a.txt:1:8: inner is a message: write inner { … } instead of 3\ninner: 3\n       ^",
    ),
    "message for a value": (
        "a_bool { }",
        "a.txt:1:8: a_bool holds a single value, not a message; write a_bool: VALUE\n"
        "a_bool { }\n       ^",
    ),
    "list for a single value": (
        "a_bool: [true]",
        "a.txt:1:1: a_bool holds one value, not a list; drop the brackets\na_bool: [true]\n^",
    ),
    "overruled value of the wrong type": (
        "an_int32: x an_int32: 1",
        "a.txt:1:11: an_int32: expected an integer, found an identifier: x; write an integer here"
        "\nan_int32: x an_int32: 1\n          ^",
    ),
}


class TestErrors:
    @pytest.mark.parametrize(("text", "message"), ERRORS.values(), ids=ERRORS)
    def test_says_what_is_wrong_and_where(self, text: str, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read(text)
        assert str(caught.value) == message

    # A list for a single value passes protobuf's Python parser as it should not.
    @pytest.mark.parametrize("name", [name for name in ERRORS if not name.startswith("list")])
    def test_protobuf_refuses_it_too(self, name: str) -> None:
        text = ERRORS[name][0]
        with pytest.raises(text_format.ParseError):
            text_format.Merge(text, message_class()())

    def test_missing_required_field(self) -> None:
        with pytest.raises(ConfigError) as caught:
            read("must: 1\nstrict { strict { must: 2 } }", "Strict")
        assert str(caught.value) == (
            "a.txt:2:8: must is missing in strict; every Strict needs it\n"
            "strict { strict { must: 2 } }\n       ^"
        )

    def test_raises_the_class_that_is_asked_for(self) -> None:
        with pytest.raises(PlanError):
            read("a_bol: 1", error=PlanError)
        with pytest.raises(PlanError):
            read("a_bool: 3", error=PlanError)


class TestDuplicatesAsErrors:
    @pytest.mark.parametrize(
        ("text", "message"),
        (
            ("a_bool: true\na_bool: true", "a_bool is written a second time (first in line 1)"),
            ("inner {}\ninner {}", "inner is written a second time (first in line 1)"),
            ("this: 1\nthat {}", "that cannot stand beside this (line 1): only one of this, that"),
        ),
        ids=("scalar", "message", "oneof"),
    )
    def test_second_one_is_refused_at_its_place(self, text: str, message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            read(text, duplicates="error")
        assert str(caught.value).startswith(f"a.txt:2:1: {message}")

    def test_repeated_fields_are_none(self) -> None:
        text = "an_int32s: 1 an_int32s: [2, 3] an_int32s: []"
        assert read(text, duplicates="error").as_dict() == {"an_int32s": [1, 2, 3]}


def faults(text: str, name: str = "All") -> list[tuple[str, str, str]]:
    found = find_faults(parse(text.encode(), "a.txt"), descriptor(name))
    return [(fault.kind, fault.path, str(fault.place)[6:]) for fault in found]


class TestAllFaults:
    def test_all_are_found_in_one_go_in_file_order(self) -> None:
        text = (
            "a_bool: 3\nnope: 1\ncolor: PINK\nan_int32: 1e4\nan_uint32: -1\n"
            "inners { a_bool: 1 a_bool: 0 }\nthis: 1 that { color: X }\ninner: 5"
        )
        assert faults(text) == [
            ("wrong_type", "a_bool", "1:9"),
            ("unknown_field", "nope", "2:1"),
            ("unknown_value", "color", "3:8"),
            ("wrong_type", "an_int32", "4:11"),
            ("out_of_range", "an_uint32", "5:12"),
            ("duplicate", "inners[0].a_bool", "6:20"),
            ("oneof", "that", "7:9"),
            ("unknown_value", "that.color", "7:23"),
            ("wrong_type", "inner", "8:8"),
        ]

    def test_what_is_in_an_unknown_field_is_not_followed_up(self) -> None:
        assert faults("nope { a_bol: 1 color: PINK }") == [("unknown_field", "nope", "1:1")]

    def test_values_of_an_overruled_member_are_looked_at(self) -> None:
        assert faults("that { color: X } this: 1") == [
            ("unknown_value", "that.color", "1:15"),
            ("oneof", "this", "1:19"),
        ]

    def test_missing_required_fields(self) -> None:
        assert faults("strict { must: x }", "Strict") == [
            ("missing", "must", "1:1"),
            ("wrong_type", "strict.must", "1:16"),
        ]

    def test_a_fault_knows_what_it_stands_in(self) -> None:
        text = "inners { }\ninners { inner { nope: 1 } inner { nope: 2 } }"
        first, second, third = find_faults(parse(text.encode(), "a.txt"), descriptor())
        assert [fault.path for fault in (first, second, third)] == [
            "inners[1].inner.nope", "inners[1].inner", "inners[1].inner.nope",
        ]  # fmt: skip
        assert [owner.name for _, owner in third.above] == ["All", "All", "All"]
        assert [str(message.place) for message, _ in first.above] == [
            "a.txt:1:1", "a.txt:2:8", "a.txt:2:16",
        ]  # fmt: skip
        assert third.above[-1][0].place.column == 34

    @settings(max_examples=30, deadline=None)
    @given(messages())
    def test_what_protobuf_prints_has_none(self, message: Any) -> None:
        assert faults(text_format.MessageToString(message)) == []

    @pytest.mark.parametrize("name", ERRORS)
    def test_what_is_refused_is_found_at_the_same_place(self, name: str) -> None:
        text, message = ERRORS[name]
        found = find_faults(parse(text.encode(), "a.txt"), descriptor())
        first = min(found, key=lambda fault: fault.kind == "duplicate")
        assert message.startswith(f"{first.place}: {first.message}")
