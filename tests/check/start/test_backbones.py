"""Which network a checkpoint holds, and which one a config asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odfreeze.check.architecture import TF2_EXTRACTORS
from odfreeze.check.start.backbones import asked_for, held, types_with
from odfreeze.checkpoint import Checkpoint
from odfreeze.variables import Variable
from tests.check.planted import CONFIGS, SAMPLES, subject_of


def network(*names: str, root: str = "model/_feature_extractor/") -> list[Variable]:
    return [Variable(name, f"{root}{number}", (3,), "float32") for number, name in enumerate(names)]


def resnet(stages: tuple[int, ...], *last: str) -> Iterator[str]:
    for stage, blocks in enumerate(stages, 2):
        for block in range(1, blocks + 1):
            yield from (f"conv{stage}_block{block}_{part}/kernel" for part in last)


BOTTLENECK = ("1_conv", "2_conv", "3_conv")
BASIC = ("preact_bn", "1_conv", "2_conv")


@pytest.mark.parametrize(
    ("names", "backbone"),
    [
        (resnet((2, 2, 2, 2), *BASIC), "ResNet-18 v1"),
        (resnet((3, 4, 6, 3), *BASIC), "ResNet-34 v1"),
        (resnet((3, 4, 6, 3), *BOTTLENECK), "ResNet-50 v1"),
        (resnet((3, 4, 23, 3), *BOTTLENECK), "ResNet-101 v1"),
        (resnet((3, 8, 36, 3), *BOTTLENECK), "ResNet-152 v1"),
        (resnet((3, 4, 6, 3), "preact_bn", *BOTTLENECK), "ResNet-50 v2"),
        (resnet((3, 4, 23, 3), "preact_bn", *BOTTLENECK), "ResNet-101 v2"),
        (resnet((3, 4, 7, 3), *BOTTLENECK), ""),
        (["block_1_project/kernel"], "MobileNet V2"),
        (["conv_pw_3/kernel"], "MobileNet V1"),
        (["block35_2_conv/kernel"], "Inception-ResNet v2"),
        (["dense/kernel", "my_conv_1/kernel"], ""),
        ([], ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_backbone_by_the_names_of_its_layers(names: Iterator[str], backbone: str) -> None:
    assert held(network(*names)).backbone == backbone


@pytest.mark.parametrize(
    ("blocks", "filters", "backbone"),
    [(16, 320, "EfficientNet-B0"), (23, 320, "EfficientNet-B1"), (23, 352, "EfficientNet-B2"),
     (55, 640, "EfficientNet-B7"), (17, 320, "")],
)  # fmt: skip
def test_an_efficientnet_by_its_blocks_and_filters(
    blocks: int, filters: int, backbone: str
) -> None:
    found = [
        Variable(
            f"stack_6/block_{n}/project_conv2d/kernel", f"m/{n}", (1, 1, 9, filters), "float32"
        )
        for n in range(blocks)
    ]
    assert held(found).backbone == backbone


@pytest.mark.parametrize(
    ("path", "meta", "neck"),
    [
        ("model/_box_predictor/w", "ssd", ""),
        ("model/_prediction_head_dict/object_center/0/w", "center_net", ""),
        ("model/_feature_extractor_for_proposal_features/layer_with_weights-0/kernel",
         "faster_rcnn", "no FPN"),
        ("model/_feature_extractor_for_proposal_features/fpn_features_generator/w",
         "faster_rcnn", "FPN"),
        ("model/_feature_extractor/_fpn_features_generator/w", "", "FPN"),
        ("model/_feature_extractor/_bifpn_stage/w", "", "BiFPN"),
        ("model/_feature_extractor/feature_map_generator/w", "", "no FPN"),
        ("feature_extractor/layer_with_weights-0/kernel", "", ""),
    ],
)  # fmt: skip
def test_meta_architecture_and_neck_by_object_paths(path: str, meta: str, neck: str) -> None:
    found = held([Variable(None, path, (1,), "float32")])
    assert (found.meta, found.neck) == (meta, neck)


@pytest.mark.parametrize(
    ("depth", "number", "backbone"),
    [(1, 1, "hourglass-10"), (3, 1, "hourglass-32"), (5, 1, "hourglass-52"),
     (5, 2, "hourglass-104"), (4, 1, "")],
)  # fmt: skip
def test_an_hourglass_by_its_object_paths(depth: int, number: int, backbone: str) -> None:
    root = "model/_feature_extractor/_network/hourglass_network"
    found = [
        Variable(None, f"{root}/{glass}/{'inner_block/0/' * deep}conv/kernel", (1,), "float32")
        for glass in range(number)
        for deep in range(depth + 1)
    ]
    assert held(found).backbone == backbone


@pytest.mark.parametrize(
    ("meta", "kind"), [(meta, kind) for meta, kinds in TF2_EXTRACTORS.items() for kind in kinds]
)
def test_every_extractor_of_tf2_asks_for_a_backbone(meta: str, kind: str) -> None:
    wanted = asked_for(meta, kind)
    assert wanted.backbone
    assert kind in types_with(meta, wanted.backbone, wanted.neck)


@pytest.mark.parametrize(
    ("kind", "backbone", "neck"),
    [
        ("ssd_mobilenet_v2_fpn_keras", "MobileNet V2", "FPN"),
        ("ssd_mobilenet_v1_keras", "MobileNet V1", "no FPN"),
        ("ssd_efficientnet-b3_bifpn_keras", "EfficientNet-B3", "BiFPN"),
        ("faster_rcnn_resnet152_keras", "ResNet-152 v1", "no FPN"),
        ("faster_rcnn_inception_resnet_v2_keras", "Inception-ResNet v2", "no FPN"),
        ("resnet_v2_101", "ResNet-101 v2", ""),
        ("resnet_v1_34_fpn", "ResNet-34 v1", ""),
        ("of_a_fork", "", ""),
    ],
)
def test_what_a_type_asks_for(kind: str, backbone: str, neck: str) -> None:
    meta = next((m for m, kinds in TF2_EXTRACTORS.items() if kind in kinds), "")
    assert asked_for(meta, kind)[:3] == (meta, backbone, neck)


def test_a_config_without_a_model_asks_for_nothing() -> None:
    assert asked_for(None, None) == ("", "", "", "")


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_samples_ask_for_something(sample: str) -> None:
    subject = subject_of((CONFIGS / sample).read_text(encoding="utf-8"))
    assert all(asked_for(subject.meta_architecture, subject.extractor_type)[:2])


def test_the_real_checkpoint(corpus: Path) -> None:
    with Checkpoint.open(corpus / "checkpoints" / "efficientdet_d0_names_only") as found:
        assert held(found.variables)[:3] == ("ssd", "EfficientNet-B0", "BiFPN")
