"""The table reader gives back what a table was written from, whatever its layout."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint.table import FOOTER_BYTES, MAGIC, masked, read_table
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointUnsupportedError,
    MissingDependencyError,
)
from tests.support.bundle_writer import append_block, block, finish_table, table, varint

KEYS = st.one_of(
    st.binary(max_size=20),
    st.text("ab/", max_size=30).map(str.encode),  # long shared prefixes
)


@given(
    entries=st.dictionaries(KEYS, st.binary(max_size=200), max_size=60),
    block_bytes=st.sampled_from([1, 50, 300, 1 << 18]),
    restart_interval=st.sampled_from([1, 2, 16]),
    snappy=st.booleans(),
)
def test_entries_come_back_in_order(
    entries: dict[bytes, bytes], block_bytes: int, restart_interval: int, snappy: bool
) -> None:
    data = table(entries, block_bytes=block_bytes, restart_interval=restart_interval, snappy=snappy)
    assert list(read_table(data, "x").items()) == sorted(entries.items())


def test_lengths_of_more_than_one_byte() -> None:
    entries = {b"k" * 300: b"v" * 70_000, b"k" * 301: b"w" * 200}
    assert read_table(table(entries), "x") == entries


@pytest.mark.parametrize("size", [0, 7, 8, 47])
def test_a_file_too_short_for_a_footer_is_corrupt(size: int) -> None:
    with pytest.raises(CheckpointCorruptError, match=r"^m\.index does not end like a checkpoint"):
        read_table(MAGIC.rjust(size, b"\0")[:size], "m.index")


def test_another_kind_of_file_is_corrupt() -> None:
    with pytest.raises(CheckpointCorruptError, match="another kind of file"):
        read_table(b"x" * 1000, "m.index")


def handle(start: int, size: int) -> bytes:
    return varint(start) + varint(size)


def with_handles(content: bytes, *handles: bytes) -> bytes:
    """Returns a table of one data block whose index block says something else."""
    out = bytearray()
    append_block(out, content)
    return finish_table(out, {bytes([65 + n]): h for n, h in enumerate(handles)})


CONTENT = block({b"a": b"1", b"b": b"2"})
FITS = handle(0, len(CONTENT))
HANDLES = {
    "starts behind the data": (handle(10_000, 10),),
    "ends behind the data": (handle(0, 10_000),),
    "start of 2**63": (handle(1 << 63, 10),),
    "size of 2**63": (handle(0, 1 << 63),),
    "runs into the index block": (handle(0, len(CONTENT) + 12),),
    "read twice": (FITS, FITS),
    "has bytes left": (FITS + b"\0",),
    "no size": (b"\0",),
    "empty": (b"",),
}


def test_the_handle_that_fits_is_read() -> None:
    assert read_table(with_handles(CONTENT, FITS), "x") == {b"a": b"1", b"b": b"2"}


@pytest.mark.parametrize("handles", HANDLES.values(), ids=HANDLES)
def test_a_handle_that_does_not_fit_is_corrupt(handles: tuple[bytes, ...]) -> None:
    with pytest.raises(CheckpointCorruptError):
        read_table(with_handles(CONTENT, *handles), "x")


def one(content: bytes) -> bytes:
    return with_handles(content, handle(0, len(content)))


RESTARTS = (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
BLOCKS = {
    "no room for the number of restarts": b"\0\0\0",
    "more restarts than bytes": b"\xff\xff\xff\x7f",
    "4 GiB of restarts": b"\0" * 20 + b"\xff\xff\xff\xff",
    "shares what was not there": bytes([3, 1, 0]) + b"a" + RESTARTS,
    "key past the end": bytes([0, 90, 0]) + b"a" + RESTARTS,
    "value past the end": bytes([0, 1, 90]) + b"a" + RESTARTS,
    "value of 2**62": b"\0\1" + varint(1 << 62) + b"a" + RESTARTS,
    "lengths cut off": bytes([0, 1]) + RESTARTS,
    "long length cut off": bytes([0, 1, 0xFF]) + RESTARTS,
    "keys descend": bytes([0, 1, 0]) + b"b" + bytes([0, 1, 0]) + b"a" + RESTARTS,
    "a key twice": bytes([0, 1, 0]) + b"b" + bytes([1, 0, 0]) + RESTARTS,
}


@pytest.mark.parametrize("content", BLOCKS.values(), ids=BLOCKS)
def test_a_block_that_contradicts_itself_is_corrupt(content: bytes) -> None:
    with pytest.raises(CheckpointCorruptError):
        read_table(one(content), "x")


def test_a_block_without_entries_is_not_read_again_and_again() -> None:
    """Thousands of handles of one large empty block would take endless time to check."""
    content = bytes(4 * 1000) + (1000).to_bytes(4, "little")
    one_of_it = handle(0, len(content))
    assert read_table(with_handles(content, one_of_it), "x") == {}
    with pytest.raises(CheckpointCorruptError, match="one behind the other"):
        read_table(with_handles(content, one_of_it, one_of_it), "x")


def test_keys_must_ascend_from_block_to_block() -> None:
    out = bytearray()
    first = append_block(out, block({b"m": b""}))
    second = append_block(out, block({b"a": b""}))
    with pytest.raises(CheckpointCorruptError, match="not in ascending order"):
        read_table(finish_table(out, {b"m": first, b"n": second}), "x")


def test_keys_that_blow_up_are_refused() -> None:
    key = b"k" * 60_000
    content = bytes([0]) + varint(len(key)) + bytes([0]) + key
    for _ in range(6000):  # each of these 8 bytes would be a key of 60 kB: 360 MB
        key += b"a"
        content += varint(len(key) - 1) + bytes([1, 0]) + b"a"
    with pytest.raises(CheckpointCorruptError, match="keys are far larger than the file"):
        read_table(one(content + RESTARTS), "x")


def with_kind(kind: int, content: bytes) -> bytes:
    import google_crc32c

    out = bytearray(content + bytes([kind]))
    out += masked(google_crc32c.value(bytes(out))).to_bytes(4, "little")
    return finish_table(out, {b"a": handle(0, len(content))})


def test_an_unknown_compression_is_unsupported() -> None:
    with pytest.raises(CheckpointUnsupportedError, match="has the compression 4"):
        read_table(with_kind(4, CONTENT), "x")


SNAPPY = {
    "claims 4 GiB": (b"\xff\xff\xff\xff\x0f" + b"abc", "8 bytes claims to hold 4294967295"),
    "length cut off": (b"\xff", "varint"),
    "nonsense": (b"\x20" + b"\xfe" * 20, "cannot be decompressed"),
    "empty": (b"", "varint"),
}


@pytest.mark.parametrize(("content", "message"), SNAPPY.values(), ids=SNAPPY)
def test_a_damaged_snappy_block_is_corrupt(content: bytes, message: str) -> None:
    with pytest.raises(CheckpointCorruptError, match=message):
        read_table(with_kind(1, content), "x")


def test_snappy_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table({b"a": b"1"}, snappy=True)
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'odfreeze\[snappy\]'"):
        read_table(data, "x")


def test_the_index_block_must_end_at_the_footer() -> None:
    data = table({b"a": b"1"})
    with pytest.raises(CheckpointCorruptError, match="does not lead to an index block"):
        read_table(data[:-FOOTER_BYTES] + b"\0" + data[-FOOTER_BYTES:], "x")


@given(st.integers(0, 2**32 - 1))
def test_masking_a_checksum_loses_nothing(crc: int) -> None:
    rotated = (masked(crc) - 0xA282EAD8) & 0xFFFFFFFF
    assert ((rotated << 15) | (rotated >> 17)) & 0xFFFFFFFF == crc
