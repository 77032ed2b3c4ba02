"""Names that the OD API and tf_slim use and that newer packages have no more."""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import Any

from odfreeze.training.compat.after_import import after_import
from odfreeze.training.compat.measure import Need, needed, not_needed
from odfreeze.training.environment import Environment

__all__ = [
    "choose_legacy_keras",
    "judge_control_flow",
    "judge_estimator",
    "judge_font_size",
    "judge_legacy_keras",
    "judge_number_types",
    "judge_resnet",
    "judge_tensorflow_io",
    "restore_control_flow",
    "restore_font_size",
    "restore_number_types",
    "restore_resnet",
    "supply_estimator",
    "supply_tensorflow_io",
]


def _judge(
    environment: Environment, module: str, since: tuple[int, ...], otherwise: str, reason: str
) -> Need:
    """Judges by a package's version: needed, for a reason, from some version on."""
    if not environment.has(module):
        return not_needed(f"there is {environment.named(module)}")
    if environment.at_least(module, *since):
        return needed(f"{environment.named(module)} {reason}")
    return not_needed(f"{environment.named(module)} {otherwise}")


def judge_legacy_keras(environment: Environment) -> Need:
    """Judges TensorFlow 2.16 and later, whose ``tf.keras`` is Keras 3."""
    return _judge(
        environment, "tensorflow", (2, 16), "has Keras 2 for tf.keras", "has Keras 3 for tf.keras"
    )


def choose_legacy_keras() -> None:
    """Makes TensorFlow take tf_keras for ``tf.keras``; must precede its import."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"


def judge_control_flow(environment: Environment) -> Need:
    """Judges TensorFlow 2.14 and later, which moved what tf_slim 1.1.0 asks for."""
    return _judge(
        environment, "tensorflow", (2, 14),
        "has case, cond and while_loop where tf_slim looks for them",
        "has moved case, cond and while_loop from where tf_slim looks for them",
    )  # fmt: skip


def restore_control_flow() -> None:
    """Puts ``case``, ``cond`` and ``while_loop`` back into ``control_flow_ops``."""
    from tensorflow.python.ops import control_flow_ops

    for name, home in (("case", "control_flow_case"), ("cond", "cond"), ("while_loop",) * 2):
        if not hasattr(control_flow_ops, name):
            module = importlib.import_module(f"tensorflow.python.ops.{home}")
            setattr(control_flow_ops, name, getattr(module, name))


def judge_estimator(environment: Environment) -> Need:
    """Judges TensorFlow 2.16 and later, which ended the Estimator."""
    return _judge(
        environment, "tensorflow", (2, 16), "still has the Estimator", "has no Estimator any more"
    )


def supply_estimator() -> None:
    """Supplies the Estimator's names; the TF2 path needs no more of it than these."""
    import tensorflow as tf

    # The TF2 path only names these classes, in signatures and constants of the TF1 path.
    estimator = types.ModuleType("tensorflow.compat.v1.estimator")
    estimator.__dict__.update(
        ModeKeys=types.SimpleNamespace(TRAIN="train", EVAL="eval", PREDICT="infer"),
        Estimator=object,
        EstimatorSpec=object,
        tpu=types.SimpleNamespace(TPUEstimator=object, TPUEstimatorSpec=object),
        export=types.SimpleNamespace(
            ServingInputReceiver=object, TensorServingInputReceiver=object, PredictOutput=object
        ),
    )
    # What `tf.compat.v1` is and what `import tensorflow.compat.v1` gives may be two modules.
    for home in (tf, tf.compat.v1, importlib.import_module("tensorflow.compat.v1")):
        if not hasattr(home, "estimator"):
            vars(home)["estimator"] = estimator


def judge_tensorflow_io(environment: Environment) -> Need:
    """Judges an environment without tensorflow_io, which many Pythons have no wheel of."""
    if not environment.has("object_detection"):
        return not_needed("there is no OD API")
    if environment.has("tensorflow_io"):
        return not_needed(f"{environment.named('tensorflow_io')} is installed")
    return needed("tensorflow-io is not installed, and DeepMAC's loss calls one function of it")


