"""Which variables a checkpoint gives a model, by architecture and type."""

from __future__ import annotations

import pytest

from odfreeze.restore import restore
from odfreeze.variables import Variable

PATHS = {
    "extractor": "model/_feature_extractor/classification_backbone/Conv1/kernel",
    "proposal": "model/_feature_extractor_for_proposal_features/conv1/kernel",
    "second": "model/_feature_extractor_for_box_classifier_features/conv5/kernel",
    "heads": "model/_box_predictor/0/kernel",
    "prediction": "model/_prediction_head_dict/box.Sscale/0/kernel",
    "classifier": "feature_extractor/Conv1/kernel",
    "other": "ema/decay",
}


def given(architecture: str | None, kind: str | None, *parts: str) -> set[str]:
    some = [Variable(None, PATHS[part], (1,), "float32") for part in parts]
    result = restore(some, kind, architecture)
    assert (result.problem == "") is any(result.restored)
    return {part for part, hit in zip(parts, result.restored, strict=True) if hit}


@pytest.mark.parametrize(
    ("architecture", "kind", "parts", "restored"),
    [
        ("ssd", "detection", ("extractor", "heads", "other"), {"extractor"}),
        ("ssd", "full", ("extractor", "heads", "other"), {"extractor", "heads"}),
        ("ssd", "classification", ("classifier", "other"), {"classifier"}),
        ("ssd", None, ("classifier", "other"), {"classifier"}),
        ("ssd", None, ("extractor", "heads"), set()),
        ("faster_rcnn", "detection", ("proposal", "second", "heads"), {"proposal", "second"}),
        ("faster_rcnn", "full", ("proposal", "second", "heads"), {"proposal", "second", "heads"}),
        ("faster_rcnn", "detection", ("extractor", "heads"), set()),
        ("center_net", "detection", ("extractor", "prediction"), {"extractor"}),
        ("center_net", "full", ("extractor", "prediction"), {"extractor", "prediction"}),
        ("deepmac_meta_arch", "detection", ("extractor", "prediction"), {"extractor"}),
        (None, "detection", ("extractor", "heads"), {"extractor"}),
    ],
)
def test_what_is_restored(
    architecture: str | None, kind: str | None, parts: tuple[str, ...], restored: set[str]
) -> None:
    assert given(architecture, kind, *parts) == restored


@pytest.mark.parametrize(
    ("kind", "part", "object_based", "problem"),
    [
        ("detection", "classifier", True,
         "type 'detection' refuses a checkpoint with 'feature_extractor/' at its root"),
        ("full", "other", True,
         "type 'full' asks for 'model', of which the checkpoint holds nothing"),
        ("full", "extractor", False, "it is a TF1 checkpoint, keyed by name, and the TF2 OD API "
         "restores only those of TF2"),
        ("fine_tune", "extractor", True,
         "type 'fine_tune' is no longer supported; 'detection' does the same"),
        ("Full", "extractor", True, "type 'Full' is none of 'classification', 'detection', 'full'; "
         "did you mean 'full'?"),
    ],
    ids=["extremenet", "nothing", "tf1", "retired", "unknown"],
)  # fmt: skip
def test_why_nothing_is_restored(kind: str, part: str, object_based: bool, problem: str) -> None:
    some = [Variable(None, PATHS[part], (1,), "float32")]
    result = restore(some, kind, "ssd", object_based=object_based)
    assert (result.restored, result.problem) == ((False,), problem)
