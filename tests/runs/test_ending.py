"""When a metric ends a run: tables of looks, and the file that keeps them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.errors import RecordError
from odfreeze.runs.ending import (
    Looks,
    conclude,
    ending_path,
    how_ended,
    read_looks,
    write_looks,
)
from odfreeze.stages.conduct import Conduct, Until

NAN, INF = math.nan, math.inf
MAP = "DetectionBoxes_Precision/mAP"
LOSS = Until(patience=200)
PRECISION = Until(patience=2000, metric=MAP, min_delta=0.01)


@pytest.mark.parametrize(
    ("until", "values", "reason", "best"),
    (
        (LOSS, [], None, None),
        (LOSS, [(100, 1.0)], None, 100),
        (LOSS, [(100, 1.0), (200, 0.9), (300, 0.8)], None, 300),
        (LOSS, [(100, 1.0), (200, 1.1)], None, 100),
        (LOSS, [(100, 1.0), (200, 1.1), (300, 1.0)], "plateau", 100),
        (LOSS, [(100, 1.0), (200, 1.1), (300, 0.99)], None, 300),
        (LOSS, [(100, NAN), (200, NAN)], "plateau", None),
        (LOSS, [(100, NAN), (200, 1.0), (300, NAN)], None, 200),
        (LOSS, [(100, 1.0), (200, -INF), (300, NAN)], "plateau", 100),
        (LOSS, [(900, 1.0), (1000, 0.9)], "max_steps", 1000),
        (LOSS, [(800, 1.0), (900, 1.1), (1000, 1.2)], "plateau", 800),
        (Until(200, max_steps=300), [(200, 1.0), (300, 0.9)], "max_steps", 300),
        (Until(200, min_delta=0.5), [(100, 1.0), (200, 0.5), (300, 0.4)], None, 300),
        (Until(200, min_delta=0.5), [(100, 1.0), (200, 0.6), (300, 0.5)], "plateau", 100),
        (PRECISION, [(1000, 0.2), (2000, 0.3)], None, 2000),
        (PRECISION, [(1000, 0.2), (2000, 0.205), (3000, 0.209)], "plateau", 1000),
        (PRECISION, [(1000, -1.0), (2000, 0.0)], None, 2000),
    ),
    ids=(
        "no look yet", "first", "falling", "worse once", "worse for the patience",
        "better in the last moment", "never a number", "number lost", "no number is no gain",
        "last step", "both", "own last step", "small gains add up", "small gains do not",
        "rising", "rising too little", "nothing to find, then nothing found",
    ),
)  # fmt: skip
def test_what_follows_from_the_looks(
    until: Until, values: list[tuple[int, float]], reason: str | None, best: int | None
) -> None:
    found = conclude(values, until, 5000 if until is PRECISION else 1000)
    assert found.reason == reason
    assert (found.best.step if found.best else None) == best
    assert found.ended_at == (values[-1][0] if reason else None)


@pytest.mark.parametrize(
    ("until", "values", "sentence"),
    (
        (LOSS, [], "Loss/total_loss was not looked at yet"),
        (LOSS, [(100, 1.0)], "Loss/total_loss is 1 at step 100, the best so far"),
        (
            LOSS,
            [(100, 1.0), (200, 0.5)],
            "Loss/total_loss is 0.5 at step 200, the best so far, after 1 at step 100",
        ),
        (
            LOSS,
            [(100, 1.0), (200, 1.5)],
            "Loss/total_loss is 1.5 at step 200; the best is 1 at step 100: 100 steps without an"
            " improvement, of 200 steps of patience",
        ),
        (
            LOSS,
            [(100, NAN)],
            "Loss/total_loss is no number at step 100, and no look so far gave a number: 100 steps"
            " without an improvement, of 200 steps of patience",
        ),
        (
            PRECISION,
            [(1000, 0.25), (2000, 0.2), (3000, 0.255)],
            f"{MAP} is 0.255 at step 3000; the best that counts is 0.25 at step 1000: not better by"
            " more than 0.01 for 2000 steps, and the patience is 2000 steps; the stage ends, at"
            " step 3000 of at most 5000",
        ),
        (
            PRECISION,
            [(5000, 0.2)],
            f"{MAP} is 0.2 at step 5000, the best so far; the stage ends with its 5000 steps",
        ),
    ),
    ids=("none", "first", "better", "worse", "no number", "plateau", "last step"),
)
def test_it_is_said_in_words_and_numbers(
    until: Until, values: list[tuple[int, float]], sentence: str
) -> None:
    assert conclude(values, until, 5000).sentence == sentence


@pytest.mark.parametrize(
    ("handover", "values", "step"),
    (
        ("last", [(100, 1.0), (300, 2.0)], 300),
        ("best", [(100, 1.0), (300, 2.0)], 100),
        ("best", [(100, NAN), (300, NAN)], 300),
    ),
    ids=("last", "best", "best of no numbers"),
)
def test_what_is_handed_on(handover, values: list[tuple[int, float]], step: int) -> None:
    assert conclude(values, LOSS, 1000).handed_on(handover) == step


def test_every_interval_is_looked_at_and_the_last_step() -> None:
    looks, found = Looks(), []
    for step in range(30, 1000, 30):  # blocks that do not end on the interval
        if looks.is_due(step, LOSS, 450):
            looks.values.append((step, 1.0))
            found.append(step)
        if step == 450:
            break
    assert found == [120, 210, 300, 420, 450]


class TestLosses:
    def test_a_look_is_the_mean_of_the_blocks_since_the_last(self) -> None:
        looks = Looks([(20, 9.0)], [(10, 100.0), (20, 100.0), (30, 1.0), (40, 2.0)])
        assert looks.mean() == 1.5

    @pytest.mark.parametrize("bad", (NAN, INF))
    def test_one_that_is_no_number_makes_none(self, bad: float) -> None:
        assert math.isnan(Looks([], [(10, 1.0), (20, bad)]).mean())
        assert math.isnan(Looks().mean())

    @settings(max_examples=25)  # each look is a file on the disk
    @given(
        every=st.integers(1, 7),
        saves=st.sets(st.integers(1, 40)),
        deaths=st.lists(st.integers(1, 40), max_size=4),
    )
    def test_killed_at_any_block_a_run_makes_the_looks_of_one_that_was_not(
        self, tmp_path_factory: pytest.TempPathFactory, every: int, saves: set[int], deaths: list
    ) -> None:
        until = Until(patience=1000, every=every)
        folder = tmp_path_factory.getbasetemp() / "killed"
        ending_path(folder).unlink(missing_ok=True)

        def run(saved: int, end: int, saves: set[int]) -> int:
            looks = read_looks(folder, until, saved)
            write_looks(folder, looks, until, 40)
            for step in range(saved + 1, end + 1):
                looks.blocks.append((step, 1.0 / step))
                if looks.is_due(step, until, 40):
                    looks.values.append((step, looks.mean()))
                    looks.forget_blocks(saved)
                    write_looks(folder, looks, until, 40)
                if step in saves:
                    write_looks(folder, looks, until, 40)
                    saved = step
            return saved

        run(0, 40, set())
        whole = read_looks(folder, until, 40).values
        ending_path(folder).unlink()
        saved = 0
        for death in deaths:
            saved = run(saved, max(death, saved), saves)
        run(saved, 40, set())
        assert read_looks(folder, until, 40).values == whole


class TestFile:
    def test_it_says_all(self, tmp_path: Path) -> None:
        looks = Looks([(100, 1.0), (200, NAN), (300, 2.0)], [(310, NAN), (320, 0.5)])
        ending = write_looks(tmp_path, looks, LOSS, 1000)
        assert json.loads(ending_path(tmp_path).read_bytes()) == {
            "version": 1,
            "until": {
                "metric": "Loss/total_loss", "patience": 200, "min_delta": 0.0, "max_steps": None,
                "every": 0,
            },
            "looks": [
                {"step": 100, "value": 1.0, "best": True},
                {"step": 200, "value": None, "best": False},
                {"step": 300, "value": 2.0, "best": False},
            ],
            "best_step": 100,
            "ended_at": 300,
            "reason": "plateau",
            "sentence": ending.sentence,
            "blocks": [[310, None], [320, 0.5]],
        }  # fmt: skip

    def test_looks_after_the_step_that_is_resumed_at_are_dropped(self, tmp_path: Path) -> None:
        write_looks(tmp_path, Looks([(100, 1.0), (200, 2.0)], [(210, 1.0), (220, 3.0)]), LOSS, 900)
        found = read_looks(tmp_path, LOSS, 210)
        assert (found.values, found.blocks) == ([(100, 1.0), (200, 2.0)], [(210, 1.0)])
        assert read_looks(tmp_path, LOSS, 150).values == [(100, 1.0)]

    def test_looks_at_another_metric_do_not_count(self, tmp_path: Path) -> None:
        write_looks(tmp_path, Looks([(100, 1.0)]), LOSS, 900)
        assert read_looks(tmp_path, PRECISION, 100) == Looks()

    def test_there_may_be_none(self, tmp_path: Path) -> None:
        assert read_looks(tmp_path, LOSS, 100) == Looks()

    @pytest.mark.parametrize(
        ("text", "says"),
        (
            ("{", "Expecting"),
            ("[]", "list indices"),
            ('{"version": 2}', "its version is 2, not 1"),
            ('{"version": 1}', "'until' is missing"),
            (
                '{"version": 1, "until": {"metric": "Loss/total_loss"},'
                ' "looks": [{"step": -1, "value": 1}], "blocks": []}',
                "a step is -1",
            ),
            (
                '{"version": 1, "until": {"metric": "Loss/total_loss"},'
                ' "looks": [{"step": 2, "value": 1}, {"step": 2, "value": 1}], "blocks": []}',
                "its steps do not rise",
            ),
        ),
        ids=("torn", "no object", "version", "no metric", "step", "order"),
    )
    def test_another_one_is_an_error(self, text: str, says: str, tmp_path: Path) -> None:
        ending_path(tmp_path).parent.mkdir()
        ending_path(tmp_path).write_text(text, "utf-8")
        with pytest.raises(RecordError, match="is not what `odfreeze train` wrote") as caught:
            read_looks(tmp_path, LOSS, 9)
        assert says in caught.value.message


class TestHowEnded:
    @pytest.mark.parametrize(
        ("until", "step", "ended"),
        (
            (LOSS, 300, True),
            (LOSS, 290, False),
            (LOSS, 310, False),
            (LOSS, None, False),
            (Until(patience=500), 300, False),
            (None, 300, False),
        ),
        ids=("at its end", "not saved yet", "trained on", "no checkpoint", "patience", "no metric"),
    )
    def test_it_is_decided_anew(
        self, until: Until | None, step: int | None, ended: bool, tmp_path: Path
    ) -> None:
        write_looks(tmp_path, Looks([(100, 1.0), (300, 2.0)]), LOSS, 1000)
        found = how_ended(tmp_path, Conduct(until=until), 1000, step)
        assert (found is not None) is ended

    def test_a_run_without_looks_ends_with_its_steps(self, tmp_path: Path) -> None:
        found = how_ended(tmp_path, Conduct(until=Until(patience=90)), 50, 50)
        assert found is not None
        assert (found.reason, found.ended_at, found.handed_on("best")) == ("max_steps", 50, 50)
