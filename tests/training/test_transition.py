"""Runs that a metric ends: the OD API's own train_loop and evaluation on a tiny detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.runs.ending import ending_path
from odfreeze.runs.record import digest, read_record
from odfreeze.runs.stage_runs import find_stages, is_finished
from odfreeze.stages.conduct import Conduct, Until
from odfreeze.stages.plan import Plan, Stage
from odfreeze.stages.staging import write_stages
from odfreeze.training.evaluation_child import evaluate_checkpoint
from odfreeze.training.handover import handed_on_step
from odfreeze.training.launch import train
from odfreeze.training.shapes import write_shapes
from odfreeze.training.staged import train_stages
from tests.training.replica_child import write_python
from tests.training.test_strategies import run_workers
from tests.training.tiny import BACKBONE, Tiny, Trained, eagerly, train_tiny, variables_of

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
    """A config whose rate is too small to change a loss by much: the metric has a plateau."""
    rate = "constant_learning_rate { learning_rate: 1e-5 }"
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
        int(path.stem.removeprefix("ckpt-")) for path in trained.model_dir.glob("ckpt-*.index")
    )
    assert left == [1, 3, 4, 5, 6, 7, 8, 9]


def test_the_next_run_starts_from_the_best_to_the_bit(tiny, plateau, tmp_path):
    handed_on = plateau.model_dir / "handover"
    assert same_values(handed_on, plateau.model_dir / "ckpt-2")
    assert not same_values(handed_on, plateau.model_dir / "ckpt-6")
    assert any("OPTIMIZER_SLOT" in key for key in variables_of(handed_on))
    config = tiny.config("next", freeze="")
    text = config.read_text("utf-8").replace(tiny.checkpoint.as_posix(), handed_on.as_posix())
    config.write_text(text, "utf-8")
    started = train_tiny(config, tmp_path / "next", 1)
    assert starts_from(started.model_dir, handed_on)


def starts_from(model_dir: Path, prefix: Path) -> bool:
    """Whether a run began with a checkpoint's values, all of them, to the bit."""
    record = read_record(model_dir)
    with Checkpoint.open(prefix) as checkpoint:
        values = {one.object_path: one for one in checkpoint.variables}
        return bool(record.variables) and all(
            digest(checkpoint.chunks(values[one.object_path])) == one.digest
            for one in record.variables
        )


class TestEvaluated:
    @pytest.fixture(scope="class")
    def evaluated(self, tiny: Tiny, tmp_path_factory) -> Trained:
        """Two steps and a look; the config's evaluation is of moving averages."""
        config = tiny.config("evaluated", average=True)
        ends = conduct(patience=6, every=2, metric=MAP)
        return train_tiny(config, tmp_path_factory.mktemp("map") / "run", 2, conduct=ends)

    def test_it_looks_at_the_metric(self, evaluated):
        event = evaluated.event("evaluated")
        assert event["step"] == 2
        assert set(event["metrics"]) >= {MAP, "Loss/total_loss"}
        (look,) = looks_of(evaluated.model_dir)["looks"]
        assert look == {"step": 2, "value": event["metrics"][MAP], "best": True}
        assert evaluated.event("decided")["reason"] == "max_steps"

    def test_it_gives_what_the_stock_evaluation_of_the_checkpoint_gives(self, tiny, evaluated):
        import tensorflow as tf

        config, last = tiny.root / "evaluated.config", evaluated.run.manager.latest_checkpoint
        one = tf.distribute.OneDeviceStrategy("/cpu:0")  # without any, stock cannot swap averages
        with eagerly(True), one.scope():
            found = evaluate_checkpoint(str(config), last, str(evaluated.model_dir / "stock"))
        stock, ours = dict(found["metrics"]), evaluated.event("evaluated")["metrics"]
        # The images come in no fixed order: means of losses may round otherwise.
        assert ours == {name: pytest.approx(value, rel=1e-5) for name, value in stock.items()}

    def test_its_summaries_are_where_stock_has_them(self, evaluated, plateau):
        assert list((evaluated.model_dir / "eval").rglob("events.out.*"))
        assert not (plateau.model_dir / "eval").exists()

    @pytest.mark.slow
    def test_a_run_ends_with_the_values_of_one_without_evaluations(self, tiny, tmp_path):
        config, ends = tiny.config("seeded", average=True), []
        for name, metric in (("with", MAP), ("without", "Loss/total_loss")):
            told: list[dict] = []
            train(
                config,
                tmp_path / name,
                num_train_steps=6,
                seed=7,
                conduct=Conduct(until=Until(patience=6, every=2, metric=metric)),
                ignore=("ODF",),
                python=str(write_python(tmp_path / "python")),
                watch=told.append,
            )
            ends.append([event["step"] for event in told if event["kind"] == "evaluated"])
        assert ends == [[2, 4, 6], []]
        assert same_values(tmp_path / "with/ckpt-6", tmp_path / "without/ckpt-6")


