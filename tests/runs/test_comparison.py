"""Runs side by side: what is read of each, and what keeps them from being comparable."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.errors import UsageError
from odfreeze.runs.comparison import compared, find_runs, read_run
from odfreeze.runs.curves import CurvesWriter
from tests.support.compared_runs import (
    HEAD,
    LOWER,
    MEAN_AP,
    config_text,
    write_evaluation,
    write_single,
    write_staged,
)


def differences(*runs: Path) -> dict[str, tuple[str, ...]]:
    return {one.what: one.values for one in compared(find_runs(runs)).differences}


class TestARun:
    def test_of_stages_adds_them_up(self, tmp_path):
        run = read_run(
            write_staged(
                tmp_path / "run",
                {"freeze": (LOWER,), "steps": 10, "seconds": 30.0, "memory": 500},
                {"freeze": ("^(bn_)?Conv1",), "steps": 20, "seconds": 40.0, "memory": 700},
            )
        )
        assert (run.steps, run.seconds, run.peak_memory_bytes) == (30, 70.0, 700)
        assert run.status == "verified"

    def test_trains_at_most_what_its_largest_stage_does(self, tmp_path):
        run = read_run(write_staged(tmp_path / "run", {"freeze": (LOWER,)}, {"freeze": (HEAD,)}))
        alone = [
            read_run(write_single(tmp_path / str(n), pattern)).trained_at_most
            for n, pattern in enumerate((LOWER, HEAD))
        ]
        assert run.trained_at_most == max(alone)

    def test_trains_ever_what_any_of_its_stages_does(self, tmp_path):
        run = read_run(write_staged(tmp_path / "run", {"freeze": (LOWER,)}, {"freeze": (HEAD,)}))
        assert run.trained_ever == run.parameters > run.trained_at_most > 0

    def test_may_be_a_single_training(self, tmp_path):
        run = read_run(write_single(tmp_path / "run", LOWER, steps=15, seconds=9.5))
        assert (run.name, run.steps, run.seconds) == (str(tmp_path / "run"), 15, 9.5)

    def test_has_the_evaluation_of_the_checkpoint_that_it_ends_with(self, tmp_path):
        run = write_staged(tmp_path / "run", {}, {})
        write_evaluation(run / "02_stage_2" / "model", run / "02_stage_2" / "pipeline.config", 0.25)
        evaluation = read_run(run).evaluation
        assert evaluation is not None
        assert evaluation.metrics[MEAN_AP] == 0.25

    def test_has_none_that_is_of_an_earlier_stage(self, tmp_path):
        run = write_staged(tmp_path / "run", {}, {})
        write_evaluation(run / "01_stage_1" / "model", run / "01_stage_1" / "pipeline.config", 0.25)
        assert read_run(run).evaluation is None

    def test_has_none_that_was_made_with_another_config(self, tmp_path):
        run = write_single(tmp_path / "run")
        other = tmp_path / "other.config"
        other.write_text(config_text(evaluation="elsewhere"), encoding="utf-8")
        write_evaluation(run, other, 0.25)
        assert read_run(run).evaluation is None

    def test_takes_the_evaluation_that_its_training_made_of_its_last_step(self, tmp_path):
        run = write_single(tmp_path / "run")
        write = CurvesWriter(run)
        write({"kind": "evaluated", "step": 5, "metrics": {MEAN_AP: 0.1}})
        write({"kind": "evaluated", "step": 10, "metrics": {MEAN_AP: 0.2}})
        evaluation = read_run(run).evaluation
        assert evaluation is not None
        assert (evaluation.step, evaluation.metrics[MEAN_AP]) == (10, 0.2)

    def test_takes_none_of_a_step_before(self, tmp_path):
        run = write_single(tmp_path / "run")
        CurvesWriter(run)({"kind": "evaluated", "step": 5, "metrics": {MEAN_AP: 0.1}})
        assert read_run(run).evaluation is None


@pytest.mark.parametrize(
    ("verified", "status"),
    [(True, "verified"), (False, "not verified"), (None, "unfinished")],
    ids=["verified", "not", "unfinished"],
)
def test_the_status_of_a_run(tmp_path, verified, status):
    assert read_run(write_single(tmp_path / "run", LOWER, verified=verified)).status == status


def test_a_run_that_stops_behind_its_first_stage_is_unfinished(tmp_path):
    run = write_staged(tmp_path / "run", {}, {"verified": None})
    assert read_run(run).status == "unfinished"


def test_a_comparison_is_ok_when_all_runs_are_verified(tmp_path):
    good, bad = write_single(tmp_path / "a"), write_single(tmp_path / "b", LOWER, verified=False)
    assert compared(find_runs([good])).ok
    assert not compared(find_runs([good, bad])).ok


def test_runs_of_the_same_data_and_start_do_not_differ(tmp_path):
    plans = ({"freeze": (LOWER,)}, {"freeze": (HEAD,)})
    staged = write_staged(tmp_path / "staged", *plans)
    assert differences(staged, write_single(tmp_path / "single", steps=99)) == {}


@pytest.mark.parametrize(
    ("options", "what", "before", "now"),
    [
        ({"batch": 4}, "batch size", "8", "4"),
        ({"checkpoint": "ckpt-9"}, "base checkpoint", "/zoo/ckpt-0 (type full)",
         "/zoo/ckpt-9 (type full)"),
        ({"training": "more"}, "training data",
         "tf_record_input_reader.input_path: /data/train.record",
         "tf_record_input_reader.input_path: /data/more.record"),
        ({"evaluation": "train"}, "evaluation data",
         "tf_record_input_reader.input_path: /data/test.record",
         "tf_record_input_reader.input_path: /data/train.record"),
        ({"seed": 7}, "seed", "none", "7"),
    ],
    ids=["batch size", "base checkpoint", "training data", "evaluation data", "seed"],
)  # fmt: skip
def test_what_differs_is_told_with_the_values_of_each_run(tmp_path, options, what, before, now):
    runs = write_single(tmp_path / "a"), write_single(tmp_path / "b", **options)
    assert differences(*runs) == {what: (before, now)}


def test_a_field_that_only_some_runs_have_is_told_of_these(tmp_path):
    one, other = write_single(tmp_path / "a"), write_single(tmp_path / "b")
    record = other / "odfreeze" / "record.json"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace("metrics_set:", "batch_size: 2 metrics_set:"), encoding="utf-8")
    assert differences(one, other) == {"evaluation": ("nothing of its own", "batch_size: 2")}


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_directory_without_a_run_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=name):
        read_run(tmp_path / name)


def test_a_run_that_is_given_twice_is_refused(tmp_path):
    run = write_single(tmp_path / "run")
    with pytest.raises(UsageError, match="given twice; give each run once"):
        find_runs([run, tmp_path / "." / "run"])
