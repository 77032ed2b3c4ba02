"""How far values are apart, without NumPy."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointCorruptError
from odfreeze.runs.difference import compare_values, max_abs_difference
from tests.support.bundle_writer import floats, write_checkpoint

FORMATS = {
    "float16": "e", "float32": "f", "float64": "d", "int8": "b", "int16": "h", "int32": "i",
    "int64": "q", "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q", "bool": "?",
    "qint8": "b", "quint8": "B", "qint16": "h", "quint16": "H", "qint32": "i",
}  # fmt: skip


def packed(dtype: str, *values: float) -> bytes:
    if dtype == "bfloat16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)


@pytest.mark.parametrize("dtype", [*FORMATS, "bfloat16"])
def test_the_largest_difference_of_every_dtype(dtype: str) -> None:
    before, after = packed(dtype, 1, 0, 1), packed(dtype, 1, 1, 0)
    assert max_abs_difference(before, after, dtype) == 1
    assert max_abs_difference(before, before, dtype) == 0


WIDE = {
    "int8": (-128, 127, 255),
    "int64": (-(2**63), 2**63 - 1, 2.0**64),
    "uint64": (0, 2**64 - 1, 2.0**64),
    "float64": (-1e300, 1e300, 2e300),
    "bfloat16": (1.0, 1.5, 0.5),
    "float16": (-65504, 65504, 131008),
}


@pytest.mark.parametrize(
    ("dtype", "old", "new", "difference"), [(k, *v) for k, v in WIDE.items()], ids=WIDE
)
def test_ends_of_the_ranges(dtype: str, old: float, new: float, difference: float) -> None:
    found = max_abs_difference(packed(dtype, old), packed(dtype, new), dtype)
    assert found == difference


def test_complex_numbers_are_compared_by_their_parts() -> None:
    assert max_abs_difference(floats(1, 2), floats(1, 2.5), "complex64") == 0.5


NAN, INF = math.nan, math.inf
SPECIAL = {
    "NaN that stayed": ((NAN, 1), (NAN, 2), 1),
    "infinity that stayed": ((INF, 1), (INF, 2), 1),
    "became NaN": ((1, 1), (1, NAN), None),
    "was NaN": ((NAN, 1), (1, 2), None),
    "NaN behind a larger one": ((1, 1), (9, NAN), None),
    "NaN before a larger one": ((1, 1), (NAN, 9), None),
    "became infinite": ((1, 1), (1, INF), None),
    "changed its infinity": ((INF, 1), (-INF, 1), None),
    "lost the sign of zero": ((-0.0, 1), (0.0, 1), 0),
}


@pytest.mark.parametrize(("old", "new", "difference"), SPECIAL.values(), ids=SPECIAL)
def test_special_values(
    old: tuple[float, float], new: tuple[float, float], difference: float | None
) -> None:
    assert max_abs_difference(floats(*old), floats(*new), "float32") == difference


def test_nan_with_other_bits_is_no_finite_difference() -> None:
    assert max_abs_difference(b"\1\0\xc0\x7f", b"\2\0\xc0\x7f", "float32") is None


def test_an_unknown_dtype_and_no_elements() -> None:
    assert max_abs_difference(b"a", b"b", "float8_e5m2") is None
    assert max_abs_difference(b"", b"", "float32") == 0


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=30))
def test_it_is_the_largest_of_all(pairs: list[tuple[float, float]]) -> None:
    olds, news = zip(*pairs, strict=True)
    found = max_abs_difference(floats(*olds), floats(*news), "float32")
    assert found == max(abs(a - b) for a, b in pairs)


# Two checkpoints.


def one(folder: Path, name: str, data: bytes) -> Checkpoint:
    shape = (len(data) // 4,)
    variables = {
        "model/pad": ("pad", "uint8", (3,), b"pad"),
        "model/w": ("w", "float32", shape, data),
    }
    return Checkpoint.open(write_checkpoint(folder / name, variables))


LARGE = 40_000  # elements, of which a chunk has 16,384


@pytest.mark.parametrize("position", [0, 16_383, 16_384, LARGE - 1])
def test_a_bit_is_found_wherever_it_is(tmp_path: Path, position: int) -> None:
    data = bytearray(floats(*[1.0] * LARGE))
    before = one(tmp_path, "a", bytes(data))
    data[4 * position : 4 * position + 4] = floats(3.0)
    after = one(tmp_path, "b", bytes(data))
    old, new = before.variables[1], after.variables[1]
    with before, after:
        assert compare_values(before, old, before, old) == (False, 0.0)
        assert compare_values(before, old, after, new) == (True, 2.0)
        assert compare_values(before, old, after, new, measured=False) == (True, None)


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("changed", [0, 16_384, LARGE])
@pytest.mark.parametrize("position", [5, 4 * LARGE - 1])
def test_a_damaged_value_is_an_error_and_no_change(
    tmp_path: Path, side: str, changed: int, position: int
) -> None:
    data = floats(*[1.0] * LARGE)
    other = data[: 4 * changed] + floats(*[2.0] * (LARGE - changed))
    before, after = one(tmp_path, "a", data), one(tmp_path, "b", other)
    path = tmp_path / f"{side}.data-00000-of-00001"
    raw = bytearray(path.read_bytes())
    raw[3 + position] ^= 1
    path.write_bytes(raw)
    with before, after, pytest.raises(CheckpointCorruptError, match=f"{side}.data-00000"):
        compare_values(before, before.variables[1], after, after.variables[1])
