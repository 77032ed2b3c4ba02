"""The metrics by which a stage can end: a misspelt one is told before anything is written."""

from __future__ import annotations

import pytest

from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.conduct import Until
from odfreeze.stages.metric_names import known_metrics, metric_problem

READER = "eval_input_reader { label_map_path: 'a' }"


def config(text: str = READER) -> PipelineConfig:
    return PipelineConfig.parse(text.encode(), "a.config")


@pytest.mark.parametrize(
    ("text", "metric"),
    (
        ("", "Loss/total_loss"),
        ("", "Loss/anything"),
        (READER, "DetectionBoxes_Precision/mAP"),
        (READER, "DetectionBoxes_Recall/AR@100 (small)"),
        (READER, "DetectionBoxes_PerformanceByCategory/mAP/cat"),
        (READER + "eval_config { metrics_set: 'coco_mask_metrics' }", "DetectionMasks_Recall/AR@1"),
        (READER + "eval_config { metrics_set: 'pascal_voc_detection_metrics' }", "Pascal"),
        (READER + "eval_config { parameterized_metric { } }", "Keypoints"),
    ),
    ids=("loss", "any loss", "mAP", "recall", "category", "masks", "not known", "keypoints"),
)
def test_fine(text: str, metric: str) -> None:
    assert metric_problem(config(text), Until(9, metric)) is None


@pytest.mark.parametrize(
    ("metric", "meant"),
    (
        ("DetectionBoxes_Precision/map", "DetectionBoxes_Precision/mAP"),
        ("mAP", "DetectionBoxes_Precision/mAP"),
        ("total_loss", "Loss/total_loss"),
        ("DetectionMasks_Precision/mAP", "DetectionBoxes_Precision/mAP"),
    ),
)
def test_misspelt(metric: str, meant: str) -> None:
    problem = metric_problem(config(), Until(9, metric))
    assert problem is not None
    assert problem.startswith(
        f"metric {metric!r} is none that the evaluation gives (DetectionBoxes_Precision/mAP, "
    )
    assert problem.endswith(f"; did you mean {meant!r}?")


def test_an_evaluation_needs_data() -> None:
    assert metric_problem(config("model { }"), Until(9, "DetectionBoxes_Precision/mAP")) == (
        "metric 'DetectionBoxes_Precision/mAP' is of an evaluation, and a.config has no"
        " eval_input_reader"
    )


def test_all_that_are_known_can_be_chosen() -> None:
    known = known_metrics(config())
    assert known is not None
    assert len(known) == 12
    assert all(metric_problem(config(), Until(9, metric)) is None for metric in known)
