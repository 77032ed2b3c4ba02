"""Numbers of channels that a checkpoint does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import check_config
from odfreeze.check.start import widths
from odfreeze.check.subject import Subject
from odfreeze.textproto import apply_edits
from tests.check.planted import CONFIGS, EFFICIENTDET, SSD, said, subject_of
from tests.support.bundle_writer import write_checkpoint

FPN = "model/_feature_extractor/_fpn_features_generator/top_layers/0/kernel"
BIFPN = "model/_feature_extractor/_bifpn_stage/node_input_blocks/0/0/1/0/kernel"
STEM = "model/_feature_extractor/classification_backbone/layer_with_weights-0/kernel"
OF_CLASSIFIER = "feature_extractor/layer_with_weights-0/kernel"
V2 = "ssd_mobilenet_v2_fpn_keras"
DIFFER = "the shapes differ, and it cannot be restored"


def of(
    directory: Path,
    object_path: str,
    channels: int,
    fields: str = "",
    extractor: str = V2,
    kind: str = "detection",
) -> Subject:
    """A config with the extractor's fields on line 4, and a checkpoint with one kernel."""
    holds = {object_path: ("w", "float32", (1, 1, 3, channels), None)}
    prefix = write_checkpoint(directory / "ckpt-0", holds).as_posix()
    return subject_of(
        f'model {{\n  ssd {{\n    feature_extractor {{\n      type: "{extractor}" {fields}\n'
        f'}} }} }}\ntrain_config {{ fine_tune_checkpoint: "{prefix}" '
        f'fine_tune_checkpoint_type: "{kind}" }}\n'
    )


def findings(subject: Subject) -> list[str]:
    try:
        return said(widths.other_width(subject))
    finally:
        subject.close()


def mended(subject: Subject) -> str:
    edits = [edit for finding in widths.other_width(subject) for edit in finding.edits]
    subject.close()
    return apply_edits(subject.config.data, edits).decode()


@pytest.mark.parametrize(
    ("fields", "value", "line"),
    [
        ("fpn { additional_layer_depth: 256 }", "256", 4),
        ("fpn { min_level: 3 }", "256 (its default)", 4),
        ("", "256 (its default)", 3),
    ],
    ids=["written", "default", "no-fpn"],
)
def test_a_feature_pyramid(fields: str, value: str, line: int, tmp_path: Path) -> None:
    assert findings(of(tmp_path, FPN, 128, fields)) == [
        f"ODF328 error {line}: with additional_layer_depth {value} the model has 256 channels "
        f"where the checkpoint has 128: {DIFFER}; set additional_layer_depth: 128"
    ]
    assert "additional_layer_depth: 128" in mended(of(tmp_path, FPN, 128, fields))
    assert findings(of(tmp_path, FPN, 256, fields)) == []


def test_a_narrower_pyramid_has_no_certain_cure(tmp_path: Path) -> None:
    fields = "depth_multiplier: 0.5 fpn { additional_layer_depth: 128 }"
    (found,) = findings(of(tmp_path, FPN, 128, fields))
    assert "with additional_layer_depth 128 the model has 64 channels" in found
    assert found.endswith("; set additional_layer_depth as it was trained")
    subject = of(tmp_path, FPN, 128, fields)
    assert mended(subject) == subject.config.data.decode()
    assert findings(of(tmp_path, FPN, 64, fields)) == []


def test_a_pyramid_has_a_least_depth(tmp_path: Path) -> None:
    fields = "min_depth: 64 fpn { additional_layer_depth: 32 }"
    assert findings(of(tmp_path, FPN, 64, fields)) == []


def test_an_efficientdet(tmp_path: Path) -> None:
    extractor = "ssd_efficientnet-b0_bifpn_keras"
    fields = "bifpn { num_iterations: 3 num_filters: 88 }"
    assert findings(of(tmp_path, BIFPN, 64, fields, extractor)) == [
        f"ODF328 error 4: with num_filters 88 the model has 88 channels where the checkpoint has "
        f"64: {DIFFER}; set num_filters: 64"
    ]
    assert findings(of(tmp_path, BIFPN, 88, fields, extractor)) == []
    assert findings(of(tmp_path, BIFPN, 88, "", extractor)) == []


