"""CenterNet's numbered names, in a checkpoint that another process wrote, from end to end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import preview
from odfreeze.training import compat
from odfreeze.training.live import build_model, save_checkpoint
from odfreeze.training.shapes import write_shapes
from tests.training.models import CENTERNET, CONFIGS
from tests.training.runs import odfreeze

pytestmark = pytest.mark.train

#: The three first convolutions of the neck: as the checkpoint calls them, as the live model does,
#: and by where they hang.
IN_CHECKPOINT = "^conv2d_(13|14|15)/"
IN_LIVE_MODEL = "^conv2d(_[12])?/"
BY_PATH = "(?#path)^model/_feature_extractor/_feature_extractor_model/layer_with_weights-[1-3]/"
#: Frozen besides, which makes a step cheap.
BACKBONE = "(?#path)/_base_model/"


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """The sample at 64 pixels, from a checkpoint whose process had built other layers before."""
    compat.prepare()
    import tensorflow as tf

    root = tmp_path_factory.mktemp("drifted")
    data = write_shapes(root / "data", "train", images=4, size=64)
    sample = PipelineConfig.read(CONFIGS / CENTERNET)
    for side in ("min_dimension", "max_dimension"):
        path = f"model.center_net.image_resizer.keep_aspect_ratio_resizer.{side}"
        sample = sample.with_value(path, 64)
    sample = sample.with_value("train_input_reader.label_map_path", str(data.label_map))
    sample = sample.with_values(
        "train_input_reader.tf_record_input_reader.input_path", [str(data.records)]
    )
    prefix = root / "base" / "ckpt-0"
    sample = sample.with_changes(
        fine_tune_checkpoint=str(prefix), freeze_variables=[], batch_size=1, num_steps=2
    )
    written = root / "pipeline.config"
    sample.write(written)
    with pytest.MonkeyPatch.context() as patch:
        tf.keras.backend.reset_uids()
        another = [tf.keras.layers.Conv2D(1, 1) for _ in range(13)]
        patch.setattr(tf.keras.backend, "reset_uids", lambda: None)
        save_checkpoint(build_model(written), prefix)
    assert another[-1].name == "conv2d_12"
    return written


def frozen(config: Path, pattern: str) -> set[str]:
    selection = preview(config, freeze_variables=[pattern]).selection
    return {variable.object_path for variable in selection.of("frozen")}


def train(config: Path, name: str, pattern: str) -> subprocess.CompletedProcess[str]:
    """Trains with a pattern, in a folder of that name beside the config."""
    variant = config.parent / f"{name}.config"
    changed = PipelineConfig.read(config).with_changes(freeze_variables=[pattern, BACKBONE])
    changed.write(variant)
    flags = [f"--pipeline_config_path={variant}", f"--model_dir={config.parent / name}"]
    command = odfreeze("train", *flags, "--checkpoint_every_n=2")
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)


def test_the_checkpoint_names_what_another_process_did(config: Path) -> None:
    assert len(frozen(config, IN_CHECKPOINT)) == len(frozen(config, BY_PATH)) == 6
    assert frozen(config, IN_LIVE_MODEL) == set()


def test_by_object_path_it_trains_and_verifies(config: Path) -> None:
    done = train(config, "by_path", BY_PATH)
    assert (done.returncode, done.stderr) == (0, "")
    with Checkpoint.open(config.parent / "by_path") as checkpoint:
        assert checkpoint.step == 2


def test_by_names_nothing_is_trained_and_both_sides_are_shown(config: Path) -> None:
    done = train(config, "by_name", IN_CHECKPOINT)
    told = done.stderr.splitlines()
    assert done.returncode == 2
    assert told[:2] == [
        "odfreeze: the live model does not give what was previewed for 6 variables: nothing was "
        "trained",
        f"freeze_variables '{IN_CHECKPOINT}' matches 6 variables by the checkpoint's names and "
        "nothing by those of the live model",
    ]
    assert told[3].split() == [
        "conv2d_13/kernel", "frozen", "conv2d/kernel", "trainable",
        "model/_feature_extractor/_feature_extractor_model/layer_with_weights-1/kernel",
    ]  # fmt: skip
    assert told[-3] == "Whatever the names are, by object path these select what was previewed:"
    assert told[-1] == f'  freeze_variables: "{BACKBONE}"'
    offered = told[-2].removeprefix('  freeze_variables: "').removesuffix('"')
    assert frozen(config, offered) == frozen(config, BY_PATH)
    assert not list((config.parent / "by_name").glob("ckpt-*"))
