"""Stages and plans of the tiny detector, and a child that leaves what training them would."""

from __future__ import annotations

import shutil
from pathlib import Path

from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import index_digest
from odfreeze.stages.plan import Plan, read_plan
from odfreeze.stages.staging import plan_stages
from tests.support.bundle_writer import write_checkpoint
from tests.support.fake_training import fake_python, write_run
from tests.support.tiny_detector import specs, write_detector

BASE = """\
model { ssd { num_classes: 3 } }
train_config {
  batch_size: 2
  num_steps: 100
  fine_tune_checkpoint: "CHECKPOINT"
  fine_tune_checkpoint_type: "full"
  fine_tune_checkpoint_version: V2
  optimizer {
    momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } }
  }
}
"""
HEAD = """\
stage {
  name: "head"
  freeze_variables: "^(bn_)?Conv1|^block_|^SSD"
  num_steps: 10
}
"""
NECK = """\
stage {
  name: "neck"
  freeze_variables: "^(bn_)?Conv1|^block_"
  num_steps: 20
}
"""
ALL = """\
stage {
  name: "all"
  freeze_variables: "^Conv1"
  num_steps: 30
  learning_rate_scale: 0.1
}
"""

#: Saves in the middle and at the end of a stage, goes on where it was cut off, and ends with
#: its parent, as the real one does.
TRAINS = """\
import threading


def end_with_parent():
    while os.read(0, 1):
        pass
    os._exit(1)


threading.Thread(target=end_with_parent, daemon=True).start()
name, state = MODEL_DIR.parent.name, MODEL_DIR / "checkpoint"
listed = [line.split('"')[1] for line in state.read_text().splitlines()] if state.exists() else []
at = int(listed[0].removeprefix("ckpt-")) if listed else None
event("selection", resumed_at=at, totals={})
event("step", step=at or 0)
for folder in sorted((HERE / "runs" / name).iterdir(), key=lambda path: int(path.name)):
    step = int(folder.name)
    if at is not None and step <= at:
        continue
    time.sleep(0.01)
    event("block", step=step, scalars={"Loss/total_loss": 1 / (1 + step), "learning_rate": 0.1})
    (MODEL_DIR / "odfreeze").mkdir(parents=True, exist_ok=True)
    paths = [*folder.glob("odfreeze/*"), *folder.glob("*.data-*"), *folder.glob("*.index")]
    for path in paths:
        target = MODEL_DIR / path.relative_to(folder)
        if not (target.exists() and target.parent.name == "odfreeze"):
            shutil.copy(path, target)
    listed = [*listed[1:], f"ckpt-{step}"]
    lines = [f'model_checkpoint_path: "ckpt-{step}"']
    lines += [f'all_model_checkpoint_paths: "{one}"' for one in listed]
    listed = [f"ckpt-{step}", *listed]
    (MODEL_DIR / "new").write_text("\\n".join(lines) + "\\n")
    os.replace(MODEL_DIR / "new", state)
    event("saved", step=step, checkpoint=str(MODEL_DIR / f"ckpt-{step}"))
event("done", step=step)
"""


def write_base(directory: Path) -> Path:
    """Writes the base config and its checkpoint; returns the config's path."""
    prefix = write_checkpoint(directory / "base" / "ckpt-0", specs())
    path = directory / "base.config"
    path.write_text(BASE.replace("CHECKPOINT", prefix.as_posix()), encoding="utf-8")
    return path


def write_plan(directory: Path, *stages: str) -> Path:
    """Writes a plan of the base config in the same folder; returns its path."""
    path = directory / "a.plan"
    path.write_text('base_config: "base.config"\n' + "".join(stages), encoding="utf-8")
    return path


def trainer(
    directory: Path, output_dir: Path, body: str = TRAINS, **changed: tuple[str, ...]
) -> str:
    """Prepares what the stages of ``a.plan`` would leave behind; returns the child's Python.

    Args:
      directory: Folder of the plan.
      output_dir: Where its stages go.
      body: What the child does.
      **changed: By a stage's name, the states whose values change in it.
    """
    files = [directory / "a.plan", directory / "base.config"]
    wanted = repr([[path.read_text(encoding="utf-8") for path in files], changed])
    done = directory / "prepared"
    if "HERE" in body and not (done.exists() and done.read_text(encoding="utf-8") == wanted):
        prepare(read_plan(directory / "a.plan"), directory, output_dir, changed)
        done.write_text(wanted, encoding="utf-8")
    return fake_python(directory, body)


def prepare(
    plan: Plan, directory: Path, output_dir: Path, changed: dict[str, tuple[str, ...]]
) -> None:
    shutil.rmtree(directory / "runs", ignore_errors=True)
    start = directory / "base" / "ckpt-0"
    for one in plan_stages(plan, output_dir):
        folder = directory / "runs" / one.directory.name
        config = PipelineConfig.parse(one.data, str(one.config_path))
        states = changed.get(one.name, ("trainable", "updating"))
        copy = directory / "runs" / f"{one.directory.name}.config"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(one.data)
        for step in (0, one.num_steps // 2, one.num_steps):
            write_run(
                folder / str(step),
                copy,
                step,
                changed=states if step else (),
                start_digest=index_digest(start),
                conduct=one.stage.conduct.to_json(),
                fine_tune_checkpoint=config.fine_tune_checkpoint,
            )
            (folder / str(step) / "checkpoint").unlink()
        copy.unlink()
        start = folder / str(one.num_steps) / f"ckpt-{one.num_steps}"


PATTERNS = {
    "01_head": ("^Conv1", "^bn_Conv1", "^block_", "^SSD"),
    "02_neck": ("^Conv1", "^bn_Conv1", "^block_"),
}


def write_two_stages(directory: Path) -> Path:
    """Writes two stages of 10 and 20 steps to ``stages``; what each run leaves is beside them."""
    base = PipelineConfig.read(write_detector(directory))
    start = directory / "ckpt-0"
    for steps, (name, patterns) in zip((10, 20), PATTERNS.items(), strict=True):
        folder = directory / "stages" / name
        folder.mkdir(parents=True)
        config = base.with_changes(
            num_steps=steps,
            freeze_variables=list(patterns),
            fine_tune_checkpoint=start.as_posix(),
            fine_tune_checkpoint_type="full",
        )
        config.write(folder / "pipeline.config")
        # The run of the one before is not in its place yet; what it leaves there is known.
        began = index_digest(directory / "01_head" / "ckpt-10" if steps == 20 else start)
        write_run(directory / name, folder / "pipeline.config", steps, start_digest=began)
        start = folder / "model" / f"ckpt-{steps}"
    return directory / "stages"
