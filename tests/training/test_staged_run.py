"""Two stages and stock on the real OD API: frozen values stand still, and only with odfreeze."""

from __future__ import annotations

import json
import subprocess

import pytest

from odfreeze.runs.record import read_record
from odfreeze.training import compat
from odfreeze.training.staged import is_finished, train_stages
from tests.training.runs import BACKBONE, odfreeze, slots, step_of, values

pytestmark = pytest.mark.train


def in_state(stage, *states):
    record = read_record(stage.model_dir)
    return {one.object_path for one in record.variables if one.state in states}


def changed(before, after, paths):
    return {path for path in paths if before[path] != after[path]}


def test_no_frozen_value_and_no_held_statistic_changes_by_one_bit_over_two_stages(
    workspace, staged_run
):
    first, second = staged_run.stages
    start, middle, end = (
        values(p) for p in (workspace.checkpoint, first.last_checkpoint, second.last_checkpoint)
    )
    still_in_first = in_state(first, "frozen", "held")
    still_in_second = in_state(second, "frozen", "held")
    assert len(still_in_first) == 178 + 112
    assert len(still_in_second) == 156 + 104
    assert changed(start, middle, still_in_first) == set()
    assert changed(middle, end, still_in_second) == set()
    assert changed(start, end, still_in_second) == set()


def test_the_heads_do_change(workspace, staged_run):
    first, second = staged_run.stages
    start, middle, end = (
        values(p) for p in (workspace.checkpoint, first.last_checkpoint, second.last_checkpoint)
    )
    # Of the towers below them some values stand still: their gradients round to nothing here.
    heads = {path for path in in_state(first, "trainable") if "_prediction_head" in path}
    assert heads
    assert changed(start, middle, heads) == heads
    assert changed(middle, end, heads) == heads


def test_stock_changes_what_the_same_config_freezes(workspace, staged_run, stock_run):
    first = staged_run.stages[0]
    start, end = values(workspace.checkpoint), values(latest(stock_run))
    frozen, held = in_state(first, "frozen"), in_state(first, "held")
    assert changed(start, end, held) == held
    backbone = {path for path in frozen if "/classification_backbone/" in path}
    kernels = {path for path in backbone if path.endswith("kernel")}
    assert changed(start, end, kernels) == kernels
    # Stock updates them all; of the coarsest level, one pixel here, some updates round to nothing.
    assert len(changed(start, end, frozen)) > 0.95 * len(frozen)


def test_stock_takes_a_hundred_steps_where_forty_were_asked_for(stock_run):
    assert step_of(latest(stock_run)) == 100


def test_exactly_the_steps_asked_for_are_taken_and_the_last_is_saved(staged_run):
    first, second = staged_run.stages
    assert step_of(first.last_checkpoint) == 250
    assert step_of(second.last_checkpoint) == 107
    assert [result.step for result in staged_run.results] == [250, 107]


def test_the_state_file_names_the_last_checkpoint(staged_run):
    import tensorflow as tf

    for stage in staged_run.stages:
        assert tf.train.latest_checkpoint(str(stage.model_dir)) == str(stage.last_checkpoint)


def test_frozen_variables_have_no_optimizer_slot(staged_run):
    for stage in staged_run.stages:
        with_slot = slots(stage.last_checkpoint)
        assert with_slot
        assert with_slot <= in_state(stage, "trainable")


def test_each_stage_is_verified_and_the_verification_kept(staged_run):
    for stage, result in zip(staged_run.stages, staged_run.results, strict=True):
        assert result.verification.ok
        kept = json.loads((stage.model_dir / "odfreeze" / "verification.json").read_text())
        assert kept == result.verification.to_json()


def test_the_record_says_what_was_decided_and_with_what(staged_run):
    record = read_record(staged_run.stages[1].model_dir)
    assert record.num_steps == 107
    assert record.start_step == 0
    assert record.fine_tune_checkpoint == str(staged_run.stages[0].last_checkpoint)
    names = [measure.name for measure in compat.MEASURES]
    assert record.measures == tuple(name for name in names if name in record.measures)
    assert "control-flow-names" in record.measures  # every TensorFlow from 2.14 on
    assert {"odfreeze", "python", "tensorflow", "protobuf"} <= record.versions.keys()


def test_the_events_tell_the_stages_in_order(staged_run):
    kinds = [e["kind"] for e in staged_run.events if e["kind"] in ("stage", "done", "verified")]
    assert kinds == ["stage", "done", "verified"] * 2


def test_running_a_finished_plan_again_does_nothing(staged_run):
    before = {path: path.stat().st_mtime_ns for path in files_of(staged_run)}
    events: list[dict] = []
    directory = staged_run.stages[0].config.parent.parent
    assert train_stages(directory, watch=events.append) == ()
    assert [e["kind"] for e in events] == ["run", "skipped", "skipped"]
    assert [stage["is_due"] for stage in events[0]["stages"]] == [False, False]
    assert {path: path.stat().st_mtime_ns for path in files_of(staged_run)} == before


def test_a_cut_checkpoint_is_not_taken_for_a_whole_one(staged_run, tmp_path):
    stage = staged_run.stages[1]
    data = stage.last_checkpoint.with_name(stage.last_checkpoint.name + ".data-00000-of-00001")
    whole = data.read_bytes()
    assert is_finished(stage)
    try:
        data.write_bytes(whole[:-1])
        assert not is_finished(stage)
    finally:
        data.write_bytes(whole)
    assert is_finished(stage)


def test_no_checkpoint_of_a_run_holds_the_step_under_the_model(staged_run):
    import tensorflow as tf

    for stage in staged_run.stages:
        keys = tf.train.load_checkpoint(str(stage.last_checkpoint)).get_variable_to_shape_map()
        assert [key for key in keys if "_training_step" in key] == []


def test_a_checkpoint_of_stock_that_holds_it_does_not_move_the_step(workspace, stock_run):
    """Stock's own fine-tuning from it would start at step 100 and see the rate of the end."""
    checkpoint = latest(stock_run)
    assert step_of(checkpoint) == 100
    config = workspace.config_with(
        "after_stock.config",
        fine_tune_checkpoint=checkpoint,
        freeze_variables=[BACKBONE],
        num_steps=3,
    )
    model_dir = workspace.root / "after_stock"
    arguments = ("--pipeline_config_path", str(config), "--model_dir", str(model_dir))
    done = subprocess.run(
        odfreeze("train", *arguments), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert step_of(model_dir / "ckpt-3") == 3


def latest(model_dir):
    import tensorflow as tf

    return tf.train.latest_checkpoint(str(model_dir))


def files_of(run):
    return [p for stage in run.stages for p in stage.config.parent.rglob("*") if p.is_file()]
