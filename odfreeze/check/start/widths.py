"""Rules about numbers of the config that shape the variables which a checkpoint restores.

Facts from object_detection 2.8, in models/: an SSD's feature pyramid has
``additional_layer_depth * depth_multiplier`` channels and at least ``min_depth``
(ssd_mobilenet_v2_fpn_keras_feature_extractor.py:154-161, and so in those of v1 and ResNet), an
EfficientDet's ``bifpn.num_filters``, at least ``min_depth``
(ssd_efficientnet_bifpn_feature_extractor.py:141). The first layer of a MobileNet has ``32 *
depth_multiplier`` channels, at least ``min_depth``: cut to an integer in v1
(keras_models/mobilenet_v1.py:147), rounded to a multiple of 8 in v2 (_make_divisible in
keras_models/mobilenet_v2.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from odfreeze import textproto
from odfreeze.check.architecture import TF2_EXTRACTORS
from odfreeze.check.start.checkpoint_type import type_in_effect
from odfreeze.check.start.fitting import does_not_fit
from odfreeze.check.start.starting import FIELD, written_path
from odfreeze.check.subject import Subject
from odfreeze.checkpoint.model import VALUE_SUFFIX
from odfreeze.errors import OdfreezeError
from odfreeze.findings import Finding
from odfreeze.restore import BACKBONE_ROOT, MODEL_ROOT

__all__ = ["RULES"]

_EXTRACTOR = "model.ssd.feature_extractor"
_NECKS = f"{MODEL_ROOT}_feature_extractor/"
_FIRST = "layer_with_weights-0/kernel"
_STEMS = (f"{MODEL_ROOT}_feature_extractor/classification_backbone/{_FIRST}",)
_OF_CLASSIFIER = (f"{BACKBONE_ROOT}{_FIRST}",)


class _Width(NamedTuple):
    """A number of channels: which field says it, what it comes to, and where it shows."""

    field: str
    written: float
    default: str
    channels: int
    object_path: str
    is_direct: bool


def other_width(subject: Subject) -> Iterator[Finding]:
    """ODF328: a field of the config gives a part of the model another width than it had."""
    kind, found = type_in_effect(subject), subject.checkpoint
    if written_path(subject) is None or kind is None or found is None:
        return
    for width in _widths(subject, kind):
        try:
            entry = found.entries.get(width.object_path + VALUE_SUFFIX)
        except OdfreezeError:
            return  # the index is damaged: ODF322
        shape = entry.shape if entry else ()
        if not shape or shape[-1] == width.channels or any(does_not_fit(subject)):
            continue
        path = f"{_EXTRACTOR}.{width.field}"
        name = width.field.rpartition(".")[2]
        value = f"{width.written:g}" + ("" if subject.has(path) else width.default)
        message = (
            f"with {name} {value} the model has {width.channels} channels where the checkpoint "
            f"has {shape[-1]}: the shapes differ, and it cannot be restored; "
        )
        cure = f"set {name}: {shape[-1]}" if width.is_direct else f"set {name} as it was trained"
        edits = (
            textproto.set_field(subject.config.document, path, shape[-1]) if width.is_direct else ()
        )
        place = subject.place(path, path.rpartition(".")[0], _EXTRACTOR, FIELD)
        yield Finding("ODF328", "error", message + cure, place, edits)


def _widths(subject: Subject, kind: str) -> Iterator[_Width]:
    """Yields the widths that a config asks for, of what a type restores."""
    if subject.meta_architecture != "ssd":
        return
    extractor = subject.extractor_type or ""
    multiplier = subject.number(f"{_EXTRACTOR}.depth_multiplier", 1.0)
    least = subject.integer(f"{_EXTRACTOR}.min_depth", 16)
    if multiplier is None or least is None or extractor not in TF2_EXTRACTORS["ssd"]:
        return
    if kind != "classification" and extractor.endswith("_fpn_keras"):
        field = "fpn.additional_layer_depth"
        depth = subject.integer(f"{_EXTRACTOR}.{field}", 256)
        if depth is not None:
            channels = max(int(depth * multiplier), least)
            path = f"{_NECKS}_fpn_features_generator/top_layers/0/kernel"
            yield _Width(field, depth, " (its default)", channels, path, multiplier == 1)
    if kind != "classification" and extractor.endswith("_bifpn_keras"):
        field = "bifpn.num_filters"
        filters = subject.integer(f"{_EXTRACTOR}.{field}")
        if filters is not None:
            path = f"{_NECKS}_bifpn_stage/node_input_blocks/0/0/1/0/kernel"
            yield _Width(field, filters, "", max(filters, least), path, is_direct=True)
    if "mobilenet_v" in extractor:
        exact = 32 * multiplier
        channels = _divisible(exact) if "mobilenet_v2" in extractor else int(exact)
        for path in _OF_CLASSIFIER if kind == "classification" else _STEMS:
            yield _Width("depth_multiplier", multiplier, " (its default)", max(channels, least),
                         path, is_direct=False)  # fmt: skip


def _divisible(exact: float) -> int:
    """Returns the multiple of 8 nearest to a number, not less than nine tenths of it.

    >>> _divisible(32), _divisible(24), _divisible(11.2)
    (32, 24, 16)
    """
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


RULES = (other_width,)
