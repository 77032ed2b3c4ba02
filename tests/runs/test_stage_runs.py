"""What the files of a staged run tell: its stages, which are finished, what they were built on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from odfreeze.errors import UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.stage_runs import (
    StageRun,
    choose_stage,
    find_stages,
    has_checkpoint,
    is_finished,
    is_from_its_start,
    is_whole,
    last_step,
    read_run,
    stage_state,
)
from odfreeze.runs.state import RunState, StageState, write_run_state
from tests.support.fake_training import write_run
from tests.support.plans import write_two_stages

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    return write_two_stages(tmp_path)


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
    from odfreeze.runs.verify import verify

    path = finished.model_dir / "odfreeze" / "verification.json"
    path.write_text(json.dumps(verify(finished.model_dir).to_json()))
    assert is_finished(finished)


# --- one of them ---


@pytest.mark.parametrize("text", ("neck", "02_neck", "2", "02", "002"))
def test_a_stage_is_chosen_by_name_folder_or_number(stages: Path, text: str) -> None:
    assert choose_stage([one.name for one in find_stages(stages)], text, "--from_stage") == 1


@pytest.mark.parametrize("text", ("", "0", "02_", "nec k", "head_and_neck"))
def test_anything_else_is_an_error(stages: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"\(there are 01_head, 02_neck\)"):
        choose_stage([one.name for one in find_stages(stages)], text, "--from_stage")


# --- how far it is ---


def test_a_stage_that_has_not_begun(stages: Path) -> None:
    stage = find_stages(stages)[0]
    assert (last_step(stage), has_checkpoint(stage), is_from_its_start(stage)) == (
        None,
        False,
        None,
    )
    assert stage_state(stage) == StageState("01_head", num_steps=10)


def test_a_run_without_run_json_is_known_from_its_files(
    finished: StageRun, stages: Path, tmp_path: Path
) -> None:
    report = {"seconds": 12.5, "ended": "then", "scalars": {"Loss/total_loss": 0.5}}
    (finished.model_dir / "odfreeze" / "report.json").write_text(json.dumps(report))
    head, neck = read_run(stages).stages
    assert (head.state, head.step, head.seconds, head.loss) == ("finished", 10, 12.5, 0.5)
    assert head.checkpoint == (finished.model_dir / "ckpt-10").as_posix()
    assert (head.began, head.ended) == ("2025-01-02T03:04:05+00:00", "then")
    assert neck == StageState("02_neck", num_steps=20)


@pytest.mark.parametrize("said", ("finished", "running", "failed", "waiting"))
def test_what_run_json_says_of_a_stage_that_has_no_run_does_not_count(
    stages: Path, said: str
) -> None:
    state = StageState("01_head", said, 10, 10, 5.0, "c", "d" * 64, "e" * 64, reason="so")
    write_run_state(RunState((state,), "a.plan"), stages)
    run = read_run(stages)
    assert run.plan == "a.plan"
    assert run.stages[0] == StageState("01_head", num_steps=10, config_digest="e" * 64)


@pytest.mark.parametrize(
    ("said", "is_now"), (("running", "waiting"), ("finished", "waiting"), ("failed", "failed"))
)
def test_a_stage_that_was_cut_off_waits(finished: StageRun, said: str, is_now: str) -> None:
    (finished.model_dir / "odfreeze" / "verification.json").unlink()
    now = stage_state(finished, StageState("01_head", said, 10, 3, 5.0, reason="full"))
    assert (now.state, now.step, now.seconds) == (is_now, 10, 5.0)
    assert now.reason == ("full" if is_now == "failed" else None)


def test_a_finished_stage_is_so_without_the_file_that_names_its_checkpoint(
    finished: StageRun,
) -> None:
    before = stage_state(finished)
    (finished.model_dir / "checkpoint").unlink()
    assert is_finished(finished)
    assert stage_state(finished) == before
    assert (before.state, before.step) == ("finished", 10)


def test_a_failed_verification_is_a_failed_stage(finished: StageRun) -> None:
    path = finished.model_dir / "odfreeze" / "verification.json"
    path.write_text('{"ok": false, "reasons": ["3 of 5 frozen variables changed", "more"]}')
    now = stage_state(finished)
    assert (now.state, now.reason) == ("failed", "3 of 5 frozen variables changed; more")


@pytest.mark.parametrize("reasons", ("5", "true", "{}", "null"))
def test_reasons_that_are_no_list_are_none(finished: StageRun, reasons: str) -> None:
    path = finished.model_dir / "odfreeze" / "verification.json"
    path.write_text(f'{{"ok": false, "reasons": {reasons}}}')
    now = stage_state(finished)
    assert (now.state, now.reason) == ("failed", None)


def test_a_stage_knows_the_values_that_it_started_from(finished: StageRun, tmp_path: Path) -> None:
    assert is_from_its_start(finished) is True
    index = tmp_path / "ckpt-0.index"
    index.write_bytes(index.read_bytes() + b"x")
    assert is_from_its_start(finished) is False
    index.unlink()
    assert is_from_its_start(finished) is None


def test_a_checkpoint_that_is_whole(finished: StageRun) -> None:
    assert is_whole(finished.last_checkpoint)
    assert is_whole(finished.last_checkpoint, [3, 10])
    assert not is_whole(finished.last_checkpoint, [3])
    assert not is_whole(finished.model_dir / "ckpt-11")