def supply_tensorflow_io() -> None:
    """Supplies a module of that name with the one function of it that the OD API calls.

    The loss of a DeepMAC calls it in every step (``deepmac_meta_arch.py:1795``).
    """
    if "tensorflow_io" in sys.modules:
        return
    color = types.SimpleNamespace(rgb_to_lab=rgb_to_lab)
    module: Any = types.ModuleType("tensorflow_io")
    module.experimental = types.SimpleNamespace(color=color)
    sys.modules["tensorflow_io"] = module


def rgb_to_lab(image: Any) -> Any:
    """Converts from sRGB to CIE L*a*b*, for the illuminant D65 and the observer of 2 degrees.

    Args:
      image: A float tensor, its last dimension red, green and blue from 0 to 1.

    Returns:
      A tensor of the same shape, its last dimension L* from 0 to 100, a* and b*.
    """
    import tensorflow as tf

    linear = tf.where(
        image > 0.04045, ((tf.maximum(image, 0.04045) + 0.055) / 1.055) ** 2.4, image / 12.92
    )
    to_xyz = tf.constant(_SRGB_TO_XYZ, image.dtype) / tf.constant(_D65, image.dtype)[:, None]
    xyz = tf.einsum("...c,xc->...x", linear, to_xyz)
    bent = tf.where(xyz > 0.008856, tf.maximum(xyz, 0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = tf.unstack(bent, axis=-1)
    return tf.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


#: IEC 61966-2-1: what red, green and blue add to X, Y and Z, and the white that all three give.
_SRGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_D65 = (0.95047, 1.0, 1.08883)


def judge_font_size(environment: Environment) -> Need:
    """Judges Pillow 10 and later."""
    return _judge(
        environment, "PIL", (10,), "has fonts with getsize", "measures text by getbbox alone"
    )


def restore_font_size() -> None:
    """Gives Pillow's fonts their ``getsize`` again, with which labels are drawn on images."""
    from PIL import ImageFont

    def getsize(font: Any, text: str) -> tuple[int, int]:
        """Returns width and height in pixels, as Pillow's own did up to its version 9."""
        right, bottom = font.getbbox(text)[2:]
        return round(right), round(bottom)

    for kind in (ImageFont.FreeTypeFont, ImageFont.ImageFont):
        if not hasattr(kind, "getsize"):
            kind.getsize = getsize


#: NumPy's old names for Python's types.
_NUMBER_TYPES = (bool, int, float, complex, object, str)


def judge_number_types(environment: Environment) -> Need:
    """Judges NumPy 1.24 and later; NumPy 2 has ``bool`` again, but not the others."""
    return _judge(
        environment, "numpy", (1, 24), "still has np.float",
        "has no np.float; Pascal VOC, LVIS and panoptic metrics use it",
    )  # fmt: skip


def restore_number_types() -> None:
    """Puts ``np.float`` and its like back, where they are missing."""
    import numpy as np

    for kind in _NUMBER_TYPES:
        if kind.__name__ not in vars(np):
            setattr(np, kind.__name__, kind)


def judge_resnet(environment: Environment) -> Need:
    """Judges Keras 2.13 and later, whose public modules hold the public names only."""
    return _judge(
        environment, "keras", (2, 13), "shows its ResNet builder",
        "does not show its ResNet builder; CenterNet's ResNet-18 and ResNet-34 need it",
    )  # fmt: skip


def restore_resnet() -> None:
    """Gives the OD API's ResNets the builder of the Keras that ``tf.keras`` is."""
    after_import("object_detection.models.keras_models.resnet_v1", _set_resnet)


def _set_resnet(module: types.ModuleType) -> None:
    import tensorflow as tf

    if hasattr(module.resnet, "ResNet"):
        return
    package = tf.keras.Model.__module__.partition(".")[0]  # keras or tf_keras
    module.resnet = importlib.import_module(  # type: ignore[attr-defined]
        f"{package}.src.applications.resnet"
    )
