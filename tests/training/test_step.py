"""The step of a run stays its own: no model takes it in, no checkpoint brings it."""

from __future__ import annotations

import pytest

from tests.training.runs import BACKBONE, odfreeze, step_of

pytestmark = pytest.mark.train


def test_no_checkpoint_of_a_run_holds_the_step_under_the_model(staged_run):
    import tensorflow as tf

    for stage in staged_run.stages:
        keys = tf.train.load_checkpoint(str(stage.last_checkpoint)).get_variable_to_shape_map()
        assert [key for key in keys if "_training_step" in key] == []


def test_a_checkpoint_of_stock_that_holds_it_does_not_move_the_step(workspace, stock_run):
    """Stock's own fine-tuning from it would start at step 100 and see the rate of the end."""
    import subprocess

    import tensorflow as tf

    checkpoint = tf.train.latest_checkpoint(str(stock_run))
    assert step_of(checkpoint) == 100
    config = workspace.config_with(
        "after_stock.config",
        fine_tune_checkpoint=checkpoint,
        freeze_variables=[BACKBONE],
        num_steps=3,
    )
    model_dir = workspace.root / "after_stock"
    arguments = ("--pipeline_config_path", str(config), "--model_dir", str(model_dir))
    done = subprocess.run(
        odfreeze("train", *arguments), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert step_of(model_dir / "ckpt-3") == 3
