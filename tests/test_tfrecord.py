"""TFRecords and Examples, read without TensorFlow; nothing of a stranger's file is believed."""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze import tfrecord
from odfreeze.errors import DataError
from odfreeze.tfrecord import Feature, parse_example, read_records
from tests.support.records import checksum, detection, example, framed

RECORDS = (b"one", b"", b"three" * 100)


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "a.record"
    path.write_bytes(data)
    return path


# --- the file ---------------------------------------------------------------------


@given(st.lists(st.binary(max_size=64), max_size=5))
def test_records_come_back_as_they_were_written(tmp_path_factory, records: list[bytes]) -> None:
    path = written(tmp_path_factory.mktemp("records"), framed(*records))
    assert list(read_records(path, 10)) == records


def test_no_more_than_asked_for_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, framed(b"one") + b"what is behind is never looked at")
    assert list(read_records(path, 1)) == [b"one"]


def test_an_empty_file_has_no_record(tmp_path: Path) -> None:
    assert list(read_records(written(tmp_path, b""), 3)) == []


@pytest.mark.parametrize("cut", range(1, len(framed(b"first", b"second"))))
def test_a_file_that_is_cut_off(tmp_path: Path, cut: int) -> None:
    whole = framed(b"first", b"second")
    path = written(tmp_path, whole[:cut])
    if cut == len(framed(b"first")):
        assert list(read_records(path, 3)) == [b"first"]
        return
    with pytest.raises(DataError, match="a record is cut off at byte"):
        list(read_records(path, 3))


@pytest.mark.parametrize("position", range(len(framed(b"record"))))
def test_no_byte_can_be_changed_unnoticed(tmp_path: Path, position: int) -> None:
    data = bytearray(framed(b"record"))
    data[position] ^= 0x40
    with pytest.raises(DataError, match=r"is no TFRecord file: .* at byte 0"):
        list(read_records(written(tmp_path, bytes(data)), 3))


@pytest.mark.parametrize(
    ("packed", "name"),
    [(gzip.compress(framed(*RECORDS)), "GZIP"), (zlib.compress(framed(*RECORDS)), "ZLIB"),
     (zlib.compress(framed(*RECORDS), 1), "ZLIB"), (zlib.compress(framed(*RECORDS), 9), "ZLIB")],
    ids=["gzip", "zlib", "zlib-fast", "zlib-best"],
)  # fmt: skip
def test_a_compressed_file_is_told_from_a_broken_one(tmp_path, packed: bytes, name: str) -> None:
    with pytest.raises(DataError, match=f"is compressed \\({name}\\)"):
        list(read_records(written(tmp_path, packed), 3))


def test_text_is_no_record(tmp_path: Path) -> None:
    path = written(tmp_path, b"hello, this is a text and no record at all")
    with pytest.raises(DataError) as caught:
        list(read_records(path, 3))
    assert caught.value.message == f"{path} is no TFRecord file: no length of a record at byte 0"
    assert caught.value.path == str(path)


def test_a_length_beyond_the_file_is_not_believed(tmp_path: Path) -> None:
    """A record of 2**60 bytes with a right checksum must not be asked for."""
    head = struct.pack("<Q", 1 << 60)
    path = written(tmp_path, head + checksum(head) + b"x" * 100)
    with pytest.raises(DataError, match="a record is cut off at byte 0"):
        list(read_records(path, 3))


def test_reading_ends_at_a_record_that_is_too_large(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tfrecord, "LARGEST_RECORD", 10)
    path = written(tmp_path, framed(b"small", b"x" * 11, b"small"))
    assert list(read_records(path, 3)) == [b"small"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.record cannot be read: No such file"):
        list(read_records(tmp_path / "b.record", 3))


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records(tmp_path, 3))


# --- the Example ------------------------------------------------------------------

FEATURES = st.dictionaries(
    st.text(max_size=8),
    st.one_of(
        st.lists(st.binary(max_size=8), min_size=1, max_size=4),
        st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    ),
    max_size=4,
)


@given(FEATURES, st.booleans())
def test_features_come_back_as_they_were_written(features, packed: bool) -> None:
    read = parse_example(example(features, packed=packed))
    assert {name: list(one.values) for name, one in read.items()} == features
    kinds = {bytes: "bytes", float: "float", int: "int64"}
    assert {name: one.kind for name, one in read.items()} == {
        name: kinds[type(values[0])] for name, values in features.items()
    }


def test_a_feature_without_a_list() -> None:
    assert parse_example(example({"image/encoded": []})) == {"image/encoded": Feature("")}


@pytest.mark.parametrize(
    "data", [b"hello world", b"\x0a\xff", b"\x0a\x05\x0a\x03\x0a\x01\xff"],
    ids=["text", "length-beyond", "name-not-utf-8"],
)  # fmt: skip
def test_what_is_no_example(data: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.record holds a record that is no tf\.train\.Example"):
        parse_example(data, "a.record")


@given(st.binary(max_size=80))
def test_any_bytes_are_an_example_or_a_clear_error(data: bytes) -> None:
    with contextlib.suppress(DataError):
        parse_example(data)


@given(st.data())
def test_a_broken_example_is_an_example_or_a_clear_error(data) -> None:
    whole = bytearray(detection(["cat", "dog"], [1, 2], [(0.1, 0.1, 0.5, 0.5)] * 2))
    for _ in range(3):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        parse_example(bytes(whole))
