"""Drafting a plan: which stages a model gets, what is frozen in each, how steps are shared out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import OutputError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.drafting import Draft, _shared_out, draft_plan, write_draft
from odfreeze.stages.plan import read_plan
from odfreeze.variables import Variable
from tests.conftest import ROOT
from tests.support.model_lists import FAMILIES, variables_of

CONFIG = PipelineConfig.read(ROOT / "sample_configs" / "efficientdet_d0_512x512.config")


def draft_of(family: str, **options):
    return draft_plan(CONFIG, variables_of(family), **{"num_steps": 1000, **options})


@pytest.fixture(scope="module", params=FAMILIES)
def draft(request: pytest.FixtureRequest) -> Draft:
    """A plan with three stages for the backbone, for a model of each family."""
    return draft_of(request.param, stages=3)


def test_every_stage_lets_more_of_the_model_learn_than_the_one_before(draft) -> None:
    before: set[str] = set()
    for one in draft.stages:
        learns = {v.object_path for v in one.selection.of("trainable")}
        assert learns > before
        before = learns


def test_the_last_stage_trains_everything(draft) -> None:
    last = draft.stages[-1]
    assert last.stage.name == "all"
    assert last.selection.of("frozen") == ()


def test_the_text_is_a_plan_that_says_the_same(draft, tmp_path) -> None:
    path = tmp_path / "my.plan"
    write_draft(draft, path)
    plan = read_plan(path)
    assert plan.stages == tuple(one.stage for one in draft.stages)
    assert Path(plan.base_config).resolve() == Path(CONFIG.file).resolve()


@pytest.mark.parametrize("family", FAMILIES)
def test_statistics_of_the_backbone_are_held_until_it_opens(family) -> None:
    draft = draft_of(family, stages=0)
    for one in draft.stages:
        held = {v.object_path for v in one.selection.of("held")}
        backbone = {v.layer for v in one.selection.of("frozen")}
        assert {p for p in held if p.rpartition("/")[0] not in backbone} == set()
    assert "@backbone" in draft.stages[-1].stage.freeze_variables


def test_a_model_with_a_neck_opens_it_after_the_head() -> None:
    found = [(s.stage.name, s.stage.freeze_variables) for s in draft_of("ssd_mobilenet_v2").stages]
    assert found == [
        ("head", ("@neck", "@backbone")),
        ("head_and_neck", ("@backbone",)),
        ("from_block_8", ("@backbone/1..9",)),
        ("all", ()),
    ]


def test_a_model_without_a_neck_goes_from_the_head_to_the_backbone() -> None:
    found = [
        (s.stage.name, s.stage.freeze_variables, s.stage.num_steps)
        for s in draft_of("faster_rcnn_resnet50").stages
    ]
    assert found == [
        ("head", ("@backbone",), 400),
        ("from_conv3", ("@backbone/1..2",), 300),
        ("all", (), 300),
    ]


def test_the_rate_falls_from_stage_to_stage() -> None:
    scales = [s.stage.learning_rate_scale for s in draft_of("efficientdet_d0", stages=3).stages]
    assert scales == [None, 0.5, 0.2, 0.1, 0.05]


def test_the_text_for_people() -> None:
    lines = draft_of("efficientdet_d0", stages=1).to_text(ROOT).splitlines()
    assert lines[7:] == [
        'base_config: "sample_configs/efficientdet_d0_512x512.config"',
        "",
        "# Opens the head.",
        "# 84 variables learn, 2 % of the parameters; 158 of 218 statistics stand still.",
        "stage {",
        '  name: "head"',
        '  freeze_variables: "@neck"',
        '  freeze_variables: "@backbone"',
        "  num_steps: 200",
        "}",
        "",
        "# Opens the neck.",
        "# 252 variables learn, 5 % of the parameters; 98 of 218 statistics stand still.",
        "stage {",
        '  name: "head_and_neck"',
        '  freeze_variables: "@backbone"',
        "  num_steps: 200",
        "  learning_rate_scale: 0.5",
        "}",
        "",
        "# Opens the backbone's block 9 (top) to block 1 (stem).",
        "# 465 variables learn, 100 % of the parameters; 0 of 218 statistics stand still.",
        "stage {",
        '  name: "all"',
        "  num_steps: 600",
        "  learning_rate_scale: 0.2",
        "}",
    ]


@given(st.integers(5, 10**9), st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5))
def test_steps_are_shared_out_whole_and_none_is_left_without(total, shares) -> None:
    found = _shared_out(total, shares)
    assert sum(found) == total
    assert min(found) >= 1


def test_steps_come_from_the_config_when_none_are_given() -> None:
    draft = draft_of("efficientdet_d0", num_steps=None)
    assert sum(one.stage.num_steps for one in draft.stages) == CONFIG.num_steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": 10}, "--stages is 10; this backbone has 9 blocks: give 0 to 9"),
        ({"stages": -1}, "--stages is -1; this backbone has 9 blocks: give 0 to 9"),
        ({"num_steps": 3}, "3 steps are too few for 4 stages; give the steps of all stages"),
        ({"num_steps": 0}, "0, endless, is too few for 4 stages; give the steps of all stages"),
    ],
    ids=["more stages than blocks", "a negative number", "too few steps", "endless"],
)
def test_what_cannot_be_planned_is_told(options, message) -> None:
    with pytest.raises(UsageError) as caught:
        draft_of("efficientdet_d0", **options)
    assert message in str(caught.value)


def test_an_unknown_structure_has_no_plan() -> None:
    with pytest.raises(UsageError, match="no backbone is known in this model"):
        draft_plan(CONFIG, [Variable("a/kernel", "model/a/kernel", (3,), "float32")], num_steps=9)


def test_a_file_that_is_there_is_not_overwritten(tmp_path) -> None:
    path = tmp_path / "my.plan"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is there already"):
        write_draft(draft_of("efficientdet_d0"), path)
    assert path.read_text(encoding="utf-8") == "mine"
    write_draft(draft_of("efficientdet_d0"), path, force=True)
    assert path.read_text(encoding="utf-8").startswith("# A staged fine-tuning")
