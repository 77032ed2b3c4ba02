"""Damaged indexes: a typed error or an unchanged answer; never a hang, a crash or a wrong answer.

First every damage that checksums can find, byte by byte; then damage with the
checksums put right again, which only the checks of each decoder can find.
"""

from __future__ import annotations

import contextlib
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.checkpoint.graph import GraphError, object_paths
from odfreeze.checkpoint.table import FOOTER_BYTES, _read_block, masked, read_table
from odfreeze.checkpoint.wire import varint
from odfreeze.errors import CheckpointError
from odfreeze.variables import Variable
from tests.support.bundle_writer import BundleWriter, object_graph

END = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A small checkpoint that has a bit of everything: blocks, shards, parts, strings."""
    writer = BundleWriter(2)
    writer.add(f"model/a/kernel{END}", "float32", (2, 3), bytes(range(24)), shard=1)
    writer.add(f"model/a/moving_mean{END}", "float32", (3,), bytes(range(12)))
    writer.add(f"model/b/scalar{END}", "int64", (), shard=1)
    writer.add_partitioned(
        f"model/b/rows{END}", "float32", (3, 2),
        {((0, 2), (0, -1)): bytes(range(16)), ((2, 1), (0, -1)): bytes(range(8))},
    )  # fmt: skip
    names = {"model/a/kernel": "k", "model/a/moving_mean": "m", "model/b/rows": "r"}
    writer.add_strings("_CHECKPOINTABLE_OBJECT_GRAPH", (), [object_graph(names)])
    return writer.write(tmp_path / "c", block_bytes=170, restart_interval=2)


def everything(prefix: Path) -> tuple[tuple[Variable, ...], dict[str, bytes], str]:
    """Reads all that can be read of a checkpoint."""
    with Checkpoint.open(prefix) as checkpoint:
        values = {}
        for key, entry in checkpoint.entries.items():
            if entry.dtype == "string":
                values[key] = b"|".join(checkpoint.strings(key))
            else:
                values[key] = bytes(checkpoint.read(key))
                assert b"".join(checkpoint.chunks(key)) == values[key]
        object_paths(checkpoint.graph)
        return checkpoint.variables, values, checkpoint.names_missing


def assert_error_or_unchanged(prefix: Path, answer: object) -> bool:
    try:
        assert everything(prefix) == answer
    except CheckpointError:
        return True
    return False


def index_of(prefix: Path) -> Path:
    return prefix.with_name(prefix.name + ".index")


def test_every_single_wrong_byte_of_the_table(prefix: Path) -> None:
    """Every bit and more of every byte, all values in the footer: the same table or an error."""
    good = index_of(prefix).read_bytes()
    answer = read_table(good, "x")
    found = tried = 0
    for position in range(len(good)):
        data = bytearray(good)
        footer = position >= len(good) - FOOTER_BYTES
        for wrong in range(1, 256) if footer else (1, 2, 4, 8, 16, 32, 64, 128, 255, 77, 200):
            tried += 1
            data[position] = good[position] ^ wrong
            try:
                assert read_table(bytes(data), "x") == answer
            except CheckpointError:
                found += 1
    unused = 13 + 40  # the metadata block, which nothing refers to, and the footer's padding
    assert tried - found <= 255 * unused


def test_a_wrong_bit_of_every_byte_of_the_index(prefix: Path) -> None:
    """The same through the file, up to every value."""
    answer = everything(prefix)
    path = index_of(prefix)
    good = path.read_bytes()
    for position in range(len(good)):
        data = bytearray(good)
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        assert_error_or_unchanged(prefix, answer)


def test_every_truncation_of_the_table(prefix: Path) -> None:
    good = index_of(prefix).read_bytes()
    for size in range(len(good)):
        with pytest.raises(CheckpointError):
            read_table(good[:size], "x")


def test_bytes_lost_from_or_added_to_the_middle(prefix: Path) -> None:
    answer = everything(prefix)
    path = index_of(prefix)
    good = path.read_bytes()
    for position in range(0, len(good), 5):
        for data in (
            good[:position] + good[position + 1 :],
            good[:position] + b"\0" + good[position:],
        ):
            path.write_bytes(data)
            assert_error_or_unchanged(prefix, answer)


def test_every_truncation_of_a_data_file(prefix: Path) -> None:
    for shard in range(2):
        path = prefix.with_name(f"c.data-{shard:05d}-of-00002")
        good = path.read_bytes()
        for size in range(len(good)):
            path.write_bytes(good[:size])
            with pytest.raises(CheckpointError):
                everything(prefix)
        path.write_bytes(good)


def test_wrong_bytes_of_the_real_index(corpus: Path, tmp_path: Path) -> None:
    folder = corpus / "checkpoints" / "efficientdet_d0_names_only"
    graph = folder / "ckpt-0.data-00000-of-00002"
    (tmp_path / graph.name).write_bytes(graph.read_bytes())
    good = (folder / "ckpt-0.index").read_bytes()
    path = tmp_path / "ckpt-0.index"
    path.write_bytes(good)
    with Checkpoint.open(tmp_path) as checkpoint:
        answer = checkpoint.variables
    dice = random.Random(0)
    found = 0
    for _ in range(300):
        data = bytearray(good)
        data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        path.write_bytes(data)
        try:
            assert Checkpoint.open(tmp_path).variables == answer
        except CheckpointError:
            found += 1
    assert found > 290
    for _ in range(100):
        path.write_bytes(good[: dice.randrange(len(good))])
        with pytest.raises(CheckpointError):
            Checkpoint.open(tmp_path)


# Behind the checksums.


def blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields (start, end) of the content of each block."""
    footer = len(data) - FOOTER_BYTES
    _, position = varint(data, footer, len(data))
    _, position = varint(data, position, len(data))
    start, position = varint(data, position, len(data))
    size, _ = varint(data, position, len(data))
    yield start, start + size
    entries: dict[bytes, bytes] = {}
    _read_block(data[start : start + size], "x", 0, entries, 1 << 20)
    for handle in entries.values():
        start, position = varint(handle, 0, len(handle))
        size, _ = varint(handle, position, len(handle))
        yield start, start + size


