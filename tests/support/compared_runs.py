"""Directories of finished runs of the tiny detector, as comparing reads them."""

from __future__ import annotations

import json
from pathlib import Path

from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.evaluations import Evaluation, evaluation_key, keep_evaluation
from odfreeze.runs.verify import verify
from odfreeze.training.run_report import keep_verification
from tests.support.fake_training import write_run

MEAN_AP = "DetectionBoxes_Precision/mAP"
HEAD = "^(Predictor|SSD)"
LOWER = "^(bn_)?Conv1|^block_"

CONFIG = """\
model { ssd { num_classes: 3 } }
train_config {
  batch_size: BATCH
  num_steps: STEPS
  fine_tune_checkpoint: "/zoo/CHECKPOINT"
  fine_tune_checkpoint_type: "full"
PATTERNS}
train_input_reader {
  label_map_path: "/data/labels.pbtxt"
  tf_record_input_reader { input_path: "/data/TRAINING.record" }
}
eval_config { metrics_set: "coco_detection_metrics" }
eval_input_reader {
  label_map_path: "/data/labels.pbtxt"
  tf_record_input_reader { input_path: "/data/EVALUATION.record" }
}
"""


def config_text(
    *freeze: str,
    steps: int = 10,
    batch: int = 8,
    checkpoint: str = "ckpt-0",
    training: str = "train",
    evaluation: str = "test",
) -> str:
    """Returns a config of the tiny detector."""
    text = CONFIG
    for what, value in (
        ("PATTERNS", "".join(f'  freeze_variables: "{one}"\n' for one in freeze)),
        ("STEPS", str(steps)),
        ("BATCH", str(batch)),
        ("CHECKPOINT", checkpoint),
        ("TRAINING", training),
        ("EVALUATION", evaluation),
    ):
        text = text.replace(what, value)
    return text


def write_single(
    model_dir: Path,
    *freeze: str,
    steps: int = 10,
    seconds: float = 60.0,
    memory: int = 1 << 30,
    verified: bool | None = True,
    seed: int | None = None,
    **config: object,
) -> Path:
    """Writes the ``model_dir`` of one run; returns it.

    Args:
      model_dir: Where.
      *freeze: Its ``freeze_variables``.
      steps: That it took.
      seconds: That it took.
      memory: The most bytes that it held.
      verified: Whether its verification is good, or None before it was verified.
      seed: Of ``--seed``.
      **config: For `config_text`.
    """
    path = model_dir.parent / f"{model_dir.name}.config"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config_text(*freeze, steps=steps, **config), encoding="utf-8")
    changed = ("trainable", "updating") if verified is not False else ("frozen", "trainable")
    write_run(model_dir, path, steps, changed=changed, seed=seed)
    if verified is not None:
        keep_verification(model_dir, verify(model_dir), None)
        _put(model_dir, seconds=seconds, peak_memory_bytes=memory)
    return model_dir


def write_staged(directory: Path, *stages: dict[str, object]) -> Path:
    """Writes a run of stages, each of the keywords of `write_single` and ``freeze``."""
    for number, options in enumerate(stages, start=1):
        folder = directory / f"{number:02}_stage_{number}"
        freeze = options.pop("freeze", ())
        write_single(folder / "model", *freeze, **options)  # type: ignore[arg-type,misc]
        (folder / "model.config").rename(folder / "pipeline.config")
    return directory


def write_evaluation(model_dir: Path, config: Path, value: float, step: int = 10) -> None:
    """Keeps a result of a run's last checkpoint."""
    key = evaluation_key(PipelineConfig.read(config), model_dir / f"ckpt-{step}")
    metrics = {MEAN_AP: value, f"{MEAN_AP}@.50IOU": value * 1.5, "Loss/total_loss": 1 - value}
    done = Evaluation(f"ckpt-{step}", step, metrics, key, 42.0, "2025-01-02T03:04:05+00:00")
    keep_evaluation(done, model_dir)


def _put(model_dir: Path, **facts: object) -> None:
    path = model_dir / "odfreeze" / "report.json"
    report = json.loads(path.read_text(encoding="utf-8")) | facts
    path.write_text(json.dumps(report), encoding="utf-8")
