"""The parts of a detector: each variable in the head, the neck or a block of the backbone.

What a person calls a backbone has no such name in a checkpoint. Where a variable hangs in the
object graph tells its part; the numbers in the paths tell the depth of a layer; names tell where
one block of a backbone ends and the next begins. A structure that is not known here is divided in
the order in which its layers were created, and a note says so.

Facts from object_detection 2.8 (attributes that Keras tracks become parts of the path):

- SSD: ``classification_backbone`` of models/ssd_*_keras_feature_extractor.py, ``_efficientnet`` and
  ``_bifpn_stage`` of models/ssd_efficientnet_bifpn_feature_extractor.py, the layers of
  models/feature_map_generators.py, the towers of predictors/convolutional_keras_box_predictor.py
- Faster R-CNN: meta_architectures/faster_rcnn_meta_arch.py; with an FPN also
  models/faster_rcnn_resnet_v1_fpn_keras_feature_extractor.py
- CenterNet: ``_base_model`` and ``_feature_extractor_model`` of
  models/center_net_*_feature_extractor.py, ``_network`` for an hourglass or for a MobileNet with
  the layers on top of it, and the heads of meta_architectures/center_net_meta_arch.py
  (``_construct_prediction_heads``)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from odfreeze.groups.backbones import blocks_of
from odfreeze.variables import Variable

__all__ = ["PARTS", "Group", "Groups", "Part", "group"]

Part = Literal["head", "neck", "backbone", "other"]

#: The parts of a detector, from its outputs to its input; last what is in none.
PARTS: tuple[Part, ...] = ("head", "neck", "backbone", "other")


@dataclass(frozen=True, slots=True)
class Group:
    """Variables of a model that belong together.

    Attributes:
      part: Where they are.
      kind: Of a block of the backbone what names call it (``stack_2``). Of a head what it
        predicts: ``center``, ``box``, ``offset``, ``class``, ``mask``, ``keypoint``, …, or
        ``tower`` for layers that boxes and classes share, ``region`` for the second stage's dense
        layers, ``proposal`` for the first stage, ``attention`` for that to a context. Of a neck
        ``fpn``, ``bifpn``, ``upsampling`` where nothing is added on the way up, ``coarse`` for
        levels beyond the backbone's, or ``feature_maps``. "" where nothing tells.
      block: Number of the block, 1 being next to the image; 0 outside of a backbone.
      variables: What is in it, moving statistics among it, in order.
    """

    part: Part
    kind: str
    block: int
    variables: tuple[Variable, ...]

    @property
    def name(self) -> str:
        """What it is called: ``head/box``, ``neck/fpn``, ``backbone/3``."""
        inner = str(self.block) if self.block else self.kind
        return f"{self.part}/{inner}" if inner else self.part

    @property
    def parameters(self) -> int:
        """Elements of all its variables that could learn."""
        return sum(v.parameters for v in self.variables if v.trainable)


@dataclass(frozen=True, slots=True)
class Groups:
    """All variables of a model in groups.

    Attributes:
      variables: All of them, as they were given.
      groups: Heads, necks, the backbone's blocks from the image on, and the rest; none is empty.
      batch_norm: The variables of all batch norm layers, whatever group they are in.
      notes: What could not be told from the structure and was divided otherwise.
    """

    variables: tuple[Variable, ...]
    groups: tuple[Group, ...]
    batch_norm: tuple[Variable, ...]
    notes: tuple[str, ...]
    _index: Mapping[str, int] = field(repr=False, compare=False)

    def of(self, variable: Variable | str) -> Group:
        """Returns the group of a variable, or of an object path.

        Raises:
          KeyError: It is none of those that were grouped.
        """
        path = variable if isinstance(variable, str) else variable.object_path
        return self.groups[self._index[path]]

    def in_part(self, part: Part) -> tuple[Group, ...]:
        """Returns the groups of a part; none where the model has no such part."""
        return tuple(one for one in self.groups if one.part == part)

    @property
    def blocks(self) -> tuple[Group, ...]:
        """The backbone's blocks, the first next to the image."""
        return self.in_part("backbone")


def group(variables: Sequence[Variable]) -> Groups:
    """Returns each variable of a model in its group.

    Args:
      variables: All of one model, from a checkpoint or a live model, in any order.
    """
    layers: dict[str, list[int]] = {}
    for position, variable in enumerate(variables):
        layers.setdefault(variable.layer, []).append(position)
    shared = any("/_head_scope_conv_layers/PredictionTower/" in layer for layer in layers)
    pyramid = any(
        layer.partition("/")[2].startswith(_PROPOSAL + "classification_backbone/")
        for layer in layers
    )
    places: dict[str, tuple[Part, str]] = {}
    for layer in layers:
        place = _place(layer)
        if place == ("head", "box") and shared and "/_base_tower_layers_for_heads/" in layer:
            place = ("head", "tower")
        elif place == _REGION:
            place = ("head", "region") if pyramid else ("backbone", "")
        places[layer] = place
    for layer in _lateral(variables, places):
        places[layer] = ("neck", "fpn")
    backbone = {
        layer: [variables[i] for i in members]
        for layer, members in layers.items()
        if places[layer][0] == "backbone"
    }
    blocks, notes = blocks_of(backbone) if backbone else ({}, ())
    members_of: dict[tuple[Part, str, int], list[int]] = {}
    for layer, members in layers.items():
        part, kind = places[layer]
        number = 0
        if part == "backbone":
            number, kind = blocks[layer]
        members_of.setdefault((part, kind, number), []).extend(members)
    if not any(part != "other" for part, _, _ in members_of):
        notes = (*notes, "nothing here hangs where the OD API puts the parts of a detector")
    return _grouped(variables, members_of, notes)


