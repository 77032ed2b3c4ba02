"""What is told where the checkpoint's names are not those of the live model."""

from __future__ import annotations

import pytest

from odfreeze.pipeline import PipelineConfig
from odfreeze.selection import Pattern, Selection, select
from odfreeze.training.drift import describe_difference, names_in_checkpoint
from odfreeze.variables import Variable
from tests.support.tiny_detector import write_detector

PATHS = [f"model/_neck/layer-{number}/kernel" for number in range(4)] + ["model/_head/kernel"]


def numbered(first: int) -> list[Variable]:
    """Five convolutions, the four of the neck and the head's, numbered from ``first``."""
    return [
        Variable(f"conv2d_{first + n}/kernel", path, (1,), "float32", order=n)
        for n, path in enumerate(PATHS)
    ]


def decide(variables: list[Variable], *freeze: str, update: tuple[str, ...] = ()) -> Selection:
    patterns = [Pattern("freeze_variables", text) for text in freeze]
    patterns += [Pattern("update_trainable_variables", text) for text in update]
    return select(variables, patterns)


def told(*freeze: str, live: int, saved: int, update: tuple[str, ...] = ()) -> list[str]:
    """What is said of patterns with the live model and the checkpoint numbered from these."""
    previewed = decide(numbered(saved), *freeze, update=update)
    expected = dict(zip(PATHS, previewed.states, strict=True))
    names = {v.object_path: v.name or "" for v in previewed.variables}
    live_selection = decide(numbered(live), *freeze, update=update)
    return describe_difference(live_selection, expected, names).splitlines()


def test_patterns_for_the_checkpoint() -> None:
    assert told("^conv2d_1[34]/", live=1, saved=13) == [
        "the live model does not give what was previewed for 2 variables: nothing was trained",
        "freeze_variables '^conv2d_1[34]/' matches 2 variables by the checkpoint's names and "
        "nothing by those of the live model",
        "  in the checkpoint  previewed  in the live model  now        object path",
        "  conv2d_13/kernel   frozen     conv2d_1/kernel    trainable  model/_neck/layer-0/kernel",
        "  conv2d_14/kernel   frozen     conv2d_2/kernel    trainable  model/_neck/layer-1/kernel",
        "Whatever the names are, by object path these select what was previewed:",
        '  freeze_variables: "(?#path)^model/_neck/layer-[01]/"',
    ]


def test_patterns_for_the_live_model() -> None:
    lines = told("^conv2d_[12]/", live=1, saved=13)
    assert lines[1] == (
        "freeze_variables '^conv2d_[12]/' matches nothing by the checkpoint's names and 2 "
        "variables by those of the live model"
    )
    assert lines[-2:] == [
        "Whatever the names are, by object path these select what the live model's names do:",
        '  freeze_variables: "(?#path)^model/_neck/layer-[01]/"',
    ]


def test_patterns_that_match_others_on_either_side() -> None:
    lines = told("^conv2d_[34]/", live=1, saved=3)
    assert lines[1] == (
        "freeze_variables '^conv2d_[34]/' matches 2 variables by the checkpoint's names and 2 "
        "others by those of the live model"
    )
    assert [line.split()[1::2] for line in lines[3:7]] == [["frozen", "trainable"]] * 2 + [
        ["trainable", "frozen"]
    ] * 2


def test_both_fields_and_what_goes_by_path_already() -> None:
    lines = told("(?#path)layer-0", live=1, saved=13, update=("^conv2d_(13|17)/",))
    assert lines[-2:] == [
        '  freeze_variables: "(?#path)layer-0"',
        '  update_trainable_variables: "(?#path)^model/(_neck/layer-0|_head)/"',
    ]


def test_long_tables_are_cut() -> None:
    paths = [f"model/{number}/kernel" for number in range(30)]
    sides = [
        [Variable(f"{side}_{n}/kernel", path, (1,), "float32") for n, path in enumerate(paths)]
        for side in "ab"
    ]
    names = {v.object_path: v.name or "" for v in sides[0]}
    found = describe_difference(decide(sides[1], "^a_"), dict.fromkeys(paths, "frozen"), names)
    assert "  … and 10 more" in found.splitlines()


def test_where_names_of_the_checkpoint_are_not_known_paths_are_advised() -> None:
    live = decide(numbered(1), "^conv2d_13/")
    lines = describe_difference(live, {PATHS[0]: "frozen"}, {}).splitlines()
    assert lines[1:] == [
        "  in the checkpoint  previewed  in the live model  now        object path",
        "  -                  frozen     conv2d_1/kernel    trainable  model/_neck/layer-0/kernel",
        "Match object paths instead, with patterns that begin with (?#path)",
    ]


class TestNamesInCheckpoint:
    def test_are_by_object_path(self, tmp_path) -> None:
        names = names_in_checkpoint(PipelineConfig.read(write_detector(tmp_path)))
        assert len(names) == 33
        assert names["model/_box_predictor/_box_head/0/kernel"] == "Predictor/BoxHead/kernel"

    @pytest.mark.parametrize("checkpoint", ["", "gs://bucket/ckpt-0", "nowhere/ckpt-0"])
    def test_are_none_where_it_cannot_be_read(self, checkpoint: str) -> None:
        text = f'train_config {{ fine_tune_checkpoint: "{checkpoint}" }}'
        assert names_in_checkpoint(PipelineConfig.parse(text.encode())) == {}
