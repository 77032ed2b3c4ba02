"""Names that Keras made up: ``conv2d_166`` for a layer that has no name of its own.

Keras takes the name of the layer's class and numbers it by how many such layers a process has
made before (``backend.unique_object_name`` of Keras 2). Nothing in the object graph has that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from odfreeze.variables import Variable

__all__ = ["KerasName", "keras_name", "numbers_of"]

#: Classes of layers with variables that the OD API and Keras' applications leave nameless.
_CLASSES = (
    "batch_normalization|conv2d|conv2d_transpose|dense|depthwise_conv2d|freezable_batch_norm"
    "|group_normalization|layer_normalization|separable_conv2d|sync_batch_normalization"
)
#: Of an hourglass, where such layers are inside one another (keras_models/hourglass_network.py).
_BLOCKS = (
    "hourglass_network|encoder_decoder_block|residual_block|convolutional_block|skip_convolution"
    "|input_downsample_block"
)
_NUMBER = r"(\d{1,18})"  # int() takes no thousands of digits
_NAME = (
    rf"(?:({_CLASSES})|center_net_hourglass_feature_extractor|hourglass_network)(?:_{_NUMBER})?/"
)
#: Feature extractors and box predictors are layers, too; the first of a process has no number.
_SECOND = rf"(\w+_keras_(?:feature_extractor|box_predictor)|private__resnet_fpn)_{_NUMBER}/"
_BLOCK = rf"(?<=/)({_BLOCKS}|{_CLASSES})_{_NUMBER}(?=/)"


class KerasName(NamedTuple):
    """A name that Keras made up.

    Attributes:
      layer_class: What the class is called in it.
      number: How many such layers were made before; 0 where no number is written.
    """

    layer_class: str
    number: int

    def __str__(self) -> str:
        """Returns the layer's name."""
        return f"{self.layer_class}_{self.number}" if self.number else self.layer_class


def keras_name(variable: Variable) -> KerasName | None:
    """Returns the name of a variable's layer where Keras made it up, else None.

    What is called so in its object path too has the name from there.

    >>> keras_name(Variable("conv2d_16/kernel", "model/neck/layer-3/kernel", (1,), "float32"))
    KerasName(layer_class='conv2d', number=16)
    >>> keras_name(Variable("conv2d_1/kernel", "model/conv2d_1/kernel", (1,), "float32"))
    >>> inside = "hourglass_network/encoder_decoder_block_5/residual_block_67/conv2d_151/kernel"
    >>> print(keras_name(Variable(inside, "model/_network/1/conv/kernel", (1,), "float32")))
    encoder_decoder_block_5
    """
    name = variable.name or ""
    match = re.match(_NAME, name) or re.match(_SECOND, name)
    if match is None:
        return None
    if match[1] is None:
        match = re.search(_BLOCK, name) or match
    found = KerasName(match[1] or match[0].rstrip("_0123456789/"), int(match[2] or 0))
    return None if str(found) in variable.object_path.split("/") else found


def numbers_of(variables: Iterable[Variable]) -> dict[str, set[int]]:
    """Returns for each class of layers that Keras named what numbers there are."""
    found: dict[str, set[int]] = {}
    for variable in variables:
        name = keras_name(variable)
        if name is not None:
            found.setdefault(name.layer_class, set()).add(name.number)
    return found
