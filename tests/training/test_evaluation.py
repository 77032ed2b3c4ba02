"""One checkpoint evaluated: the OD API's own numbers, in a child that ends when it is done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from odfreeze.errors import CheckpointNotFoundError, TrainingFailedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.evaluations import evaluation_path
from odfreeze.training.evaluation import evaluate
from tests.support.bundle_writer import floats, write_checkpoint

MEAN_AP = "DetectionBoxes_Precision/mAP"
ANSWER = '{"step": 10, "metrics": [["mAP", 0.5], ["AP (large)", NaN]]}'
CONFIG = PipelineConfig.parse(b"model { } eval_config { }", "a.config")


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    values = {"model/w": ("w", "float32", (1,), floats(1))}
    return write_checkpoint(tmp_path / "run" / "ckpt-10", values, step=10)


def child(folder: Path, body: str) -> str:
    """Writes an executable that runs ``body`` in place of the child; returns its path."""
    script = folder / "python"
    head = (
        "import pathlib, sys\n"
        "assert sys.argv[1:3] == ['-m', 'odfreeze.training.evaluation_child']\n"
        "CONFIG, CHECKPOINT, MODEL_DIR, ANSWER = map(pathlib.Path, sys.argv[3:])\n"
    )
    script.write_text(f"#!{sys.executable} -IS\n{head}{body}\n", encoding="utf-8")
    script.chmod(0o755)
    return str(script)


def answers(text: str) -> str:
    return f"ANSWER.write_text({text!r})"


def test_the_metrics_are_those_that_the_child_tells(tmp_path, checkpoint):
    python = child(tmp_path, answers(ANSWER))
    found = evaluate(CONFIG, checkpoint, checkpoint.parent, python=python)
    assert (found.checkpoint, found.step) == ("ckpt-10", 10)
    assert found.metrics == {"mAP": 0.5, "AP (large)": None}


def test_the_child_gets_the_config_as_it_is_meant(tmp_path, checkpoint):
    body = f"assert CONFIG.read_bytes() == {CONFIG.data!r}\n{answers(ANSWER)}"
    evaluate(CONFIG, checkpoint, checkpoint.parent, python=child(tmp_path, body))


def test_the_second_time_nothing_is_started(tmp_path, checkpoint):
    first = evaluate(CONFIG, checkpoint, checkpoint.parent, python=child(tmp_path, answers(ANSWER)))
    again = evaluate(CONFIG, checkpoint, checkpoint.parent, python=str(tmp_path / "nothing"))
    assert again == first


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (answers('{"message": "no data in " }') + "\nsys.exit(1)", "failed: no data in "),
        ("ANSWER.write_text('{\"message\": \"bad ' + str(CONFIG) + '\"}')\nsys.exit(1)",
         "failed: bad a.config"),
        (answers("{}"), "failed: it gave no metric"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "was ended by signal 9: it"),
    ],
    ids=["failed", "named", "silent", "killed"],
)  # fmt: skip
def test_an_evaluation_that_fails(tmp_path, checkpoint, body, message):
    with pytest.raises(TrainingFailedError) as caught:
        evaluate(CONFIG, checkpoint, checkpoint.parent, python=child(tmp_path, body))
    assert f"the evaluation of {checkpoint} {message}" in str(caught.value)
    assert f"(log: {checkpoint.parent / 'odfreeze' / 'evaluate.log'})" in str(caught.value)
    assert not evaluation_path(checkpoint.parent).exists()


def test_what_the_child_prints_is_in_its_log(tmp_path, checkpoint):
    body = f"print('to one')\nprint('to the other', file=sys.stderr)\n{answers(ANSWER)}"
    evaluate(CONFIG, checkpoint, checkpoint.parent, python=child(tmp_path, body))
    log = (checkpoint.parent / "odfreeze" / "evaluate.log").read_text(encoding="utf-8")
    assert sorted(log.splitlines()) == ["to one", "to the other"]


def test_without_the_checkpoint_nothing_is_started(tmp_path):
    with pytest.raises(CheckpointNotFoundError):
        evaluate(CONFIG, tmp_path / "run" / "ckpt-10", tmp_path / "run", python="nothing")


# --- with the OD API ----------------------------------------------------------------


@pytest.mark.train
def test_the_metrics_are_those_of_stocks_own_evaluation(tiny, tmp_path):
    from odfreeze.training.evaluation_child import evaluate_checkpoint
    from tests.training.tiny import train_tiny

    text = PipelineConfig.read(tiny.config("evaluated"))
    text = text.with_value("eval_config.use_moving_averages", False)
    text = text.with_value("eval_config.num_visualizations", 0)  # drawing takes seconds
    config = tmp_path / "evaluated.config"
    text.with_values("eval_config.metrics_set", ["coco_detection_metrics"]).write(config)
    train_tiny(config, tmp_path / "run")
    found = evaluate_checkpoint(str(config), str(tmp_path / "run" / "ckpt-3"), str(tmp_path))
    stock = metrics_of_stock(config, tmp_path / "run")
    assert found["step"] == 3
    assert dict(found["metrics"]) == pytest.approx(stock, rel=1e-6)  # summaries are float32
    assert 0 <= stock[MEAN_AP] <= 1
    assert stock["Loss/total_loss"] > 0


@pytest.mark.train
def test_averages_are_evaluated_where_the_config_asks_for_them(tiny, tmp_path):
    """Stock ends with an error there: it swaps them in without a strategy."""
    from odfreeze.training.evaluation_child import evaluate_checkpoint
    from tests.training.tiny import train_tiny

    config = tiny.config("averaged_evaluation", average=True)
    text = PipelineConfig.read(config).with_value("eval_config.num_visualizations", 0)
    text = text.with_values("eval_config.metrics_set", ["coco_detection_metrics"])
    losses = []
    for averages in (True, False):
        path = tmp_path / f"{averages}.config"
        text.with_value("eval_config.use_moving_averages", averages).write(path)
        if averages:
            train_tiny(path, tmp_path / "run")
        found = evaluate_checkpoint(str(path), str(tmp_path / "run" / "ckpt-3"), str(tmp_path))
        losses.append(dict(found["metrics"])["Loss/total_loss"])
    assert losses[0] != losses[1]


def metrics_of_stock(config: Path, model_dir: Path) -> dict[str, float]:
    """Returns what ``model_main_tf2 --checkpoint_dir`` writes of a run that is at its end."""
    import tensorflow as tf
    from object_detection import model_lib_v2

    tf.keras.backend.clear_session()
    model_lib_v2.eval_continuously(
        pipeline_config_path=str(config),
        model_dir=str(model_dir),
        checkpoint_dir=str(model_dir),
        sample_1_of_n_eval_examples=None,
        wait_interval=0,
        timeout=1,
    )
    (events,) = (model_dir / "eval").rglob("events*")
    return {
        value.tag: float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "scalars"
    }


@pytest.mark.train
@pytest.mark.slow
def test_the_child_evaluates_and_ends(workspace, tmp_path):
    config = PipelineConfig.read(workspace.config)
    found = evaluate(config, workspace.checkpoint, tmp_path)
    assert found.metrics["Loss/total_loss"] > 0
    assert MEAN_AP in found.metrics
    assert list((tmp_path / "eval").rglob("events*"))
