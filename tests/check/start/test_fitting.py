"""Whether the checkpoint fits the model, and what it gives the frozen variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from odfreeze.check.linter import check_config
from odfreeze.check.start import fitting
from odfreeze.check.subject import Subject
from tests.check.planted import said, subject_of
from tests.support.bundle_writer import Spec, write_checkpoint, write_named_checkpoint
from tests.support.tiny_detector import specs

HEADS = "model/_box_predictor"
BACKBONE = "model/_feature_extractor/classification_backbone"


def of(
    path: Path,
    kind: str = "detection",
    extractor: str = "ssd_mobilenet_v2_fpn_keras",
    *fields: str,
    num_classes: int = 3,
    patterns: Iterable[str] = (),
) -> Subject:
    """A config with the extractor on line 4, the checkpoint on 7 and its type on 8."""
    meta = "center_net" if extractor.startswith(("res", "hour")) else extractor.partition("_res")[0]
    lines = [
        "model {", f"  {'ssd' if meta.startswith('ssd') else meta} {{",
        f"    num_classes: {num_classes}", f'    feature_extractor {{ type: "{extractor}" }}',
        *fields,
        "} }", "train_config {", f'  fine_tune_checkpoint: "{path.as_posix()}"',
        f'  fine_tune_checkpoint_type: "{kind}"',
        *(f'  freeze_variables: "{one}"' for one in patterns), "}", "",
    ]  # fmt: skip
    return subject_of("\n".join(lines))


def findings(subject: Subject) -> list[str]:
    try:
        return said(finding for rule in fitting.RULES for finding in rule(subject))
    finally:
        subject.close()


def one(name: str, path: str, *shape: int) -> dict[str, Spec]:
    return {path: (name, "float32", shape or (2,), None)}


def resnet(conv3: int, conv4: int, root: str = BACKBONE) -> dict[str, Spec]:
    """A ResNet's blocks as an SSD with a feature pyramid has them."""
    blocks = [(3, n) for n in range(1, conv3 + 1)] + [(4, n) for n in range(1, conv4 + 1)]
    found = one("FeatureMaps/smoothing", "model/_feature_extractor/_fpn_features_generator/0")
    for number, (stage, block) in enumerate(blocks):
        name = f"conv{stage}_block{block}_3_conv/kernel"
        found |= one(name, f"{root}/layer_with_weights-{number}/kernel")
    return found | one("BoxPredictor/kernel", f"{HEADS}/w")


def of_faster_rcnn() -> dict[str, Spec]:
    root = "model/_feature_extractor_for_proposal_features/layer_with_weights-0"
    return one("conv1_conv/kernel", f"{root}/kernel")


def of_center_net() -> dict[str, Spec]:
    return one("conv2d_3/kernel", "model/_prediction_head_dict/object_center/0/w") | one(
        "conv1_conv/kernel", "model/_feature_extractor/_base_model/layer_with_weights-0/kernel"
    )


def written(directory: Path, holds: Mapping[str, Spec]) -> Path:
    return write_checkpoint(directory / "ckpt-0", holds)


# --- the architecture ------------------------------------------------------------------

OTHER = "give the checkpoint of a model of the config's architecture"
MISFIT = "what the one holds does not fit the other"


@pytest.mark.parametrize("kind", ["detection", "full"])
@pytest.mark.parametrize(
    ("holds", "extractor", "found", "wanted"),
    [
        (of_faster_rcnn(), "ssd_resnet50_v1_fpn_keras", "faster_rcnn", "ssd"),
        (of_center_net(), "ssd_resnet50_v1_fpn_keras", "center_net", "ssd"),
        (of_center_net(), "faster_rcnn_resnet50_keras", "center_net", "faster_rcnn"),
        (resnet(4, 6), "hourglass_104", "ssd", "center_net"),
    ],
    ids=["faster_rcnn-ssd", "center_net-ssd", "center_net-faster_rcnn", "ssd-center_net"],
)
def test_315_another_meta_architecture(
    holds: dict[str, Spec], extractor: str, found: str, wanted: str, kind: str, tmp_path: Path
) -> None:
    assert findings(of(written(tmp_path, holds), kind, extractor)) == [
        f"ODF315 error 4: the checkpoint is that of a model of {found}, the config's is of "
        f"{wanted}: {MISFIT}; {OTHER}"
    ]


