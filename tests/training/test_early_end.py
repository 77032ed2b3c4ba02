"""Stages that a metric ends: what the parent makes of it, with a child that pretends to train."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.conduct import Conduct, Until
from odfreeze.ending import Looks, write_looks
from odfreeze.errors import TrainingFailedError, TrainingRefusedError
from odfreeze.record import write_record
from odfreeze.training.launch import TrainingResult
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
