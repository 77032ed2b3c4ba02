"""Values: every byte, checked, whole or in pieces, and what is wrong with a data file."""

from __future__ import annotations

import random
import struct
from itertools import pairwise, product
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint import Checkpoint
from odfreeze.checkpoint.bundle import Slice, slice_key
from odfreeze.checkpoint.table import masked
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
)
from tests.support.bundle_writer import BundleWriter, entry_proto, floats, varint


def data_file(prefix: Path, shard: int = 0, shards: int = 1) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


@given(
    values=st.lists(st.binary(max_size=40).map(lambda b: b * 9), min_size=1, max_size=6),
    shards=st.integers(1, 3),
    chunk=st.integers(1, 50),
)
def test_values_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes], shards: int, chunk: int
) -> None:
    writer = BundleWriter(shards)
    for number, value in enumerate(values):
        writer.add(f"v{number}", "uint8", (len(value),), value, shard=number % shards)
    prefix = writer.write(tmp_path_factory.mktemp("c") / "c")
    with Checkpoint.open(prefix) as checkpoint:
        for number, value in enumerate(values):
            assert bytes(checkpoint.read(f"v{number}")) == value
            pieces = list(checkpoint.chunks(f"v{number}", chunk))
            assert b"".join(pieces) == value
            assert all(0 < len(piece) <= chunk for piece in pieces)


