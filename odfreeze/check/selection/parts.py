"""The parts of a detector by its object paths, and patterns that select exactly one of them.

What a person calls a backbone has no such name in a checkpoint; where a variable hangs in the
object graph tells what it belongs to. Facts from object_detection 2.8:

- SSD: ``classification_backbone`` is set by models/ssd_*_keras_feature_extractor.py,
  ``_efficientnet`` by models/ssd_efficientnet_bifpn_feature_extractor.py; what else a feature
  extractor tracks are the layers that it puts on top
- CenterNet: ``_base_model`` by models/center_net_*_feature_extractor.py
- Faster R-CNN: the attributes of meta_architectures/faster_rcnn_meta_arch.py; with an FPN those
  of models/faster_rcnn_resnet_v1_fpn_keras_feature_extractor.py below the first of them
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from odfreeze.check.case import quantity
from odfreeze.keras_names import keras_name
from odfreeze.regex_guard import search_bounded
from odfreeze.selection import PATH_PREFIX
from odfreeze.variables import Variable

__all__ = ["Part", "PartName", "part_at", "parts_meant", "parts_of", "pattern_of", "words_for"]

PartName = str

#: Where variables hang; the first that fits counts.
_ROOTS: tuple[tuple[str, PartName], ...] = (
    ("model/_feature_extractor/classification_backbone/", "backbone"),
    ("model/_feature_extractor/_efficientnet/", "backbone"),
    ("model/_feature_extractor/_base_model/", "backbone"),
    ("model/_feature_extractor/_network/", "backbone"),
    ("model/_feature_extractor/", "neck"),
    ("model/_feature_extractor_for_proposal_features/fpn_features_generator/", "neck"),
    ("model/_feature_extractor_for_proposal_features/coarse_feature_layers/", "neck"),
    ("model/_feature_extractor_for_proposal_features/", "backbone"),
    ("model/_feature_extractor_for_box_classifier_features/", "region features"),
    ("model/_first_stage_box_predictor", "proposal network"),
    ("model/_box_predictor/", "heads"),
    ("model/_mask_rcnn_box_predictor/", "heads"),
    ("model/_prediction_head_dict/", "heads"),
    ("feature_extractor/", "backbone"),
)

#: What people write for a part, without digits and underscores; TF1's scopes among it.
_WORDS: dict[str, tuple[PartName, ...]] = {
    **dict.fromkeys(
        ("backbone", "basemodel", "body", "encoder", "featureextractor", "trunk"),
        ("backbone", "region features"),
    ),
    "firststagefeatureextractor": ("backbone",),
    "secondstagefeatureextractor": ("region features",),
    **dict.fromkeys(("neck", "fpn", "bifpn", "featurepyramid", "pan"), ("neck",)),
    **dict.fromkeys(
        (
            "box", "boxes", "boxhead", "boxpredictor", "class", "classhead", "classifier",
            "classpredictor", "detectionhead", "head", "heads", "predictionhead", "predictor",
            "secondstageboxpredictor",
        ),
        ("heads",),
    ),
    "rpn": ("proposal network",),
    "firststageboxpredictor": ("proposal network",),
}  # fmt: skip
#: How names of backbones begin.
_NETWORKS = (
    "darknet", "densenet", "efficientnet", "hourglass", "inception", "mobiledet", "mobilenet",
    "nasnet", "pnasnet", "resnet", "vgg", "xception",
)  # fmt: skip

#: More variables, or more pieces in a pattern, are not worth it.
_MOST_VARIABLES = 20_000
_MOST_PIECES = 8


class Part(NamedTuple):
    """A part of a detector with a pattern that selects it.

    Attributes:
      name: What it is called.
      variables: Its variables, statistics among them.
      pattern: A regular expression that matches these and no others.
    """

    name: PartName
    variables: tuple[Variable, ...]
    pattern: str


def parts_meant(text: str) -> list[tuple[str, tuple[PartName, ...]]]:
    """Returns the words of a pattern that stand for parts of a detector, with these.

    >>> parts_meant(".*FeatureExtractor/MobilenetV2/|^head")
    [('FeatureExtractor', ('backbone', 'region features')), ('head', ('heads',))]
    """
    found: dict[tuple[PartName, ...], str] = {}
    for word in re.findall(r"[A-Za-z][A-Za-z0-9_]*", re.sub(r"\\.|\(\?#path\)", " ", text)):
        plain = re.sub(r"[0-9_]", "", word).lower()
        parts = _WORDS.get(plain) or _WORDS.get(plain.removeprefix("classification"))
        if parts is None and plain.startswith(_NETWORKS):
            parts = _WORDS["backbone"]
        if parts is not None:
            found.setdefault(parts, word)
    return [(word, parts) for parts, word in found.items()]


def words_for(parts: Sequence[Part]) -> str:
    """Returns which patterns select parts, for a message; "" for no parts.

    >>> words_for([Part("heads", (), "^head/")])
    "'^head/' selects the heads (0 variables)"
    """
    return ", ".join(
        f"'{part.pattern}' selects the {part.name} ({quantity(len(part.variables), 'variable')})"
        for part in parts
    )


def parts_of(variables: Sequence[Variable], names: Iterable[PartName]) -> list[Part]:
    """Returns those of some parts that a model has and a pattern can be written for."""
    if len(variables) > _MOST_VARIABLES:
        return []
    found = []
    owners = [part_at(v.object_path) for v in variables]
    for name in names:
        inside = [v for v, owner in zip(variables, owners, strict=True) if owner == name]
        pattern = pattern_of(inside, variables) if inside else None
        if pattern is not None:
            found.append(Part(name, tuple(inside), pattern))
    return found


def part_at(object_path: str) -> PartName | None:
    """Returns the part of a detector that an object path belongs to, None for none known.

    >>> part_at("model/_box_predictor/_prediction_heads/0/kernel")
    'heads'
    """
    return next((part for root, part in _ROOTS if object_path.startswith(root)), None)


def pattern_of(part: Sequence[Variable], variables: Sequence[Variable]) -> str | None:
    """Returns a pattern that matches exactly some variables of a model, None for none found.

    It is for names, or for object paths where names are missing or numbered by Keras.
    """
    inside = {v.object_path for v in part}
    others = [v for v in variables if v.object_path not in inside]
    dependable = all(v.name is not None and keras_name(v) is None for v in part)
    if dependable and all(v.name is not None for v in variables):
        names, other_names = [v.label for v in part], [v.label for v in others]
        for mask in (_masked, str):
            text = _written(names, other_names, _tokens, mask)
            if text and _selects(text, names, other_names):
                return text
    paths, other_paths = [v.object_path for v in part], [v.object_path for v in others]
    text = _written(paths, other_paths, _components, _masked)
    if text and _selects(text, paths, other_paths):
        return PATH_PREFIX + text
    return None


def _written(
    inside: Sequence[str],
    outside: Sequence[str],
    split: Callable[[str], list[str]],
    mask: Callable[[str], str],
) -> str | None:
    """Writes ``^(a|b)`` of the shortest beginnings that nothing outside has.

    Args:
      inside: What is to be matched.
      outside: What is not.
      split: Makes the tokens of which beginnings consist.
      mask: Takes the digits out where they are not to count.
    """
    masked = {mask(text) for text in outside}
    pieces: dict[str, None] = {}
    for text in dict.fromkeys(map(mask, inside)):
        if not any(text.startswith(piece) for piece in pieces):
            piece = _beginning(split(text), masked)
            if piece is None:
                return None
            pieces[piece] = None
    shortest = [p for p in pieces if not any(p != q and p.startswith(q) for q in pieces)]
    written = _with_ranges(_escaped(piece) for piece in shortest)
    if not written or len(written) > _MOST_PIECES:
        return None
    return f"^{written[0]}" if len(written) == 1 else f"^({'|'.join(written)})"


def _with_ranges(pieces: Iterable[str]) -> list[str]:
    """Joins pieces that differ in one digit: ``conv1_`` and ``conv2_`` are ``conv[1-2]_``."""
    digits: dict[tuple[str, str], list[str]] = {}
    for piece in pieces:
        match = re.fullmatch(r"([^0-9]*)([0-9])([^0-9]+)", piece)
        before, digit, after = match.groups() if match else (piece, "", "")
        digits.setdefault((before, after), []).append(digit)
    return [before + _range(sorted(found)) + after for (before, after), found in digits.items()]


def _range(digits: Sequence[str]) -> str:
    if len(digits) == 1:
        return digits[0]
    row = int(digits[-1]) - int(digits[0]) + 1 == len(digits)
    return f"[{digits[0]}-{digits[-1]}]" if row else f"[{''.join(digits)}]"


def _beginning(tokens: Sequence[str], masked: Iterable[str]) -> str | None:
    """Joins as many tokens as it takes to begin like nothing else, and the ``_`` or ``/`` after."""
    for count in range(1, len(tokens) + 1):
        beginning = "".join(tokens[:count])
        following = tokens[count] if count < len(tokens) else ""
        if beginning[-1].isdigit() and following:
            continue  # a number could go on
        if not any(other.startswith(beginning) for other in masked):
            return beginning + (following if following in ("_", "/") else "")
    return None


def _tokens(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+|[0-9]+|.", text)


def _components(text: str) -> list[str]:
    return re.findall(r"[^/]*/|[^/]+", text)


#: Stands for a run of digits.
_RUN = "\0"


def _masked(text: str) -> str:
    return re.sub(r"[0-9]+", _RUN, text)


def _escaped(text: str) -> str:
    plain = re.sub(r"[.$*+?{}()|\[]", r"[\g<0>]", text)
    return plain.replace(_RUN, "[0-9]+")


def _selects(text: str, inside: Sequence[str], outside: Sequence[str]) -> bool:
    found = search_bounded(text, [*inside, *outside])
    return found is not None and found == [True] * len(inside) + [False] * len(outside)