@pytest.mark.parametrize(
    ("extractor", "multiplier", "channels"),
    [
        (V2, 1.0, 32), (V2, 0.75, 24), (V2, 0.35, 16), (V2, 1.4, 48), (V2, 0.1, 16),
        ("ssd_mobilenet_v2_keras", 0.5, 16),
        ("ssd_mobilenet_v1_keras", 0.75, 24), ("ssd_mobilenet_v1_fpn_keras", 0.9, 28),
    ],
)  # fmt: skip
def test_a_mobilenet(extractor: str, multiplier: float, channels: int, tmp_path: Path) -> None:
    fields = f"depth_multiplier: {multiplier}"
    for kind, path in (("detection", STEM), ("full", STEM), ("classification", OF_CLASSIFIER)):
        assert findings(of(tmp_path, path, channels, fields, extractor, kind)) == []
        (found,) = findings(of(tmp_path, path, channels + 8, fields, extractor, kind))
        assert f"with depth_multiplier {multiplier:g} the model has {channels} channels" in found
        assert found.endswith("; set depth_multiplier as it was trained")


@pytest.mark.parametrize(
    ("extractor", "kind", "path"),
    [
        ("ssd_of_a_fork_fpn_keras", "detection", FPN),
        (V2, "classification", FPN),
        (V2, "fine_tune", FPN),
        ("ssd_resnet50_v1_fpn_keras", "detection", STEM),
        ("ssd_mobilenet_v2_keras", "detection", FPN.replace("_fpn", "_own")),
    ],
    ids=["fork", "not-restored", "no-type", "not-a-mobilenet", "elsewhere"],
)
def test_only_what_is_certain_and_restored(
    extractor: str, kind: str, path: str, tmp_path: Path
) -> None:
    assert findings(of(tmp_path, path, 7, "", extractor, kind)) == []


@pytest.mark.parametrize("fields", ['depth_multiplier: "x"', "min_depth: 1.5", "fpn: 5"])
def test_a_value_of_the_wrong_type_is_the_business_of_another_rule(
    fields: str, tmp_path: Path
) -> None:
    assert findings(of(tmp_path, FPN, 256, fields)) == []


def test_what_is_of_another_architecture_is_not_measured(tmp_path: Path) -> None:
    path = "model/_feature_extractor_for_proposal_features/layer_with_weights-0/kernel"
    assert findings(of(tmp_path, path, 7)) == []


@pytest.mark.parametrize(
    ("sample", "old", "new", "path", "channels"),
    [
        (SSD, "additional_layer_depth: 128", "additional_layer_depth: 256", FPN, 128),
        (SSD, " depth_multiplier: 1.0", " depth_multiplier: 0.75", STEM, 32),
        (EFFICIENTDET, "num_filters: 64", "num_filters: 88", BIFPN, 64),
    ],
    ids=["fpn", "multiplier", "bifpn"],
)
def test_planted_in_a_sample(
    sample: str, old: str, new: str, path: str, channels: int, tmp_path: Path
) -> None:
    prefix = write_checkpoint(tmp_path / "c", {path: ("w", "float32", (1, channels), None)})
    text = (CONFIGS / sample).read_text(encoding="utf-8")
    start = text.index('"PATH/TO/') + 1
    text = text[:start] + prefix.as_posix() + text[text.index('"', start) :]
    config = tmp_path / sample
    config.write_text(text, encoding="utf-8")
    assert not check_config(config, select=["ODF328"]).findings
    assert text.count(old) == 1
    config.write_text(text.replace(old, new), encoding="utf-8")
    (found,) = check_config(config, select=["ODF328"]).findings
    assert found.place is not None
    assert new.strip() in found.place.source
