"""Stages in order, finished ones skipped, with a child that only pretends to train."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from odfreeze.errors import TrainingFailedError, TrainingRefusedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.training.staged import train_stages
from tests.support.fake_training import fake_python, write_run
from tests.support.plans import PATTERNS, write_two_stages

pytestmark = pytest.mark.usefixtures("unchecked")

posix = pytest.mark.skipif(os.name != "posix", reason="needs an executable script")

#: The child leaves behind what is in a folder named as the stage's.
CHILD = 'copy_run(MODEL_DIR.parent.name)\nevent("done", step=REQUEST["num_steps"])\n'


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    return write_two_stages(tmp_path)


def run(stages: Path, body: str = CHILD, **options):
    """Runs the stages; returns the results and the events but those of the children."""
    events: list[dict] = []
    python = fake_python(stages.parent, body)
    results = train_stages(stages, python=python, watch=events.append, **options)
    return results, [event for event in events if event["kind"] not in ("run", "start", "done")]


# --- running them ---


@posix
def test_each_stage_is_trained_and_verified_in_order(stages: Path) -> None:
    results, events = run(stages)
    assert [result.step for result in results] == [10, 20]
    assert [result.model_dir for result in results] == [
        stages / "01_head" / "model", stages / "02_neck" / "model",
    ]  # fmt: skip
    first, second = (
        {"stage": "01_head", "number": 1, "of": 2}, {"stage": "02_neck", "number": 2, "of": 2},
    )  # fmt: skip
    assert events == [
        {"kind": "stage", **first},
        {
            "kind": "verified",
            **first,
            "step": 10,
            "summary": "verified: 0 of 16 frozen values changed, 0 of 10 held statistics changed,"
            " 5 of 5 trainable values changed",
        },
        {"kind": "stage", **second},
        {
            "kind": "verified",
            **second,
            "step": 20,
            "summary": "verified: 0 of 15 frozen values changed, 0 of 10 held statistics changed,"
            " 6 of 6 trainable values changed",
        },
    ]


@posix
def test_every_stage_gets_the_options(stages: Path) -> None:
    keeps = 'shutil.copy(sys.argv[3], HERE / (MODEL_DIR.parent.name + ".json"))\n'
    run(stages, keeps + CHILD, checkpoint_every_n=5, allow=["all_frozen"], flags=["--use_tpu"])
    for name in PATTERNS:
        asked = json.loads((stages.parent / f"{name}.json").read_text())
        assert asked["allow"] == ["all_frozen"]
        assert asked["flags"][-2:] == ["--checkpoint_every_n=5", "--use_tpu"]


@posix
def test_finished_stages_are_skipped_and_left_alone(stages: Path) -> None:
    run(stages)
    before = {p: p.stat().st_mtime_ns for p in stages.rglob("*")}
    results, events = run(stages, "sys.exit('must not run')")
    assert results == ()
    assert events == [
        {"kind": "skipped", "stage": "01_head", "number": 1, "of": 2},
        {"kind": "skipped", "stage": "02_neck", "number": 2, "of": 2},
    ]
    assert {p: p.stat().st_mtime_ns for p in stages.rglob("*")} == before


@posix
def test_a_run_that_was_cut_off_goes_on_with_its_stage(stages: Path) -> None:
    fails = 'if MODEL_DIR.parent.name == "02_neck": sys.exit(3)\n'
    with pytest.raises(TrainingFailedError):
        run(stages, fails + CHILD)
    _, events = run(stages)
    assert [(e["kind"], e["number"]) for e in events] == [
        ("skipped", 1), ("stage", 2), ("verified", 2),
    ]  # fmt: skip


@posix
def test_a_failed_verification_stops_before_the_next_stage(stages: Path) -> None:
    first = stages / "01_head" / "pipeline.config"
    write_run(stages.parent / "01_head", first, 10, changed=("trainable", "held"))
    results, events = run(stages)
    assert [result.verification.ok for result in results] == [False]
    assert [event["kind"] for event in events] == ["stage", "verified"]
    assert events[1]["summary"].startswith("NOT VERIFIED: 0 of 16 frozen values changed, 10 of 10 ")


@posix
def test_a_stage_that_was_not_verified_is_only_verified(stages: Path) -> None:
    run(stages)
    (stages / "01_head/model/odfreeze/verification.json").unlink()
    results, events = run(stages, "sys.exit('must not run')")
    assert [(result.step, result.trained) for result in results] == [(10, False)]
    assert [event["kind"] for event in events] == ["stage", "verified", "skipped"]


@posix
def test_a_stage_with_other_patterns_than_it_was_trained_with_is_refused(stages: Path) -> None:
    run(stages)
    config = PipelineConfig.read(stages / "02_neck" / "pipeline.config")
    config.with_changes(freeze_variables=["^Conv1"]).write(config.file, force=True)
    with pytest.raises(TrainingRefusedError, match=r"its freeze_variables was .* and is now"):
        run(stages, "sys.exit('must not run')")


@posix
def test_another_frozen_batch_norm_is_another_run(stages: Path) -> None:
    run(stages)
    with pytest.raises(TrainingRefusedError, match="its frozen_batch_norm was 'hold' and is now"):
        run(stages, "sys.exit('must not run')", frozen_batch_norm="update")


@posix
def test_a_trained_stage_whose_config_is_gone_is_not_passed_over(stages: Path) -> None:
    run(stages)
    (stages / "01_head" / "pipeline.config").unlink()
    with pytest.raises(TrainingRefusedError) as caught:
        run(stages)
    assert caught.value.message == (
        f"{stages / '01_head'} holds a checkpoint, and no pipeline.config any more: the stages"
        " after it start from it, and nothing tells what it was; put the config back (`odfreeze"
        " stage` writes it), or remove the folder"
    )
