"""The copies of a variable under a strategy: one a replica; readers see one, or their mean."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["copies", "keys_of", "save_one_copy", "value_bytes"]


def copies(variable: Any) -> tuple[Any, ...]:
    """Returns the variables that hold a variable's value in this process, one a replica.

    Looks into TensorFlow's ``AutoCastVariable`` and ``DistributedVariable``. The variables of a
    TPU are left as they are.
    """
    inner = _inner(variable)
    if type(inner).__name__.startswith("TPU"):
        return (variable,)
    return tuple(vars(inner).get("_values") or (inner,))


def keys_of(variable: Any) -> set[str]:
    """Returns what a variable and each of its copies is known by: their ``_unique_id``.

    An update is applied to the copies, each on its own replica.
    """
    held = vars(_inner(variable)).get("_values") or ()
    return {one._unique_id for one in (variable, *held)}


def value_bytes(variable: Any) -> bytes:
    """Returns a variable's value on the first replica, little-endian, as a checkpoint holds it.

    Reading the variable itself would sum a moving statistic over all workers, and wait for them.
    """
    value = copies(variable)[0].read_value().numpy()
    if value.dtype.byteorder == ">":
        value = value.byteswap()
    data: bytes = value.tobytes()
    return data


def save_one_copy(variable: Any) -> Iterator[Callable[[], None]]:
    """Makes a statistic that stands still go into checkpoints as it is; yields what undoes it.

    It is saved as the sum of its copies divided by their number (``OnReadPolicy`` of
    ``distribute/values.py``), and for three equal copies that is another number in one case of
    seven: what stood still would not look like it, and would drift in every resumed run.
    """
    inner, every = _inner(variable), copies(variable)
    if not hasattr(inner, "_get_cross_replica") or every[0] is variable:
        return
    inner._get_cross_replica = every[0].read_value
    yield functools.partial(delattr, inner, "_get_cross_replica")


def _inner(variable: Any) -> Any:
    # Not getattr: what a distributed variable does not have it asks of its value, for which a
    # moving statistic is summed over all workers, and those that do not ask are never there.
    return vars(variable).get("_variable", variable)
