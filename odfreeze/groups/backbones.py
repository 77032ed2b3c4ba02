"""The blocks of a backbone in order of depth, told from layer numbers and names.

A Keras model numbers its layers from its input on (``layer_with_weights-12`` in the object path),
so that paths tell the order; where a block ends is told by the names, which follow the network's
own numbering. Facts from keras.applications and object_detection/models/keras_models:

- ResNet: ``conv1_``, then ``conv2_block1_`` to ``conv5_block3_``: one block for each resolution
- MobileNet V1: ``conv1``, ``conv_dw_1``/``conv_pw_1`` to 13; V2: ``Conv1``, ``expanded_conv_``,
  ``block_1_`` to ``block_16_``, ``Conv_1``
- EfficientNet: ``stem_``, ``stack_0/`` to ``stack_6/``, ``top_`` and ``logits``
- Inception-ResNet V2: the convolution that ends a residual block is named (``block35_1_conv``),
  those before it are numbered by Keras
- Hourglass: no layer is named; the attributes of keras_models/hourglass_network.py are in the
  paths: encoders halve the resolution, decoders double it, each inside of the one before
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from odfreeze.variables import Variable

__all__ = ["blocks_of"]

#: What block a layer's name says it is in; the first that is found counts.
_LABELS = re.compile(
    r"(?P<resnet>conv\d)(?=_(?:block\d|conv/|bn/))"
    r"|(?P<conv>conv)(?:_dw|_pw)(?P<number>_\d+)(?=_bn/|/)"
    r"|(?P<mobilenet>block_\d+)(?=_)"
    r"|(?P<efficientnet>stack_\d+)(?=/)"
    r"|(?P<expanded>expanded_conv)(?=_)"
    r"|(?P<top>top_(?=conv2d|bn)|logits/)"
    r"|(?P<stem>stem_(?=conv2d|bn))"
    r"|(?:bn_)?(?P<first>Conv_?1|conv1)(?=_bn/|/)"
)
#: How many convolutions a residual block of Inception-ResNet V2 has before the named one.
_INCEPTION = {"block35": 6, "block17": 4, "block8": 4}
#: What is before, between and after these rows of blocks.
_BETWEEN = {"": "stem", "block35": "mixed_6a", "block17": "mixed_7a", "block8": "conv_7b"}
#: Into how many blocks an unknown backbone is divided at most.
_MOST_BLOCKS = 8

Layer = tuple[str, Sequence[Variable]]


def blocks_of(
    layers: Mapping[str, Sequence[Variable]],
) -> tuple[dict[str, tuple[int, str]], tuple[str, ...]]:
    """Returns for each layer of a backbone the number and the name of its block.

    Args:
      layers: The backbone's layers by their paths, with their variables.

    Returns:
      For each path the block's number, 1 being next to the image, and what names call it; and
      notes on what could not be told.
    """
    ordered = sorted(layers.items(), key=_depth)
    labels = _by_attributes(ordered) or _by_name(ordered)
    notes: tuple[str, ...] = ()
    if labels is None:
        labels = _by_creation(ordered)
        notes = (
            f"the backbone's structure is not known: its {len(layers)} layers are divided into "
            f"{len(set(labels))} blocks in the order of their creation",
        )
    numbers: dict[str, int] = {}
    for label in labels:
        numbers.setdefault(label, len(numbers) + 1)
    found = {
        path: (numbers[label], label) for (path, _), label in zip(ordered, labels, strict=True)
    }
    return found, notes


def _depth(layer: Layer) -> tuple[bool, tuple[int, int, int], int, int]:
    """Sorts by the number in the path; a second stage goes behind the first."""
    path, variables = layer
    second = "_for_box_classifier_features/" in path
    number = re.search(r".*layer_with_weights-(\d{1,18})", path)  # of the innermost model
    first = min(v.order for v in variables)
    return second, _hourglass(path)[0], int(number[1]) if number else -1, first


_STEM = re.compile(r"/_network/(?:downsample_input|conv_input)/")
_BETWEEN_HOURGLASSES = re.compile(r"/_network/intermediate_\w+/(\d{1,18})/")
_OUTPUT = re.compile(r"/_network/output_conv/(\d{1,18})/")
_STAGE = re.compile(
    r"/_network/hourglass_network/(\d{1,18})/((?:inner_block/0/)*)(encoder|decoder|inner)_"
)


def _hourglass(path: str) -> tuple[tuple[int, int, int], str]:
    """Returns where in a stack of hourglasses a layer is computed, and the block's name; or "".

    >>> _hourglass("model/_feature_extractor/_network/hourglass_network/0/encoder_block2/0/conv")
    ((1, 1, 1), 'hourglass_1/encoder_1')
    """
    path += "/"
    stage = _STAGE.search(path)
    if stage:
        number, depth = int(stage[1]) + 1, stage[2].count("/") // 2 + 1
        if stage[3] == "decoder":
            return (number, 3, -depth), f"hourglass_{number}/decoder_{depth}"
        if stage[3] == "encoder":
            return (number, 1, depth), f"hourglass_{number}/encoder_{depth}"
        return (number, 2, 0), f"hourglass_{number}/inner"
    if _STEM.search(path):
        return (0, 0, 0), "stem"
    output = _OUTPUT.search(path)
    if output:  # a convolution behind the last decoder
        number = int(output[1]) + 1
        return (number, 3, 0), f"hourglass_{number}/decoder_1"
    between = _BETWEEN_HOURGLASSES.search(path)
    if between:
        number = int(between[1]) + 1
        return (number, 4, 0), f"between_{number}_and_{number + 1}"
    return (0, 0, 0), ""


def _by_attributes(ordered: Sequence[Layer]) -> list[str] | None:
    """Returns each layer's label as the paths of an hourglass tell it."""
    labels = [_hourglass(path)[1] for path, _ in ordered]
    return labels if all(labels) else None


