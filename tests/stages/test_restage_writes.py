"""A plan laid out over its earlier version: no edit by hand is lost, and it is all or nothing."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from odfreeze.errors import ConfigError
from odfreeze.stages.plan import Plan, Stage
from odfreeze.stages.restage import BEFORE_NAME, restage
from odfreeze.stages.staging import plan_stages, write_stages
from tests.stages.base_model import ALL, HEAD, snapshot
from tests.stages.edited_run import NECK, UNTIL, EditedRun, longer
from tests.support.kills import killed_at

pytestmark = pytest.mark.usefixtures("unchecked")


# --- what was edited by hand ---


@pytest.mark.parametrize("file", ("pipeline.config", "stage.json"))
@pytest.mark.parametrize(
    ("stages", "begun", "options"),
    (
        ((HEAD, dataclasses.replace(longer(ALL, 90), conduct=UNTIL)), False, {}),
        ((HEAD,), False, {}),
        ((HEAD, dataclasses.replace(longer(ALL, 90), conduct=UNTIL)), True,
         {"allow": ["used_model_dir"]}),
    ),
    ids=("not begun", "not in the plan", "begun, with the flag"),
)  # fmt: skip
def test_what_was_edited_by_hand_needs_force(
    run: EditedRun, stages: tuple[Stage, ...], begun: bool, options: dict[str, Any], file: str
) -> None:
    run.lay_out(HEAD, dataclasses.replace(ALL, conduct=UNTIL))
    if begun:
        run.begin("02_all")
    run.edit("02_all", file)
    assert run.refuse(*stages, **options) == (
        f"{run.out / '02_all/pipeline.config'} was edited since the plan was written there, and"
        " differs from what the plan gives; put the edit into the plan, or give --force to"
        " overwrite it"
    )
    run.lay_out(*stages, force=True, **options)
    planned = plan_stages(Plan(run.base, stages), run.out)
    assert run.names() == [one.directory.name for one in planned]
    assert all(one.config_path.read_bytes() == one.data for one in planned)


def test_an_edit_that_the_plan_took_over_is_no_obstacle(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    new = plan_stages(Plan(run.base, (HEAD, longer(ALL, 90))), run.out)[1]
    new.config_path.write_bytes(new.data)
    assert run.lay_out(HEAD, longer(ALL, 90)).changes == ()


def test_where_nobody_knows_who_wrote_a_config_it_is_kept(run: EditedRun) -> None:
    write_stages(Plan(run.base, (HEAD, NECK, ALL)), run.out)
    neck, last = (run.edit(name).read_bytes() for name in ("02_neck", "03_all"))
    kept = run.out / "02_neck" / BEFORE_NAME, run.out / "03_all" / BEFORE_NAME
    assert run.lay_out(HEAD, longer(NECK, 90)).changes == (
        "03_all is not in the plan any more and had not begun: removed; a config that it had is"
        f" kept as {kept[1]}",
        f"02_neck has not begun: its config is what the plan gives now; the one before is kept as"
        f" {kept[0]}",
    )
    assert [path.read_bytes() for path in kept] == [neck, last]
    assert [path.name for path in kept[1].parent.iterdir()] == [BEFORE_NAME]
    run.lay_out(HEAD)  # it knows them now; what was kept of them stays
    assert [path.read_bytes() for path in kept] == [neck, last]
    assert run.lay_out(HEAD, longer(NECK, 90)).changes == ()


# --- all or nothing ---


def test_a_plan_that_is_refused_touches_nothing(run: EditedRun) -> None:
    run.lay_out(HEAD, NECK, ALL)
    wrong = dataclasses.replace(NECK, update_trainable_variables=("^nothing",))
    assert "matches none of" in run.refuse(HEAD, wrong)


def test_what_is_in_the_way_of_a_new_stage_is_found_before_any_is_removed(run: EditedRun) -> None:
    run.lay_out(HEAD, NECK)
    (run.out / "02_all/pipeline.config").mkdir(parents=True)
    assert run.refuse(HEAD, ALL).startswith(
        f"{run.out / '02_all/pipeline.config'} is there and differs from what the plan gives"
    )


def test_a_base_that_cannot_be_read_touches_nothing(run: EditedRun) -> None:
    run.lay_out(HEAD, ALL)
    run.base.unlink()
    before = snapshot(run.out)
    with pytest.raises(ConfigError, match="there is no file"):
        run.lay_out(HEAD)
    assert snapshot(run.out) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_at_any_moment_the_same_call_finishes_it(
    run: EditedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("restage", "staging"):  # what a check says is not what can be half done
        monkeypatch.setattr(
            f"odfreeze.stages.{module}.judge_stages", lambda staged, *_, **__: staged
        )
    old = (HEAD, longer(ALL, 90), dataclasses.replace(NECK, conduct=UNTIL))
    new = (HEAD, dataclasses.replace(ALL, conduct=UNTIL), Stage("rest", 30))
    run.lay_out(*old)
    run.begin("01_head")
    (run.out / "03_neck/model/odfreeze").mkdir(parents=True)
    (run.out / "03_neck/model/odfreeze/train.log").write_text("")
    shutil.copytree(run.out, run.out.with_name("before"))
    whole = {one.config_path: {one.data} for one in plan_stages(Plan(run.base, old), run.out)}
    for one in plan_stages(Plan(run.base, new), run.out):
        whole.setdefault(one.config_path, set()).add(one.data)
    kills = 0
    while killed_at(kills, lambda: restage(Plan(run.base, new), run.out, run.written)):
        assert all(path.read_bytes() in whole[path] for path in run.out.glob("*/pipeline.config"))
        restage(Plan(run.base, new), run.out, run.written)
        assert contents(run.out) == {
            "01_head/pipeline.config", "01_head/model/checkpoint", "02_all/pipeline.config",
            "02_all/stage.json", "03_rest/pipeline.config",
        }  # fmt: skip
        shutil.rmtree(run.out)
        shutil.copytree(run.out.with_name("before"), run.out)
        kills += 1
    assert kills >= 10


def contents(out: Path) -> set[str]:
    """Returns the files of all stages; what a kill leaves of one that is gone is no stage."""
    stages = {path.parent.name for path in out.glob("*/pipeline.config")}
    return {name for name in snapshot(out) if name.partition("/")[0] in stages}