@pytest.mark.parametrize(
    ("conv3", "conv4", "extractor", "found", "wanted", "depth"),
    [
        (4, 23, "ssd_resnet50_v1_fpn_keras", "ResNet-101 v1", "ResNet-50 v1", 101),
        (8, 36, "ssd_resnet101_v1_fpn_keras", "ResNet-152 v1", "ResNet-101 v1", 152),
        (4, 6, "ssd_mobilenet_v2_fpn_keras", "ResNet-50 v1", "MobileNet V2", 50),
        (4, 6, "ssd_efficientnet-b0_bifpn_keras", "ResNet-50 v1", "EfficientNet-B0", 50),
    ],
)
def test_315_another_backbone(
    conv3: int, conv4: int, extractor: str, found: str, wanted: str, depth: int, tmp_path: Path
) -> None:
    holds = resnet(conv3, conv4)
    assert findings(of(written(tmp_path, holds), "detection", extractor)) == [
        f"ODF315 error 4: the checkpoint's backbone is {found} (it has conv4_block{conv4} and "
        f"conv3_block{conv3}), that of {extractor} is {wanted}: {MISFIT}; give the checkpoint of "
        f'such a model, or set type: "ssd_resnet{depth}_v1_fpn_keras"'
    ]


def test_315_another_neck(tmp_path: Path) -> None:
    pyramid = one("FeatureMaps/w", "model/_feature_extractor/_fpn_features_generator/0")
    path = written(tmp_path, specs() | pyramid)
    assert findings(of(path, "detection", "ssd_mobilenet_v2_keras")) == [
        "ODF315 error 4: the checkpoint's model has FPN, ssd_mobilenet_v2_keras has no FPN: "
        f"{MISFIT}; give the checkpoint of such a model, or set "
        'type: "ssd_mobilenet_v2_fpn_keras"'
    ]
    assert findings(of(path, "detection", "ssd_mobilenet_v2_fpn_keras")) == []


def test_315_the_backbone_of_a_classifier(tmp_path: Path) -> None:
    holds = {k: v for k, v in resnet(4, 23, "feature_extractor").items() if k.startswith("feat")}
    path = written(tmp_path, holds)
    (found, _) = findings(of(path, "classification", "faster_rcnn_resnet50_keras"))
    assert found.startswith("ODF315 error 4: the checkpoint's backbone is ResNet-101 v1 (")
    (found,) = findings(of(path, "classification", "faster_rcnn_resnet101_keras"))
    assert found.startswith("ODF304 info ")


@pytest.mark.parametrize(
    ("holds", "extractor"),
    [
        (specs(), "ssd_mobilenet_v2_fpn_keras"),
        (specs(), "ssd_of_a_fork"),
        (resnet(4, 7), "ssd_resnet50_v1_fpn_keras"),
        (one("own_conv/kernel", f"{BACKBONE}/w"), "ssd_mobilenet_v2_fpn_keras"),
    ],
    ids=["fits", "unknown-type", "unknown-depth", "unknown-names"],
)
def test_315_only_what_is_certain(holds: dict[str, Spec], extractor: str, tmp_path: Path) -> None:
    assert findings(of(written(tmp_path, holds), "detection", extractor)) == []


def test_315_without_a_type_that_is_taken_there_is_nothing_to_judge(tmp_path: Path) -> None:
    assert findings(of(written(tmp_path, resnet(4, 23)), "fine_tune")) == []


def test_315_the_real_checkpoint(corpus: Path) -> None:
    path = corpus / "checkpoints" / "efficientdet_d0_names_only" / "ckpt-0"
    assert findings(of(path, "detection", "ssd_efficientnet-b0_bifpn_keras")) == []
    (found,) = findings(of(path, "detection", "ssd_efficientnet-b1_bifpn_keras"))
    assert "backbone is EfficientNet-B0 (it has 16 blocks stack_…/block_…), that of" in found


# --- the number of classes ---------------------------------------------------------------


def ssd_heads(classes: int, anchors: int = 6) -> dict[str, Spec]:
    scores = f"{HEADS}/_prediction_heads/class_predictions_with_background/_class_predictor_layers"
    boxes = f"{HEADS}/_box_prediction_head/_box_encoder_layers"
    return one("ClassPredictor/bias", f"{scores}/0/bias", anchors * classes) | one(
        "BoxPredictor/bias", f"{boxes}/0/bias", anchors * 4
    )


def test_316_full_with_another_number_of_classes(tmp_path: Path) -> None:
    path = written(tmp_path, ssd_heads(90 + 1))
    assert findings(of(path, "full")) == [
        'ODF316 error 8: fine_tune_checkpoint_type "full" restores the heads too, and the '
        "checkpoint's tell 90 classes apart where num_classes is 3: their shapes differ; set "
        '"detection", which leaves the heads out'
    ]
    assert findings(of(path, "full", num_classes=90)) == []


