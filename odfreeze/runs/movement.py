"""How far each part of a model moved in a run: ``||end - start|| / ||start||`` over its values.

The start is what the run began with, read from the checkpoint that it was restored from; the
digests in the run's record tell whether a value there is what the run began with indeed. A head
that started at random has no start value on disk, and no movement is told for it.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointError, RemotePathError
from odfreeze.groups.grouping import PARTS, group
from odfreeze.live_restore import backbone_root
from odfreeze.restore import BACKBONE_ROOT
from odfreeze.runs.difference import elements
from odfreeze.runs.record import RecordedVariable, RunRecord, read_record
from odfreeze.variables import Variable

__all__ = ["Movement", "SquaredNorms", "measure_movement", "record_variables", "squared_norms"]

#: Digits that are told: what NumPy and plain Python agree on, whatever the order of their sums.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Movement:
    """How far a part of the model moved.

    Attributes:
      key: ``head``, ``head/box``, ``backbone``, ``backbone/3``, ``batch_norm`` (the gammas and
        betas of all batch norm layers) or ``statistics`` (their moving means and variances).
      label: What people call it: ``block_3`` for a block that names call so.
      parameters: Elements of its variables that have a start value; where none has one, of all.
      relative_change: ``||end - start|| / ||start||`` over these; None where none has a start
        value, where those are all zero, or where a value is no finite number.
    """

    key: str
    label: str
    parameters: int
    relative_change: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain Python values."""
        return {
            "key": self.key,
            "label": self.label,
            "parameters": self.parameters,
            "relative_change": self.relative_change,
        }


@dataclass(frozen=True, slots=True)
class SquaredNorms:
    """Sums of squares over a variable's elements.

    Attributes:
      change: Of what it changed by.
      start: Of what it started from.
    """

    change: float
    start: float


def measure_movement(model_dir: str | os.PathLike[str]) -> tuple[Movement, ...]:
    """Returns how far each part of a run's model moved, from its start to its last checkpoint.

    Parts come first with all that is in them, then their kinds and blocks, as
    :func:`odfreeze.groups.grouping.group` has them; of each what a gradient can reach. Without a
    checkpoint that can be read, every change is None.

    Raises:
      RecordError: The run has no record.
    """
    record = read_record(model_dir)
    variables = record_variables(record)
    norms: dict[str, SquaredNorms | None] = {}
    try:
        with ExitStack() as stack:
            end = stack.enter_context(Checkpoint.open(model_dir))
            start = stack.enter_context(Checkpoint.open(_start(record, Path(model_dir))))
            norms = dict(_measured(record, variables, start, end))
    except (CheckpointError, RemotePathError, OSError):
        norms = {}
    return tuple(_movements(variables, norms))


def squared_norms(
    start: Iterable[bytes], end: Iterable[bytes], dtype: str, *, use_numpy: bool = True
) -> SquaredNorms | None:
    """Returns the sums of squares of a value and of its change, taken in double precision.

    Args:
      start: Little-endian bytes of whole elements, in pieces.
      end: The same of the other value, in pieces of the same sizes.
      dtype: As TensorFlow names it.
      use_numpy: Whether to use NumPy if it is there, which is about thirty times faster.

    Returns:
      None for a dtype that is not known.

    >>> import struct
    >>> squared_norms([struct.pack("<2f", 3, 4)], [struct.pack("<2f", 3, 6)], "float32")
    SquaredNorms(change=4.0, start=25.0)
    """
    sums = _sums_with_numpy(dtype) if use_numpy else None
    sums = sums or _sums(dtype)
    change, length = [], []
    for old, new in zip(start, end, strict=True):
        found = sums(old, new)
        if found is None:
            return None
        change.append(found[0])
        length.append(found[1])
    return SquaredNorms(_total(change), _total(length))


def record_variables(record: RunRecord) -> tuple[Variable, ...]:
    """Returns the variables of a run's model as they are in its record."""
    return tuple(
        Variable(
            one.name, one.object_path, one.shape, one.dtype, one.trainable, one.statistic,
            one.object_path.rpartition("/")[0], order,
        )
        for order, one in enumerate(record.variables)
    )  # fmt: skip


def _start(record: RunRecord, model_dir: Path) -> str:
    """Returns the checkpoint that a run began with; "" is none, and cannot be opened."""
    if record.start_step:  # it went on in a directory that was in use
        return str(model_dir / f"ckpt-{record.start_step}")
    return record.fine_tune_checkpoint or ""


