"""How much of the regularization loss is of weights that do not learn: it is there, and constant.

Stock adds the regularization of every layer to the loss (model_lib_v2.py,
``_compute_losses_and_predictions_dicts``), whether the layer learns or not. What frozen weights
contribute moves nothing, since no gradient is taken for them, but a loss that does not go
below it looks like a training that does not work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odfreeze.training.replicas import copies

if TYPE_CHECKING:
    from odfreeze.training.enforce import Enforcement

__all__ = ["frozen_regularization"]


def frozen_regularization(detection_model: Any, enforcement: Enforcement) -> float:
    """Returns the part of ``Loss/regularization_loss`` on which nothing that learns has a say.

    Args:
      detection_model: A built OD API ``DetectionModel``, all values in place.
      enforcement: What was decided for its variables.

    Returns:
      The sum; 0.0 where nothing is frozen, or frozen layers have no regularizer.
    """
    if "frozen" not in enforcement.selection.states:
        return 0.0
    import tensorflow as tf

    learning = [copy for value in enforcement.values("trainable") for copy in copies(value)]
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(learning)
        losses = list(detection_model.regularization_losses())
    constant = [
        loss
        for loss in losses
        if all(gradient is None for gradient in tape.gradient(loss, learning))
    ]
    return float(sum(float(tf.cast(loss, tf.float32)) for loss in constant))