def _lateral(
    variables: Sequence[Variable], places: Mapping[str, tuple[Part, str]]
) -> tuple[str, ...]:
    """Returns the layers of an upsampling neck that is an FPN, none where it is not.

    A CenterNet's attribute is the same for both (models/center_net_resnet_v1_fpn_… and
    center_net_resnet_feature_extractor.py); but where each step of a plain one is a convolution
    with its norm, an FPN has lateral convolutions without one.
    """
    neck = dict.fromkeys(layer for layer, place in places.items() if place == ("neck", _UPSAMPLING))
    norms = {v.layer for v in variables if v.statistic and v.layer in neck}
    return tuple(neck) if len(neck) > 2 * len(norms) else ()


def _grouped(
    variables: Sequence[Variable],
    members_of: Mapping[tuple[Part, str, int], list[int]],
    notes: tuple[str, ...],
) -> Groups:
    groups: list[Group] = []
    index: dict[str, int] = {}
    # Kinds in the order of their first variable, blocks by number.
    for part, kind, number in sorted(
        members_of, key=lambda key: (PARTS.index(key[0]), key[2], _kind_rank(key[1]))
    ):
        inside = [variables[i] for i in sorted(members_of[part, kind, number])]
        index.update(dict.fromkeys((v.object_path for v in inside), len(groups)))
        groups.append(Group(part, kind, number, tuple(inside)))
    norms = {v.layer for v in variables if v.statistic}
    return Groups(
        variables=tuple(variables),
        groups=tuple(groups),
        batch_norm=tuple(v for v in variables if v.layer in norms),
        notes=notes,
        _index=index,
    )


_UPSAMPLING = "upsampling"
_KINDS = (
    "center", "box", "offset", "class", "mask", "keypoint", "tower", "region", "proposal",
    "attention", "fpn", "bifpn", _UPSAMPLING, "coarse", "feature_maps",
)  # fmt: skip


def _kind_rank(kind: str) -> tuple[int, str]:
    return (_KINDS.index(kind) if kind in _KINDS else len(_KINDS), kind)


_PROPOSAL = "_feature_extractor_for_proposal_features/"
#: The second stage's own layers: a ResNet's last stage, or with an FPN two dense layers.
_REGION: tuple[Part, str] = ("head", "region")

#: Where layers hang below the model; the first that fits counts.
_PLACES: tuple[tuple[str, Part, str], ...] = (
    ("_feature_extractor/classification_backbone/", "backbone", ""),
    ("_feature_extractor/_efficientnet/", "backbone", ""),
    ("_feature_extractor/_base_model/", "backbone", ""),
    ("_feature_extractor/_network/layer_with_weights-0/", "backbone", ""),
    ("_feature_extractor/_network/layer_with_weights-", "neck", _UPSAMPLING),
    ("_feature_extractor/_network/", "backbone", ""),
    ("_feature_extractor/_bifpn_stage/", "neck", "bifpn"),
    ("_feature_extractor/_fpn_features_generator/", "neck", "fpn"),
    ("_feature_extractor/_coarse_feature_layers/", "neck", "coarse"),
    ("_feature_extractor/_feature_map_generator/", "neck", "feature_maps"),
    ("_feature_extractor/feature_map_generator/", "neck", "feature_maps"),
    ("_feature_extractor/_feature_extractor_model/", "neck", _UPSAMPLING),
    ("_feature_extractor/", "neck", ""),
    (_PROPOSAL + "fpn_features_generator/", "neck", "fpn"),
    (_PROPOSAL + "coarse_feature_layers/", "neck", "coarse"),
    (_PROPOSAL, "backbone", ""),
    ("_feature_extractor_for_box_classifier_features/", *_REGION),
    ("_context_feature_extract_fn/", "head", "attention"),
    ("_first_stage_box_predictor", "head", "proposal"),
    ("_box_predictor/", "head", "?"),
    ("_mask_rcnn_box_predictor/", "head", "?"),
    ("_rfcn_box_predictor/", "head", "?"),
    ("_prediction_head_dict/", "head", "?"),
    ("_mask_net/", "head", "mask"),
    ("track_reid_classification_net/", "head", "tracking"),
    ("feature_extractor/", "backbone", ""),
)

#: What a part of a head's path says of its kind; the first that is found counts.
_HEAD_KINDS: tuple[tuple[str, str], ...] = (
    ("/predictiontower/", "tower"),
    ("shared_conv", "tower"),
    ("keypoint", "keypoint"),
    ("mask", "mask"),
    ("segmentation", "mask"),
    ("densepose", "densepose"),
    ("track", "tracking"),
    ("temporal", "temporal"),
    ("embedding", "embedding"),
    ("object_center", "center"),
    ("offset", "offset"),
    ("class", "class"),
    ("box", "box"),
)


def _place(layer: str) -> tuple[Part, str]:
    """Returns the part and the kind that a layer's object path tells.

    >>> _place("model/_box_predictor/_prediction_heads/box_encodings/0/_box_encoder_layers/0")
    ('head', 'box')
    """
    for path in (layer.partition("/")[2], layer):  # below "model", or the model itself
        for root, part, kind in _PLACES:
            if path.startswith(root):
                return part, _head_kind(path[len(root) :]) if kind == "?" else kind
    return "other", ""


def _head_kind(path: str) -> str:
    words = f"/{path.lower()}"
    return next((kind for word, kind in _HEAD_KINDS if word in words), "")
