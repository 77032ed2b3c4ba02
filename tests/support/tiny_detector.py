"""A detector with few variables, named as the OD API names a MobileNet SSD."""

from __future__ import annotations

from pathlib import Path

from odfreeze.variables import Variable
from tests.support.bundle_writer import Spec, write_checkpoint

BACKBONE = "model/_feature_extractor/classification_backbone"

CONFIG = """\
model {
  ssd {
    num_classes: 3
  }
}
train_config {
  num_steps: 10
  fine_tune_checkpoint: "CHECKPOINT"
  fine_tune_checkpoint_type: "detection"
PATTERNS}
"""


def _layers() -> list[tuple[str, str, str, tuple[int, ...]]]:
    layers = [("Conv1", f"{BACKBONE}/layer_with_weights-0", "conv", (3, 3, 3, 8))]
    layers.append(("bn_Conv1", f"{BACKBONE}/layer_with_weights-1", "norm", (8,)))
    number = 2
    for block in (1, 2, 10, 11):
        layers.append((f"block_{block}_expand", "", "conv", (1, 1, 8, 8)))
        layers.append((f"block_{block}_expand_BN", "", "norm", (8,)))
    for here in range(2, len(layers)):
        name, _, kind, shape = layers[here]
        layers[here] = (name, f"{BACKBONE}/layer_with_weights-{number}", kind, shape)
        number += 1
    layers.append(("SSD/FPN/smoothing_1", "model/_feature_extractor/_fpn/0", "conv", (3, 3, 8, 4)))
    layers.append(
        ("Predictor/Tower/conv2d_0", "model/_box_predictor/_tower/0", "conv", (3, 3, 4, 4))
    )
    layers.append(
        (
            "Predictor/Tower/conv2d_0/BatchNorm/feature_0",
            "model/_box_predictor/_norm/0/1",
            "norm",
            (4,),
        )
    )
    layers.append(("Predictor/BoxHead", "model/_box_predictor/_box_head/0", "dense", (1, 1, 4, 24)))
    return layers  # fmt: skip


def specs() -> dict[str, Spec]:
    """Object path to name, dtype, shape and no value, for ``write_checkpoint``."""
    found: dict[str, Spec] = {}
    for name, path, kind, shape in _layers():
        leaves = ("kernel", "bias") if kind == "dense" else ("kernel",)
        if kind == "norm":
            leaves = ("gamma", "beta", "moving_mean", "moving_variance")
        for leaf in leaves:
            size = shape[-1:] if leaf == "bias" else shape
            found[f"{path}/{leaf}"] = (f"{name}/{leaf}", "float32", size, None)
    return found


def variables(**renamed: str) -> list[Variable]:
    """The records that a checkpoint of the detector yields; ``renamed`` names by old name."""
    return [
        Variable(
            renamed.get(name, name), path, tuple(shape), dtype,
            trainable="moving_" not in path, statistic="moving_" in path,
            layer=path.rpartition("/")[0], order=order,
        )
        for order, (path, (name, dtype, shape, _)) in enumerate(specs().items())
    ]  # fmt: skip


def write_detector(
    directory: Path, *patterns: str, field: str = "freeze_variables", **replaced: str
) -> Path:
    """Writes ``ckpt-0`` and ``pipeline.config`` with patterns; returns the config's path.

    Args:
      directory: Where.
      *patterns: As in the config's quotes, text-format escapes and all.
      field: Which field holds them.
      **replaced: Words of the config and what to write in their place.
    """
    prefix = write_checkpoint(directory / "ckpt-0", specs())
    lines = "".join(f'  {field}: "{pattern}"\n' for pattern in patterns)
    text = CONFIG.replace("CHECKPOINT", prefix.as_posix()).replace("PATTERNS", lines)
    for word, replacement in replaced.items():
        text = text.replace(word, replacement)
    config = directory / "pipeline.config"
    config.write_text(text, encoding="utf-8")
    return config
