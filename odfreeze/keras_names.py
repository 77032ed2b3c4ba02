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
    "batch_normalization", "conv2d", "conv2d_transpose", "dense", "depthwise_conv2d",
    "freezable_batch_norm", "group_normalization", "layer_normalization", "separable_conv2d",
    "sync_batch_normalization",
)  # fmt: skip
_NAME = rf"({'|'.join(sorted(_CLASSES, key=len, reverse=True))})(?:_(\d+))?/"
#: In an hourglass such layers are inside one another (keras_models/hourglass_network.py).
_NESTED = (
    r"center_net_.*?/((?:residual|convolutional|encoder_decoder|input_downsample)_block"
    rf"|skip_convolution|{_NAME[1:].partition(')')[0]})(?:_(\d+))?/"
)


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
    """
    name = variable.name or ""
    match = re.match(_NAME, name) or re.match(_NESTED, name)
    if match is None or match[1] in variable.object_path:
        return None
    return KerasName(match[1], int(match[2] or 0))


def numbers_of(variables: Iterable[Variable]) -> dict[str, set[int]]:
    """Returns for each class of layers that Keras named what numbers there are."""
    found: dict[str, set[int]] = {}
    for variable in variables:
        name = keras_name(variable)
        if name is not None:
            found.setdefault(name.layer_class, set()).add(name.number)
    return found
