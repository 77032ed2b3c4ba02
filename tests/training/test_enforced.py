"""`enforced`: stock's own ``train_loop``, called by another program, honours the patterns."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from odfreeze.errors import TrainingRefusedError
from odfreeze.runs.record import read_record
from odfreeze.runs.verify import verify
from odfreeze.training import enforced
from tests.training.runs import slots, step_of, values
from tests.training.tiny import BACKBONE, Tiny, eagerly, make_tiny

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Tiny:
    return make_tiny(tmp_path_factory.mktemp("enforced"))


def call(train_loop, config, model_dir, **arguments):
    with eagerly(True):
        train_loop(
            pipeline_config_path=str(config),
            model_dir=str(model_dir),
            record_summaries=False,
            **arguments,
        )


@pytest.fixture(scope="module")
def ran(tiny):
    """Three steps with an override that freezes, then two more; the name was imported before."""
    from object_detection import model_lib_v2
    from object_detection.model_lib_v2 import train_loop

    config, model_dir = tiny.config("enforced", freeze=""), tiny.root / "run"
    override = f'train_config {{ freeze_variables: "{BACKBONE}" }}'
    before = vars(model_lib_v2).copy(), train_loop.__code__
    events = []
    with enforced(watch=events.append) as results:
        call(train_loop, config, model_dir, train_steps=3, config_override=override)
        record = (model_dir / "odfreeze/record.json").read_bytes()
        call(train_loop, config, model_dir, train_steps=5, config_override=override)
        call(train_loop, config, model_dir, train_steps=5, config_override=override)
    after = vars(model_lib_v2).copy(), train_loop.__code__
    return SimpleNamespace(
        model_dir=model_dir, results=results, record=record, events=events, restored=before == after
    )


def test_frozen_values_stand_still_and_others_do_not(tiny, ran):
    start, end = values(tiny.checkpoint), values(ran.model_dir / "ckpt-5")
    states = {one.object_path: one.state for one in read_record(ran.model_dir).variables}
    changed = {path for path in states if start[path] != end[path]}
    assert {states[path] for path in changed} == {"trainable", "updating"}
    assert slots(ran.model_dir / "ckpt-5") <= {p for p in states if states[p] == "trainable"}


def test_exactly_the_steps_asked_for_are_taken_and_saved(ran):
    assert [step_of(ran.model_dir / f"ckpt-{n}") for n in (0, 3, 5)] == [0, 3, 5]
    assert [(result.step, result.trained) for result in ran.results] == [
        (3, True),
        (5, True),
        (5, False),
    ]


def test_the_override_counts_as_the_config(ran):
    record = read_record(ran.model_dir)
    assert record.freeze_variables == (BACKBONE,)
    assert BACKBONE in record.config_text
    assert record.config_path.endswith("enforced.config")


def test_the_same_call_again_resumes_under_the_same_record(ran):
    assert (ran.model_dir / "odfreeze/record.json").read_bytes() == ran.record
    told = [event for event in ran.events if event["kind"] == "selection"]
    assert [event["resumed_at"] for event in told] == [None, 3]


def test_each_run_is_verified_and_can_be_again(ran):
    assert all(result.verification.ok for result in ran.results)
    again = verify(ran.model_dir)
    assert again.ok
    report = json.loads((ran.model_dir / "odfreeze/report.json").read_text())
    assert report["verification"] == again.to_json()
    assert report["started_at_step"] == 3
    assert report["seconds"] > 0
    assert report["peak_memory_bytes"] is None or report["peak_memory_bytes"] > 1 << 28
    assert report["checkpoints"][-1]["name"] == "ckpt-5"


def test_stock_is_as_it_was_behind_it(ran):
    assert ran.restored


def test_the_selection_stands_in_the_events_that_stock_writes(ran):
    import tensorflow as tf

    texts = []
    for path in sorted((ran.model_dir / "train").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == "odfreeze/selection":
                    texts.append((event.step, tf.make_ndarray(value.tensor).item().decode()))
    assert [step for step, _ in texts] == [0, 3]
    assert texts[0][1].startswith("|  | trainable | frozen | updating | held |")
    assert "| all | " in texts[0][1]


def test_what_happens_is_logged(tiny, caplog):
    from object_detection import model_lib_v2

    config, model_dir = tiny.config("logged"), tiny.root / "logged"
    with caplog.at_level(logging.INFO, logger="odfreeze"), enforced():
        call(model_lib_v2.train_loop, config, model_dir, train_steps=1)
    texts = [record.getMessage() for record in caplog.records if record.name == "odfreeze"]
    assert [text.split()[0] for text in texts] == [
        "what",
        "saved",
        "saved",
        "trained",
        str(model_dir) + ":",
    ]
    assert texts[-1].startswith(f"{model_dir}: verified: 0 of ")


def test_what_would_not_be_what_was_meant_is_refused_before_stock_begins(tiny):
    from object_detection import model_lib_v2

    config = tiny.config("misspelt", freeze="^tiny_extracter/")
    with enforced(), pytest.raises(TrainingRefusedError, match="matches none of"):
        call(model_lib_v2.train_loop, config, tiny.root / "refused", train_steps=1)
    assert not Path(tiny.root / "refused").exists()


def test_a_directory_of_another_run_is_refused(tiny, ran):
    from object_detection import model_lib_v2

    with enforced(), pytest.raises(TrainingRefusedError, match="holds another run's checkpoint"):
        call(model_lib_v2.train_loop, tiny.config("enforced", freeze=""), ran.model_dir)
