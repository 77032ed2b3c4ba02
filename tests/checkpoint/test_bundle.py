"""Header, entries and parts of partitioned tensors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint.bundle import DTYPES, Bundle, Entry, Slice, slice_key
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
)
from tests.support.bundle_writer import BundleWriter, entry_proto, table, varint


def bundle(tmp_path: Path, entries: dict[bytes, bytes], header: bytes = b"\x08\x01") -> Bundle:
    (tmp_path / "c.index").write_bytes(table({b"": header, **entries}))
    return Bundle(str(tmp_path / "c"))


def test_an_entry_has_all_its_fields(tmp_path: Path) -> None:
    writer = BundleWriter(3)
    writer.add("a", "float32", (2, 3), shard=2)
    writer.add("b", "int64", (), b"12345678", shard=2)
    found = Bundle(str(writer.write(tmp_path / "c")))
    assert list(found) == ["a", "b"]
    assert found["b"] == Entry("b", (), "int64", 2, 24, 8, found["b"].crc32c)
    assert found.shards == 3
    assert "c" not in found


@pytest.mark.parametrize("number", DTYPES, ids=DTYPES.values())
def test_every_dtype_has_its_name(tmp_path: Path, number: int) -> None:
    value = entry_proto(number, (0,))
    assert bundle(tmp_path, {b"a": value})["a"].dtype == DTYPES[number]


HEADERS = {
    "big-endian": (b"\x08\x01\x10\x01", CheckpointUnsupportedError, "big-endian machine"),
    "of a version to come": (b"\x08\x01\x1a\x02\x10\x02", CheckpointUnsupportedError, "version 2"),
    "no data files": (b"", CheckpointCorruptError, "0 data files"),
    "negative": (b"\x08" + varint(-1), CheckpointCorruptError, "-1 data files"),
    "a billion data files": (b"\x08" + varint(10**9), CheckpointCorruptError, "data files"),
    "no message": (b"\x08", CheckpointCorruptError, "in its header"),
}


@pytest.mark.parametrize(("header", "error", "message"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_cannot_be_read(
    tmp_path: Path, header: bytes, error: type[CheckpointError], message: str
) -> None:
    with pytest.raises(error, match=message):
        bundle(tmp_path, {}, header)


def test_no_header_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "c.index").write_bytes(table({b"a": entry_proto("float32", ())}))
    with pytest.raises(CheckpointCorruptError, match="no header"):
        Bundle(str(tmp_path / "c"))


def test_no_index_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"c\.index cannot be read"):
        Bundle(str(tmp_path / "c"))


ENTRIES = {
    "negative dimension": (entry_proto("float32", (-1,)), "dimension of size -1"),
    "size that does not fit its shape": (entry_proto("float32", (2,), size=4), "claims to have 4"),
    "huge shape": (entry_proto("float32", (2**62, 2**62), size=4), "claims to have 4"),
    "size of a zero-size shape": (entry_proto("float32", (2**62, 0), size=4), "claims to have 4"),
    "size unlike one of the same kind": (entry_proto("float32", (), 0, 0, 8, 1), "have 8 bytes"),
    "shard unlike one of the same kind": (entry_proto("float32", (), 7, 0, 4, 1), "file 7 of 1"),
    "no size, unlike one of the same kind": (entry_proto("float32", (), 0, 4, 0, 1), "0 bytes"),
    "negative size": (entry_proto("string", (), size=-1), "-1 bytes"),
    "negative offset": (entry_proto("float32", (), 0, -4, 4), "at -4"),
    "shard that is not there": (entry_proto("float32", (), 7, 0, 4), "data file 7 of 1"),
    "negative shard": (entry_proto("float32", (), -1, 0, 4), "data file -1"),
    "255 dimensions": (entry_proto("float32", (1,) * 255, size=4), "255 dimensions"),
    "unknown rank": (b"\x08\x01\x12\x02\x18\x01\x28\x04", "no known rank"),
    "no message": (b"\x08\x01\x12\x7f", "in the entry"),
    "part outside": (entry_proto("float32", (4,), slices=(((2, 3),),)), "outside its shape"),
    "part before": (entry_proto("float32", (4,), slices=(((-1, 2),),)), "outside its shape"),
    "part of no length": (entry_proto("float32", (4,), slices=(((1, 0),),)), "outside its shape"),
    "part of another rank": (entry_proto("float32", (4,), slices=((),)), "outside its shape"),
}


@pytest.mark.parametrize(("value", "message"), ENTRIES.values(), ids=ENTRIES)
def test_an_entry_that_contradicts_itself_is_corrupt(
    tmp_path: Path, value: bytes, message: str
) -> None:
    found = bundle(tmp_path, {b"a": entry_proto("float32", (), 0, 0, 4, 1), b"b": value})
    assert found.kind("a") == ("float32", ())
    assert found["a"].size == 4
    for look in (found.kind, found.__getitem__):
        with pytest.raises(CheckpointCorruptError, match=message):
            look("b")


def test_an_unknown_dtype_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointUnsupportedError, match="dtype number 99"):
        bundle(tmp_path, {b"a": entry_proto(99, ())})["a"]


def test_a_key_that_is_not_utf8_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CheckpointCorruptError, match="not UTF-8"):
        bundle(tmp_path, {b"\xff\xfe": entry_proto("float32", (), size=4)})


SHAPES = st.lists(st.integers(0, 300), max_size=4).map(tuple)


@given(
    shapes=st.lists(st.tuples(st.sampled_from(["float32", "int64", "string"]), SHAPES), max_size=9),
    wrong=st.integers(-1, 8),
    mutation=st.binary(min_size=1, max_size=3),
    where=st.integers(0, 30),
)
def test_the_quick_look_says_what_the_whole_entry_says(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[tuple[str, tuple[int, ...]]],
    wrong: int,
    mutation: bytes,
    where: int,
) -> None:
    values = {}
    for number, (dtype, shape) in enumerate([*shapes, *shapes]):
        width = {"float32": 4, "int64": 8, "string": 0}[dtype]
        size = width
        for dim in shape:
            size *= dim
        value = entry_proto(dtype, shape, 0, number * 1000, size, 0xFFFFFFFF - number)
        if number == wrong:
            value = value[:where] + mutation + value[where + len(mutation) :]
        values[b"k%d" % number] = value
    folder = tmp_path_factory.mktemp("c")
    whole, quick = bundle(folder, values), bundle(folder, values)
    for key in whole:
        try:
            entry = whole[key]
        except CheckpointError as error:
            with pytest.raises(type(error)):
                quick.kind(key)
        else:
            assert quick.kind(key) == (entry.dtype, entry.shape)


# Keys that TensorFlow's checkpoint::EncodeTensorNameSlice makes; the train-marked tests read
# partitioned checkpoints that TensorFlow wrote, which needs them to be right.
SLICE_KEYS: dict[str, tuple[str, Slice, bytes]] = {
    "short": ("w", ((0, 5),), b"\0w\0\1\1\1\x80\x85"),
    "all of a dimension": ("w", ((0, -1), (1, 2)), b"\0w\0\1\1\2\x80\x7f\x81\x82"),
    "two bytes": ("w", ((64, 100),), b"\0w\0\1\1\1\xc0\x40\xc0\x64"),
    "three bytes": ("w", ((8192, 1),), b"\0w\0\1\1\1\xe0\x20\x00\x81"),
    "escaped": ("a\0b", ((0, 1),), b"\0a\0\xffb\0\1\1\1\x80\x81"),
}


@pytest.mark.parametrize(("key", "piece", "code"), SLICE_KEYS.values(), ids=SLICE_KEYS)
def test_the_key_of_a_part(key: str, piece: Slice, code: bytes) -> None:
    assert slice_key(key, piece) == code


@given(st.lists(st.integers(-1, 2**62), min_size=2, max_size=30, unique=True))
def test_keys_of_parts_are_in_the_order_of_their_numbers(numbers: list[int]) -> None:
    codes = [slice_key("w", ((number, 1),)) for number in sorted(numbers)]
    assert codes == sorted(codes)
    assert len(set(codes)) == len(codes)


def test_parts_are_not_among_the_names(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add_partitioned("p", "float32", [3], {((0, 2),): b"12345678", ((2, 1),): b"abcd"})
    found = Bundle(str(writer.write(tmp_path / "c")))
    assert list(found) == ["p"]
    assert found["p"].slices == (((0, 2),), ((2, 1),))
    assert found.part(found["p"], ((2, 1),)).size == 4


def test_a_missing_part_is_corrupt(tmp_path: Path) -> None:
    found = bundle(tmp_path, {b"p": entry_proto("float32", [3], slices=(((0, 2),),))})
    with pytest.raises(CheckpointCorruptError, match=r"a part of 'p' is missing: \(\(0, 2\),\)"):
        found.part(found["p"], ((0, 2),))


PARTS = {
    "another shape": entry_proto("float32", [3], size=12),
    "another dtype": entry_proto("int64", [2], size=16),
    "parts of its own": entry_proto("float32", [2], slices=(((0, 1),),)),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_part_that_does_not_fit_is_corrupt(tmp_path: Path, part: bytes) -> None:
    piece = ((0, 2),)
    whole = entry_proto("float32", [3], slices=(piece,))
    found = bundle(tmp_path, {slice_key("p", piece): part, b"p": whole})
    with pytest.raises(CheckpointCorruptError, match="does not fit"):
        found.part(found["p"], piece)
