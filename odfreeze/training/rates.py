"""Shares of the learning rate on a live model: judged, held against the preview, enforced."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from odfreeze.errors import SelectionMismatchError
from odfreeze.rates import RatedSelection, rate_selection
from odfreeze.refusal import refuse_rates
from odfreeze.stages.conduct import Rate
from odfreeze.training.replicas import keys_of
from odfreeze.training.updates import Adjustment, adjust_updates, corrects_bias

if TYPE_CHECKING:
    from odfreeze.training.carry import Carried
    from odfreeze.training.enforce import Enforcement

__all__ = ["apply_rates", "compare_scales", "rate_live"]

_MOST_LINES = 10


def rate_live(
    enforcement: Enforcement,
    rates: Sequence[Rate],
    expected: Mapping[str, float],
    allow: Collection[str] = (),
) -> RatedSelection:
    """Decides what share of the learning rate each live variable takes; changes nothing.

    Args:
      enforcement: What was decided for the model.
      rates: The rates of the run.
      expected: As for `compare_scales`.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` that were given.

    Raises:
      TrainingRefusedError: The pattern of a rate matches nothing.
      SelectionMismatchError: A share is another one than was previewed.
    """
    rated = rate_selection(enforcement.selection, rates)
    compare_scales(rated, expected)
    refuse_rates(rated, allow)
    return rated


def compare_scales(rated: RatedSelection, expected: Mapping[str, float]) -> None:
    """Holds the live shares against those that were previewed.

    Args:
      rated: The live selection with its rates.
      expected: Share by object path, as previewed from a checkpoint. A path that only one
        side knows is no difference.

    Raises:
      SelectionMismatchError: With both sides of every variable whose shares differ.
    """
    rows = zip(rated.selection.variables, rated.scales, strict=True)
    differing = [
        (one, scale) for one, scale in rows if expected.get(one.object_path, scale) != scale
    ]
    if not differing:
        return
    lines = [
        f"  {one.object_path} ({one.label}): {expected[one.object_path]:g} in the checkpoint,"
        f" {scale:g} here"
        for one, scale in differing[:_MOST_LINES]
    ]
    if len(differing) > _MOST_LINES:
        lines.append(f"  and {len(differing) - _MOST_LINES} more")
    raise SelectionMismatchError(
        f"{len(differing)} variables would take another share of the learning rate than previewed;"
        " their names here are others than in the checkpoint: match object paths, with (?#path) at"
        " the beginning of the pattern\n" + "\n".join(lines)
    )


def apply_rates(
    optimizer: Any, enforcement: Enforcement, rated: RatedSelection, carried: Carried | None = None
) -> None:
    """Makes the optimizer take, for each variable, the share of the step that it is to take.

    Args:
      optimizer: As the OD API builds it.
      enforcement: What was decided for the model.
      rated: The same with its rates.
      carried: What the optimizer's slots came with.

    Raises:
      TrainingRefusedError: The optimizer is of a kind whose steps cannot be adjusted.
    """
    seen = carried.steps if carried and corrects_bias(optimizer) else {}
    rows = zip(enforcement.live, enforcement.selection.states, rated.scales, strict=True)
    adjust_updates(
        optimizer,
        {
            key: Adjustment(scale, seen.get(one.record.object_path, 0))
            for one, state, scale in rows
            if state == "trainable"
            for key in keys_of(one.value)
        },
    )
