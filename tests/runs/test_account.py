"""The account of a fine-tuning: what a run's directory tells, whatever is missing of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odfreeze.errors import RemotePathError, UsageError
from odfreeze.report.account import account_json
from odfreeze.runs.account import read_account
from odfreeze.runs.state import RunState, StageState, write_run_state
from odfreeze.stages.conduct import Conduct, Rate, Until
from tests.support.account_runs import LOSS, MAP, change_json, write_staged, write_trained
from tests.support.tiny_detector import write_detector


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return write_staged(tmp_path_factory.mktemp("finished") / "run")


def notes_of(account):
    return [*account.notes, *(note for one in account.stages for note in one.run.notes)]


def test_a_finished_run_tells_its_stages(finished):
    account = read_account(finished)
    assert (account.kind, account.is_finished, notes_of(account)) == ("plan", True, [])
    assert [one.run.name for one in account.stages] == ["01_head", "02_more"]
    assert [one.run.title for one in account.stages] == ["head", "more"]
    assert [(one.first_step, one.last_step) for one in account.stages] == [(0, 10), (10, 20)]
    assert (account.steps, account.seconds) == (20, 180.0)
    first = account.stages[0].run
    assert first.verdict.ok
    assert first.verdict.row("frozen").changed == 0
    assert first.verdict.row("trainable").changed == first.verdict.row("trainable").variables
    assert first.curves.scalar(LOSS) == ((5, 0.4), (10, 0.2))
    assert first.curves.metric(MAP) == ((5, 0.1), (10, 0.2))
    assert (first.peak_memory_bytes, first.steps_per_second) == (1 << 30, 2.5)
    assert {row.key: row.relative_change for row in first.movement}["head"] == 0.25
    assert first.versions == {"tensorflow": "2.21.0"}


def test_each_variable_opens_in_the_first_stage_in_which_it_learns(finished):
    account = read_account(finished)
    opened = {v.name: account.opened.get(v.object_path) for v in account.variables}
    assert opened["Predictor/BoxHead/kernel"] == 1
    assert opened["block_2_expand/kernel"] == 2
    assert opened["Conv1/kernel"] is None
    assert not any("moving_" in path for path in account.opened)
    parameters = {v.name: v.parameters for v in account.variables}
    by_stage = [account.opened_in(one) for one in account.groups.groups]
    assert sum(of.get(None, 0) for of in by_stage) == (
        parameters["Conv1/kernel"] + parameters["bn_Conv1/gamma"] + parameters["bn_Conv1/beta"]
    )
    assert account.opened_parameters + sum(of.get(None, 0) for of in by_stage) == account.parameters


def test_a_later_stage_is_compared_with_the_one_before(finished):
    first, second = read_account(finished).stages
    assert (first.diff, first.diff_against) == ("", "")
    assert second.diff_against == "01_head/pipeline.config"
    assert '-  freeze_variables: "^block_"\n' in second.diff
    assert '   freeze_variables: "^bn_"\n' in second.diff


def test_the_first_stage_is_compared_with_the_plans_base(finished, tmp_path):
    root = write_staged(tmp_path / "run")
    base = tmp_path / "base.config"
    base.write_text("model { ssd { num_classes: 3 } }\n")
    plan = tmp_path / "my.plan"
    plan.write_text('base_config: "base.config"\nstage { name: "head" num_steps: 10 }\n')
    write_run_state(RunState((), str(plan)), root)
    first = read_account(root).stages[0]
    assert first.diff_against == str(base)
    assert "-model { ssd { num_classes: 3 } }\n" in first.diff


def test_a_base_that_is_gone_is_a_note(tmp_path):
    root = write_staged(tmp_path / "run")
    write_run_state(RunState((), str(tmp_path / "no.plan")), root)
    account = read_account(root)
    assert account.stages[0].diff_against == ""
    (note,) = account.notes
    assert note.startswith("the plan's base config is not at hand: there is no file")


def test_a_stage_that_has_not_begun_shows_what_its_config_will_do(tmp_path):
    account = read_account(write_staged(tmp_path / "run", trained=1))
    first, second = account.stages
    assert (first.run.state, second.run.state) == ("finished", "waiting")
    assert (first.is_planned, second.is_planned) == (False, True)
    opened = {v.name: account.opened.get(v.object_path) for v in account.variables}
    assert opened["block_2_expand/kernel"] == 2
    assert (account.is_finished, second.run.step, second.last_step) == (False, None, 20)


def test_before_anything_has_begun_the_checkpoint_lists_the_model(tmp_path):
    account = read_account(write_staged(tmp_path / "run", trained=0))
    assert {one.run.state for one in account.stages} == {"waiting"}
    assert account.opened_parameters > 0
    assert account.seconds is None


def test_without_a_checkpoint_either_there_is_no_model_to_show(tmp_path):
    root = write_staged(tmp_path / "run", trained=0)
    for index in root.rglob("*.index"):
        index.unlink()
    account = read_account(root)
    assert (account.variables, account.groups, account.opened) == ((), None, {})
    assert account.notes[0].startswith("the model cannot be listed: ")


def test_a_run_that_was_cut_off_is_not_finished(tmp_path):
    root = write_staged(tmp_path / "run", trained=1)
    for name in ("verification.json", "report.json"):
        (root / "01_head/model/odfreeze" / name).unlink()
    first = read_account(root).stages[0].run
    assert (first.state, first.step, first.verdict, first.movement) == ("unfinished", 10, None, ())
    assert first.curves.scalars


def test_a_stage_of_which_a_frozen_value_changed_failed(tmp_path):
    root = write_staged(tmp_path / "run", changed=("frozen", "trainable", "updating"))
    account = read_account(root)
    assert [one.run.state for one in account.stages] == ["failed", "failed"]
    frozen = account.failed[0].run.verdict.row("frozen")
    assert frozen.changed == frozen.variables == len(frozen.names) > 0
    assert account.failed[0].run.verdict.reasons


def test_a_stage_whose_training_failed_says_why(tmp_path):
    root = write_staged(tmp_path / "run", trained=1)
    write_run_state(RunState((StageState("02_more", "failed", reason="out of memory"),)), root)
    second = read_account(root).stages[1].run
    assert (second.state, second.reason) == ("failed", "out of memory")


def test_the_time_of_all_sittings_counts(tmp_path):
    root = write_staged(tmp_path / "run", trained=1)
    write_run_state(RunState((StageState("01_head", "finished", seconds=500.0),)), root)
    assert read_account(root).seconds == 500.0


def test_a_stage_that_a_metric_ended_tells_why_and_the_next_begins_there(tmp_path):
    root = write_staged(tmp_path / "run")
    conduct = Conduct((Rate("^block_", 0.1),), Until(patience=5, max_steps=100))
    (root / "01_head/stage.json").write_bytes(conduct.to_bytes())
    told = {"version": 1, "sentence": "Loss/total_loss got no better", "ended_at": 7}
    (root / "01_head/model/odfreeze/until.json").write_text(json.dumps(told))
    change_json(root / "01_head/model/odfreeze/report.json", step=7)
    first, second = read_account(root).stages
    assert first.run.ending == "Loss/total_loss got no better"
    assert first.run.conduct.rates == (Rate("^block_", 0.1),)
    assert second.first_step == 7


def test_a_best_checkpoint_that_is_handed_on_is_told(tmp_path):
    root = write_staged(tmp_path / "run", trained=1)
    ending = {"sentence": "mAP got no better", "ended_at": 10, "handover": {"step": 6}}
    change_json(root / "01_head/model/odfreeze/report.json", ending=ending)
    told = read_account(root).stages[0].run.ending
    assert told == "mAP got no better; it hands on its best checkpoint, that of step 6"


def test_what_a_run_was_given_on_the_command_line_is_in_its_record(tmp_path):
    config = write_detector(tmp_path, "^Conv1")
    conduct = Conduct((Rate("^block_", 0.5),))
    run = write_trained(tmp_path / "mine", config, conduct=conduct.to_json())
    assert read_account(run).stages[0].run.conduct == conduct


def test_the_model_dir_of_one_run_is_a_run(tmp_path):
    config = write_detector(tmp_path, "^Conv1")
    account = read_account(write_trained(tmp_path / "mine", config))
    (only,) = account.stages
    assert (account.kind, only.run.name, only.run.state) == ("run", "mine", "finished")
    assert only.run.config_text == config.read_text()


def test_the_model_dir_of_a_stage_has_the_stages_name(finished):
    assert read_account(finished / "01_head/model").stages[0].run.name == "01_head"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "is not a directory: give the directory that `odfreeze stage` wrote"),
        (lambda path: path.mkdir(), "holds no run: give the directory that `odfreeze stage` wrote"),
        (lambda path: path.write_text("x"), "is not a directory: "),
    ],
    ids=["nothing", "empty", "a file"],
)
def test_what_is_no_run_is_refused(tmp_path, make, message):
    make(tmp_path / "x")
    with pytest.raises(UsageError) as refused:
        read_account(tmp_path / "x")
    assert message in str(refused.value)


def test_a_remote_directory_is_refused():
    with pytest.raises(RemotePathError):
        read_account("gs://bucket/run")


KEPT = [
    "01_head/pipeline.config",
    "01_head/stage.json",
    "01_head/model/checkpoint",
    "01_head/model/ckpt-10.index",
    "01_head/model/odfreeze/record.json",
    "01_head/model/odfreeze/report.json",
    "01_head/model/odfreeze/verification.json",
    "01_head/model/odfreeze/until.json",
    "01_head/model/odfreeze/curves.jsonl",
    "run.json",
]
DAMAGE = {
    "empty": b"",
    "cut off": b'{"version": 1, ',
    "binary": bytes(range(256)),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", KEPT)
def test_a_damaged_file_costs_what_it_would_have_told_and_no_more(finished, tmp_path, name, damage):
    root = shutil.copytree(finished, tmp_path / "run")
    (root / name).write_bytes(damage)
    account = read_account(root)
    assert len(account.stages) == 2
    assert account.stages[1].run.state == "finished"
    # A state file may name none; one line without its end is that of a run that was cut off; of a
    # config that is empty the record has the text.
    is_silent = name.endswith(("/checkpoint", ".jsonl"))
    if not (is_silent or (name.endswith(".config") and damage == b"")):
        assert notes_of(account)
    json.dumps(account_json(account))


def test_a_run_json_of_another_version_is_not_used(finished, tmp_path):
    root = shutil.copytree(finished, tmp_path / "run")
    (root / "run.json").write_text('{"version": 2, "stages": []}')
    assert notes_of(read_account(root)) == [
        f"{root / 'run.json'} is damaged, or of another version of odfreeze; what it told is left"
        " out"
    ]


@pytest.mark.parametrize("name", KEPT)
def test_a_missing_file_costs_no_more(finished, tmp_path, name):
    root = shutil.copytree(finished, tmp_path / "run")
    (root / name).unlink(missing_ok=True)
    account = read_account(root)
    assert len(account.stages) == 2
    json.dumps(account_json(account))


def test_a_stage_that_was_trained_is_one_without_its_config_too(finished, tmp_path):
    root = shutil.copytree(finished, tmp_path / "run")
    config = root / "01_head/pipeline.config"
    config.unlink()
    account = read_account(root)
    assert [one.run.name for one in account.stages] == ["01_head", "02_more"]
    assert notes_of(account) == [f"there is no file {config}; check the path"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=5), of, max_size=3),
    max_leaves=6,
)  # fmt: skip
REPORT_KEYS = (
    "step", "seconds", "seconds_to_first_step", "steps_per_second", "peak_memory_bytes", "started",
    "ended", "checkpoints", "movement",
)  # fmt: skip
VERDICT_KEYS = ("ok", "frozen", "held", "trainable", "updating", "reasons")


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    report=st.dictionaries(st.sampled_from(REPORT_KEYS), VALUES),
    verdict=st.dictionaries(st.sampled_from(VERDICT_KEYS), VALUES),
    until=VALUES,
)
def test_whatever_the_files_hold_there_is_an_account(any_run, report, verdict, until):
    from odfreeze.report.page import render_page

    kept = any_run / "01_head/model/odfreeze"
    for name, data in (("report", report), ("verification", verdict), ("until", until)):
        (kept / f"{name}.json").write_text(json.dumps(data))
    account = read_account(any_run)
    assert render_page(account)
    json.dumps(account_json(account), allow_nan=False)


@pytest.fixture(scope="module")
def any_run(tmp_path_factory) -> Path:
    return write_staged(tmp_path_factory.mktemp("any") / "run")
