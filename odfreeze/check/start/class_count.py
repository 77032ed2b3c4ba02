"""How many classes a checkpoint's heads were trained for, and of which architecture it is.

Facts from object_detection 2.8:

- SSD: a class predictor gives for each anchor a score a class, and one for the background where
  ``ssd.add_background_class`` says so (predictors/heads/keras_class_head.py); a box predictor
  gives four numbers for each anchor (keras_box_head.py), from which the anchors are told
- Faster R-CNN: ``num_classes + 1`` scores (keras_class_head.py, MaskRCNNClassHead)
- CenterNet: a channel of the heat map a class (meta_architectures/center_net_meta_arch.py)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from odfreeze.variables import Variable

__all__ = ["architecture_of", "class_count"]

_ROOTS = {
    "model/_box_predictor/": "ssd",
    "model/_first_stage_box_predictor": "faster_rcnn",
    "model/_prediction_head_dict/": "center_net",
}
_SSD_CLASSES = re.compile(
    r"model/_box_predictor/_prediction_heads/class_predictions_with_background/"
    r"(?:([0-9]+)/)?_class_predictor_layers/[0-9]+/bias"
)
_SSD_BOXES = re.compile(
    r"model/_box_predictor/(?:_box_prediction_head|_prediction_heads/box_encodings)/"
    r"(?:([0-9]+)/)?_box_encoder_layers/[0-9]+/bias"
)
_FASTER_RCNN = re.compile(
    r"model/_mask_rcnn_box_predictor/_class_prediction_head/_class_predictor_layers/[0-9]+/bias"
)
_CENTER_NET = re.compile(
    r"model/_prediction_head_dict/object_center/0/layer_with_weights-([0-9]+)/bias"
)
_BOX_NUMBERS = 4


def architecture_of(variables: Sequence[Variable]) -> str | None:
    """Returns ``ssd``, ``faster_rcnn`` or ``center_net``; None for another, or without heads."""
    for variable in variables:
        for root, name in _ROOTS.items():
            if variable.object_path.startswith(root):
                return name
    return None


def class_count(variables: Sequence[Variable], *, background: bool = True) -> int | None:
    """Returns how many classes the heads of a checkpoint tell apart, None where not known.

    Args:
      variables: Of a checkpoint of a detector.
      background: Whether an SSD has a score for the background: ``ssd.add_background_class``.
    """
    architecture = architecture_of(variables)
    if architecture == "ssd":
        return _of_ssd(variables, background)
    if architecture == "faster_rcnn":
        widths = [size for _, size in _widths(variables, _FASTER_RCNN)]
        return widths[0] - 1 if len(widths) == 1 else None
    if architecture == "center_net":
        rows = sorted((int(number), size) for number, size in _widths(variables, _CENTER_NET))
        return rows[-1][1] if rows else None
    return None


def _of_ssd(variables: Sequence[Variable], background: bool) -> int | None:
    boxes = dict(_widths(variables, _SSD_BOXES))
    counts = set()
    for head, size in _widths(variables, _SSD_CLASSES):
        anchors, rest = divmod(boxes.get(head, 0), _BOX_NUMBERS)
        if not anchors or rest or size % anchors:
            return None
        counts.add(size // anchors - background)
    return counts.pop() if len(counts) == 1 else None


def _widths(variables: Sequence[Variable], wanted: re.Pattern[str]) -> list[tuple[str, int]]:
    """Returns group and size of the biases whose object path is as wanted."""
    return [
        ((match[1] or "") if wanted.groups else "", v.shape[0])
        for v in variables
        if len(v.shape) == 1 and (match := wanted.fullmatch(v.object_path))
    ]
