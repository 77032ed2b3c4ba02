"""Varints and fields, held against protobuf's own encoder."""

from __future__ import annotations

import pytest
from google.protobuf import struct_pb2, timestamp_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint.wire import WireError, fields, signed, varint


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_varint_reads_what_protobuf_wrote(number: int) -> None:
    data = timestamp_pb2.Timestamp(seconds=number).SerializeToString()
    found = {n: signed(a) for n, kind, a, _ in fields(data, 0, len(data))}
    assert found.get(1, 0) == number


@given(st.binary(max_size=300), st.binary(max_size=5))
def test_a_field_of_bytes_is_a_span(payload: bytes, before: bytes) -> None:
    data = before + wrappers_pb2.BytesValue(value=payload).SerializeToString()
    spans = [data[a:b] for _, kind, a, b in fields(data, len(before), len(data)) if kind == 2]
    assert spans == ([payload] if payload else [])


def test_every_wire_type_is_stepped_over() -> None:
    data = struct_pb2.Value(number_value=1.5).SerializeToString()  # fixed64
    data += bytes([0x2D, 1, 2, 3, 4])  # number 5, fixed32
    data += bytes([0xA0, 0x06, 7])  # number 100, a varint behind a tag of two bytes
    assert [(n, kind) for n, kind, _, _ in fields(data, 0, len(data))] == [(2, 1), (5, 5), (100, 0)]


BROKEN = {
    "varint cut off": b"\x08\x80",
    "tag cut off": b"\x80",
    "varint of eleven bytes": b"\x08" + b"\x80" * 10 + b"\x01",
    "length past the end": b"\x0a\x05abcd",
    "length of 2**63": b"\x0a" + b"\xff" * 8 + b"\x7f",
    "fixed32 cut off": b"\x0d\x01\x02\x03",
    "fixed64 cut off": b"\x09\x01",
    "start of a group": b"\x0b",
    "wire type 7": b"\x0f",
    "field number 0": b"\x00\x01",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_message_is_an_error(data: bytes) -> None:
    with pytest.raises(WireError):
        list(fields(data, 0, len(data)))


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_within_bounds_or_an_error(data: bytes) -> None:
    try:
        found = list(fields(data, 0, len(data)))
    except WireError:
        return
    assert all(0 <= a <= b <= len(data) for _, kind, a, b in found if kind)


def test_a_varint_is_not_read_past_the_given_end() -> None:
    with pytest.raises(WireError, match="runs past the end"):
        varint(b"\x80\x01", 0, 1)
