"""Whether two values of a variable differ, and how far, from their bytes and without NumPy."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Sequence
from operator import sub

import google_crc32c

from odfreeze.checkpoint import Checkpoint
from odfreeze.variables import Variable

__all__ = ["compare_values", "elements", "max_abs_difference"]

#: Code of ``array`` for the dtypes that it holds as they are.
_CODES = {
    "float32": "f", "float64": "d",
    "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "qint8": "b", "quint8": "B", "qint16": "h", "quint16": "H", "qint32": "i", "bool": "B",
    "complex64": "f", "complex128": "d",
}  # fmt: skip


def max_abs_difference(before: bytes, after: bytes, dtype: str) -> float | None:
    """Returns the largest absolute difference of two values, element by element.

    Elements with equal bits do not differ, NaNs and infinities included. Bits may
    differ where the difference is 0: 0.0 and -0.0.

    Args:
      before: Little-endian bytes of whole elements.
      after: As many.
      dtype: As TensorFlow names it; of a complex one the parts are compared.

    Returns:
      The difference, or None where it is no finite number or the dtype is not known.

    >>> max_abs_difference(struct.pack("<2f", 1, 2), struct.pack("<2f", 1, 2.5), "float32")
    0.5
    """
    olds, news = elements(before, dtype), elements(after, dtype)
    if olds is None or news is None:
        return None
    if not olds:
        return 0.0
    differences = list(map(abs, map(sub, olds, news)))
    if not math.isfinite(sum(differences)):  # NaN anywhere, or an infinity: look at each
        width = len(before) // len(olds)
        differences = [
            difference
            for number, difference in enumerate(differences)
            if before[number * width : (number + 1) * width]
            != after[number * width : (number + 1) * width]
        ]
    largest = float(max(differences, default=0.0))
    # max() may step over a NaN; a sum cannot.
    return largest if math.isfinite(largest) and not math.isnan(sum(differences)) else None


def compare_values(
    before: Checkpoint, old: Variable, after: Checkpoint, new: Variable, *, measured: bool = True
) -> tuple[bool, float | None]:
    """Compares a variable's values in two checkpoints, with little memory.

    Both values are read to their end and checked with their checksums. Equal bytes
    are checked once for both.

    Args:
      before: One checkpoint.
      old: The variable in it.
      after: The other.
      new: The variable in that one, of the same shape and dtype.
      measured: Whether to compute the difference, which takes about 0.1 s per
        million elements that changed.

    Returns:
      Whether a bit changed, and ``max_abs_difference``; None when not measured.

    Raises:
      CheckpointError: A value is missing or damaged, or its dtype has no fixed size.
    """
    crc_old = crc_new = 0
    changed = False
    difference: float | None = 0.0
    pieces = zip(before.chunks(old, check=False), after.chunks(new, check=False), strict=True)
    for piece_old, piece_new in pieces:
        same = piece_old == piece_new
        if changed:
            crc_new = google_crc32c.extend(crc_new, piece_new)
        elif not same:
            crc_new = google_crc32c.extend(crc_old, piece_new)
            changed = True
        crc_old = google_crc32c.extend(crc_old, piece_old)
        if measured and not same and difference is not None:
            found = max_abs_difference(piece_old, piece_new, new.dtype)
            difference = None if found is None else max(difference, found)
    before.check_crc(old, crc_old)
    after.check_crc(new, crc_new if changed else crc_old)
    return changed, difference if measured else None


def elements(data: bytes, dtype: str) -> Sequence[float] | None:
    """Returns the elements of a value, None for a dtype that is not known.

    Args:
      data: Little-endian bytes of whole elements.
      dtype: As TensorFlow names it; of a complex one the parts, one after the other.
    """
    if dtype == "float16":
        return struct.unpack(f"<{len(data) // 2}e", data)
    if dtype == "bfloat16":  # the upper half of a float32
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[0::2], data[1::2]
        data, dtype = bytes(wide), "float32"
    code = _CODES.get(dtype)
    if code is None:
        return None
    found = array(code, data)
    if sys.byteorder == "big":
        found.byteswap()
    return found
