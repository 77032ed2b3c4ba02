"""Results of evaluations, kept beside a run and found again while nothing changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from odfreeze.errors import CheckpointNotFoundError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.evaluations import (
    Evaluation,
    evaluation_key,
    evaluation_path,
    keep_evaluation,
    kept_evaluation,
)
from tests.support.bundle_writer import floats, write_checkpoint

MEAN_AP = "DetectionBoxes_Precision/mAP"
CONFIG = """\
model { ssd { num_classes: 3 } }
train_config { num_steps: 10 }
eval_config { metrics_set: "coco_detection_metrics" }
eval_input_reader { tf_record_input_reader { input_path: "RECORDS" } }
"""


@pytest.fixture
def config(tmp_path) -> PipelineConfig:
    (tmp_path / "test.record-0").write_bytes(b"some")
    return PipelineConfig.parse(CONFIG.replace("RECORDS", f"{tmp_path}/test.record-*").encode())


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    return trained(tmp_path / "run" / "ckpt-10", 1.0)


def trained(prefix: Path, value: float) -> Path:
    return write_checkpoint(prefix, {"model/w": ("w", "float32", (1,), floats(value))}, step=10)


def result(key: str, value: float = 0.5) -> Evaluation:
    return Evaluation("ckpt-10", 10, {MEAN_AP: value}, key, 42.0, "2025-01-02T03:04:05+00:00")


def test_a_result_is_found_again(tmp_path, config, checkpoint):
    done = result(evaluation_key(config, checkpoint))
    keep_evaluation(done, tmp_path / "run")
    assert kept_evaluation(config, checkpoint, tmp_path / "run") == done


def test_several_results_are_kept(tmp_path, config, checkpoint):
    other = trained(tmp_path / "run" / "ckpt-20", 2.0)
    for prefix, value in ((checkpoint, 0.5), (other, 0.6), (checkpoint, 0.7)):
        keep_evaluation(result(evaluation_key(config, prefix), value), tmp_path / "run")
    found = [kept_evaluation(config, one, tmp_path / "run") for one in (checkpoint, other)]
    assert [one and one.metrics[MEAN_AP] for one in found] == [0.7, 0.6]


def another_value(folder: Path, config: PipelineConfig) -> PipelineConfig:
    trained(folder / "run" / "ckpt-10", 1.5)
    return config


def another_record(folder: Path, config: PipelineConfig) -> PipelineConfig:
    (folder / "test.record-0").write_bytes(b"something else")
    return config


def a_record_of_another_time(folder: Path, config: PipelineConfig) -> PipelineConfig:
    os.utime(folder / "test.record-0", (1, 1))
    return config


def one_more_file(folder: Path, config: PipelineConfig) -> PipelineConfig:
    (folder / "test.record-1").write_bytes(b"some")
    return config


def another_model(folder: Path, config: PipelineConfig) -> PipelineConfig:
    return config.with_value("model.ssd.num_classes", 4)


def another_metric(folder: Path, config: PipelineConfig) -> PipelineConfig:
    return config.with_values("eval_config.metrics_set", ["pascal_voc_detection_metrics"])


def other_data(folder: Path, config: PipelineConfig) -> PipelineConfig:
    return config.with_value("eval_input_reader.num_epochs", 1)


@pytest.mark.parametrize(
    "change",
    [another_value, another_record, a_record_of_another_time, one_more_file, another_model,
     another_metric, other_data],
    ids=lambda change: change.__name__.replace("_", " "),
)  # fmt: skip
def test_a_result_does_not_outlive_a_change(tmp_path, config, checkpoint, change):
    keep_evaluation(result(evaluation_key(config, checkpoint)), tmp_path / "run")
    assert kept_evaluation(change(tmp_path, config), checkpoint, tmp_path / "run") is None


def more_steps(config: PipelineConfig) -> PipelineConfig:
    return config.with_changes(num_steps=20)


def comments(config: PipelineConfig) -> PipelineConfig:
    return PipelineConfig.parse(config.data.replace(b"model {", b"# ours\nmodel:  {"))


@pytest.mark.parametrize("change", [more_steps, comments], ids=lambda change: change.__name__)
def test_a_result_outlives_what_does_not_matter_to_it(tmp_path, config, checkpoint, change):
    keep_evaluation(result(evaluation_key(config, checkpoint)), tmp_path / "run")
    assert kept_evaluation(change(config), checkpoint, tmp_path / "run") is not None


def test_without_its_checkpoint_there_is_no_result(tmp_path, config):
    assert kept_evaluation(config, tmp_path / "run" / "ckpt-10", tmp_path / "run") is None
    with pytest.raises(CheckpointNotFoundError, match=r"there is no checkpoint .*ckpt-10"):
        evaluation_key(config, tmp_path / "run" / "ckpt-10")


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2, "evaluations": []}', '{"version": 1}',
     '{"version": 1, "evaluations": [{"key": 3}]}', '{"version": 1, "evaluations": 3}'],
    ids=["empty", "list", "nothing", "later", "without", "strange", "number"],
)  # fmt: skip
def test_a_file_that_is_not_ours_holds_no_result(tmp_path, config, checkpoint, content):
    path = evaluation_path(tmp_path / "run")
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    assert kept_evaluation(config, checkpoint, tmp_path / "run") is None
    keep_evaluation(result("k"), tmp_path / "run")
    assert json.loads(path.read_text(encoding="utf-8"))["evaluations"][0]["key"] == "k"
