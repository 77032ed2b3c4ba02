"""Facts about architectures."""

from __future__ import annotations

import pytest

from odfreeze.check.architecture import TF1_EXTRACTORS, TF2_EXTRACTORS, tf2_counterpart
from tests.check.planted import CONFIGS, SAMPLES, subject_of


def test_no_type_is_of_both() -> None:
    """A type in both tables would make every TF2 config with it one of TF1."""
    assert not TF1_EXTRACTORS & {kind for kinds in TF2_EXTRACTORS.values() for kind in kinds}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_samples_are_of_tf2(sample: str) -> None:
    subject = subject_of((CONFIGS / sample).read_text(encoding="utf-8"))
    assert subject.extractor_type in TF2_EXTRACTORS[str(subject.config.meta_architecture)]
    assert not subject.is_tf1


def test_a_subject_knows_a_model_of_tf1() -> None:
    subject = subject_of('model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }')
    assert subject.is_tf1


@pytest.mark.parametrize(
    "text", ["", "model { }", "model { ssd { } }", "model: 3", "model { ssd: 3 }"]
)
def test_a_model_without_a_type_is_none_of_tf1(text: str) -> None:
    subject = subject_of(text)
    assert subject.extractor_type is None
    assert not subject.is_tf1


@pytest.mark.parametrize(
    ("kind", "counterpart"),
    [
        ("ssd_resnet50_v1_fpn", "ssd_resnet50_v1_fpn_keras"),
        ("faster_rcnn_resnet101", "faster_rcnn_resnet101_keras"),
        ("ssd_mobilenet_v3_large", None),
    ],
)
def test_the_counterpart_of_a_tf1_type(kind: str, counterpart: str | None) -> None:
    assert tf2_counterpart(kind) == counterpart
