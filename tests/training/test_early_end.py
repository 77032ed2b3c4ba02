"""Stages that a metric ends: what the parent makes of it, with a child that pretends to train."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import TrainingFailedError, TrainingRefusedError
from odfreeze.runs.ending import Looks, write_looks
from odfreeze.runs.record import write_record
from odfreeze.stages.conduct import Conduct, Until
from odfreeze.training import transition
from odfreeze.training.launch import TrainingResult
from odfreeze.training.request import TrainingRequest
from odfreeze.training.transition import Transition, block_between_looks
from tests.support.fake_training import TRAINS, record_of, start, write_run
from tests.support.tiny_detector import write_detector

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts"),
]

UNTIL = Until(patience=4, every=2)
LAST, BEST = Conduct(until=UNTIL), Conduct(until=UNTIL, handover="best")
PLATEAU = [(2, 1.0), (4, 2.0), (6, 3.0)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config of 10 steps, and what a run of it leaves that a metric ended at 6: ``trained``."""
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    trained = tmp_path / "trained"
    write_run(trained, config, 2)
    write_run(trained, config, 6)
    write_looks(trained, Looks(list(PLATEAU)), UNTIL, 10)
    return config


def run_of(config: Path) -> Path:
    return config.parent / "run"


def handed_on(config: Path) -> int | None:
    with Checkpoint.open(run_of(config) / "handover") as checkpoint:
        return checkpoint.step


def report(config: Path) -> dict[str, Any]:
    return json.loads((run_of(config) / "odfreeze/report.json").read_text("utf-8"))


@pytest.mark.parametrize(("conduct", "step"), ((LAST, 6), (BEST, 2)), ids=("last", "best"))
def test_it_ends_before_its_steps_are_taken(config: Path, conduct: Conduct, step: int) -> None:
    result = start(config, TRAINS, conduct=conduct)
    assert (result.step, result.trained, result.verification.ok) == (6, True, True)
    assert handed_on(config) == step
    ending = report(config)["ending"]
    assert (ending["reason"], ending["ended_at"], ending["best_step"]) == ("plateau", 6, 2)
    assert ending["handover"] == {"kind": conduct.handover, "step": step}
    assert ending["until"]["patience"] == 4
    assert "the stage ends, at step 6 of at most 10" in ending["sentence"]


def test_the_child_is_told(config: Path) -> None:
    start(config, 'shutil.copy(sys.argv[3], HERE / "request.json")\n' + TRAINS, conduct=BEST)
    asked = json.loads((config.parent / "request.json").read_text())
    assert asked["conduct"] == BEST.to_json()


def test_without_a_metric_that_is_a_run_cut_short(config: Path) -> None:
    with pytest.raises(TrainingFailedError, match="the last checkpoint is of step 6, not 10"):
        start(config, TRAINS)


def test_asked_for_again_nothing_is_trained(config: Path) -> None:
    start(config, TRAINS, conduct=BEST)
    before = report(config)
    again = start(config, "sys.exit(7)", conduct=BEST)
    assert not again.trained
    assert report(config) == before


def killed(config: Path, *, step: int, handover: bool = False) -> None:
    """Leaves the directory of a run as it is after a kill, when step was saved."""
    start(config, TRAINS, conduct=BEST)
    folder = run_of(config)
    if not handover:
        for path in folder.glob("handover.*"):
            path.unlink()
    for name in ("verification.json", "report.json"):
        (folder / "odfreeze" / name).unlink()
    if step == 2:
        for path in folder.glob("ckpt-6.*"):
            path.unlink()
        (folder / "checkpoint").write_text('model_checkpoint_path: "ckpt-2"\n')


@pytest.mark.parametrize("handover", (False, True), ids=("before", "after"))
def test_ended_but_killed_around_the_handover_it_is_completed_without_training(
    config: Path, handover: bool
) -> None:
    killed(config, step=6, handover=handover)
    result = start(config, "sys.exit(7)", conduct=BEST)
    assert (result.trained, result.step, result.verification.ok) == (False, 6, True)
    assert handed_on(config) == 2
    assert report(config)["ending"]["handover"] == {"kind": "best", "step": 2}


def test_killed_before_the_last_checkpoint_it_is_trained_to_its_end(config: Path) -> None:
    killed(config, step=2)  # its looks are ahead of what was saved
    result = start(config, TRAINS, conduct=BEST)
    assert (result.trained, result.step) == (True, 6)
    assert handed_on(config) == 2


