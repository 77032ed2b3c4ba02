"""Plans run one after the other and compared, with trainings that only leave what one leaves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from odfreeze.errors import PlanError, TrainingFailedError, UsageError
from odfreeze.runs.evaluations import Evaluation
from odfreeze.training.comparison import compare_plans, compare_runs
from tests.support.compared_runs import LOWER, MEAN_AP, config_text, write_single, write_staged

RATE = (
    "  optimizer { momentum_optimizer { learning_rate {"
    " constant_learning_rate { learning_rate: 0.1 } } } }\n}\ntrain_input_reader"
)


class Stub:
    """Stands for what takes TensorFlow: trainings, by the plan's name, and evaluations.

    Attributes:
      fails: What the training of a plan raises, by its name.
      trained: The runs that were trained, in order.
      evaluated: The checkpoints that were evaluated, in order.
    """

    def __init__(self, ready: Path) -> None:
        self.fails: dict[str, Exception] = {}
        self.trained: list[str] = []
        self.evaluated: list[str] = []
        self._ready = ready

    def train_stages(self, directory: Path, **options: object) -> tuple[()]:
        self.trained.append(directory.name)
        if directory.name in self.fails:
            raise self.fails[directory.name]
        shutil.copytree(self._ready, directory, dirs_exist_ok=True)
        return ()

    def evaluate(self, config: object, checkpoint: Path, model_dir: Path, **_: object) -> object:
        self.evaluated.append(f"{model_dir.parent.parent.name}/{checkpoint.name}")
        return Evaluation(checkpoint.name, 10, {MEAN_AP: 0.5}, "key", 1.0, "")


@pytest.fixture
def stub(tmp_path, monkeypatch) -> Stub:
    stub = Stub(write_staged(tmp_path / "ready", {"freeze": (LOWER,)}))
    monkeypatch.setattr("odfreeze.training.staged.train_stages", stub.train_stages)
    monkeypatch.setattr("odfreeze.stages.staging.write_stages", lambda plan, directory, **_: ())
    monkeypatch.setattr("odfreeze.training.comparison.evaluate", stub.evaluate)
    return stub


@pytest.fixture
def plans(tmp_path) -> list[Path]:
    """Plans ``a`` and ``b``."""
    text = config_text().replace("}\ntrain_input_reader", RATE, 1)
    (tmp_path / "base.config").write_text(text, encoding="utf-8")
    files = [tmp_path / "a.plan", tmp_path / "b.plan"]
    for file in files:
        text = 'base_config: "base.config" stage { name: "stage_1" num_steps: 10 }'
        file.write_text(text, encoding="utf-8")
    return files


def test_plans_are_trained_then_evaluated_one_after_the_other(tmp_path, stub, plans):
    events: list[dict] = []
    found = compare_plans(plans, tmp_path / "runs", watch=events.append)
    assert stub.trained == ["a", "b"]
    assert stub.evaluated == ["a/ckpt-10", "b/ckpt-10"]
    assert events == [
        {"kind": "plan", "name": "a", "number": 1, "of": 2},
        {"kind": "evaluating", "run": "a", "checkpoint": "ckpt-10"},
        {"kind": "plan", "name": "b", "number": 2, "of": 2},
        {"kind": "evaluating", "run": "b", "checkpoint": "ckpt-10"},
    ]
    assert [(run.name, run.status) for run in found.runs] == [("a", "verified"), ("b", "verified")]
    assert [run.evaluation and run.evaluation.metrics for run in found.runs] == [{MEAN_AP: 0.5}] * 2
    assert found.ok


def test_a_plan_that_fails_does_not_keep_the_others_from_running(tmp_path, stub, plans):
    stub.fails["a"] = TrainingFailedError("no memory left", returncode=1)
    found = compare_plans(plans, tmp_path / "runs")
    assert [(run.status, run.failure) for run in found.runs] == [
        ("failed", "no memory left"),
        ("verified", ""),
    ]
    assert (found.ok, stub.evaluated) == (False, ["b/ckpt-10"])


def test_a_signal_ends_all_of_it(tmp_path, stub, plans):
    stub.fails["a"] = TrainingFailedError("ended by SIGINT", returncode=-2)
    stub.fails["a"].exit_status = 130  # type: ignore[attr-defined]
    with pytest.raises(TrainingFailedError, match="SIGINT"):
        compare_plans(plans, tmp_path / "runs")
    assert stub.trained == ["a"]


def test_a_plan_that_cannot_be_carried_out_is_told_before_anything_is_trained(
    tmp_path, stub, plans
):
    plans[1].write_text('base_config: "base.config" stage { name: "x" num_steps: 0 }')
    with pytest.raises(PlanError):
        compare_plans(plans, tmp_path / "runs")
    assert stub.trained == []


def test_a_seed_out_of_its_range_is_told_before_anything_is_written(tmp_path, stub, plans):
    with pytest.raises(UsageError, match="--seed is -4"):
        compare_plans(plans, tmp_path / "runs", seed=-4)
    assert not (tmp_path / "runs").exists()


def test_two_plans_of_one_name_are_refused(tmp_path, stub, plans):
    with pytest.raises(UsageError, match="two plans are called a"):
        compare_plans([plans[0], plans[0]], tmp_path / "runs")


def test_runs_are_evaluated_on_demand_only(tmp_path, stub):
    run = tmp_path / "ready"
    assert compare_runs([run]).runs[0].evaluation is None
    assert compare_runs([run], evaluating=True).runs[0].evaluation is not None
    assert stub.evaluated == ["ready/ckpt-10"]


def test_a_run_that_did_not_come_to_its_end_is_not_evaluated(tmp_path, stub):
    compare_runs([write_single(tmp_path / "cut_off", verified=None)], evaluating=True)
    assert stub.evaluated == []


def test_an_evaluation_that_fails_is_told_of_its_run(tmp_path, stub, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise TrainingFailedError("no such file", returncode=1)

    monkeypatch.setattr("odfreeze.training.comparison.evaluate", fail)
    found = compare_runs([tmp_path / "ready"], evaluating=True)
    assert (found.runs[0].failure, found.ok) == ("no such file", False)
