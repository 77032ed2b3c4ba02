"""One training step of any detection model, on made-up images, as ``eager_train_step`` has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Step", "take_step"]

#: Length of what each object in a Context R-CNN's memory is described by.
CONTEXT_FEATURES = 2057


@dataclass(frozen=True)
class Step:
    """What a step showed.

    Attributes:
      read: The ids of the trainable variables that the forward pass read, wherever they hang.
      without_gradient: The ids of the given variables that the loss does not depend on.
    """

    read: frozenset[int]
    without_gradient: frozenset[int]


def take_step(model: Any, side: int, variables: Sequence[Any]) -> Step:
    """Takes the forward pass in training mode, updating statistics, and the gradients.

    The trainable variables keep their values.

    Args:
      model: A detection model.
      side: Of the images, in pixels.
      variables: What to take the gradient of the loss for.
    """
    import tensorflow as tf

    model._is_training = True
    tf.keras.backend.set_learning_phase(True)
    with tf.GradientTape() as tape:
        provide_groundtruth(model, side)
        images, shapes = model.preprocess(tf.random.uniform([2, side, side, 3], 0, 255, seed=1))
        context = {
            "context_features": tf.random.uniform([2, 5, CONTEXT_FEATURES], seed=2),
            "valid_context_size": tf.constant([5, 3]),
        }
        predictions = model.predict(images, shapes, **model.get_side_inputs(context))
        total = tf.add_n(list(model.loss(predictions, shapes).values()))
    gradients = tape.gradient(total, variables)
    assert tf.math.is_finite(total)
    unreached = (v for v, g in zip(variables, gradients, strict=True) if g is None)
    return Step(
        frozenset(id(variable) for variable in tape.watched_variables()),
        frozenset(map(id, unreached)),
    )


def provide_groundtruth(model: Any, side: int) -> None:
    """Gives the model two objects in each of two images, with all that any task asks for."""
    import tensorflow as tf

    boxes = tf.constant([[0.1, 0.1, 0.6, 0.5], [0.3, 0.4, 0.9, 0.95]])
    columns = tf.cast(tf.range(side) > side // 2, tf.float32)
    mask = tf.tile(columns[tf.newaxis, tf.newaxis, :], [2, side, 1])
    points = tf.constant(
        [[[0.3, 0.3], [0.4, 0.3], [0.3, 0.4]], [[0.5, 0.5], [0.7, 0.6], [0.6, 0.8]]]
    )
    given = {
        "groundtruth_boxes_list": boxes,
        "groundtruth_classes_list": tf.one_hot([0, 1], model.num_classes, dtype=tf.float32),
        "groundtruth_weights_list": tf.ones([2]),
        "groundtruth_masks_list": mask,
        "groundtruth_keypoints_list": points,
        "groundtruth_keypoint_depths_list": tf.ones([2, 3]),
        "groundtruth_keypoint_depth_weights_list": tf.ones([2, 3]),
        "groundtruth_dp_num_points_list": tf.constant([1, 1]),
        "groundtruth_dp_part_ids_list": tf.constant([[0], [1]]),
        "groundtruth_dp_surface_coords_list": tf.constant(
            [[[0.3, 0.3, 0.2, 0.2]], [[0.5, 0.6, 0.7, 0.7]]]
        ),
        "groundtruth_track_ids_list": tf.constant([0, 2]),
    }
    if hasattr(model, "_deepmac_params"):  # takes keypoints for another way to learn masks
        given = {field: value for field, value in given.items() if "keypoint" not in field}
    if hasattr(model, "track_reid_classification_net"):  # its loss goes wrong with more than one
        given = {field: value[:1] for field, value in given.items()}
    model.provide_groundtruth(
        training_step=1, **{field: [value, value] for field, value in given.items()}
    )
