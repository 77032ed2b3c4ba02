"""Faults of the schedule and of the data, planted in real configs: found, and on their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.planted import CENTERNET, EFFICIENTDET, FASTER_RCNN, SSD, Fault, assert_found
from tests.support.records import detection, write_records

TRAIN = 'input_path: "PATH/TO/train-?????-of-00010.tfrecord"'
EVAL = 'input_path: "PATH/TO/validation-?????-of-00002.tfrecord"'
NORM = "batch_norm { decay: 0.997 epsilon: 0.001 scale: true }"
KEEP = "keep_aspect_ratio_resizer"
SCHEDULE = """learning_rate {
        manual_step_learning_rate {
          initial_learning_rate: 0.001
          warmup: true  # in a straight line to the first step's rate
          schedule { step: 500 learning_rate: 0.004 }
          schedule { step: 10000 learning_rate: 0.0004 }
          schedule { step: 13500 learning_rate: 0.00004 }
        }
      }"""
RATE = """cosine_decay_learning_rate {
          warmup_learning_rate: 0.0005
          warmup_steps: 1500
          learning_rate_base: 0.008
"""

FAULTS = (
    # --- the schedule
    Fault("no-end", SSD, "num_steps: 20000\n", "num_steps: 0\n", "ODF401", ["num_steps is 0"]),
    Fault("half-a-block", FASTER_RCNN, "num_steps: 15000", "num_steps: 15050", "ODF402",
          ["trains 15100"]),
    Fault("last-steps-lost", SSD, "num_steps: 20000\n", "num_steps: 20500\n", "ODF403",
          ["the last 500 of 20500"]),
    Fault("nothing-saved", EFFICIENTDET, "num_steps: 30000\n", "num_steps: 900\n", "ODF403",
          ["none of the 900 steps"]),
    Fault("warm-up-above-total", SSD, "warmup_steps: 800", "warmup_steps: 30000", "ODF404",
          ["warmup_steps 30000 is more than total_steps 20000"]),
    Fault("run-shorter-than-warm-up", CENTERNET, "burnin_steps: 500", "burnin_steps: 50000",
          "ODF404", ["burnin_steps 50000 and 25000 steps"]),
    Fault("rate-lowered-and-warm-up-left", SSD, "warmup_learning_rate: 0.004",
          "warmup_learning_rate: 0.04", "ODF405", ["above learning_rate_base 0.02"]),
    Fault("falling-warm-up", FASTER_RCNN, "initial_learning_rate: 0.001",
          "initial_learning_rate: 0.01", "ODF405", ["the first step's 0.004"]),
    Fault("all-of-it-warm-up", SSD, "total_steps: 20000 ", "total_steps: 800 ", "ODF406",
          ["the rate of step 800 is NaN"]),
    Fault("no-decay-steps", CENTERNET, "decay_steps: 8000", "decay_steps: 0", "ODF406", ["NaN"]),
    Fault("longer-run", EFFICIENTDET, "total_steps: 30000 ", "total_steps: 25000 ", "ODF407",
          ["the last 5000 steps"]),
    Fault("schedule-of-another-run", SSD, "total_steps: 20000 ", "total_steps: 300000 ", "ODF408",
          ["99 %"]),
    Fault("decay-behind-the-end", CENTERNET, "decay_steps: 8000", "decay_steps: 80000", "ODF408",
          ["shorten decay_steps"]),
    Fault("step-behind-the-end", FASTER_RCNN, "schedule { step: 13500", "schedule { @step: 135000",
          "ODF408", ["step 135000"]),
    Fault("rms-prop", EFFICIENTDET, "momentum_optimizer {\n", "rms_prop_optimizer {\n", "ODF409",
          ["decay (0.9 where not written)"]),
    Fault("unread", SSD, "  batch_size: 16\n", "  batch_size: 16\n  @sync_replicas: true\n",
          "ODF410", ["train_config.sync_replicas"]),
    Fault("unread-by-evaluation", CENTERNET, "  batch_size: 1\n",
          "  batch_size: 1\n  @num_examples: 500\n", "ODF410", ["eval_config.num_examples"]),
    Fault("three-replicas", FASTER_RCNN, "  batch_size: 4\n", "  batch_size: 5\n", "ODF411",
          ["2 replicas"], {"num_replicas": 2}),
    Fault("no-batch", SSD, "  batch_size: 16\n", "  batch_size: 0\n", "ODF411", ["is 0"]),
    Fault("no-schedule", FASTER_RCNN, SCHEDULE, "learning_rate { }", "ODF412",
          ["momentum_optimizer has no learning rate schedule"]),
    Fault("rate-not-written", EFFICIENTDET, RATE, "cosine_decay_learning_rate {\n", "ODF413",
          ["no learning_rate_base"]),
    Fault("steps-out-of-order", FASTER_RCNN, "schedule { step: 10000", "schedule { step: 400",
          "ODF414", ["400 comes behind step 500"]),
    Fault("hold-to-the-end", SSD, "learning_rate_base: 0.02",
          "hold_base_rate_steps: 19200 learning_rate_base: 0.02", "ODF415", ["19200"]),
    Fault("frozen-as-in-TF1", SSD, f"{NORM}\n      }}\n    }}\n\n    box_predictor",
          "batch_norm { train: false }\n      }\n    }\n\n    box_predictor", "ODF416",
          ["freeze_batchnorm"]),
    Fault("averages-of-nobody", FASTER_RCNN, "use_moving_average: false",
          "use_moving_average: true", "ODF417", ["neither evaluation"]),
    Fault("quantized", SSD, "eval_config {", "graph_rewriter { quantization { } }\neval_config {",
          "ODF418", ["quantization"]),
    # --- the data
    Fault("records-nowhere", SSD, TRAIN, 'input_path: "nowhere/train.record"', "ODF501",
          ["train_input_reader", "no directory nowhere"]),
    Fault("evaluation-nowhere", CENTERNET, EVAL, 'input_path: "validation.record"', "ODF501",
          ["eval_input_reader"]),
    Fault("empty-records", EFFICIENTDET, TRAIN, 'input_path: "empty.record"', "ODF502",
          ["is empty"]),
    Fault("text-for-records", EFFICIENTDET, TRAIN, 'input_path: "notes.record"', "ODF502",
          ["is no TFRecord file"]),
    Fault("boxes-in-pixels", CENTERNET, TRAIN, 'input_path: "pixels.record"', "ODF513",
          ["a box goes up to 640"]),
    Fault("ids-from-zero", FASTER_RCNN, TRAIN, 'input_path: "zero.record"', "ODF506",
          ["ids count from 1"]),
    Fault("no-boxes", EFFICIENTDET, TRAIN, 'input_path: "background.record"', "ODF519",
          ["none of the first 2 records"]),
    Fault("no-label-map", SSD, 'train_input_reader {\n  label_map_path: "PATH/TO/label_map.pbtxt"',
          'train_input_reader {\n  @label_map_path: "nowhere.pbtxt"', "ODF503", ["nowhere.pbtxt"]),
    Fault("size-of-the-older-ssd", SSD, "{ height: 320 width: 320 }", "{ height: 300 width: 300 }",
          "ODF507", ["300 x 300", "multiple of 32"]),
    Fault("size-of-no-pyramid", EFFICIENTDET,
          "min_dimension: 512 max_dimension: 512 pad", "min_dimension: 600 max_dimension: 600 pad",
          "ODF507", ["multiple of 128"]),
    Fault("size-too-small", SSD, "{ height: 320 width: 320 }", "{ height: 32 width: 32 }", "ODF507",
          ["33 at least"]),
    Fault("averages-evaluated", SSD, "eval_config {\n",
          "eval_config {\n  @use_moving_averages: true\n", "ODF508", ["keeps no averages"]),
    Fault("two-evaluations", CENTERNET, "\n# The architecture",
          "\n@eval_input_reader { name: \"second\" }\n# The architecture", "ODF509", ["number 2"]),
    Fault("directory", FASTER_RCNN, TRAIN, 'input_path: "records"', "ODF510", ["is a directory"]),
    Fault("shards-left-behind", SSD, TRAIN, 'input_path: "records/a-?????-of-00010"', "ODF515",
          ["1 of 10 files"]),
    Fault("no-classes", EFFICIENTDET, "num_classes: 3", "num_classes: 0", "ODF517", ["is 0"]),
    Fault("metrics", FASTER_RCNN, '"coco_detection_metrics"', '"coco_detections_metrics"', "ODF518",
          ["did you mean 'coco_detection_metrics'?"]),
    Fault("weights", SSD, "  tf_record_input_reader { " + TRAIN,
          "  @sample_from_datasets_weights: [1, 2] tf_record_input_reader { " + TRAIN, "ODF520",
          ["1 input paths and 2"]),
    Fault("sides-swapped", FASTER_RCNN, "min_dimension: 640 max_dimension: 640 pad",
          "min_dimension: 1024 max_dimension: 600 pad", "ODF521", ["min_dimension 1024"]),
    Fault("sizes-differ", FASTER_RCNN,
          f"{KEEP} {{ min_dimension: 640 max_dimension: 640 pad_to_max_dimension: true }}",
          f"{KEEP} {{ min_dimension: 640 max_dimension: 1024 }}", "ODF522",
          ["first batch of 4"]),
)  # fmt: skip


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the planted paths lead to."""
    monkeypatch.chdir(tmp_path)
    write_records(Path("empty.record"))
    Path("notes.record").write_text("a text is no record, however long it is", encoding="utf-8")
    write_records(Path("pixels.record"), detection(boxes=[(20.0, 20.0, 480.0, 640.0)]))
    write_records(Path("zero.record"), detection([], [0]))
    write_records(Path("background.record"), *[detection([], [], [])] * 2)
    write_records(Path("records/a-00000-of-00010"), detection())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault, tmp_path: Path) -> None:
    assert_found(fault, tmp_path)
