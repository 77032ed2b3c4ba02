"""Rules about what evaluation does, or does not do, with a config.

References are to tf-models-research-object-detection 2.8.0.post1. Training never looks at any
of this, so that nothing here is an error.
"""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.subject import Subject
from odfreeze.errors import OdfreezeError, suggest
from odfreeze.findings import Finding

__all__ = ["METRICS", "RULES"]

#: What metrics_set may name (eval_util.py:49-77).
METRICS = (
    "coco_detection_metrics",
    "coco_keypoint_metrics",
    "coco_mask_metrics",
    "coco_panoptic_metrics",
    "lvis_mask_metrics",
    "oid_V2_detection_metrics",
    "oid_challenge_detection_metrics",
    "oid_challenge_segmentation_metrics",
    "pascal_voc_detection_metrics",
    "pascal_voc_instance_segmentation_metrics",
    "precision_at_recall_detection_metrics",
    "weighted_pascal_voc_detection_metrics",
    "weighted_pascal_voc_instance_segmentation_metrics",
)


def averages_not_evaluated(subject: Subject) -> Iterator[Finding]:
    """ODF508: evaluation asks for averages (model_lib_v2.py:1144) that stock cannot swap in."""
    path = "eval_config.use_moving_averages"
    if subject.is_tf1 or not subject.flag(path):
        return
    if subject.flag("train_config.optimizer.use_moving_average", True):
        message = (
            f"{path} is true, and stock swaps averages in under a distribution strategy only, "
            "which model_main_tf2 does not evaluate under: evaluation breaks off; write false"
        )
    else:
        message = (
            f"{path} is true, and the optimizer keeps no averages (use_moving_average: false): "
            "evaluation breaks off; write false"
        )
    yield Finding("ODF508", "warning", message, subject.place(path))


def readers_not_evaluated(subject: Subject) -> Iterator[Finding]:
    """ODF509: more readers than the one that is evaluated (model_lib_v2.py:1035, 1116)."""
    if subject.is_tf1:
        return
    for index, reader in enumerate(subject.occurrences("eval_input_reader")[1:], start=2):
        message = (
            f"this is eval_input_reader number {index}: model_main_tf2 evaluates on the first one "
            "only; put the records of all into that one's input_path, or use a config for each"
        )
        yield Finding("ODF509", "info", message, reader.field.place)


def metrics_that_do_not_exist(subject: Subject) -> Iterator[Finding]:
    """ODF518: a name in metrics_set that stock does not know (eval_util.py:1097)."""
    if subject.is_tf1:
        return
    for one in subject.occurrences("eval_config.metrics_set"):
        try:
            name = one.scalar().as_str()
        except OdfreezeError:
            continue
        if name not in METRICS:
            message = (
                f"there are no metrics {name!r}, and evaluation breaks off"
                f"{suggest(name, METRICS) or '; write coco_detection_metrics, for instance'}"
            )
            yield Finding("ODF518", "warning", message, one.place)


RULES = (averages_not_evaluated, readers_not_evaluated, metrics_that_do_not_exist)
