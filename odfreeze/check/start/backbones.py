"""Facts about networks: which one a checkpoint holds, and which one a config asks for.

Only what a name or a path shows for certain counts. Sources, in object_detection 2.8:

- ResNets: layer names ``conv4_block6_3_conv`` of models/keras_models/resnet_v1.py (ResNet-18 and
  34 at 483-540, whose blocks have two convolutions and a ``preact``) and of Keras itself, whose
  second version has ``preact`` layers; blocks a stage as published: (3, 4, 6, 3), (3, 4, 23, 3),
  (3, 8, 36, 3).
- MobileNets: ``conv_dw_1`` and ``block_1_project`` of models/keras_models/mobilenet_v1.py, v2.py.
- EfficientNets: ``stack_6/block_0/project_conv2d``, with as many blocks as
  efficientnet_model.py of the Model Garden computes from the depth, and as many filters.
- Inception-ResNet: ``block35_1_conv`` of models/keras_models/inception_resnet_v2.py.
- hourglass: object paths below ``_network``; the sizes of
  models/keras_models/hourglass_network.py:524-595 differ in how deep blocks are nested, and
  the largest has two of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from odfreeze.variables import Variable

__all__ = ["Network", "asked_for", "held", "types_with"]


class Network(NamedTuple):
    """The parts of a detector that tell architectures apart; "" for what is not known.

    Attributes:
      meta: Name of the message under ``model``.
      backbone: The backbone, such as ``ResNet-50 v1``.
      neck: ``FPN``, ``BiFPN`` or ``no FPN``.
      sign: The name or object path in the checkpoint that shows the backbone.
    """

    meta: str
    backbone: str
    neck: str
    sign: str = ""


#: What an object path shows of the meta architecture; the first one counts.
_META_SIGNS = (
    ("model/_feature_extractor_for_proposal_features/", "faster_rcnn"),
    ("model/_prediction_head_dict/", "center_net"),
    ("model/_box_predictor/", "ssd"),
)
#: The same of the neck of SSD and Faster R-CNN.
_NECK_SIGNS = (
    ("model/_feature_extractor/_fpn_features_generator/", "FPN"),
    ("model/_feature_extractor/_bifpn_stage/", "BiFPN"),
    ("model/_feature_extractor/feature_map_generator/", "no FPN"),
    ("model/_feature_extractor/_feature_map_generator/", "no FPN"),
    ("model/_feature_extractor_for_proposal_features/fpn_features_generator/", "FPN"),
    ("model/_feature_extractor_for_proposal_features/layer_with_weights-0/", "no FPN"),
)
_HOURGLASS = "model/_feature_extractor/_network/hourglass_network/"

#: Blocks of the fourth and third stage to the depth of a ResNet.
_BOTTLENECKS = {(6, 4): 50, (23, 4): 101, (36, 8): 152}
_BASIC = {(2, 2): 18, (6, 4): 34}
#: Blocks, and filters of the last one, to the size of an EfficientNet.
_EFFICIENTNETS = {
    (16, 320): 0, (23, 320): 1, (23, 352): 2, (26, 384): 3,
    (32, 448): 4, (39, 512): 5, (45, 576): 6, (55, 640): 7,
}  # fmt: skip

#: How deep blocks are nested, and how many hourglasses there are, to the size of one.
_HOURGLASSES = {(1, 1): 10, (2, 1): 20, (3, 1): 32, (5, 1): 52, (5, 2): 104}

_RESNET = re.compile(r"(?:^|/)conv([2-5])_block(\d+)_(\d_conv|preact_bn)/")
_EFFICIENTNET = re.compile(r"(?:^|/)stack_(\d+)/block_(\d+)/(project_conv2d/kernel$)?")
#: What a name shows where one is enough.
_PLAIN = (
    (re.compile(r"(?:^|/)block_\d+_(?:expand|depthwise|project)/"), "MobileNet V2"),
    (re.compile(r"(?:^|/)conv_[dp]w_\d+/"), "MobileNet V1"),
    (re.compile(r"(?:^|/)block(?:35|17|8)_\d+_conv/"), "Inception-ResNet v2"),
)
_TYPES = (
    (re.compile(r"_?resnet(\d+)_v1_fpn|faster_rcnn_resnet(\d+)"), "ResNet-{} v1"),
    (re.compile(r"resnet_v([12])_(\d+)"), "ResNet-{1} v{0}"),
    (re.compile(r"efficientnet-b(\d)"), "EfficientNet-B{}"),
    (re.compile(r"mobilenet_v([12])"), "MobileNet V{}"),
    (re.compile(r"inception_resnet_v2"), "Inception-ResNet v2"),
    (re.compile(r"hourglass_(\d+)"), "hourglass-{}"),
)


def asked_for(meta: str | None, extractor: str | None) -> Network:
    """Returns the network that a config asks for.

    Args:
      meta: Name of the message under ``model``.
      extractor: The feature extractor's type.

    >>> asked_for("ssd", "ssd_resnet101_v1_fpn_keras")[:3]
    ('ssd', 'ResNet-101 v1', 'FPN')
    """
    kind = extractor or ""
    neck = ""
    if meta in ("ssd", "faster_rcnn") and kind:
        neck = "BiFPN" if "_bifpn" in kind else "FPN" if "_fpn" in kind else "no FPN"
    for pattern, name in _TYPES:
        match = pattern.search(kind)
        if match:
            found = [group for group in match.groups() if group]
            return Network(meta or "", name.format(*found), neck)
    return Network(meta or "", "", "")


def held(variables: Iterable[Variable]) -> Network:
    """Returns the network whose variables these are."""
    stages: dict[str, int] = {}
    blocks: set[tuple[str, str]] = set()
    has_preact = has_third = False
    glasses: dict[str, int] = {}
    filters, meta, neck, backbone, sign = 0, "", "", "", ""
    for variable in variables:
        path, name = variable.object_path, variable.name or ""
        meta = meta or _first(_META_SIGNS, path)
        neck = neck or _first(_NECK_SIGNS, path)
        if path.startswith(_HOURGLASS):
            number = path[len(_HOURGLASS) :].partition("/")[0]
            glasses[number] = max(glasses.get(number, 0), path.count("/inner_block/"))
        elif "_block" in name and (match := _RESNET.search(name)):
            stage, block, what = match.groups()
            stages[stage] = max(stages.get(stage, 0), int(block))
            has_preact |= what == "preact_bn"
            has_third |= what == "3_conv"
        elif "stack_" in name and (match := _EFFICIENTNET.search(name)):
            blocks.add((match[1], match[2]))
            if match[3]:
                filters = max(filters, variable.shape[-1] if variable.shape else 0)
        elif not backbone and ("block" in name or "conv_" in name):
            backbone = next((label for one, label in _PLAIN if one.search(name)), "")
            sign = name if backbone else ""
    if stages:
        backbone, sign = _resnet(stages, has_preact, has_third)
    elif blocks:
        size = _EFFICIENTNETS.get((len(blocks), filters))
        backbone = "" if size is None else f"EfficientNet-B{size}"
        sign = f"{len(blocks)} blocks stack_…/block_…"
    elif glasses:
        depth = max(glasses.values())
        size = _HOURGLASSES.get((depth, len(glasses)))
        backbone = "" if size is None else f"hourglass-{size}"
        sign = f"{len(glasses)} hourglass_network with inner blocks {depth} deep"
    return Network(meta, backbone, neck, sign)


def types_with(meta: str, backbone: str, neck: str) -> list[str]:
    """Returns the feature extractor types that ask for a network.

    >>> types_with("ssd", "ResNet-101 v1", "")
    ['ssd_resnet101_v1_fpn_keras']
    """
    from odfreeze.check.architecture import TF2_EXTRACTORS

    found = ((kind, asked_for(meta, kind)) for kind in TF2_EXTRACTORS.get(meta, ()))
    return [
        kind
        for kind, network in found
        if network.backbone == backbone and (not neck or network.neck in ("", neck))
    ]


def _first(signs: Iterable[tuple[str, str]], path: str) -> str:
    return next((meaning for sign, meaning in signs if path.startswith(sign)), "")


def _resnet(stages: dict[str, int], has_preact: bool, has_third: bool) -> tuple[str, str]:
    """Returns the name of a ResNet and a sign of it; "" where the blocks are those of none."""
    counts = stages.get("4", 0), stages.get("3", 0)
    depth = (_BOTTLENECKS if has_third else _BASIC).get(counts)
    if depth is None:
        return "", ""
    version = 2 if has_preact and has_third else 1
    return f"ResNet-{depth} v{version}", f"conv4_block{counts[0]} and conv3_block{counts[1]}"