def _by_name(ordered: Sequence[Layer]) -> list[str] | None:
    """Returns each layer's label as the names tell it, None when they tell too little."""
    names = [_name(variables) for _, variables in ordered]
    if any(re.match(r"block(?:35|17|8)_\d+_conv/", name) for name in names):
        return _inception(names)
    found = [_label(name) for name in names]
    if sum(label is not None for label in found) < 0.9 * len(found):
        return None
    # A layer whose name tells nothing (``post_bn``) goes with the one before it.
    labels: list[str] = []
    for label in found:
        labels.append(label or (labels[-1] if labels else next(filter(None, found))))
    return labels


def _name(variables: Sequence[Variable]) -> str:
    return variables[0].name or ""


def _label(name: str) -> str | None:
    match = _LABELS.match(name)
    if match is None:
        return None
    kind, found = match.lastgroup or "", match.groupdict()
    if kind == "number":
        return f"conv{found['number']}"
    return kind if kind in ("stem", "top") else found[kind]


def _inception(names: Sequence[str]) -> list[str]:
    """Returns labels for Inception-ResNet V2: layers before a named one belong to its block."""
    labels = [""] * len(names)
    convolutions = [i for i, name in enumerate(names) if "conv" in name.partition("/")[0]]
    row = ""
    for place, i in enumerate(convolutions):
        match = re.match(r"(block\d+)_\d+_conv/", names[i])
        if match is None:
            continue
        start = convolutions[max(0, place - _INCEPTION.get(match[1], 4))]
        labels[start : i + 1] = [match[1]] * (i + 1 - start)
    for i, label in enumerate(labels):
        row = label or row
        labels[i] = label or _BETWEEN.get(row, row)
        row = label or row
    return labels


def _by_creation(ordered: Sequence[Layer]) -> list[str]:
    """Divides layers into runs of about equal length, a convolution with what follows it."""
    convolution = -1
    places = []
    for _, variables in ordered:
        if any(v.trainable and len(v.shape) >= 2 for v in variables):
            convolution += 1
        places.append(max(convolution, 0))
    count = min(_MOST_BLOCKS, places[-1] + 1)
    return [f"layers_{1 + place * count // (places[-1] + 1)}" for place in places]
