"""The step of single variables, where it is not what the optimizer does to all of them.

Keras's older optimizers, the only ones that the OD API builds, compute the numbers of a step once
for each device and dtype (``optimizers/legacy/optimizer_v2.py``, ``_prepare_local``), and the
update of a variable looks them up by its own. Here, further sets of these numbers are put beside
them, and the update of a variable that is adjusted is handed its own. So a scale acts on the step
as a whole: a scaled gradient would leave RMSProp's and Adam's steps as they are, since
these divide by the gradient's size; and of momentum, what goes into the velocity is scaled, as
a smaller learning rate would have it, not what comes out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odfreeze.errors import TrainingRefusedError

__all__ = ["Adjustment", "adjust_updates", "corrects_bias", "inner_optimizer"]

#: The numbers of a step that are proportional to the learning rate, in any of the optimizers.
_RATES = ("lr_t", "neg_lr_t", "lr")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """How a variable's step differs.

    Attributes:
      scale: What the learning rate is multiplied by, above 0.
      steps: Steps that its slots have seen before the optimizer's first, from 0.
    """

    scale: float = 1.0
    steps: int = 0


def inner_optimizer(optimizer: Any) -> Any:
    """Returns the optimizer inside one that averages the weights (``ema_optimizer.py``)."""
    return getattr(optimizer, "_optimizer", optimizer)


def corrects_bias(optimizer: Any) -> bool:
    """Whether an optimizer's steps depend on how many there were, as Adam's do."""
    return "beta_1" in getattr(inner_optimizer(optimizer), "_hyper", ())


def adjust_updates(optimizer: Any, adjustments: Mapping[str, Adjustment]) -> None:
    """Makes an optimizer's steps those that adjustments say, from now on.

    Where none of them changes anything the optimizer is left exactly as it is.

    Args:
      optimizer: As the OD API builds it.
      adjustments: By ``_unique_id`` of what is updated: under a strategy, of each copy.

    Raises:
      TrainingRefusedError: The optimizer is of a kind whose steps cannot be adjusted.
    """
    plain = Adjustment()
    wanted = {key: one for key, one in adjustments.items() if one != plain}
    if not wanted:
        return
    inner = inner_optimizer(optimizer)
    if not hasattr(inner, "_prepare_local"):
        raise TrainingRefusedError(
            f"the optimizer is {type(inner).__name__}, which is not one of those that the OD API"
            " builds from a config (momentum, RMSProp, Adam): it cannot train parts of a model at"
            " other rates, nor go on with carried slots; leave rate and carry_optimizer out"
        )
    _Adjusted(inner, wanted)


class _Adjusted:
    """Stands between an optimizer and the updates that it applies."""

    def __init__(self, optimizer: Any, adjustments: Mapping[str, Adjustment]) -> None:
        self._optimizer = optimizer
        self._adjustments = adjustments
        self._kinds = tuple(dict.fromkeys(adjustments.values()))
        self._prepare = optimizer._prepare_local
        self._dense = optimizer._resource_apply_dense
        self._sparse = optimizer._resource_apply_sparse_duplicate_indices
        # No decorators: Keras reads off the arguments that `apply_state` is to be handed over.
        for name, replacement in (
            ("_prepare_local", self.prepare),
            ("_resource_apply_dense", self.apply_dense),
            ("_resource_apply_sparse_duplicate_indices", self.apply_sparse),
        ):
            object.__setattr__(optimizer, name, replacement)

    def prepare(self, device: Any, dtype: Any, apply_state: dict[Any, Any]) -> None:
        """Computes the numbers of a step for a device and dtype, and the other sets of them."""
        self._prepare(device, dtype, apply_state)
        whole = apply_state[device, dtype]
        for kind in self._kinds:
            apply_state[device, dtype, kind] = _adjusted(whole, kind, dtype, self._optimizer)

    def apply_dense(self, grad: Any, var: Any, apply_state: Any = None) -> Any:
        """Updates a variable."""
        return self._dense(grad, var, apply_state=self._own(var, apply_state))

    def apply_sparse(self, grad: Any, var: Any, indices: Any, apply_state: Any = None) -> Any:
        """Updates some rows of a variable."""
        return self._sparse(grad, var, indices, apply_state=self._own(var, apply_state))

    def _own(self, var: Any, apply_state: Any) -> Any:
        """Returns the numbers that a variable's update is to find."""
        kind = self._adjustments.get(var._unique_id)
        if kind is None:
            return apply_state
        device, dtype = var.device, var.dtype.base_dtype
        if (device, dtype, kind) not in (apply_state or {}):
            apply_state = {(device, dtype): {}}
            self.prepare(device, dtype, apply_state)
        return {(device, dtype): apply_state[device, dtype, kind]}


def _adjusted(
    whole: Mapping[str, Any], kind: Adjustment, dtype: Any, optimizer: Any
) -> dict[str, Any]:
    """Returns the numbers of a step with an adjustment."""
    import tensorflow as tf

    own = dict(whole)
    if kind.steps and "beta_1_power" in own:
        # As Adam computes them (optimizers/legacy/adam.py), to the bit, for a later step.
        step = tf.cast(optimizer.iterations + 1 + kind.steps, dtype)
        for name in ("beta_1", "beta_2"):
            own[f"{name}_power"] = tf.pow(own[f"{name}_t"], step)
        own["lr"] = own["lr_t"] * (tf.sqrt(1 - own["beta_2_power"]) / (1 - own["beta_1_power"]))
    if kind.scale != 1:
        for name in _RATES:
            if name in own:
                own[name] = own[name] * tf.cast(kind.scale, dtype)
    return own
