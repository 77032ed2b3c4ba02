"""What an account says in a few words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from odfreeze.pipeline import PipelineConfig
from odfreeze.report.summary import (
    architecture,
    count_text,
    final_value,
    headline,
    main_metric,
    share_text,
    stage_steps,
    stage_time,
)
from odfreeze.runs.stage_account import StageAccount
from tests.support.accounts import account, curves, run, verdict

LOSS = "Loss/total_loss"
BOXES, MASKS = "DetectionBoxes_Precision/mAP", "DetectionMasks_Precision/mAP"

WAITING = run()
GOING_ON = run(state="unfinished")
VERIFIED = run(state="finished", verdict=verdict())
NOT_FROZEN = run(state="finished", verdict=verdict(0, held=0))
HELD_ONLY = run(state="finished", verdict=verdict(0, held=2))
BROKEN = run(state="failed", reason="no images")
WRONG = run(state="failed", verdict=verdict(changed=1))


@pytest.mark.parametrize(
    ("runs", "text"),
    (
        ((VERIFIED,), "Trained and verified: not one frozen value changed"),
        ((VERIFIED,) * 2, "Both stages trained and verified: not one frozen value changed"),
        ((VERIFIED,) * 3, "All 3 stages trained and verified: not one frozen value changed"),
        ((NOT_FROZEN,), "Trained and verified: nothing was frozen"),
        ((NOT_FROZEN, VERIFIED), "Both stages trained and verified: not one frozen value changed"),
        ((HELD_ONLY,), "Trained and verified: not one frozen value changed"),
        ((WAITING,) * 3, "0 of 3 stages trained and verified so far"),
        ((VERIFIED, GOING_ON, WAITING), "1 of 3 stages trained and verified so far"),
        ((GOING_ON,), "0 of 1 stages trained and verified so far"),
        ((VERIFIED, BROKEN, WAITING), "Stage 2 failed"),
        ((VERIFIED, WRONG), "Stage 2 did not pass its verification"),
        ((BROKEN, WRONG), "Stage 2 did not pass its verification"),
        ((WRONG, WRONG), "Stage 1 did not pass its verification"),
    ),
    ids=(
        "one", "two", "three", "nothing frozen", "frozen in one of two", "statistics alone",
        "none has begun", "going on", "the only one is going on", "broken off", "found wrong",
        "wrong values matter more than an end", "the first that is wrong",
    ),
)  # fmt: skip
def test_the_headline_of_a_plan(runs: tuple[StageAccount, ...], text: str) -> None:
    assert headline(account(*runs)) == text


@pytest.mark.parametrize(
    ("one", "text"),
    (
        (VERIFIED, "Trained and verified: not one frozen value changed"),
        (GOING_ON, "The run is not finished"),
        (BROKEN, "The run failed"),
        (WRONG, "The run did not pass its verification"),
    ),
    ids=("verified", "going on", "broken off", "found wrong"),
)
def test_the_headline_of_a_single_run(one: StageAccount, text: str) -> None:
    assert headline(account(one, kind="run")) == text


# --- what it is ---


def configured(text: str) -> StageAccount:
    return run(config=PipelineConfig.parse(text.encode()))


@pytest.mark.parametrize(
    ("runs", "name"),
    (
        ((configured('model { ssd { feature_extractor { type: "ssd_resnet" } } }'),), "ssd_resnet"),
        ((configured("model { center_net { num_classes: 1 } }"),), "center_net"),
        ((configured(""), configured("model { ssd { num_classes: 1 } }")), "ssd"),
        ((run(), configured("model { ssd { num_classes: 1 } }")), "ssd"),
        ((configured("train_config { batch_size: 1 }"),), ""),
        ((run(),), ""),
    ),
    ids=("its extractor", "its kind", "of the first that says", "of the first that is there",
         "no model", "no config"),
)  # fmt: skip
def test_what_kind_of_detector_it_is(runs: tuple[StageAccount, ...], name: str) -> None:
    assert architecture(account(*runs)) == name


# --- how good it became ---


@pytest.mark.parametrize(
    ("names", "chosen"),
    (
        ((LOSS, MASKS, "a/mAP", BOXES), BOXES),
        ((LOSS, "a/mAP", MASKS), MASKS),
        (("Loss/x", "x_loss", "a/mAP", "b/mAP"), "a/mAP"),
        (("Loss/x", "x_loss"), None),
        ((), None),
    ),
    ids=("boxes first", "then masks", "then the first that is no loss",
         "a loss is none", "no evaluation"),
)  # fmt: skip
def test_which_metric_is_shown(names: tuple[str, ...], chosen: str | None) -> None:
    assert main_metric(curves({}, {name: [0.5] for name in names})) == chosen


@pytest.mark.parametrize(
    ("told", "value"),
    (
        ([({LOSS: [2, 1]}, {BOXES: [0.1, 0.2]}), ({}, {BOXES: [0.3]})], ("mAP", 0.1, 0.3)),
        ([({LOSS: [2, 1]}, {}), ({LOSS: [0.5]}, {BOXES: [0.25]})], ("mAP", 0.25, 0.25)),
        ([({LOSS: [2, 1]}, {}), ({LOSS: [0.5]}, {})], ("Total loss", 2, 0.5)),
        ([({LOSS: [2, 1]}, {"Loss/x": [7]})], ("Total loss", 2, 1)),
        ([({"learning_rate": [0.1]}, {})], None),
        ([], None),
    ),
    ids=("over all stages", "of the stage that was evaluated", "without one the loss",
         "an evaluated loss is no metric", "no loss either", "no stage"),
)  # fmt: skip
def test_how_good_it_became(
    told: list[tuple[dict[str, list[float]], dict[str, list[float]]]], value: object
) -> None:
    assert final_value(account(*(run(curves=curves(*of)) for of in told))) == value


# --- steps, time, numbers ---


@pytest.mark.parametrize(
    ("fields", "text"),
    (
        ({"step": 12_000, "num_steps": 12_000}, "12,000"),
        ({"step": 700, "num_steps": 12_000}, "700 of 12,000"),
        ({"step": 0}, "0 of 10"),
        ({"step": None, "num_steps": 12_000}, "0 of 12,000"),
        ({"step": 700, "num_steps": 0}, "700"),
        ({"step": None, "num_steps": 0}, "–"),
    ),
    ids=("all", "some", "its start", "not begun", "of how many is not known", "nothing is known"),
)
def test_the_steps_of_a_stage(fields: dict[str, Any], text: str) -> None:
    assert stage_steps(account(run(**fields)).stages[0]) == text


@pytest.mark.parametrize(("seconds", "text"), ((None, "–"), (0.0, "0 s"), (200, "3 min 20 s")))
def test_the_time_of_a_stage(seconds: float | None, text: str) -> None:
    assert stage_time(account(run(seconds=seconds)).stages[0]) == text


@pytest.mark.parametrize(
    ("count", "text"),
    (
        (0, "0"), (999, "999"), (1000, "1 k"), (999_499, "999 k"), (999_500, "1 M"),
        (999_499_999, "999 M"), (999_500_000, "1 G"), (2_000_000_000_000, "2,000 G"),
    ),
)  # fmt: skip
def test_a_count_in_short(count: int, text: str) -> None:
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    (
        (0, 0, "0 %"), (0, 5, "0 %"), (5, 5, "100 %"), (1, 100, "1 %"), (99, 100, "99 %"),
        (1, 1_000_000, "<1 %"), (999_999, 1_000_000, ">99 %"), (985, 1000, "98 %"),
    ),
    ids=("of nothing", "nothing", "all", "a hundredth", "all but a hundredth", "something",
         "not all", "rounded"),
)  # fmt: skip
def test_a_share_is_neither_nothing_nor_all_where_it_is_not(
    part: float, whole: float, text: str
) -> None:
    assert share_text(part, whole) == text


def test_a_run_without_a_verdict_for_all_states_has_a_headline() -> None:
    told = dataclasses.replace(verdict(), rows=())
    assert headline(account(run(state="finished", verdict=told))) == (
        "Trained and verified: nothing was frozen"
    )
