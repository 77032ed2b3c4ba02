"""What is said of evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from odfreeze.check.data import evaluation
from tests.check.planted import said, subject_of

TF1 = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v1" } } }\n'
AVERAGES = (
    "train_config { optimizer { use_moving_average: false } }\n"
    "eval_config {\n  use_moving_averages: true\n}\n"
)
READERS = (
    'eval_input_reader { name: "a" }\neval_input_reader { name: "b" }\neval_input_reader { }\n'
)
METRICS = (
    'eval_config {\n  metrics_set: "coco_detection_metrics"\n  metrics_set: "coco_metrics"\n}\n'
)


def found(rule: Any, text: str) -> list[str]:
    return said(rule(subject_of(text)))


@pytest.mark.parametrize("rule", evaluation.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "text",
    [
        "",
        AVERAGES.replace("true", "false"),
        AVERAGES.replace("false", "true").replace("averages: true", "averages: false"),
        'eval_input_reader { name: "a" }',
        'eval_config { metrics_set: ["coco_mask_metrics", "pascal_voc_detection_metrics"] }',
        "eval_config { metrics_set: 3 }",
        TF1 + AVERAGES + READERS + METRICS,
    ],
    ids=["empty", "neither", "kept", "one", "metrics", "no-text", "TF1"],
)
def test_nothing_is_said_of_what_is_fine_or_of_no_type(rule: Any, text: str) -> None:
    assert found(rule, text) == []


def test_averages_that_are_not_kept() -> None:
    assert found(evaluation.averages_not_evaluated, AVERAGES) == [
        "ODF508 warning 3: eval_config.use_moving_averages is true, and the optimizer keeps no "
        "averages (use_moving_average: false): evaluation breaks off; write false"
    ]


@pytest.mark.parametrize("kept", ["use_moving_average: true", ""], ids=["written", "by default"])
def test_averages_that_cannot_be_swapped_in(kept: str) -> None:
    text = AVERAGES.replace("use_moving_average: false", kept)
    assert found(evaluation.averages_not_evaluated, text) == [
        "ODF508 warning 3: eval_config.use_moving_averages is true, and stock swaps averages in "
        "under a distribution strategy only, which model_main_tf2 does not evaluate under: "
        "evaluation breaks off; write false"
    ]


def test_readers_not_evaluated() -> None:
    words = (
        "model_main_tf2 evaluates on the first one only; put the records of all into that one's "
        "input_path, or use a config for each"
    )
    assert found(evaluation.readers_not_evaluated, READERS) == [
        f"ODF509 info 2: this is eval_input_reader number 2: {words}",
        f"ODF509 info 3: this is eval_input_reader number 3: {words}",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("coco_detection_metric", "; did you mean 'coco_detection_metrics'?"),
        ("zzz", "; write coco_detection_metrics, for instance"),
    ],
)
def test_metrics_that_do_not_exist(name: str, hint: str) -> None:
    assert found(evaluation.metrics_that_do_not_exist, METRICS.replace("coco_metrics", name)) == [
        f"ODF518 warning 3: there are no metrics '{name}', and evaluation breaks off{hint}"
    ]
