"""Runs that a metric ends: the OD API's own train_loop and evaluation on a tiny detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odfreeze.conduct import Conduct, Until
from odfreeze.ending import ending_path
from odfreeze.training.determinism import make_deterministic
from tests.training.tiny import Tiny, Trained, train_tiny, variables_of

pytestmark = pytest.mark.train

MAP = "DetectionBoxes_Precision/mAP"


def conduct(handover: Any = "last", **until: Any) -> dict[str, Any]:
    return Conduct(until=Until(**until), handover=handover).to_json()


def looks_of(model_dir: Path) -> dict[str, Any]:
    return json.loads(ending_path(model_dir).read_text("utf-8"))


def same_values(one: Path | str, other: Path | str) -> bool:
    left, right = variables_of(one), variables_of(other)
    left.pop("save_counter")
    right.pop("save_counter")
    return left.keys() == right.keys() and all(
        left[key].tobytes() == right[key].tobytes() for key in left
    )


@pytest.fixture(scope="module")
def still(tiny: Tiny) -> Path:
    """A config whose rate is too small to change a loss: the metric has a plateau."""
    rate = "constant_learning_rate { learning_rate: 1e-12 }"
    return tiny.config("still", optimizer=f"momentum_optimizer {{ learning_rate {{ {rate} }} }}")


@pytest.fixture(scope="module")
def plateau(tiny: Tiny, still: Path, tmp_path_factory) -> Trained:
    """At most 40 steps, looked at every 2, that end after 4 without a gain of more than 1000."""
    ends = conduct("best", patience=4, every=2, min_delta=1000.0)
    return train_tiny(still, tmp_path_factory.mktemp("plateau") / "run", 40, conduct=ends)


def test_a_plateau_ends_a_run_before_its_steps_are_taken(plateau):
    assert plateau.run.step == 6
    kept = looks_of(plateau.model_dir)
    assert (kept["best_step"], kept["ended_at"], kept["reason"]) == (2, 6, "plateau")
    decided = plateau.event("decided")
    assert (decided["step"], decided["handover"], decided["reason"]) == (6, 2, "plateau")
    assert decided["sentence"] == kept["sentence"]
    assert "the stage ends, at step 6 of at most 40" in kept["sentence"]


def test_each_look_at_a_loss_is_the_mean_of_its_blocks(plateau):
    losses = {
        event["step"]: event["scalars"]["Loss/total_loss"]
        for event in plateau.events
        if event["kind"] == "block"
    }
    assert list(losses) == list(range(1, 7))
    for look in looks_of(plateau.model_dir)["looks"]:
        mean = (losses[look["step"] - 1] + losses[look["step"]]) / 2
        assert look["value"] == pytest.approx(mean, rel=1e-6)


def test_its_last_step_is_saved_and_proven(plateau):
    assert plateau.run.manager.latest_checkpoint.endswith("ckpt-6")
    assert plateau.run.saved_step == 6
    assert (plateau.model_dir / "ckpt-2.index").exists()
    assert [
        group.changed for group in (plateau.verification.frozen, plateau.verification.held)
    ] == [
        (),
        (),
    ]


def test_the_best_checkpoint_outlives_those_that_are_pruned(tiny, still, tmp_path):
    ends = conduct("best", patience=100, every=1, min_delta=1000.0)
    trained = train_tiny(still, tmp_path / "run", 9, conduct=ends, checkpoint_every_n=1)
    left = sorted(
        int(path.stem.removeprefix("ckpt-")) for path in trained.model_dir.glob("*.index")
    )
    assert left == [1, 3, 4, 5, 6, 7, 8, 9]


def test_a_misspelt_loss_is_told_with_those_that_there_are(tiny, still, tmp_path):
    from odfreeze.errors import TrainingRefusedError

    ends = conduct(patience=2, metric="Loss/totl_loss")
    with pytest.raises(TrainingRefusedError) as caught:
        train_tiny(still, tmp_path / "run", 4, conduct=ends)
    assert "no metric 'Loss/totl_loss'; did you mean 'Loss/total_loss'?" in caught.value.message
    assert "Loss/classification_loss" in caught.value.message


class TestEvaluated:
    @pytest.fixture(scope="class")
    def pair(self, tiny: Tiny, tmp_path_factory) -> tuple[Trained, Trained]:
        """The same seeded run twice: with two evaluations, and without."""
        config = tiny.config("evaluated", average=True)
        folder, found = tmp_path_factory.mktemp("evaluated"), []
        for name, metric in (("with", MAP), ("without", "Loss/total_loss")):
            make_deterministic(7)
            ends = conduct(patience=6, every=2, metric=metric)
            trained = train_tiny(config, folder / name, 4, traced=True, conduct=ends)
            found.append(trained)
        return found[0], found[1]

    def test_the_run_ends_with_the_values_of_one_without(self, pair):
        one, other = pair
        assert same_values(one.run.manager.latest_checkpoint, other.run.manager.latest_checkpoint)

    def test_it_looks_at_the_metric_every_so_many_steps(self, pair):
        evaluated = [event for event in pair[0].events if event["kind"] == "evaluated"]
        assert [event["step"] for event in evaluated] == [2, 4]
        assert all(set(event["metrics"]) >= {MAP, "Loss/total_loss"} for event in evaluated)
        looks = looks_of(pair[0].model_dir)["looks"]
        assert [look["value"] for look in looks] == [e["metrics"][MAP] for e in evaluated]
        assert not [event for event in pair[1].events if event["kind"] == "evaluated"]

    def test_it_gives_what_the_stock_evaluation_gives(self, tiny, pair):
        from odfreeze.training.evaluation_child import evaluate_checkpoint

        trained = pair[0]
        last = trained.run.manager.latest_checkpoint
        config = tiny.root / "evaluated.config"
        stock = evaluate_checkpoint(str(config), last, str(trained.model_dir.parent / "stock"))
        ours = [event for event in trained.events if event["kind"] == "evaluated"][-1]["metrics"]
        assert dict(stock["metrics"]) == ours

    def test_its_summaries_are_where_stock_has_them(self, pair):
        assert list((pair[0].model_dir / "eval").rglob("events.out.*"))
        assert not (pair[1].model_dir / "eval").exists()
