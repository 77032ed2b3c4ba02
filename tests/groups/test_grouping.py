"""Each variable in the head, the neck or a block of the backbone.

The lists in tests/golden/groups were reviewed family by family, against object_detection 2.8 and
the networks as they were published:

- SSD MobileNet V1, V2: six levels, so six pairs of heads; levels that models/feature_map_generators
  adds behind the backbone are a neck. V1 ends with its 13th pair, V2 with ``Conv_1``.
- SSD … FPN, FPNLite, ResNet: as many lateral layers as levels are taken from the backbone (3) and
  one smoothing layer less; ``bottom_up_`` are two coarser levels. A tower is of boxes and classes
  where ``share_prediction_tower`` is set, else of one of them, with norms for each of five levels.
- EfficientDet: the stacks of EfficientNet; ``top_conv2d`` and ``logits`` are its classifier's end,
  from which the detector takes nothing, so that they have no gradient.
- Faster R-CNN, Mask R-CNN, R-FCN, Context R-CNN: ``conv5`` (of Inception-ResNet ``mixed_7a`` and
  what follows) runs on the proposals only, but is the backbone's end; with an FPN it belongs to
  the first stage, and the second has two dense layers of its own, ``region``. The RPN is a head,
  and so is the attention to a context.
- CenterNet: a ResNet V2's, as ResNet 18 and 34, begin each block with its norm and end with
  ``post_bn``. A neck of transposed convolutions is ``upsampling``, one with lateral layers ``fpn``.
- CenterNet Hourglass, DeepMAC: no neck; a decoder comes behind all that is inside of it, with the
  convolution on its output; what joins two hourglasses is a block of its own. Each hourglass of
  the 104 has heads. DeepMAC's mask network is a head that is larger than the others together.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from odfreeze.groups.grouping import PARTS, group
from odfreeze.groups.names import group_patterns
from odfreeze.report.groups import group_lines
from odfreeze.report.text import UNICODE, plain
from odfreeze.variables import Variable
from tests.conftest import ROOT
from tests.support.model_lists import FAMILIES, variables_of

GOLDEN = ROOT / "tests/golden/groups"


def unnamed(variables: tuple[Variable, ...]) -> list[Variable]:
    return [replace(v, name=None) for v in variables]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_groups_of_a_family_are_those_of_its_reviewed_list(family: str) -> None:
    groups = group(variables_of(family))
    shown = plain(group_lines(groups, group_patterns(groups), glyphs=UNICODE))
    assert shown == (GOLDEN / f"{family}.txt").read_text(encoding="utf-8")


RESNET_50 = {"conv1": 1, "conv2": 10, "conv3": 13, "conv4": 19, "conv5": 10}
RESNET_101 = {**RESNET_50, "conv4": 70}
MOBILENET_V1 = {"conv1": 1, **{f"conv_{n}": 2 for n in range(1, 14)}}
MOBILENET_V2 = {
    "Conv1": 1, "expanded_conv": 2, **{f"block_{n}": 3 for n in range(1, 17)}, "Conv_1": 1,
}  # fmt: skip
#: A decoder that gives fewer channels has a convolution on a shortcut, the last one on its output.
_HOURGLASS_104 = {
    **{f"encoder_{n}": 9 for n in range(1, 6)}, "inner": 8,
    "decoder_5": 5, "decoder_4": 4, "decoder_3": 4, "decoder_2": 5, "decoder_1": 5,
}  # fmt: skip
HOURGLASS_104 = {
    "stem": 4,
    **{f"hourglass_1/{name}": count for name, count in _HOURGLASS_104.items()},
    "between_1_and_2": 4,
    **{f"hourglass_2/{name}": count for name, count in _HOURGLASS_104.items()},
}
HOURGLASS_10 = {
    "stem": 4, "hourglass_1/encoder_1": 5, "hourglass_1/inner": 2, "hourglass_1/decoder_1": 3,
}  # fmt: skip
#: Convolutions of each block, from the image on; those on a shortcut count.
NETWORKS = {
    "centernet_hourglass10": HOURGLASS_10,
    "centernet_hourglass104_keypoints": HOURGLASS_104,
    "centernet_mobilenet_v2": MOBILENET_V2,
    "centernet_mobilenet_v2_fpn": MOBILENET_V2,
    "centernet_resnet101_v2": RESNET_101,
    "centernet_resnet18_fpn": {"conv1": 1, "conv2": 5, "conv3": 5, "conv4": 5, "conv5": 5},
    "centernet_resnet50_v1_fpn_keypoints": RESNET_50,
    "context_rcnn_resnet101": RESNET_101,
    "deepmac": HOURGLASS_104,
    "deepmac_resnet4": HOURGLASS_10,
    "efficientdet_d0": {
        "stem": 1, "stack_0": 4, "stack_1": 10, "stack_2": 10, "stack_3": 15, "stack_4": 15,
        "stack_5": 20, "stack_6": 5, "top": 2,
    },
    "faster_rcnn_resnet50": RESNET_50,
    "faster_rcnn_resnet50_fpn": RESNET_50,
    "mask_rcnn_inception_resnet_v2": {
        "stem": 12, "block35": 10 * 7, "mixed_6a": 4, "block17": 20 * 5, "mixed_7a": 7,
        "block8": 10 * 5, "conv_7b": 1,
    },
    "mask_rcnn_resnet50": RESNET_50,
    "rfcn_resnet50": RESNET_50,
    "ssd_mobilenet_v1": MOBILENET_V1,
    "ssd_mobilenet_v1_fpn": MOBILENET_V1,
    "ssd_mobilenet_v2": MOBILENET_V2,
    "ssd_mobilenet_v2_fpnlite": MOBILENET_V2,
    "ssd_resnet50_v1_fpn": RESNET_50,
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_come_in_order_with_the_convolutions_of_the_network(family: str) -> None:
    """An attention of EfficientNet's is two convolutions, its logits are one."""
    blocks = group(variables_of(family)).blocks
    kernels = {one.kind: sum(len(v.shape) > 1 for v in one.variables) for one in blocks}
    assert list(kernels.items()) == list(NETWORKS[family].items())


