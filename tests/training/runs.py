"""What the training tests run: a small dataset, a base checkpoint, staged runs, stock."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.plan import Plan, Stage
from odfreeze.training import compat
from odfreeze.training.live import build_model, save_checkpoint
from odfreeze.training.shapes import write_shapes
from tests.conftest import ROOT

BACKBONE = "^(bn_)?Conv|^expanded_conv_|^block_[0-9]+_"
HEADS = "^WeightSharedConvolutionalBoxPredictor/"


@dataclass(frozen=True)
class Workspace:
    """A folder with data, a base checkpoint and a config that fine-tunes from it."""

    root: Path
    config: Path
    checkpoint: Path

    def config_with(self, name: str, **changes) -> Path:
        """Writes a variant of the config and returns its path."""
        path = self.root / name
        PipelineConfig.read(self.config).with_changes(**changes).write(path, force=True)
        return path

    def plan(self, *stages: Stage) -> Plan:
        return Plan(self.config, stages, str(self.root / "test.plan"))


def make_workspace(root: Path) -> Workspace:
    """Draws 16 images, builds the demo's model and saves it as a model zoo checkpoint is."""
    compat.prepare()
    data = write_shapes(root / "data", "train", images=16)
    config = PipelineConfig.read(ROOT / "sample_configs" / "demo.config")
    for reader in ("train_input_reader", "eval_input_reader"):
        config = config.with_value(f"{reader}.label_map_path", str(data.label_map))
        config = config.with_values(
            f"{reader}.tf_record_input_reader.input_path", [str(data.records)]
        )
    checkpoint = root / "base" / "checkpoint" / "ckpt-0"
    config = config.with_changes(
        fine_tune_checkpoint=str(checkpoint),
        fine_tune_checkpoint_type="full",
        fine_tune_checkpoint_version="V2",
        batch_size=2,
    )
    path = root / "base.config"
    config.write(path)
    save_checkpoint(build_model(path), checkpoint)
    return Workspace(root, path, checkpoint)


def values(prefix: Path | str) -> dict[str, bytes]:
    """Returns the value bytes of a checkpoint's model variables, as TensorFlow reads them."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    return {
        key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): reader.get_tensor(key).tobytes()
        for key in reader.get_variable_to_shape_map()
        if key.startswith("model/") and ".OPTIMIZER_SLOT" not in key and "_training_step" not in key
    }


def slots(prefix: Path | str, *, but: str = "") -> set[str]:
    """Returns the object paths of the variables that have an optimizer slot, other than one."""
    import tensorflow as tf

    keys = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    pairs = [key.split("/.OPTIMIZER_SLOT/optimizer/") for key in keys if ".OPTIMIZER_SLOT" in key]
    return {path for path, slot in pairs if not but or slot.partition("/")[0] != but}


def step_of(prefix: Path | str) -> int:
    import tensorflow as tf

    return int(tf.train.load_checkpoint(str(prefix)).get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE"))


def odfreeze(*arguments: str) -> list[str]:
    """Returns the command line of odfreeze in this environment."""
    return [sys.executable, "-m", "odfreeze", *arguments]


#: A job in the background ignores an interrupt, and so would what it starts.
_INTERRUPTIBLE = """
import signal, sys
sys.executable = sys.argv.pop(1)  # the Python of the training environment
signal.signal(signal.SIGINT, signal.default_int_handler)
from odfreeze.cli import main
sys.exit(main())
"""


def start(*arguments: str, python: Path | None = None, **options) -> subprocess.Popen[str]:
    """Starts a command with its output piped; its child with another Python, if one is given."""
    return subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTIBLE, str(python or sys.executable), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **options,
    )
