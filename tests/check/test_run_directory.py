"""What is said of a run's directory that was used before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.check import run_directory
from odfreeze.check.subject import RunFlags, Subject
from odfreeze.pipeline import PipelineConfig
from tests.check.planted import said, subject_of
from tests.support.bundle_writer import Spec, write_checkpoint, write_state
from tests.support.fake_training import write_run
from tests.support.tiny_detector import write_detector

WEIGHT: dict[str, Spec] = {"model/w": ("w", "float32", (1,), None)}
CONFIG = """\
model {
  ssd {
    num_classes: 3
    feature_extractor { type: "ssd_mobilenet_v2_fpn_keras" }
  }
}
train_config {
  num_steps: 100
  fine_tune_checkpoint: "zoo/ckpt-0"
}
"""


def used(directory: Path, step: int | None = 50, variables: dict[str, Spec] | None = None) -> str:
    """Writes a directory with one checkpoint and the state file that names it."""
    number = 5
    write_checkpoint(directory / f"ckpt-{number}", variables or WEIGHT, step=step)
    write_state(directory, f"ckpt-{number}")
    return str(directory)


def all_told(subject: Subject) -> list[str]:
    return said(finding for rule in run_directory.RULES for finding in rule(subject))


def told(model_dir: str | Path | None, text: str = CONFIG, **flags: Any) -> list[str]:
    return all_told(subject_of(text, model_dir=model_dir and str(model_dir), **flags))


# --- nothing to say --------------------------------------------------------------------


def test_of_a_directory_that_is_empty_or_new_or_not_given(tmp_path: Path) -> None:
    (tmp_path / "other.txt").touch()
    assert told(None) == told(tmp_path) == told(tmp_path / "new") == told("gs://bucket/run") == []


def test_of_the_same_run_that_goes_on(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "Conv1")
    run = write_run(tmp_path / "run", config, 5)
    flags = RunFlags(model_dir=str(run), is_enforced=True)
    assert all_told(Subject(PipelineConfig.read(config), flags)) == []


def test_of_the_same_run_that_is_done_and_asked_for_again(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "Conv1")
    run = write_run(tmp_path / "run", config, 10)
    parsed = PipelineConfig.read(config)
    assert all_told(Subject(parsed, RunFlags(model_dir=str(run), is_enforced=True))) == []
    under_stock = Subject(parsed, RunFlags(model_dir=str(run)))
    assert [line[:14] for line in all_told(under_stock)] == ["ODF602 error 7"]


# --- ODF601 ----------------------------------------------------------------------------


def test_a_used_directory_wins_over_fine_tune_checkpoint(tmp_path: Path) -> None:
    run = used(tmp_path)
    assert told(run) == [
        f"ODF601 warning 9: {run} holds a checkpoint already (ckpt-5, step 50): training goes on "
        "from its values and its step, and fine_tune_checkpoint is for nothing; choose another "
        "--model_dir unless this run is to go on"
    ]


def test_a_used_directory_without_a_fine_tune_checkpoint(tmp_path: Path) -> None:
    run = used(tmp_path, step=None)
    assert told(run, "train_config { num_steps: 100 }") == [
        f"ODF601 warning 1: {run} holds a checkpoint already (ckpt-5): training goes on from its "
        "values and its step; choose another --model_dir unless this run is to go on"
    ]


def test_the_record_tells_another_run_apart(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "Conv1")
    run = write_run(
        tmp_path / "run", config, 5, freeze_variables=("block",), fine_tune_checkpoint="old"
    )
    (found,) = all_told(Subject(PipelineConfig.read(config), RunFlags(model_dir=str(run))))
    assert found.startswith(
        f"ODF601 warning 8: {run} holds a checkpoint already (ckpt-5, step 5) of a run with "
        "another freeze_variables and fine_tune_checkpoint: training goes on"
    )


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "Conv1")
    run = write_run(tmp_path / "run", config, 5)
    (run / "odfreeze" / "record.json").write_text("{")
    (found,) = all_told(Subject(PipelineConfig.read(config), RunFlags(model_dir=str(run))))
    assert "already (ckpt-5, step 5): training goes on" in found


# --- ODF602 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "flags", "words"),
    [
        (100, {}, "is at step 100 (ckpt-5) of 100"),
        (1_500, {}, "is at step 1,500 (ckpt-5) of 100"),
        (50, {"num_train_steps": 50}, "is at step 50 (ckpt-5) of 50"),
    ],
    ids=["at", "past", "flag"],
)
def test_a_run_at_its_end(tmp_path: Path, step: int, flags: dict[str, Any], words: str) -> None:
    run = used(tmp_path, step)
    assert told(run, **flags) == [
        f"ODF602 error 8: {run} {words}: nothing would be trained, and the exit status would say "
        "that all went well; ask for more steps, or choose another --model_dir"
    ]


@pytest.mark.parametrize(
    ("step", "text", "flags"),
    [
        (99, CONFIG, {}),
        (100, CONFIG, {"num_train_steps": 101}),
        (100, CONFIG.replace("num_steps: 100", ""), {}),
        (None, CONFIG, {}),
    ],
    ids=["before", "flag", "no-end", "no-step"],
)
def test_a_run_that_is_not_at_its_end(
    tmp_path: Path, step: int | None, text: str, flags: dict[str, Any]
) -> None:
    assert [line[:6] for line in told(used(tmp_path, step), text, **flags)] == ["ODF601"]


# --- ODF603 ----------------------------------------------------------------------------

SSD_HEADS = "model/_box_predictor/_prediction_heads"


def heads(classes: int) -> dict[str, Spec]:
    return {
        f"{SSD_HEADS}/box_encodings/0/_box_encoder_layers/0/bias": ("b", "float32", (24,), None),
        f"{SSD_HEADS}/class_predictions_with_background/0/_class_predictor_layers/0/bias": (
            "c", "float32", (6 * (classes + 1),), None,
        ),
    }  # fmt: skip


def test_a_checkpoint_for_another_number_of_classes(tmp_path: Path) -> None:
    run = used(tmp_path, variables=heads(90))
    assert told(run) == [
        f"ODF603 error 3: {run} holds the checkpoint of another model: one for 90 classes, and "
        "num_classes is 3; a run there goes on from it, with a crash or with random values; "
        "choose another --model_dir"
    ]


@pytest.mark.parametrize(
    ("path", "name", "what", "line"),
    [
        ("model/_prediction_head_dict/object_center/0/kernel", "conv2d/kernel",
         "a center_net one, and the config's is ssd", 2),
        ("model/_feature_extractor/classification_backbone/0/kernel", "conv_dw_1/kernel",
         "one with MobileNet V1, and the config's has MobileNet V2", 4),
        ("model/_feature_extractor/feature_map_generator/0/kernel", "a/kernel",
         "one with no FPN, and the config's has FPN", 4),
    ],
    ids=["meta", "backbone", "neck"],
)  # fmt: skip
def test_a_checkpoint_of_another_architecture(
    tmp_path: Path, path: str, name: str, what: str, line: int
) -> None:
    run = used(tmp_path, variables={path: (name, "float32", (1,), None)})
    (found,) = told(run)
    assert found.startswith(
        f"ODF603 error {line}: {run} holds the checkpoint of another model: {what};"
    )


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        (heads(3), CONFIG),
        (heads(90), CONFIG.replace("num_classes: 3", "")),
        (heads(90), CONFIG.replace(
            "num_classes: 3", "num_classes: 91 add_background_class: false")),
        (heads(90), CONFIG.replace(
            "num_classes: 3", "num_classes: 3 box_coder { keypoint_box_coder {} }")),
        (WEIGHT, CONFIG),
        (heads(90), 'train_config { num_steps: 100 fine_tune_checkpoint: "a" }'),
    ],
    ids=["fits", "not-written", "no-background", "keypoints", "unknown", "no-model"],
)  # fmt: skip
def test_a_checkpoint_that_fits_or_shows_nothing(
    tmp_path: Path, variables: dict[str, Spec], text: str
) -> None:
    assert [line[:6] for line in told(used(tmp_path, variables=variables), text)] == ["ODF601"]


# --- ODF604 and ODF606 -----------------------------------------------------------------


def test_a_state_file_that_names_what_is_gone(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "ckpt-4", WEIGHT, step=40)
    write_state(tmp_path, "ckpt-5")
    assert told(tmp_path) == [
        f"ODF604 warning 9: {tmp_path / 'checkpoint'} names {tmp_path / 'ckpt-5'}, which is not "
        "there (there are ckpt-4): training starts anew from step 0, and says so in the log "
        "alone; copy that checkpoint back, name another in the file, or choose another --model_dir"
    ]


def test_a_state_file_with_the_path_of_another_machine(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "ckpt-5", WEIGHT, step=40)
    write_state(tmp_path, "/elsewhere/run/ckpt-5")
    (found,) = told(tmp_path)
    assert found.startswith("ODF604 warning 9:") and "(there are ckpt-5)" in found


def test_checkpoints_without_a_state_file(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_checkpoint(tmp_path / f"ckpt-{number}", WEIGHT)
    assert told(tmp_path) == [
        f"ODF606 warning 9: {tmp_path} holds 3 checkpoints (ckpt-1, ckpt-2, …) and no file "
        "'checkpoint' that names one: training starts anew from step 0 and writes over them; copy "
        "that file too, or choose another --model_dir"
    ]


# --- ODF607 ----------------------------------------------------------------------------


def test_a_missing_data_file(tmp_path: Path) -> None:
    run = used(tmp_path)
    (tmp_path / "ckpt-5.data-00000-of-00001").unlink()
    assert told(run) == [
        f"ODF607 error 9: {run}: the checkpoint to go on from cannot be restored "
        "(ckpt-5.data-00000-of-00001 is missing); copy it again, or choose another --model_dir"
    ]


def test_a_damaged_index(tmp_path: Path) -> None:
    run = used(tmp_path)
    (tmp_path / "ckpt-5.index").write_bytes(b"no index" * 20)
    (found,) = told(run)
    assert found.startswith(
        f"ODF607 error 9: {run}: the checkpoint to go on from cannot be restored ("
    )
