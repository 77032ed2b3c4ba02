"""How fast a run goes, and how long it takes yet, by a clock that is set by hand."""

from __future__ import annotations

from typing import Any

import pytest

from odfreeze.training.pace import Pace


class Run:
    """A pace, and the events of a run at the seconds at which they come."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pace = Pace(lambda: self.now)

    def after(self, seconds: float, kind: str, **event: Any) -> Run:
        self.now += seconds
        self.pace({"kind": kind, **event})
        return self

    def plan(self, *steps: int, speed: float | None = None, start_up: float | None = None) -> Run:
        """Tells of stages 1, 2, … that are all due, and what is known of an earlier sitting."""
        stages = [{"stage": str(n), "num_steps": one, "step": 0, "is_due": True}
                  for n, one in enumerate(steps, 1)]  # fmt: skip
        return self.after(
            0, "run", stages=stages, steps_per_second=speed, seconds_to_first_step=start_up
        )

    def start(self, num_steps: int, resume_at: int | None = None) -> Run:
        return self.after(0, "start", num_steps=num_steps, resume_at=resume_at)

    def step(self, seconds: float, step: int) -> Run:
        return self.after(seconds, "step", step=step)

    @property
    def told(self) -> tuple[float | None, float | None, float | None]:
        """Speed, start-up, and what this stage still takes."""
        return self.pace.speed, self.pace.start_up, self.pace.left()


@pytest.fixture
def run() -> Run:
    return Run()


# --- one training ---


def test_before_anything_nothing_is_known(run: Run) -> None:
    assert (run.told, run.pace.left_for_all()) == ((None, None, None), None)
    assert (run.pace.step, run.pace.num_steps) == (0, 0)


def test_one_step_measures_nothing(run: Run) -> None:
    assert run.start(100).step(30, 1).told == (None, None, None)


def test_speed_counts_from_the_first_step_and_what_was_before_is_the_start_up(run: Run) -> None:
    assert run.start(100).step(30, 0).step(10, 20).told == (2.0, 30.0, 40.0)


def test_all_steps_since_the_first_count(run: Run) -> None:
    run.start(100).step(30, 0).step(10, 20).step(10, 30)
    assert run.told == (1.5, 30.0, 70 / 1.5)


def test_a_block_of_steps_counts_as_its_last_one(run: Run) -> None:
    assert run.start(200).step(5, 0).after(50, "block", step=100).told == (2.0, 5.0, 50.0)


@pytest.mark.parametrize("again", (5, 3, 0), ids=("the same", "an earlier one", "the first"))
def test_a_step_that_is_no_later_one_moves_the_beginning(run: Run, again: int) -> None:
    run.start(105).step(30, 5).step(20, again).step(10, again + 20)
    assert run.told[:2] == (2.0, 50.0)


def test_the_start_up_stays_as_it_was_measured_first(run: Run) -> None:
    run.start(100).step(30, 0).step(10, 20).step(5, 0).step(10, 10)
    assert run.pace.start_up == 30.0


def test_two_steps_at_one_moment_measure_nothing_yet(run: Run) -> None:
    run.start(100).step(30, 0).step(0, 10)
    assert (run.told, run.pace.step) == ((None, None, None), 10)
    assert run.step(10, 20).told == (2.0, 30.0, 40.0)


def test_a_run_that_was_resumed_counts_its_own_steps(run: Run) -> None:
    run.start(100, resume_at=60)
    assert run.pace.step == 60
    assert run.step(30, 60).step(10, 70).told == (1.0, 30.0, 30.0)


@pytest.mark.parametrize("step", (100, 103))
def test_at_the_end_nothing_is_left(run: Run, step: int) -> None:
    assert run.start(100).step(30, 0).step(10, step).pace.left() == 0


@pytest.mark.parametrize("kind", ("phase", "selection", "saved", "evaluated", "done", "later"))
def test_other_events_tell_nothing(run: Run, kind: str) -> None:
    run.start(100).step(30, 0).step(10, 20).after(500, kind, step=90, num_steps=7)
    assert (run.told, run.pace.step) == ((2.0, 30.0, 40.0), 20)


def test_the_next_start_measures_anew(run: Run) -> None:
    run.start(100).step(30, 0).step(10, 20).start(50)
    assert (run.told, run.pace.step) == ((None, None, None), 0)
    assert run.step(5, 0).step(10, 10).told == (1.0, 5.0, 40.0)


# --- a plan ---


def measured(run: Run) -> Run:
    """A plan of 100, 60 and 40 steps; 2 steps a second and 30 s of start-up in the first."""
    return run.plan(100, 60, 40).after(0, "stage", stage="1").start(100).step(30, 0).step(10, 20)


def test_all_stages_take_this_one_and_those_behind_with_their_start_up(run: Run) -> None:
    assert measured(run).pace.left_for_all() == 40 + (30 + 30) + (30 + 20)


@pytest.mark.parametrize("steps", ((), (100,)), ids=("no plan", "a plan of one stage"))
def test_without_several_stages_there_is_no_time_for_all(run: Run, steps: tuple[int, ...]) -> None:
    run.plan(*steps, speed=2.0).start(100).step(30, 0).step(10, 20)
    assert run.pace.left_for_all() is None


def test_before_any_step_an_earlier_sitting_tells_of_all_but_not_of_this_stage(run: Run) -> None:
    run.plan(100, 60, speed=2.0, start_up=30.0)
    assert run.told == (None, None, None)
    assert run.pace.left_for_all() == (30 + 50) + (30 + 30)


def test_without_an_earlier_sitting_nothing_is_known_of_all(run: Run) -> None:
    assert run.plan(100, 60).start(100).step(30, 0).pace.left_for_all() is None


def test_an_earlier_speed_without_its_start_up_counts_none(run: Run) -> None:
    assert run.plan(100, 60, speed=2.0).pace.left_for_all() == 50 + 30


def test_what_has_passed_of_a_start_up_is_left_out(run: Run) -> None:
    run.plan(100, 60, speed=2.0, start_up=30.0).after(0, "stage", stage="1").start(100)
    assert run.pace.left_for_all() == (30 + 50) + (30 + 30)
    run.after(20, "phase")
    assert run.pace.left_for_all() == (10 + 50) + (30 + 30)
    run.after(25, "phase")  # longer than the last time
    assert run.pace.left_for_all() == 50 + (30 + 30)


def test_a_stage_that_is_announced_waits_until_it_starts(run: Run) -> None:
    """Its checks come in between: the time left neither falls nor jumps."""
    measured(run).step(40, 100).after(0, "verified", stage="1")
    whole = (30 + 30) + (30 + 20)
    assert run.pace.left_for_all() == whole
    assert run.after(3, "stage", stage="2").pace.left_for_all() == whole
    assert run.start(60).pace.left_for_all() == whole


def test_what_is_not_due_is_not_waited_for(run: Run) -> None:
    stages = [{"stage": str(n), "num_steps": 100, "step": n, "is_due": n > 1} for n in (1, 2, 20)]
    run.after(0, "run", stages=stages, steps_per_second=1.0, seconds_to_first_step=10.0)
    assert run.pace.left_for_all() == (10 + 98) + (10 + 80)


def test_a_stage_that_is_skipped_takes_no_time(run: Run) -> None:
    run.plan(100, 60, speed=2.0, start_up=30.0).after(0, "skipped", stage="1")
    assert run.pace.left_for_all() == 30 + 30


def test_a_stage_that_ended_before_its_steps_leaves_none(run: Run) -> None:
    measured(run).after(0, "verified", stage="1")
    assert (run.pace.left(), run.pace.num_steps) == (0, 20)
    assert run.pace.left_for_all() == (30 + 30) + (30 + 20)


def test_a_stage_that_was_only_verified_does_not_wait_any_more(run: Run) -> None:
    """Of a run that was cut off behind its last step there is no start."""
    run.plan(100, 60, speed=2.0, start_up=30.0).after(0, "stage", stage="1")
    assert run.after(5, "verified", stage="1").pace.left_for_all() == 30 + 30


def test_one_that_started_and_took_no_step_leaves_no_start_up(run: Run) -> None:
    run.plan(100, 60, speed=2.0, start_up=30.0).after(0, "stage", stage="1").start(100, 100)
    assert run.after(5, "verified", stage="1").pace.left_for_all() == 30 + 30


def test_a_stage_with_more_steps_than_it_is_to_take_takes_none_back(run: Run) -> None:
    stages = [{"stage": "1", "num_steps": 10, "step": 20, "is_due": True}] * 2
    run.after(0, "run", stages=stages, steps_per_second=1.0, seconds_to_first_step=None)
    assert run.pace.left_for_all() == 0
