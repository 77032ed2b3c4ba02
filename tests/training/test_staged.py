"""Stages in order, finished ones skipped, with a child that only pretends to train."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from odfreeze.errors import TrainingFailedError, TrainingRefusedError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.record import index_digest
from odfreeze.training.staged import StageRun, find_stages, is_finished, train_stages
from tests.support.fake_training import fake_python, write_run
from tests.support.tiny_detector import write_detector

pytestmark = pytest.mark.usefixtures("unchecked")

posix = pytest.mark.skipif(os.name != "posix", reason="needs an executable script")

#: The child leaves behind what is in a folder named as the stage's.
CHILD = 'copy_run(MODEL_DIR.parent.name)\nevent("done", step=REQUEST["num_steps"])\n'
PATTERNS = {
    "01_head": ("^Conv1", "^bn_Conv1", "^block_", "^SSD"),
    "02_neck": ("^Conv1", "^bn_Conv1", "^block_"),
}


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    """Two stages of 10 and 20 steps in ``stages``; what each run leaves is beside them."""
    base = PipelineConfig.read(write_detector(tmp_path))
    start = tmp_path / "ckpt-0"
    for steps, (name, patterns) in zip((10, 20), PATTERNS.items(), strict=True):
        folder = tmp_path / "stages" / name
        folder.mkdir(parents=True)
        config = base.with_changes(
            num_steps=steps,
            freeze_variables=list(patterns),
            fine_tune_checkpoint=start.as_posix(),
            fine_tune_checkpoint_type="full",
        )
        config.write(folder / "pipeline.config")
        # The run of the one before is not in its place yet; what it leaves there is known.
        began = index_digest(tmp_path / "01_head" / "ckpt-10" if steps == 20 else start)
        write_run(tmp_path / name, folder / "pipeline.config", steps, start_digest=began)
        start = folder / "model" / f"ckpt-{steps}"
    return tmp_path / "stages"


def run(stages: Path, body: str = CHILD, **options):
    """Runs the stages; returns the results and the events but those of the children."""
    events: list[dict] = []
    python = fake_python(stages.parent, body)
    results = train_stages(stages, python=python, watch=events.append, **options)
    return results, [event for event in events if event["kind"] not in ("run", "start", "done")]


# --- finding them ---


def test_stages_are_found_by_number(stages: Path) -> None:
    (stages / "notes").mkdir()
    (stages / "03_without_config").mkdir()
    shutil.copytree(stages / "02_neck", stages / "10_all")
    found = find_stages(stages)
    assert [stage.name for stage in found] == ["01_head", "02_neck", "10_all"]
    assert found[0] == StageRun(
        "01_head", stages / "01_head" / "pipeline.config", stages / "01_head" / "model", 10
    )
    assert found[1].last_checkpoint == stages / "02_neck" / "model" / "ckpt-20"


def test_the_number_counts_not_the_text(stages: Path) -> None:
    (stages / "02_neck").rename(stages / "100_neck")
    shutil.copytree(stages / "01_head", stages / "9_more")
    assert [stage.name for stage in find_stages(stages)] == ["01_head", "9_more", "100_neck"]


@pytest.mark.parametrize("name", ("empty", "missing", "empty/file"))
def test_a_directory_without_stages_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "file").write_text("")
    directory = tmp_path / name
    with pytest.raises(UsageError) as caught:
        find_stages(directory)
    assert str(caught.value) == (
        f"{directory} holds no stage (a folder such as 01_head with a pipeline.config); write them"
        f" with: odfreeze stage PLAN --output_dir {directory}"
    )


def test_two_stages_of_one_number_are_an_error(stages: Path) -> None:
    shutil.copytree(stages / "01_head", stages / "1_old")
    with pytest.raises(UsageError) as caught:
        find_stages(stages)
    assert str(caught.value) == (
        f"{stages} holds two stages of one number, 01_head and 1_old; remove the one that is not"
        " of the plan"
    )


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


# --- what counts as finished ---


@pytest.fixture
def finished(stages: Path) -> StageRun:
    stage = find_stages(stages)[0]
    shutil.copytree(stages.parent / "01_head", stage.model_dir)
    (stage.model_dir / "odfreeze" / "verification.json").write_text('{"ok": true}')
    assert is_finished(stage)
    return stage


@pytest.mark.parametrize(
    "text", ('{"ok": false}', '{"ok": 1}', "{}", "[]", '{"ok": tr', "\xff"),
    ids=("not ok", "no truth value", "nothing said", "a list", "cut short", "no json"),
)  # fmt: skip
def test_only_a_good_verification_counts(finished: StageRun, text: str) -> None:
    path = finished.model_dir / "odfreeze" / "verification.json"
    path.write_text(text, encoding="latin-1")
    assert not is_finished(finished)


@pytest.mark.parametrize(
    "name", ("ckpt-10.index", "ckpt-10.data-00000-of-00001"), ids=("index", "data")
)
def test_a_checkpoint_without_one_of_its_files_does_not_count(
    finished: StageRun, name: str
) -> None:
    (finished.model_dir / name).unlink()
    assert not is_finished(finished)


@pytest.mark.parametrize(
    "name", ("ckpt-10.index", "ckpt-10.data-00000-of-00001"), ids=("index", "data")
)
def test_a_checkpoint_that_is_cut_short_does_not_count(finished: StageRun, name: str) -> None:
    path = finished.model_dir / name
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_finished(finished)


def test_a_checkpoint_of_another_step_does_not_count(finished: StageRun) -> None:
    write_run(finished.model_dir, finished.config, 9)
    for path in finished.model_dir.glob("ckpt-9.*"):
        path.replace(path.with_name(path.name.replace("ckpt-9", "ckpt-10")))
    assert not is_finished(finished)


def test_more_steps_asked_for_make_it_unfinished(finished: StageRun) -> None:
    config = PipelineConfig.read(finished.config)
    config.with_changes(num_steps=11).write(finished.config, force=True)
    assert not is_finished(find_stages(finished.config.parent.parent)[0])


def test_a_stage_without_its_record_is_not_finished(finished: StageRun) -> None:
    (finished.model_dir / "odfreeze" / "record.json").unlink()
    assert not is_finished(finished)


def test_the_verification_that_counts_is_the_one_that_is_written(finished: StageRun) -> None:
    from odfreeze.verify import verify

    path = finished.model_dir / "odfreeze" / "verification.json"
    path.write_text(json.dumps(verify(finished.model_dir).to_json()))
    assert is_finished(finished)
