"""Whether the moving averages of what was to stay frozen are the frozen values, bit by bit.

A run with ``use_moving_average`` keeps an average of each weight in the slot ``average`` of its
optimizer, which ``model_lib_v2.train_loop`` saves as ``optimizer``. Evaluation with
``use_moving_averages`` makes such averages for all weights, out of zeros, restores those that the
checkpoint has, and runs them in place of the weights (model_lib_v2.py, ``eval_continuously``;
under a distribution strategy only, without one stock breaks off). So a frozen value that is to be
evaluated has to be in the averages too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from odfreeze.checkpoint import Checkpoint
from odfreeze.runs.difference import compare_values
from odfreeze.runs.verification import AverageCheck, Change, Verification
from odfreeze.selection import State
from odfreeze.variables import Variable

__all__ = ["AVERAGE_SLOT", "check_averages", "with_averages"]

#: What follows the object path of a variable in that of its moving average.
AVERAGE_SLOT = "/.OPTIMIZER_SLOT/optimizer/average"

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def with_averages(
    found: Verification, after: Checkpoint, states: Iterable[tuple[Variable | None, State]]
) -> Verification:
    """Returns a verification with what the checkpoint's averages were found to be, if it has any.

    Args:
      found: The verification of the values.
      after: The checkpoint that came of the run.
      states: Its variables with their states; None for one that is not in it.

    Raises:
      CheckpointError: An average cannot be read or is damaged.
    """
    still = [variable for variable, state in states if variable and state in ("frozen", "held")]
    check = check_averages(after, still)
    if check is None:
        return found
    return dataclasses.replace(found, averages=check, reasons=(*found.reasons, *check.reasons))


def check_averages(checkpoint: Checkpoint, still: Iterable[Variable]) -> AverageCheck | None:
    """Compares the averages of variables with their values in the same checkpoint.

    Args:
      checkpoint: Of a run.
      still: Its variables that were not to change.

    Returns:
      None where the checkpoint has no averages at all.

    Raises:
      CheckpointError: A value cannot be read or is damaged.
    """
    if not any(key.endswith(AVERAGE_SLOT + _VALUE) for key in checkpoint.entries):
        return None
    averaged: list[tuple[Variable, Variable]] = []
    missing: list[str] = []
    for variable in still:
        path = variable.object_path + AVERAGE_SLOT
        entry = checkpoint.entries.get(path + _VALUE)
        if entry is not None:
            average = Variable(variable.name, path, tuple(entry.shape), entry.dtype)
            averaged.append((variable, average))
        elif variable.trainable:  # a statistic never has one: stock averages what can learn
            missing.append(variable.label)
    changes = [_change(checkpoint, *pair) for pair in averaged]
    return AverageCheck(
        variables=len(averaged),
        differing=tuple(change for change in changes if change is not None),
        missing=tuple(missing),
    )


def _change(checkpoint: Checkpoint, variable: Variable, average: Variable) -> Change | None:
    """Returns how an average differs from its variable, or None where it does not."""
    for kind in ("dtype", "shape"):
        mine, its = getattr(variable, kind), getattr(average, kind)
        if mine != its:
            detail = f"{mine} -> {its}"
            return Change(variable.label, variable.object_path, kind, None, detail)
    changed, difference = compare_values(checkpoint, variable, checkpoint, average)
    return Change(variable.label, variable.object_path, "value", difference) if changed else None