def test_a_view_cannot_be_written_and_outlives_the_checkpoint(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add("v", "float32", (2,), floats(1, 2))
    with Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint:
        view = checkpoint.read("v")
    assert bytes(view) == floats(1, 2)
    assert isinstance(view, memoryview)
    assert view.readonly


def test_values_can_be_read_again_after_closing(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add("v", "float32", (2,), floats(1, 2))
    checkpoint = Checkpoint.open(writer.write(tmp_path / "c"))
    for _ in range(2):
        assert bytes(checkpoint.read("v")) == floats(1, 2)
        checkpoint.close()


@pytest.fixture
def two(tmp_path: Path) -> Path:
    writer = BundleWriter(2)
    writer.add("a", "float32", (2,), floats(1, 2), shard=0)
    writer.add("b", "float32", (2,), floats(3, 4), shard=1)
    return writer.write(tmp_path / "c")


def test_a_missing_data_file_is_named(two: Path) -> None:
    data_file(two, 1, 2).unlink()
    with Checkpoint.open(two) as checkpoint:
        assert bytes(checkpoint.read("a")) == floats(1, 2)
        for read in (checkpoint.read, lambda key: list(checkpoint.chunks(key))):
            with pytest.raises(CheckpointNotFoundError, match="data-00001-of-00002 cannot be read"):
                read("b")


def test_a_data_file_that_was_cut_off(two: Path) -> None:
    path = data_file(two, 1, 2)
    path.write_bytes(path.read_bytes()[:-1])
    with Checkpoint.open(two) as checkpoint:
        for read in (checkpoint.read, lambda key: list(checkpoint.chunks(key))):
            with pytest.raises(
                CheckpointCorruptError, match="should end at byte 8, the file ends at 7"
            ):
                read("b")


def test_an_empty_data_file(two: Path) -> None:
    data_file(two, 1, 2).write_bytes(b"")
    with Checkpoint.open(two) as checkpoint, pytest.raises(CheckpointCorruptError, match="at 0"):
        checkpoint.read("b")


@pytest.mark.parametrize("position", range(8))
def test_one_wrong_bit_is_found(two: Path, position: int) -> None:
    path = data_file(two, 1, 2)
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)
    with Checkpoint.open(two) as checkpoint:
        for read in (checkpoint.read, lambda key: list(checkpoint.chunks(key, 3))):
            with pytest.raises(CheckpointCorruptError, match="'b' is damaged"):
                read("b")


def test_the_caller_may_compute_the_checksum(two: Path) -> None:
    with Checkpoint.open(two) as checkpoint:
        raw = b"".join(checkpoint.chunks("b", check=False))
        checkpoint.check_crc("b", google_crc32c.value(raw))
        with pytest.raises(CheckpointCorruptError):
            checkpoint.check_crc("b", 1)


def test_an_unknown_name_suggests_one(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add("conv/weights", "float32", (1,))
    with (
        Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint,
        pytest.raises(CheckpointNotFoundError, match="did you mean 'conv/weights'"),
    ):
        checkpoint.read("conv/weight")


# Partitioned variables.


def cut(shape: tuple[int, ...], cuts: list[list[int]]) -> list[Slice]:
    """Returns the parts that cuts along each dimension make."""
    ranges = []
    for size, at in zip(shape, cuts, strict=True):
        edges = [0, *sorted({c for c in at if 0 < c < size}), size]
        spans = [(a, b - a) for a, b in pairwise(edges)]
        ranges.append([(0, -1)] if len(spans) == 1 else spans)
    return list(product(*ranges))


def part_of(values: list[int], shape: tuple[int, ...], piece: Slice) -> bytes:
    picked = []
    spans = [
        range(n) if c == -1 else range(s, s + c) for (s, c), n in zip(piece, shape, strict=True)
    ]
    for index in product(*spans):
        flat = 0
        for i, n in zip(index, shape, strict=True):
            flat = flat * n + i
        picked.append(values[flat])
    return struct.pack(f"<{len(picked)}i", *picked)


@given(data=st.data(), shape=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
def test_parts_are_put_together(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, shape: tuple[int, ...]
) -> None:
    cuts = [data.draw(st.lists(st.integers(1, 4), max_size=2)) for _ in shape]
    pieces = cut(shape, cuts)
    total = 1
    for n in shape:
        total *= n
    values = list(range(total))
    writer = BundleWriter(2)
    parts = {piece: part_of(values, shape, piece) for piece in pieces}
    writer.add_partitioned("p", "int32", shape, parts, shards=(0, 1))
    with Checkpoint.open(writer.write(tmp_path_factory.mktemp("c") / "c")) as checkpoint:
        assert bytes(checkpoint.read("p")) == struct.pack(f"<{total}i", *values)
        assert b"".join(checkpoint.chunks("p", 7)) == struct.pack(f"<{total}i", *values)


WRONG_PARTS: dict[str, tuple[int, dict[Slice, bytes]]] = {
    "a gap": (4, {((0, 2),): bytes(8), ((3, 1),): bytes(4)}),
    "an overlap and a gap": (4, {((0, 2),): bytes(8), ((1, 2),): bytes(8)}),
    "too many": (4, {((0, 2),): bytes(8), ((1, 2),): bytes(8), ((2, 2),): bytes(8)}),
}


@pytest.mark.parametrize(("size", "parts"), WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_parts_that_do_not_fill_the_whole(
    tmp_path: Path, size: int, parts: dict[Slice, bytes]
) -> None:
    writer = BundleWriter()
    writer.add_partitioned("p", "int32", (size,), parts)
    with (
        Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint,
        pytest.raises(CheckpointCorruptError, match=r"its parts (overlap|do not fill)"),
    ):
        checkpoint.read("p")


def test_parts_that_share_their_bytes_are_refused_before_they_are_put_together(
    tmp_path: Path,
) -> None:
    writer = BundleWriter()
    pieces = [((n * 1000, 1000),) for n in range(1000)]
    crc = masked(google_crc32c.value(bytes(1000)))
    writer.data[0] += bytes(1000)
    for piece in pieces:  # a million bytes out of a thousand
        writer.entries[slice_key("p", piece)] = entry_proto("uint8", (1000,), 0, 0, 1000, crc)
    writer.entries[b"p"] = entry_proto("uint8", (1_000_000,), slices=pieces)
    with (
        Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint,
        pytest.raises(CheckpointCorruptError, match="do not fill"),
    ):
        checkpoint.read("p")


def test_a_wrong_bit_in_a_part_is_found(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add_partitioned("p", "int32", (4,), {((0, 2),): bytes(8), ((2, 2),): bytes(8)})
    prefix = writer.write(tmp_path / "c")
    data_file(prefix).write_bytes(bytes(15) + b"\1")
    with Checkpoint.open(prefix) as checkpoint:
        for read in (checkpoint.read, lambda key: list(checkpoint.chunks(key, check=False))):
            with pytest.raises(CheckpointCorruptError, match="checksum"):
                read("p")


# Strings.


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_strings_come_back(tmp_path_factory: pytest.TempPathFactory, values: list[bytes]) -> None:
    writer = BundleWriter()
    writer.add_strings("s", (len(values),), values)
    with Checkpoint.open(writer.write(tmp_path_factory.mktemp("c") / "c")) as checkpoint:
        assert checkpoint.strings("s") == tuple(values)


def test_strings_have_no_bytes_of_fixed_size(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add_strings("s", (), [b"text"])
    writer.add("v", "float32", (1,))
    with Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint:
        for read in (checkpoint.read, lambda key: list(checkpoint.chunks(key))):
            with pytest.raises(CheckpointUnsupportedError, match=r"strings\(\) reads it"):
                read("s")
        with pytest.raises(CheckpointUnsupportedError, match="no whole tensor of strings"):
            checkpoint.strings("v")


LENGTHS = {
    "past the end": varint(100),
    "of 2**63": varint(1 << 63),
    "short of the end": varint(3),
}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_lengths_that_do_not_fit_behind_right_checksums(tmp_path: Path, length: bytes) -> None:
    from odfreeze.checkpoint.wire import varint as read_varint

    number = read_varint(length, 0, len(length))[0]
    width = number.to_bytes(4 if number < 1 << 32 else 8, "little")
    check = masked(google_crc32c.value(width)).to_bytes(4, "little")
    crc = masked(google_crc32c.value(width + check + b"text"))
    writer = BundleWriter()
    writer.add_raw("s", "string", (), length + check + b"text", crc)
    with (
        Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint,
        pytest.raises(CheckpointCorruptError, match="do not fill its bytes"),
    ):
        checkpoint.strings("s")


def test_a_string_tensor_that_claims_a_huge_shape(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add_raw("s", "string", (2**40,), b"abcdefgh", 0)
    with (
        Checkpoint.open(writer.write(tmp_path / "c")) as checkpoint,
        pytest.raises(CheckpointCorruptError, match="8 bytes cannot hold 1099511627776"),
    ):
        checkpoint.strings("s")


def test_every_wrong_byte_of_a_string_tensor_is_found(tmp_path: Path) -> None:
    writer = BundleWriter()
    writer.add_strings("s", (3,), [b"one", b"", b"three"])
    prefix = writer.write(tmp_path / "c")
    good = data_file(prefix).read_bytes()
    dice = random.Random(1)
    for position in range(len(good)):
        for wrong in dice.sample(range(1, 256), 40):
            data = bytearray(good)
            data[position] ^= wrong
            data_file(prefix).write_bytes(data)
            with Checkpoint.open(prefix) as checkpoint, pytest.raises(CheckpointCorruptError):
                checkpoint.strings("s")
