"""How the results of training runs are shown: as text, to the character, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.report.training import describe_verification, render_results, render_results_json
from odfreeze.runs.record import read_record
from odfreeze.runs.unreached import Unreached, write_unreached
from odfreeze.runs.verify import Verification, verify
from odfreeze.training.launch import TrainingResult
from tests.support.fake_training import write_run
from tests.support.tiny_detector import write_detector


@pytest.fixture
def verified(tmp_path: Path) -> Verification:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    return verify(write_run(tmp_path / "good", config, 10))


@pytest.fixture
def refuted(tmp_path: Path) -> Verification:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    return verify(write_run(tmp_path / "bad", config, 10, changed=("trainable", "held")))


def test_what_a_verification_found_in_one_line(
    verified: Verification, refuted: Verification
) -> None:
    assert describe_verification(verified) == (
        "verified: 0 of 3 frozen values changed, 0 of 2 held statistics changed,"
        " 18 of 18 trainable values changed"
    )
    assert describe_verification(refuted) == (
        "NOT VERIFIED: 0 of 3 frozen values changed, 2 of 2 held statistics changed,"
        " 18 of 18 trainable values changed"
    )


def test_what_got_no_gradient_is_counted_apart(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    run = write_run(tmp_path / "run", config, 10, changed=())
    record = read_record(run)
    trainable = [one.object_path for one in record.variables if one.state == "trainable"]
    write_unreached(Unreached(frozenset(trainable[:5])), run, record.created)
    said = describe_verification(verify(run))
    assert said.endswith("0 of 18 trainable values changed, 5 got no gradient")


def test_results_as_text(verified: Verification, refuted: Verification) -> None:
    results = [
        TrainingResult(Path("a"), 10, True, verified),
        TrainingResult(Path("b"), 10, False, refuted),
    ]
    assert render_results(results) == (
        "a trained to step 10\n"
        "  verified: 0 of 3 frozen values changed, 0 of 2 held statistics changed,"
        " 18 of 18 trainable values changed\n"
        "b was already at step 10\n"
        "  NOT VERIFIED: 0 of 3 frozen values changed, 2 of 2 held statistics changed,"
        " 18 of 18 trainable values changed\n"
        f"  {refuted.reasons[0]}"
    )


def test_no_results_mean_that_all_is_done() -> None:
    assert render_results([]) == "every stage is finished and verified: nothing to do"
    assert render_results([], is_whole=False) == (
        "what was asked for is finished and verified: nothing to do"
    )


def test_results_as_json(verified: Verification) -> None:
    results = [
        TrainingResult(Path("a"), 10, True, verified),
        TrainingResult(Path("b"), 4, False, verified),
    ]
    assert json.loads(render_results_json(results)) == {
        "version": 1,
        "runs": [
            {"model_dir": "a", "step": 10, "trained": True, "verification": verified.to_json()},
            {"model_dir": "b", "step": 4, "trained": False, "verification": verified.to_json()},
        ],
    }


def test_no_results_as_json() -> None:
    assert json.loads(render_results_json([])) == {"version": 1, "runs": []}