def put_right(data: bytearray, start: int, end: int) -> bytes:
    """Returns the file with the checksum of this block fitting its content."""
    crc = masked(google_crc32c.value(bytes(data[start : end + 1])))
    return bytes(data[: end + 1]) + crc.to_bytes(4, "little") + bytes(data[end + 5 :])


def no_crash(prefix: Path) -> None:
    """Reads everything; whatever the answer is, the only exceptions are typed ones."""
    with contextlib.suppress(CheckpointError, GraphError):
        everything(prefix)


def test_wrong_bytes_behind_right_checksums(prefix: Path) -> None:
    path = index_of(prefix)
    good = path.read_bytes()
    spans = list(blocks(good))
    assert len(spans) == 4
    for start, end in spans:
        for position in range(start, end + 1):
            for wrong in (1, 0x80, 0x7F ^ good[position]):
                data = bytearray(good)
                data[position] ^= wrong
                path.write_bytes(put_right(data, start, end))
                no_crash(prefix)


def test_many_wrong_bytes_behind_right_checksums(prefix: Path) -> None:
    path = index_of(prefix)
    good = path.read_bytes()
    spans = list(blocks(good))
    dice = random.Random(2)
    for _ in range(1000):
        data = bytearray(good)
        start, end = dice.choice(spans)
        for _ in range(dice.randint(2, 6)):
            data[dice.randrange(start, end)] = dice.choice([0, 1, 2, 8, 0x7F, 0x80, 0xFF, 18, 40])
        path.write_bytes(put_right(data, start, end))
        no_crash(prefix)


def test_wrong_bytes_of_the_object_graph_behind_right_checksums(tmp_path: Path) -> None:
    names = {"model/a/kernel": "k", "optimizer/lr": "lr", f"model/{'b' * 130}": "b"}
    names["model/a/kernel/.OPTIMIZER_SLOT/optimizer/m"] = "k/m"
    good = object_graph(names)
    for position in range(len(good)):
        for wrong in (1, 0x80):
            data = bytearray(good)
            data[position] ^= wrong
            writer = BundleWriter()
            writer.add(f"model/a/kernel{END}", "float32", (1,))
            writer.add_strings("_CHECKPOINTABLE_OBJECT_GRAPH", (), [bytes(data)])
            no_crash(writer.write(tmp_path / "c"))


def test_damage_never_makes_it_allocate_more_than_a_few_times_the_file(prefix: Path) -> None:
    path = index_of(prefix)
    good = path.read_bytes()
    no_crash(prefix)  # imports what reading imports
    size = sum(file.stat().st_size for file in prefix.parent.iterdir())
    dice = random.Random(3)
    spans = list(blocks(good))
    tracemalloc.start()
    try:
        for _ in range(400):
            data = bytearray(good)
            start, end = dice.choice(spans)
            for _ in range(3):
                data[dice.randrange(start, end)] = dice.choice([0x7F, 0x80, 0xFF, 40, 8])
            path.write_bytes(put_right(data, start, end))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            no_crash(prefix)
            assert tracemalloc.get_traced_memory()[1] - before < 100_000 + 64 * size
    finally:
        tracemalloc.stop()
