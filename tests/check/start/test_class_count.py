"""How many classes the heads of a checkpoint tell apart."""

from __future__ import annotations

import pytest

from odfreeze.check.start.class_count import architecture_of, class_count
from odfreeze.variables import Variable

SHARED_BOXES = "model/_box_predictor/_box_prediction_head/_box_encoder_layers/0"
BOXES = "model/_box_predictor/_prediction_heads/box_encodings"
CLASSES = "model/_box_predictor/_prediction_heads/class_predictions_with_background"
MASK_RCNN = "model/_mask_rcnn_box_predictor/_class_prediction_head/_class_predictor_layers/1"
CENTER = "model/_prediction_head_dict/object_center/0"


def biases(**sizes: int) -> list[Variable]:
    return [Variable(path, f"{path}/bias", (size,), "float32") for path, size in sizes.items()]


@pytest.mark.parametrize(
    ("sizes", "background", "architecture", "count"),
    [
        ({SHARED_BOXES: 24, f"{CLASSES}/_class_predictor_layers/0": 546}, True, "ssd", 90),
        ({SHARED_BOXES: 36, f"{CLASSES}/_class_predictor_layers/0": 810}, False, "ssd", 90),
        (
            {
                f"{BOXES}/0/_box_encoder_layers/0": 12,
                f"{BOXES}/1/_box_encoder_layers/0": 24,
                f"{CLASSES}/0/_class_predictor_layers/0": 12,
                f"{CLASSES}/1/_class_predictor_layers/0": 24,
            },
            True,
            "ssd",
            3,
        ),
        ({"model/_first_stage_box_predictor/0": 1, MASK_RCNN: 91}, True, "faster_rcnn", 90),
        (
            {f"{CENTER}/layer_with_weights-0": 256, f"{CENTER}/layer_with_weights-1": 90},
            True,
            "center_net",
            90,
        ),
        ({f"{CLASSES}/_class_predictor_layers/0": 546}, True, "ssd", None),
        ({SHARED_BOXES: 25, f"{CLASSES}/_class_predictor_layers/0": 546}, True, "ssd", None),
        ({SHARED_BOXES: 24, f"{CLASSES}/_class_predictor_layers/0": 547}, True, "ssd", None),
        ({SHARED_BOXES: 24}, True, "ssd", None),
        ({"model/_first_stage_box_predictor/0": 1}, True, "faster_rcnn", None),
        ({"model/_prediction_head_dict/box.Sscale/0": 2}, True, "center_net", None),
        ({"model/other": 4}, True, None, None),
        ({}, True, None, None),
    ],
    ids=[
        "shared", "efficientdet", "convolutional", "faster-rcnn", "centernet", "no-boxes",
        "odd-boxes", "odd-classes", "no-classes", "rpn-only", "no-center", "unknown", "empty",
    ],
)  # fmt: skip
def test_classes_are_counted_by_the_shapes_of_the_heads(
    sizes: dict[str, int], background: bool, architecture: str | None, count: int | None
) -> None:
    variables = biases(**sizes)
    assert architecture_of(variables) == architecture
    assert class_count(variables, background=background) == count


def test_heads_that_disagree_tell_nothing() -> None:
    variables = biases(**{
        f"{BOXES}/0/_box_encoder_layers/0": 12,
        f"{BOXES}/1/_box_encoder_layers/0": 12,
        f"{CLASSES}/0/_class_predictor_layers/0": 12,
        f"{CLASSES}/1/_class_predictor_layers/0": 15,
    })  # fmt: skip
    assert class_count(variables) is None


def test_a_kernel_is_no_bias() -> None:
    kernel = Variable("k", f"{MASK_RCNN}/bias", (2048, 91), "float32")
    assert class_count([*biases(**{"model/_first_stage_box_predictor/0": 1}), kernel]) is None
