"""A plan that was edited, or a stage redone: what follows, what stays, what is refused."""

from __future__ import annotations

import json
import os

import pytest

from odfreeze.errors import (
    OutputError,
    TrainingRefusedError,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.stage_runs import find_stages, read_run
from odfreeze.stages.staging import write_stages
from odfreeze.training.staged import train_plan
from tests.support.plan_folder import MUST_NOT_RUN, Folder
from tests.support.plans import ALL, HEAD, NECK

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts"),
]


# --- the plan was edited ---


def test_a_stage_that_has_not_begun_takes_the_plans_new_config(folder: Folder) -> None:
    folder.run(only_stage="head")
    before = {p: t for p, t in folder.files().items() if "01_head" in p.parts}
    folder.edit(HEAD, NECK.replace("20", "24"), ALL)
    folder.run()
    assert folder.told("note") == [
        ("note", "02_neck has not begun: its config is what the plan gives now")
    ]
    assert [one.num_steps for one in find_stages(folder.run_dir)] == [10, 24, 30]
    after = folder.files()
    gone = [path for path in before if path not in after]
    assert {path.stem for path in gone} == {"ckpt-0", "ckpt-5"}  # the next stage has its own
    kept = set(before) - set(gone) - {folder.model("01_head") / "checkpoint"}
    assert all(before[path] == after[path] for path in kept)
    assert [one["state"] for one in folder.kept().values()] == ["finished"] * 3


def test_a_stage_that_has_not_begun_goes_with_the_plans_stage(folder: Folder) -> None:
    folder.edit(HEAD, NECK, ALL)
    folder.run(only_stage="head")
    folder.edit(HEAD, ALL)
    folder.run()
    assert folder.told("note") == [
        ("note", "02_neck is not in the plan any more and had not begun: removed"),
        ("note", "03_all is not in the plan any more and had not begun: removed"),
    ]
    assert [one.name for one in find_stages(folder.run_dir)] == ["01_head", "02_all"]


def test_a_stage_that_has_a_checkpoint_is_not_changed(folder: Folder) -> None:
    folder.run()
    before = folder.files()
    folder.edit(HEAD.replace("10", "12"), NECK)
    with pytest.raises(TrainingRefusedError) as caught:
        folder.run()
    assert str(caught.value) == (
        f"{folder.plan}:3:9: stage 1 of 2, 01_head, has been trained with another config than the"
        " plan gives now ('num_steps: 10' became 'num_steps: 12'); undo that in the plan, or remove"
        f" {folder.model('01_head')} and those of the stages after it, to train them anew"
        " (--allow_used_model_dir goes on from its checkpoint with the new config)\n"
        '  name: "head"\n'
        "        ^"
    )
    assert folder.files() == before


def test_a_run_that_was_moved_says_where_it_was(folder: Folder) -> None:
    folder.run()
    moved = folder.root / "moved"
    folder.run_dir.rename(moved)
    with pytest.raises(TrainingRefusedError) as caught:
        train_plan(folder.plan, moved)
    assert caught.value.message == (
        f"stage 2 of 2, 02_neck, has been trained from a checkpoint in {folder.run_dir.as_posix()},"
        f" and the run is in {moved} now: moved or copied, it can be read (`odfreeze report`), but"
        " its configs name whole paths; move it back to go on, or give another --output_dir"
    )
    moved.rename(folder.run_dir)
    assert folder.run(MUST_NOT_RUN) == ()


def test_a_stage_that_was_trained_cannot_be_dropped(folder: Folder) -> None:
    folder.run()
    folder.edit(HEAD)
    with pytest.raises(TrainingRefusedError) as caught:
        folder.run()
    assert str(caught.value) == (
        f"{folder.run_dir / '02_neck'} has been trained, and the plan has no such stage any more:"
        " give it back its name and its place there, remove the folder, or give another"
        " --output_dir"
    )


def test_with_the_flag_a_run_goes_on_under_its_new_config(folder: Folder) -> None:
    folder.run()
    folder.edit(HEAD, NECK.replace("20", "26"))
    results = folder.run(allow=["used_model_dir"])
    assert [(one.step, one.trained) for one in results] == [(26, True)]
    assert folder.told("note") == [
        ("note", "02_neck goes on: its config is what the plan gives now")
    ]