def _measured(
    record: RunRecord, variables: Sequence[Variable], start: Checkpoint, end: Checkpoint
) -> Iterator[tuple[str, SquaredNorms | None]]:
    """Yields each variable's object path with its norms, None where it has no start value."""
    at_start = _by_model_path(variables, start)
    at_end = {one.object_path: one for one in end.variables}
    for recorded in record.variables:
        old, new = at_start.get(recorded.object_path), at_end.get(recorded.object_path)
        kind = recorded.shape, recorded.dtype
        if old is None or new is None or kind != (old.shape, old.dtype):
            continue
        if kind == (new.shape, new.dtype):
            yield recorded.object_path, _norms(recorded, start, old, end, new)


def _norms(
    recorded: RecordedVariable, start: Checkpoint, old: Variable, end: Checkpoint, new: Variable
) -> SquaredNorms | None:
    found = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in start.chunks(old):
            found.update(piece)
            yield piece

    norms = squared_norms(digested(), end.chunks(new), recorded.dtype)
    return norms if found.hexdigest() == recorded.digest else None


def _by_model_path(variables: Sequence[Variable], start: Checkpoint) -> dict[str, Variable]:
    """Returns a checkpoint's variables by where the model has them.

    One for type ``classification`` holds a backbone alone, under a root of its own.
    """
    found = {one.object_path: one for one in start.variables}
    inside = {
        path.removeprefix(BACKBONE_ROOT): one
        for path, one in found.items()
        if path.startswith(BACKBONE_ROOT)
    }
    root = backbone_root(variables, {path: one.shape for path, one in inside.items()})
    return found | {f"{root}/{path}": one for path, one in inside.items() if root is not None}


def _movements(
    variables: Sequence[Variable], norms: Mapping[str, SquaredNorms | None]
) -> Iterator[Movement]:
    groups = group(variables)
    for part in PARTS:
        inside = groups.in_part(part)
        if not inside:
            continue
        yield _movement(part, part, [v for one in inside for v in one.variables], norms)
        for one in inside:
            if one.kind:
                yield _movement(one.name, one.kind, one.variables, norms)
    if groups.batch_norm:
        yield _movement("batch_norm", "batch norm", groups.batch_norm, norms)
        statistics = [v for v in groups.batch_norm if v.statistic]
        yield _movement("statistics", "statistics", statistics, norms, learning=False)


def _movement(
    key: str,
    label: str,
    variables: Sequence[Variable],
    norms: Mapping[str, SquaredNorms | None],
    *,
    learning: bool = True,
) -> Movement:
    of = [v for v in variables if v.trainable or not learning]
    known = [(v, norm) for v in of if (norm := norms.get(v.object_path)) is not None]
    parameters = sum(v.parameters for v in ([v for v, _ in known] or of))
    change, start = (_total(getattr(n, field) for _, n in known) for field in ("change", "start"))
    ratio = None
    if known and start > 0 and math.isfinite(start) and math.isfinite(change):
        ratio = float(f"{math.sqrt(change / start):.{_DIGITS}g}")
    return Movement(key, label, parameters, ratio)


_Sums = Callable[[bytes, bytes], "tuple[float, float] | None"]


def _sums(dtype: str) -> _Sums:
    def sums(old: bytes, new: bytes) -> tuple[float, float] | None:
        before = elements(old, dtype)
        after = before if old == new else elements(new, dtype)
        if before is None or after is None:
            return None
        length = math.hypot(*before)
        change = 0.0 if old == new else math.dist(before, after)
        return change * change, length * length

    return sums


#: NumPy's names of the dtypes that it holds as they are in a checkpoint.
_NUMPY = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


def _sums_with_numpy(dtype: str) -> _Sums | None:
    """Returns what `_sums` does, by NumPy; None where it is not there or has no such dtype."""
    if dtype not in _NUMPY:
        return None
    try:
        numpy: Any = importlib.import_module("numpy")
    except ImportError:
        return None

    def sums(old: bytes, new: bytes) -> tuple[float, float]:
        with numpy.errstate(all="ignore"):  # infinities are told as None, not in a warning
            before = numpy.frombuffer(old, _NUMPY[dtype]).astype("f8")
            change = 0.0
            if old != new:
                moved = numpy.frombuffer(new, _NUMPY[dtype]).astype("f8") - before
                change = float(numpy.square(moved, out=moved).sum())
            # Not by `@`: its threads take longer to meet than a piece takes to add up.
            return change, float(numpy.square(before, out=before).sum())

    return sums


def _total(values: Iterable[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # infinities, or too large for a double
        return math.nan