def test_every_reviewed_list_is_of_a_family() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_variable_is_in_one_group_and_found_there(family: str) -> None:
    variables = variables_of(family)
    groups = group(variables)
    inside = [v for one in groups.groups for v in one.variables]
    assert sorted(inside, key=lambda v: v.order) == list(variables)
    assert all(v in groups.of(v).variables for v in variables)
    assert [one.block for one in groups.blocks] == list(range(1, len(groups.blocks) + 1))
    assert [one.part for one in groups.groups] == sorted(
        (one.part for one in groups.groups), key=PARTS.index
    )
    assert len({one.name for one in groups.groups}) == len(groups.groups)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_in_which_a_source_lists_variables_changes_nothing(family: str) -> None:
    variables = variables_of(family)
    other = [replace(v, order=i) for i, v in enumerate(reversed(variables))]
    groups, expected = group(other), group(variables)
    assert all(groups.of(v.object_path).name == expected.of(v).name for v in variables)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_names_the_parts_are_the_same(family: str) -> None:
    variables = variables_of(family)
    groups, expected = group(unnamed(variables)), group(variables)
    for v in variables:
        found, named = groups.of(v.object_path), expected.of(v)
        assert (found.part, "" if found.block else found.kind) == (
            named.part, "" if named.block else named.kind,
        )  # fmt: skip
    if groups.blocks and "hourglass" not in family and not family.startswith("deepmac"):
        (note,) = groups.notes
        assert note.startswith("the backbone's structure is not known: its ")
        assert note.endswith("divided into 8 blocks in the order of their creation")
        depths = [min(v.order for v in one.variables) for one in groups.blocks]
        assert len(depths) == 8
    else:
        assert groups.notes == ()


def test_an_unknown_backbone_is_divided_in_the_order_of_its_layers() -> None:
    path = "model/_feature_extractor/classification_backbone/layer_with_weights"
    leaves = [("kernel", (1, 1, 4, 4)), ("gamma", (4,))]
    variables = [
        Variable(f"mystery_{n}/{leaf}", f"{path}-{n}/{leaf}", shape, "float32", layer=f"{path}-{n}")
        for n in (10, 9, 2, 1, 0)
        for leaf, shape in leaves
    ]
    groups = group(variables)
    assert [one.kind for one in groups.blocks] == [f"layers_{i}" for i in (1, 2, 3, 4, 5)]
    assert groups.blocks[0].variables[0].name == "mystery_0/kernel"
    assert groups.blocks[-1].variables[0].name == "mystery_10/kernel"
    assert groups.notes == (
        "the backbone's structure is not known: its 5 layers are divided into 5 blocks in the "
        "order of their creation",
    )


def test_what_is_no_detector_is_said_to_be_none() -> None:
    groups = group([Variable("dense/kernel", "net/kernel", (2, 2), "float32", layer="net")])
    assert [one.name for one in groups.groups] == ["other"]
    assert groups.notes == ("nothing here hangs where the OD API puts the parts of a detector",)


def test_no_variables_are_no_groups() -> None:
    groups = group([])
    assert (groups.groups, groups.batch_norm) == ((), ())


def test_the_classification_checkpoint_of_a_backbone_is_a_backbone() -> None:
    variables = [
        replace(v, object_path=v.object_path.replace(root, "feature_extractor/"),
                layer=v.layer.replace(root, "feature_extractor/"))
        for v in variables_of("centernet_resnet50_v1_fpn_keypoints")
        if v.object_path.startswith(root := "model/_feature_extractor/_base_model/")
    ]  # fmt: skip
    assert [one.kind for one in group(variables).groups] == [f"conv{n}" for n in range(1, 6)]


def test_batch_norm_is_marked_wherever_it_is() -> None:
    groups = group(variables_of("efficientdet_d0"))
    parts = {groups.of(v).part for v in groups.batch_norm}
    assert parts == {"head", "neck", "backbone"}
    leaves = {v.object_path.rpartition("/")[2] for v in groups.batch_norm}
    assert leaves == {"gamma", "beta", "moving_mean", "moving_variance"}


def test_a_variable_of_another_model_is_in_no_group() -> None:
    groups = group(variables_of("ssd_mobilenet_v1"))
    with pytest.raises(KeyError):
        groups.of("model/_feature_extractor/other/kernel")