@pytest.mark.parametrize(
    ("extractor", "field", "shown"),
    [
        ("ssd_mobilenet_v2_fpn_keras", "    add_background_class: false", None),
        ("ssd_mobilenet_v2_fpn_keras", "    box_coder { keypoint_box_coder { } }", None),
        ("ssd_mobilenet_v2_fpn_keras", "", "2 classes"),
    ],
    ids=["no-background", "keypoints", "background"],
)
def test_316_what_an_ssd_counts(
    extractor: str, field: str, shown: str | None, tmp_path: Path
) -> None:
    found = findings(of(written(tmp_path, ssd_heads(3)), "full", extractor, field))
    assert (found == []) if shown is None else f"tell {shown} apart" in found[0]


@pytest.mark.parametrize(
    ("extractor", "holds"),
    [
        ("faster_rcnn_resnet50_keras", one(
            "ClassPredictor_dense/bias",
            "model/_mask_rcnn_box_predictor/_class_prediction_head/_class_predictor_layers/1/bias",
            2,
        ) | one("RPN/w", "model/_first_stage_box_predictor/w") | of_faster_rcnn()),
        ("resnet_v2_50", one(
            "conv2d_7/bias",
            "model/_prediction_head_dict/object_center/0/layer_with_weights-1/bias",
            1,
        ) | of_center_net()),
    ],
    ids=["faster_rcnn", "center_net"],
)  # fmt: skip
def test_316_of_other_architectures(extractor: str, holds: dict[str, Spec], tmp_path: Path) -> None:
    path = written(tmp_path, holds)
    (found,) = findings(of(path, "full", extractor))
    assert found.startswith("ODF316 error 8: ")
    assert "tell 1 class apart where num_classes is 3" in found
    assert findings(of(path, "full", extractor, num_classes=1)) == []


def test_316_only_for_full(tmp_path: Path) -> None:
    assert findings(of(written(tmp_path, specs() | ssd_heads(91)))) == []


# --- what preview finds, and what of it is told better ------------------------------------


def test_301_frozen_and_not_restored(tmp_path: Path) -> None:
    path = written(tmp_path, specs())
    (found,) = findings(of(path, patterns=["^Predictor/BoxHead"]))
    assert found.startswith("ODF301 warning 8: 2 frozen variables (Predictor/BoxHead/kernel, …)")
    assert findings(of(path, patterns=["^block_"])) == []


def test_302_another_root(tmp_path: Path) -> None:
    other = {path.replace("model/", "net/"): spec for path, spec in specs().items()}
    assert findings(of(written(tmp_path, other), "full")) == [
        "ODF302 error 8: nothing of the checkpoint would be restored: type 'full' asks for "
        "'model', of which the checkpoint holds nothing; give a checkpoint of the model"
    ]


def test_302_is_not_said_where_another_rule_says_why(tmp_path: Path) -> None:
    """Each of these faults is one finding of severity error, and not also ODF302."""
    named = write_named_checkpoint(tmp_path / "model.ckpt", {"w": ("float32", (2,), None)})
    saved = write_checkpoint(tmp_path / "variables" / "variables", specs(), counter=False)
    detector = written(tmp_path, specs())
    for subject, code in (
        (of(named), "ODF310"),
        (of(detector, "fine_tune"), "ODF312"),
        (of(detector, "classification"), "ODF314"),
        (of(written(tmp_path / "other", of_faster_rcnn())), "ODF315"),
        (of(saved, "classification"), "ODF321"),
    ):
        checked = check_config(subject.config, select=["ODF3"], ignore=["ODF311"])
        errors = [found.code for found in checked.findings if found.severity == "error"]
        assert errors == [code]
        subject.close()


def test_303_no_object_graph(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "ckpt-0", specs(), graph=False)
    (found,) = findings(of(path))
    assert re.fullmatch(
        "ODF303 error 7: variables are listed by object path: .* was saved without its object "
        "graph; patterns for names .* do; the OD API refuses such a checkpoint",
        found,
    )


def test_303_names_that_are_missing_with_a_data_file_are_told_with_it(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "ckpt-0", specs(), shards=2)
    Path(f"{path}.data-00000-of-00002").unlink()
    assert findings(of(path)) == []
    checked = check_config(of(path).config, select=["ODF30"])
    assert [found.code for found in checked.findings] == ["ODF308"]


def test_303_some_names(tmp_path: Path) -> None:
    some = {path: ("" if "BoxHead" in name else name, *rest)
            for path, (name, *rest) in specs().items()}  # fmt: skip
    (found,) = findings(of(written(tmp_path, some)))  # type: ignore[arg-type]
    assert found.startswith("ODF303 warning 7: variables are listed by object path: the object ")


def test_304_the_checkpoint_of_a_classifier(tmp_path: Path) -> None:
    holds = one("Conv1/kernel", "feature_extractor/layer_with_weights-0/kernel")
    (found,) = findings(of(written(tmp_path, holds), "classification"))
    assert found.startswith("ODF304 info 8: the checkpoint holds a backbone only")