def test_while_it_is_trained_on_nothing_is_handed_on(config: Path) -> None:
    start(config, TRAINS, conduct=BEST)
    longer = Conduct(until=Until(patience=8, every=2), handover="best")
    with pytest.raises(TrainingFailedError):
        start(config, 'assert not (MODEL_DIR / "handover.index").exists()\n', conduct=longer)
    assert not (run_of(config) / "handover.index").exists()


def test_another_handover_of_an_ended_run_needs_no_training(config: Path) -> None:
    start(config, TRAINS, conduct=LAST)
    assert handed_on(config) == 6
    start(config, "sys.exit(7)", conduct=BEST)
    assert handed_on(config) == 2


def test_a_best_checkpoint_that_was_not_kept_is_told(config: Path) -> None:
    start(config, TRAINS, conduct=LAST)
    for path in run_of(config).glob("ckpt-2.*"):
        path.unlink()
    with pytest.raises(TrainingRefusedError, match="ckpt-2 was to be handed on, and is not there"):
        start(config, "sys.exit(7)", conduct=BEST)


def test_a_frozen_value_that_changed_in_what_is_handed_on_is_found(config: Path) -> None:
    write_run(config.parent / "trained", config, 2, changed=("frozen", "trainable", "updating"))
    write_run(config.parent / "trained", config, 6)
    result: TrainingResult = start(config, TRAINS, conduct=BEST)
    assert not result.verification.ok
    (reason,) = result.verification.reasons
    assert reason.startswith(f"{run_of(config) / 'handover'}, of step 2, which is handed on: ")
    assert reason.endswith("frozen variables changed")
    assert start(config, "sys.exit(7)", conduct=LAST).verification.ok  # that of step 6 is fine


def test_a_run_that_took_all_its_steps_before_it_had_a_metric_hands_on_its_last(
    config: Path,
) -> None:
    write_run(run_of(config), config, 10)
    write_record(record_of_run(config), run_of(config))
    start(config, "sys.exit(7)", conduct=BEST)
    assert handed_on(config) == 10


def record_of_run(config: Path) -> Any:
    from odfreeze.pipeline import PipelineConfig

    return record_of(PipelineConfig.read(config))


@pytest.mark.parametrize(
    ("metric", "options", "says"),
    (
        ("DetectionBoxes_Precision/map", {}, "no eval_input_reader"),
        ("mAP@.50IOU", {}, "no eval_input_reader"),
    ),
)
def test_a_metric_that_there_will_not_be_is_refused_before_anything_starts(
    config: Path, metric: str, options: dict[str, Any], says: str
) -> None:
    conduct = Conduct(until=Until(patience=4, metric=metric))
    with pytest.raises(TrainingRefusedError, match=says):
        start(config, TRAINS, conduct=conduct, **options)
    assert not run_of(config).exists()


READER = '\neval_input_reader { label_map_path: "a" }\n'


@pytest.mark.parametrize(
    ("cluster", "flags", "where"),
    (
        ('{"cluster": {"worker": ["localhost:1", "localhost:2"]}, "task": {"type": "worker",'
         ' "index": 0}}', ("--num_workers=2",), "with 2 workers"),
        (None, ("--use_tpu=true",), "on a TPU"),
    ),
    ids=("workers", "tpu"),
)  # fmt: skip
def test_an_evaluated_metric_is_refused_where_no_evaluation_is_made(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    cluster: str | None,
    flags: tuple[str, ...],
    where: str,
) -> None:
    config.write_text(config.read_text("utf-8") + READER, "utf-8")
    if cluster is not None:
        monkeypatch.setenv("TF_CONFIG", cluster)
    conduct = Conduct(until=Until(patience=4, metric="DetectionBoxes_Precision/mAP"))
    with pytest.raises(TrainingRefusedError, match=f"a run {where} does not make in between"):
        start(config, TRAINS, conduct=conduct, flags=flags)


