"""A plan that was edited, laid out over its earlier version: what follows, what stays."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from odfreeze.errors import OutputError
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.conduct import Conduct
from odfreeze.stages.plan import Stage
from odfreeze.stages.restage import BEFORE_NAME
from tests.stages.base_model import ALL, HEAD, snapshot
from tests.stages.edited_run import NECK, UNTIL, EditedRun, longer

pytestmark = pytest.mark.usefixtures("unchecked")


# --- nothing to change ---


def test_a_plan_of_which_nothing_is_there_is_written(run: EditedRun) -> None:
    found = run.lay_out(HEAD, ALL)
    assert [one.is_written for one in found.stages] == [True, True]
    assert found.changes == ()


def test_the_same_plan_again_touches_nothing(run: EditedRun) -> None:
    run.lay_out(HEAD, dataclasses.replace(ALL, conduct=UNTIL))
    before = snapshot(run.out)
    found = run.lay_out(HEAD, dataclasses.replace(ALL, conduct=UNTIL))
    assert snapshot(run.out) == before
    assert ([one.is_written for one in found.stages], found.changes) == ([False, False], ())


def test_a_stage_that_begins_as_the_plan_has_it_is_no_change(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    run.begin("01_head")
    assert run.lay_out(HEAD, ALL).changes == ()


def test_a_stage_is_added_at_the_end(run: EditedRun) -> None:
    run.lay_out(HEAD)
    run.begin("01_head")
    found = run.lay_out(HEAD, ALL)
    assert ([one.is_written for one in found.stages], found.changes) == ([False, True], ())


# --- what has not begun ---


def test_what_has_not_begun_takes_the_new_config(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    model = run.begin("01_head")
    before = snapshot(run.out / "01_head")
    found = run.lay_out(HEAD, longer(ALL, 90))
    assert found.changes == ("02_all has not begun: its config is what the plan gives now",)
    assert [one.is_written for one in found.stages] == [False, True]
    assert run.steps() == [50, 90]
    assert snapshot(model.parent) == before
    assert not (run.out / "02_all" / BEFORE_NAME).exists()


def test_a_change_of_one_stage_is_told_of_all_that_start_from_it(run: EditedRun) -> None:
    run.lay_out(HEAD, NECK, ALL)
    assert run.lay_out(longer(HEAD, 60), NECK, ALL).changes == (
        "01_head has not begun: its config is what the plan gives now",
        "02_neck has not begun: its config is what the plan gives now",
    )
    start = PipelineConfig.read(run.out / "02_neck/pipeline.config").fine_tune_checkpoint
    assert start == (run.out / "01_head/model/ckpt-60").as_posix()


@pytest.mark.parametrize(
    ("before", "after", "is_there"),
    ((Conduct(), UNTIL, True), (UNTIL, Conduct(), False)),
    ids=("now ended by a metric", "no longer ended by one"),
)
def test_what_the_config_has_no_field_for_follows_too(
    run: EditedRun, before: Conduct, after: Conduct, is_there: bool
) -> None:
    run.lay_out(HEAD, dataclasses.replace(ALL, conduct=before))
    found = run.lay_out(HEAD, dataclasses.replace(ALL, conduct=after))
    assert found.changes == ("02_all has not begun: its config is what the plan gives now",)
    assert (run.out / "02_all/stage.json").exists() is is_there


@pytest.mark.parametrize(
    ("stages", "names", "gone"),
    (
        ((HEAD, ALL), ["01_head", "02_all"], ["02_neck", "03_all"]),
        ((HEAD, NECK), ["01_head", "02_neck"], ["03_all"]),
        ((HEAD, ALL, NECK), ["01_head", "02_all", "03_neck"], ["02_neck", "03_all"]),
        ((HEAD, dataclasses.replace(NECK, name="fpn"), ALL), ["01_head", "02_fpn", "03_all"],
         ["02_neck"]),
        ((HEAD, Stage("more", 5), NECK, ALL), ["01_head", "02_more", "03_neck", "04_all"],
         ["02_neck", "03_all"]),
    ),
    ids=("one from the middle", "the last", "two that changed places", "renamed", "one between"),
)  # fmt: skip
def test_what_has_not_begun_goes_with_the_plans_stage(
    run: EditedRun, stages: tuple[Stage, ...], names: list[str], gone: list[str]
) -> None:
    run.lay_out(HEAD, NECK, ALL)
    run.begin("01_head")
    told = run.lay_out(*stages).changes
    assert run.names() == names
    assert [text for text in told if "removed" in text] == [
        f"{name} is not in the plan any more and had not begun: removed" for name in gone
    ]


@pytest.mark.parametrize("place", ("model/odfreeze/train.log", "model/train/events.out", "x.tmp"))
def test_what_a_training_leaves_that_took_no_step_goes_too(run: EditedRun, place: str) -> None:
    run.lay_out(HEAD, ALL)
    path = run.out / "02_all" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    run.lay_out(HEAD)
    assert run.names() == ["01_head"]


@pytest.mark.parametrize("place", ("notes.txt", "model/best", "model/ckpt-5.index", "eval/x"))
def test_what_a_person_put_there_stays_and_is_named(run: EditedRun, place: str) -> None:
    run.lay_out(HEAD, ALL)
    path = run.out / "02_all" / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    name = "eval" if place == "eval/x" else path.name
    assert run.refuse(HEAD) == (
        f"{run.out / '02_all'} is a stage that the plan does not have any more, and holds {name},"
        " which is no file of odfreeze; remove the folder, or give another --output_dir"
    )


def test_folders_that_are_no_stages_are_not_looked_at(run: EditedRun) -> None:
    run.lay_out(HEAD)
    for name in ("02_notes", "3_old/model", "eval"):
        (run.out / name).mkdir(parents=True)
    (run.out / "3_old/pipeline.config").write_text("")
    before = snapshot(run.out)
    assert run.lay_out(HEAD).changes == ()
    assert snapshot(run.out) == before


def test_the_plans_base_config_is_not_removed_with_a_stage(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    run.base = run.out / "02_all/pipeline.config"
    assert run.refuse(HEAD) == (
        f"{run.out / '02_all'} is a stage that the plan does not have any more, and holds the"
        " plan's base config; put that elsewhere, or give another --output_dir"
    )


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_stage_that_is_a_link_is_not_removed(run: EditedRun, tmp_path: Path) -> None:
    run.lay_out(HEAD, ALL)
    (run.out / "02_all").rename(tmp_path / "elsewhere")
    (run.out / "02_all").symlink_to(tmp_path / "elsewhere")
    assert run.refuse(HEAD) == (
        f"{run.out / '02_all'} is a stage that the plan does not have any more, and is a link;"
        " remove the link, or give another --output_dir"
    )
    assert (tmp_path / "elsewhere/pipeline.config").exists()


def test_a_folder_that_cannot_be_removed_is_named(
    run: EditedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.lay_out(HEAD, ALL)

    def busy(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", busy)
    with pytest.raises(OutputError) as caught:
        run.lay_out(HEAD)
    assert str(caught.value) == (
        f"{run.out / '02_all'} cannot be removed: Permission denied; remove it, or give another"
        " --output_dir"
    )


# --- what has begun ---


@pytest.mark.parametrize(
    ("change", "difference"),
    (
        ({"num_steps": 60}, "'num_steps: 50;' became 'num_steps: 60;'"),
        ({"freeze_variables": ("^fpn/",)}, """'freeze_variables: "^fpn/"' is new"""),
        ({"update_trainable_variables": ()}, """'update_trainable_variables: "^Head/"' is gone"""),
        ({"conduct": UNTIL}, "stage.json is new"),
    ),
    ids=("another value", "a new line", "a line less", "a file more"),
)
def test_what_has_begun_is_not_changed_and_the_difference_is_named(
    run: EditedRun, change: dict[str, Any], difference: str
) -> None:
    run.lay_out(HEAD, ALL)
    model = run.begin("01_head")
    assert run.refuse(dataclasses.replace(HEAD, **change), ALL) == (
        "stage 1 of 2, 01_head, has been trained with another config than the plan gives now"
        f" ({difference}); undo that in the plan, or remove {model} and those of the stages after"
        " it, to train them anew (--allow_used_model_dir goes on from its checkpoint with the new"
        " config)"
    )


def test_a_conduct_that_the_plan_lost_is_named(run: EditedRun) -> None:
    run.lay_out(dataclasses.replace(HEAD, conduct=UNTIL), ALL)
    run.begin("01_head")
    assert "(stage.json is gone)" in run.refuse(HEAD, ALL)


def test_another_layout_of_the_same_lines_is_named(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    run.begin("01_head")
    run.base.write_bytes(run.base.read_bytes().replace(b"\n", b"\r\n"))
    assert "(its layout)" in run.refuse(HEAD, ALL)


def test_force_does_not_change_what_has_begun(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    run.begin("01_head")
    assert "has been trained with another config" in run.refuse(longer(HEAD, 60), ALL, force=True)


def test_with_the_flag_it_goes_on_under_its_new_config(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    model = run.begin("02_all")
    told = run.lay_out(HEAD, longer(ALL, 90), allow=["used_model_dir"]).changes
    assert told == ("02_all goes on: its config is what the plan gives now",)
    assert run.steps() == [50, 90]
    assert [path.name for path in model.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("options", ({}, {"force": True}, {"allow": ["used_model_dir"]}))
@pytest.mark.parametrize("stages", ((HEAD,), (HEAD, dataclasses.replace(ALL, name="rest"))))
def test_what_has_begun_is_never_removed(
    run: EditedRun, stages: tuple[Stage, ...], options: dict[str, Any]
) -> None:
    run.lay_out(HEAD, ALL)
    run.begin("02_all")
    assert run.refuse(*stages, **options) == (
        f"{run.out / '02_all'} has been trained, and the plan has no such stage any more: give it"
        " back its name and its place there, remove the folder, or give another --output_dir"
    )
