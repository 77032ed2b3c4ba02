"""What a run will train, in numbers: by part of the model, and what that saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odfreeze.groups.grouping import Part, group
from odfreeze.rates import RatedSelection
from odfreeze.selection import STATES
from odfreeze.training.updates import inner_optimizer

if TYPE_CHECKING:
    from odfreeze.training.carry import Carried
    from odfreeze.training.loop import RunState

__all__ = ["log_selection", "optimizer_slots", "summarize", "write_summary"]

#: The parts of a model in the order in which an image goes through them.
_FROM_THE_IMAGE: tuple[Part, ...] = ("backbone", "neck", "head", "other")


def summarize(
    rated: RatedSelection,
    optimizer: Any,
    frozen_regularization: float = 0.0,
    carried: Carried | None = None,
) -> dict[str, Any]:
    """Returns the numbers of a selection, as plain values for an event and for JSON.

    Args:
      rated: Of a live model, with the shares of the learning rate.
      optimizer: The Keras optimizer that trains it.
      frozen_regularization: What frozen weights add to the loss, always the same.
      carried: The slots that the optimizer begins with; None where it begins anew.

    Returns:
      ``totals`` by state, ``groups`` from the image to the heads with the number of variables
      in each state, the parameters and the distinct shares of the learning rate,
      ``optimizer``: its slots for one variable, their bytes for all that learn, and the bytes
      of those that frozen variables do not get, ``frozen_regularization``, ``rates`` with how
      many variables each reaches, and ``carried``.
    """
    totals = rated.selection.totals()
    slots = optimizer_slots(optimizer)
    return {
        "totals": {
            state: {"variables": t.variables, "parameters": t.parameters, "bytes": t.bytes}
            for state, t in totals.items()
        },
        "groups": _groups(rated),
        "optimizer": {
            "name": type(inner_optimizer(optimizer)).__name__,
            "slots": slots,
            "bytes": slots * totals["trainable"].bytes,
            "saved_bytes": slots * totals["frozen"].bytes,
        },
        "frozen_regularization": frozen_regularization,
        "rates": rated.to_json(),
        "carried": None if carried is None else carried.to_json(),
    }


def _groups(rated: RatedSelection) -> list[dict[str, Any]]:
    variables = rated.selection.variables
    grouped = group(variables)
    rows_of = zip(variables, rated.selection.states, rated.scales, strict=True)
    decided = {v.object_path: (state, scale) for v, state, scale in rows_of}
    rows = []
    for one in [one for part in _FROM_THE_IMAGE for one in grouped.in_part(part)]:
        row: dict[str, Any] = {"name": one.name, "part": one.part, **dict.fromkeys(STATES, 0)}
        row["parameters"], row["trainable_parameters"] = one.parameters, 0
        found = set()
        for variable in one.variables:
            state, scale = decided[variable.object_path]
            row[state] += 1
            if state == "trainable":
                row["trainable_parameters"] += variable.parameters
                found.add(scale)
        row["rate_scales"] = sorted(found)
        rows.append(row)
    return rows


def optimizer_slots(optimizer: Any) -> int:
    """Returns how many values of a variable's size the optimizer keeps for each that learns.

    Of the optimizers that the OD API builds (builders/optimizer_builder.py,
    ``build_optimizers_tf_v2``): momentum 1, RMSProp 1 and with momentum 2, Adam 2. A moving
    average of the weights is not counted: that is of the model, not of how it learns.
    """
    inner = inner_optimizer(optimizer)
    momentum = bool(getattr(inner, "_momentum", getattr(inner, "momentum", 0)))
    kind = type(inner).__name__
    if kind == "RMSprop":
        return 1 + momentum + bool(getattr(inner, "centered", False))
    if kind == "Adam":
        return 2 + bool(getattr(inner, "amsgrad", False))
    return int(momentum)


def log_selection(summary: dict[str, Any]) -> None:
    """Logs what will be trained, as a table."""
    import logging

    from odfreeze.report.selection import selection_lines

    logging.getLogger("odfreeze").info(
        "%s", "\n".join(["what will learn:", *selection_lines(summary)])
    )


def write_summary(summary: dict[str, Any], run: RunState) -> None:
    """Writes the same as a text for TensorBoard, into the events that stock is about to write."""
    from object_detection import model_lib_v2

    from odfreeze.report.selection import selection_markdown

    summaries = model_lib_v2.tf.compat.v2.summary
    with summaries.record_if(True):  # stock records the last step of each block only
        summaries.text("odfreeze/selection", selection_markdown(summary), step=run.step)