@pytest.mark.slow
class TestStaged:
    """Two stages; the first hands on its best, and is killed between two looks."""

    @pytest.fixture(scope="class")
    def staged(self, tiny: Tiny, still: Path, tmp_path_factory) -> tuple[list[dict], Path]:
        folder = tmp_path_factory.mktemp("staged")
        ends = Conduct(until=Until(patience=4, every=2, min_delta=1000.0), handover="best")
        plan = Plan(still, (Stage("head", 40, (BACKBONE,), conduct=ends), Stage("all", 2)))
        write_stages(plan, folder, ignore=("ODF",))
        options: dict[str, Any] = {
            "python": str(write_python(folder / "python")),
            "checkpoint_every_n": 3,
            "flags": ("--record_summaries=false",),
            "ignore": ("ODF",),
        }
        events: list[dict] = []

        def kill(event: dict) -> None:
            events.append(event)
            if event["kind"] == "block" and event["step"] == 5:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            train_stages(folder, watch=kill, **options)
        train_stages(folder, watch=events.append, **options)
        return events, folder

    def test_a_killed_run_takes_up_the_looks_of_what_was_saved(self, staged):
        events, folder = staged
        blocks = [event["step"] for event in events if event["kind"] == "block"]
        assert blocks == [1, 2, 3, 4, 5, 4, 5, 6, 2]
        kept = looks_of(folder / "01_head/model")
        assert [look["step"] for look in kept["looks"]] == [2, 4, 6]
        assert (kept["best_step"], kept["ended_at"], kept["reason"]) == (2, 6, "plateau")

    def test_a_look_behind_a_kill_is_at_all_its_blocks(self, staged):
        events, folder = staged
        blocks = [event for event in events if event["kind"] == "block"]
        losses = [event["scalars"]["Loss/total_loss"] for event in blocks]
        look = looks_of(folder / "01_head/model")["looks"][1]
        # Step 3 from before the kill, which its checkpoint has; step 4 as it was taken again.
        assert look["value"] == pytest.approx((losses[2] + losses[5]) / 2, rel=1e-6)

    def test_what_is_handed_on_is_the_best_to_the_bit(self, staged):
        model_dir = staged[1] / "01_head/model"
        assert same_values(model_dir / "handover", model_dir / "ckpt-2")
        assert not same_values(model_dir / "handover", model_dir / "ckpt-6")
        assert any("OPTIMIZER_SLOT" in key for key in variables_of(model_dir / "handover"))

    def test_the_next_stage_starts_from_it(self, staged):
        head, everything = find_stages(staged[1])
        assert head.last_checkpoint.name == "handover"
        record = read_record(everything.model_dir)
        assert record.fine_tune_checkpoint == head.last_checkpoint.as_posix()
        assert starts_from(everything.model_dir, head.last_checkpoint)

    def test_both_are_finished_and_verified(self, staged):
        events, folder = staged
        assert all(is_finished(stage) for stage in find_stages(folder))
        assert len([event for event in events if event["kind"] == "verified"]) == 2
        report = json.loads((folder / "01_head/model/odfreeze/report.json").read_text("utf-8"))
        assert report["ending"]["handover"] == {"kind": "best", "step": 2}
        assert (report["step"], report["verification"]["ok"]) == (6, True)


@pytest.mark.slow
def test_two_workers_end_at_one_look_and_go_on_from_what_the_chief_hands_on(tiny, still, tmp_path):
    write_shapes(tiny.records.parent, "more", images=8, size=32, seed=1)
    one = f'input_path: "{tiny.records.as_posix()}"'
    both = f'input_path: "{tiny.records.with_name("*.record").as_posix()}"'
    text = still.read_text("utf-8").replace(one, both, 1)
    config = tmp_path / "workers.config"
    in_order = "train_input_reader {\n  shuffle: false"
    config.write_text(text.replace("train_input_reader {", in_order, 1), "utf-8")
    ends = Conduct(until=Until(patience=4, every=2, min_delta=1000.0), handover="best")
    plan = Plan(config, (Stage("head", 40, (BACKBONE,), conduct=ends), Stage("all", 2)))
    folder = tmp_path / "stages"
    write_stages(plan, folder, ignore=("ODF",))
    command = ("train", f"--stages_dir={folder}", "--ignore=ODF", "--record_summaries=false")
    ended = run_workers(write_python(tmp_path / "python"), *command)
    assert [one.status for one in ended] == [0, 0], ended
    head, everything = find_stages(folder)
    assert (looks_of(head.model_dir)["ended_at"], looks_of(head.model_dir)["best_step"]) == (6, 2)
    assert same_values(head.last_checkpoint, head.model_dir / "ckpt-2")
    assert is_finished(head)
    assert is_finished(everything)


@pytest.mark.slow
def test_a_run_on_two_replicas_evaluates_on_one_and_trains_on_both(tiny, tmp_path):
    config = tiny.config("mirrored_map", average=True)
    ends = Conduct(until=Until(patience=4, every=2, metric=MAP))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ODFREEZE_TEST_CPUS", "2")
        result = train(
            config,
            tmp_path / "run",
            num_train_steps=2,
            conduct=ends,
            ignore=("ODF",),
            python=str(write_python(tmp_path / "python")),
        )
    assert result.verification.ok
    (look,) = looks_of(tmp_path / "run")["looks"]
    assert (look["step"], look["best"]) == (2, True)
    assert handed_on_step(tmp_path / "run") == 2
