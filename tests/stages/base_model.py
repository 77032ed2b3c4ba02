"""A base config of a tiny SSD, two stages of it, and its checkpoint's variables."""

from __future__ import annotations

from pathlib import Path

from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.plan import Stage
from odfreeze.stages.staging import StagedConfig
from tests.support.bundle_writer import Spec

BASE = """\
# a base to stage
model { ssd { num_classes: 3 } }
train_config: {
  batch_size: 8  # as much as fits
  num_steps: 1000;
  fine_tune_checkpoint: "CHECKPOINT"
  fine_tune_checkpoint_type: "detection"
  fine_tune_checkpoint_version: V2
  freeze_variables: "^old"
  optimizer < momentum_optimizer: { learning_rate { cosine_decay_learning_rate {
    learning_rate_base: .08
    total_steps: 1000
    warmup_learning_rate: .02
    warmup_steps: 100
  } } } >
}
train_input_reader { tf_record_input_reader { input_path: "data/train.record" } }
"""

HEAD = Stage("head", 50, update_trainable_variables=("^Head/",))
ALL = Stage("all", 200, learning_rate_scale=0.1, batch_size=2)


def model(neck: bool = True) -> dict[str, Spec]:
    """Variables of a tiny SSD: what type "detection" restores, and a head that it does not."""
    variables: dict[str, Spec] = {
        "model/_feature_extractor/conv/kernel": ("block_1/kernel", "float32", (3, 3, 2, 4), None),
        "model/_box_predictor/kernel": ("Head/kernel", "float32", (4, 8), None),
    }
    if neck:
        variables["model/_feature_extractor/fpn/kernel"] = ("fpn/kernel", "float32", (4, 4), None)
    return variables


def config_of(staged: StagedConfig) -> PipelineConfig:
    return PipelineConfig.parse(staged.data, "staged.config")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