def test_a_config_that_was_edited_by_hand_is_not_overwritten_unasked(folder: Folder) -> None:
    folder.run(only_stage="1")
    config = folder.run_dir / "02_neck" / "pipeline.config"
    config.write_text(config.read_text() + "# mine\n")
    with pytest.raises(OutputError) as caught:
        folder.run()
    assert str(caught.value) == (
        f"{config} was edited since the plan was written there, and differs from what the plan"
        " gives; put the edit into the plan, or give --force to overwrite it"
    )
    assert config.read_text().endswith("# mine\n")
    folder.run(force=True)
    assert "# mine" not in config.read_text()


def test_where_nobody_knows_who_wrote_a_config_the_old_one_is_kept(folder: Folder) -> None:
    """As after `odfreeze stage`, which leaves no run.json."""
    from odfreeze.stages.plan import read_plan

    write_stages(read_plan(folder.plan), folder.run_dir)
    folder.edit(HEAD, NECK.replace("20", "24"))
    folder.run()
    before = folder.run_dir / "02_neck" / "pipeline.config.before"
    assert folder.told("note") == [
        (
            "note",
            f"02_neck has not begun: its config is what the plan gives now; the one before is kept"
            f" as {before}",
        )
    ]
    assert PipelineConfig.read(before).num_steps == 20


@pytest.mark.parametrize("place", ("notes.txt", "model/best"), ids=("beside", "in the model_dir"))
def test_what_a_person_put_there_is_not_removed(folder: Folder, place: str) -> None:
    folder.run(only_stage="1")
    mine = folder.run_dir / "02_neck" / place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("")
    folder.edit(HEAD)
    with pytest.raises(OutputError) as caught:
        folder.run()
    assert str(caught.value) == (
        f"{folder.run_dir / '02_neck'} is a stage that the plan does not have any more, and holds"
        f" {mine.name}, which is no file of odfreeze; remove the folder, or give another"
        " --output_dir"
    )
    assert mine.exists()


def test_a_wrong_plan_does_not_touch_what_is_there(folder: Folder) -> None:
    folder.run(only_stage="1")
    before = folder.files()
    folder.edit(HEAD, ALL.replace("^Conv1", "^nothing"))
    with pytest.raises(TrainingRefusedError, match="matches none of"):
        train_plan(folder.plan, folder.run_dir)
    assert folder.files() == before


# --- what a stage was built on ---


def redo_head(folder: Folder) -> None:
    """Trains the first stage once more by hand, to other values."""
    from tests.support.bundle_writer import floats, write_checkpoint
    from tests.support.tiny_detector import specs

    values = {
        path: (name, dtype, shape, floats(*[2.0] * _count(shape)))
        for path, (name, dtype, shape, _) in specs().items()
    }
    write_checkpoint(folder.model("01_head") / "ckpt-10", values, step=10)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def test_a_stage_is_not_built_on_one_that_was_trained_anew_since(folder: Folder) -> None:
    folder.run()
    redo_head(folder)
    states = [(one.state, one.reason) for one in read_run(folder.run_dir).stages]
    start = f"{folder.model('01_head').as_posix()}/ckpt-10"
    assert states == [
        ("finished", None), ("failed", f"{start}, which it started from, was written anew since"),
    ]  # fmt: skip
    with pytest.raises(TrainingRefusedError) as caught:
        folder.run(MUST_NOT_RUN)
    assert str(caught.value) == (
        f"stage 2 of 2, 02_neck, was trained from what {start} held before that was written anew:"
        f" remove {folder.model('02_neck')} to train the stage from what is there now"
        " (--allow_used_model_dir keeps it as it is)"
    )
    assert folder.run(MUST_NOT_RUN, allow=["used_model_dir"]) == ()


def test_of_a_record_without_the_digest_the_values_are_compared(folder: Folder) -> None:
    folder.run(only_stage="1")
    path = folder.model("01_head") / "odfreeze" / "record.json"
    record = json.loads(path.read_text())
    del record["start_digest"]
    path.write_text(json.dumps(record))
    assert read_run(folder.run_dir).stages[0].state == "finished"
    record["variables"][3]["digest"] = "0" * 64
    path.write_text(json.dumps(record))
    with pytest.raises(TrainingRefusedError, match="stage 1 of 2, 01_head, was trained from what"):
        folder.run(MUST_NOT_RUN)


def test_a_start_that_is_gone_is_no_reproach(folder: Folder) -> None:
    folder.run()
    for path in (folder.root / "base").iterdir():
        path.unlink()
    assert [one.state for one in read_run(folder.run_dir).stages] == ["finished"] * 2