@given(
    every=st.integers(1, 3000),
    num_steps=st.integers(1, 5000),
    checkpoint_every_n=st.integers(1, 2000),
    metric=st.sampled_from(("Loss/total_loss", "DetectionBoxes_Precision/mAP")),
)
def test_every_look_comes_behind_a_block_of_steps(
    every: int, num_steps: int, checkpoint_every_n: int, metric: str
) -> None:
    until = Until(patience=every, every=every, metric=metric)
    block = block_between_looks(until, num_steps, checkpoint_every_n)
    assert every % block == 0
    assert 1 <= block <= max(1, min(100, num_steps, checkpoint_every_n))
    if not until.is_evaluated:
        assert block * 10 <= every or block == 1  # several losses for each look


class FakeRun:
    """What `Transition` needs of a run; saves a checkpoint as an empty index."""

    def __init__(self, model_dir: Path, step: int = 0) -> None:
        self.model_dir, self.step, self.num_steps = model_dir, step, 10
        self.saved_step: int | None = step
        self.resumed, self.is_chief, self.is_ended = step > 0, True, False
        self.protected_steps: frozenset[int] = frozenset()
        self.manager = self

    def save(self) -> None:
        self.saved_step = self.step
        (self.model_dir / f"ckpt-{self.step}.index").touch()

    def end(self) -> None:
        self.is_ended = True


class TestInTheChild:
    @pytest.fixture(autouse=True)
    def _alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transition, "agree", lambda decisions, chief: decisions)
        monkeypatch.setattr(transition, "_log", lambda sentence: None)

    def trained(self, run: FakeRun, conduct: Conduct, losses: list[float]) -> list[dict[str, Any]]:
        """Takes a step for each loss; returns the events."""
        events: list[dict[str, Any]] = []
        request = TrainingRequest("a.config", str(run.model_dir), 10, conduct=conduct.to_json())
        found = Transition(request, lambda kind, **data: events.append({"kind": kind, **data}))
        found.begin(run)  # type: ignore[arg-type]
        for loss in losses:
            run.step += 1
            found.on_block(run, {"Loss/total_loss": loss})  # type: ignore[arg-type]
            if run.is_ended:
                break
        return events

    @pytest.mark.parametrize(
        ("conduct", "losses", "end", "saved"),
        (
            (LAST, [4, 3, 2, 1, 2, 3, 4, 5, 6, 7], 8, set()),
            (BEST, [4, 3, 2, 1, 2, 3, 4, 5, 6, 7], 8, {2, 4}),
            (BEST, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 10, {2, 4, 6, 8, 10}),
            (BEST, [float("nan")] * 10, 4, set()),
            (Conduct(), [1] * 10, 10, set()),
        ),
        ids=("last", "best", "falling", "no numbers", "no metric"),
    )
    def test_it_ends_and_saves_what_may_be_handed_on(
        self, tmp_path: Path, conduct: Conduct, losses: list[float], end: int, saved: set[int]
    ) -> None:
        run = FakeRun(tmp_path)
        events = self.trained(run, conduct, losses)
        assert run.step == end
        assert run.is_ended is (end < 10)
        assert {int(path.stem.removeprefix("ckpt-")) for path in tmp_path.glob("*.index")} == saved
        assert run.protected_steps == (frozenset({max(saved)}) if saved else frozenset())
        decided = [event for event in events if event["kind"] == "decided"]
        assert [event["step"] for event in decided] == ([end] if conduct.until else [])
        handed_on = max(saved) if saved else end
        assert all(event["handover"] == handed_on for event in decided)

    def test_a_best_that_was_not_saved_is_refused_before_any_step(self, tmp_path: Path) -> None:
        self.trained(FakeRun(tmp_path), LAST, [1, 1, 1])
        run = FakeRun(tmp_path, step=3)
        with pytest.raises(TrainingRefusedError, match=r"ckpt-2 is the best so far and is not"):
            self.trained(run, BEST, [1])
        self.trained(FakeRun(tmp_path, step=3), LAST, [1])

    def test_a_loss_that_there_is_not_is_told_with_those_that_there_are(
        self, tmp_path: Path
    ) -> None:
        conduct = Conduct(until=Until(patience=4, metric="Loss/totalloss"))
        with pytest.raises(TrainingRefusedError) as caught:
            self.trained(FakeRun(tmp_path), conduct, [1])
        assert caught.value.message == (
            "training of this model gives no metric 'Loss/totalloss' (it gives Loss/total_loss);"
            " correct until.metric in the plan, and stage it again; did you mean"
            " 'Loss/total_loss'?"
        )
