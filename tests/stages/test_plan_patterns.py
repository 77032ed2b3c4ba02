"""Names of sets in a plan: each stage's config has the patterns they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.errors import PlanError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.stages.plan import Plan, Stage, read_plan
from odfreeze.stages.plan_patterns import with_patterns, with_plain_rates
from odfreeze.stages.staging import plan_stages, write_stages
from odfreeze.training.kept_lists import VariableList
from tests.support.model_lists import variables_of, write_model

SCHEDULE = """\
  num_steps: 1000
  optimizer { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 1 } } } }
}
"""
PLAN = """\
base_config: "pipeline.config"
stage {
  name: "head"
  freeze_variables: "@neck"
  freeze_variables: "@backbone"
  num_steps: 10
}
stage {
  name: "top"
  freeze_variables: "^conv1"
  freeze_variables: "@backbone/1..12"
  update_trainable_variables: "@all"
  num_steps: 10
}
stage {
  name: "all"
  num_steps: 10
}
"""
FAMILY = "ssd_mobilenet_v1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = write_model(tmp_path, FAMILY)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.removesuffix("}\n") + SCHEDULE, encoding="utf-8")
    Path("a.plan").write_text(PLAN, encoding="utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch, None)


def keep(monkeypatch: pytest.MonkeyPatch, found: VariableList | None) -> None:
    target = "odfreeze.training.live_preview.kept_live_variables"
    monkeypatch.setattr(target, lambda config: found)


def expand(plan: Plan) -> Plan:
    return with_patterns(plan, PipelineConfig.read(plan.base_config))


def test_a_stage_has_the_patterns_that_names_stand_for(here: Path) -> None:
    head, top, everything = expand(read_plan("a.plan")).stages
    assert head.freeze_variables == (
        "^ssd_mobile_net_v1_keras_feature_extractor/",
        "^(conv1(_bn)?/|conv_)",
    )
    assert top.freeze_variables == ("^conv1", "^conv(1(_bn)?|_(dw|pw)_([1-9]|1[01])(_bn)?)/")
    assert top.update_trainable_variables == (".*",)
    assert (everything.freeze_variables, everything.update_trainable_variables) == ((), ())


def test_a_pattern_is_where_its_name_is(here: Path) -> None:
    head, top, _ = expand(read_plan("a.plan")).stages
    assert [str(p.place) for p in (*head.patterns(), *top.patterns())] == [
        f"a.plan:{place}" for place in ("4:21", "5:21", "10:21", "11:21", "12:31")
    ]
    assert str(top.places["name"]) == "a.plan:9:9"


def test_a_config_has_no_names(here: Path, unchecked: None) -> None:
    for one in write_stages(read_plan("a.plan"), "stages"):
        written = PipelineConfig.read(one.config_path)
        assert all(not pattern.text.startswith("@") for pattern in written.patterns())
    assert b'"^(conv1(_bn)?/|conv_)"' in plan_stages(read_plan("a.plan"), "stages")[0].data


def test_a_wrong_name_is_an_error_at_its_place(here: Path) -> None:
    Path("a.plan").write_text(PLAN.replace("@neck", "@nek"), encoding="utf-8")
    with pytest.raises(PlanError) as error:
        expand(read_plan("a.plan"))
    assert str(error.value.place) == "a.plan:4:21"
    assert error.value.message.startswith("stage 'head': there is no @nek in this model; there is ")
    assert error.value.message.endswith("; did you mean '@neck'?")


def test_without_a_checkpoint_the_model_itself_must_have_been_listed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(here / "pipeline.config", (Stage("a", 1, freeze_variables=("@neck",)),))
    for path in here.glob("ckpt-0*"):
        path.unlink()
    with pytest.raises(PlanError) as error:
        expand(plan)
    assert error.value.message.startswith(
        "stage 'a': what a name with @ stands for is told by the base config's checkpoint: "
    )
    assert error.value.message.endswith(f"`odfreeze groups {here / 'pipeline.config'} --live`")
    keep(monkeypatch, VariableList(variables_of(FAMILY), {}))
    (stage,) = expand(plan).stages
    assert stage.freeze_variables == ("^ssd_mobile_net_v1_keras_feature_extractor/",)


def test_a_checkpoint_of_a_backbone_alone_does_not_tell_of_the_head(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(here, "ssd_mobilenet_v1", lambda v: "_backbone/" in v.object_path)
    plan = Plan(here / "pipeline.config", (Stage("a", 1, freeze_variables=("@head",)),))
    with pytest.raises(PlanError, match=r"^stage 'a': this model has no head; there is @backbone"):
        expand(plan)
    keep(monkeypatch, VariableList(variables_of(FAMILY), {}))
    assert expand(plan).stages[0].freeze_variables == ("^BoxPredictor/",)


def test_a_plan_without_names_needs_no_checkpoint(here: Path) -> None:
    for path in here.glob("ckpt-0*"):
        path.unlink()
    plan = Plan(here / "pipeline.config", (Stage("a", 1, freeze_variables=("^a@b",)),))
    assert plan_stages(plan, "stages")[0].stage == plan.stages[0]


# --- rates ---


def test_a_rate_has_the_patterns_that_its_name_stands_for(here: Path) -> None:
    rate = 'rate { pattern: "@backbone/1..12" scale: 0.1 } rate { pattern: "^a" scale: 2 }'
    Path("a.plan").write_text(PLAN.replace('name: "all"', f'name: "all" {rate}'), encoding="utf-8")
    rates = expand(read_plan("a.plan")).stages[2].conduct.rates
    assert rates == (Rate("^conv(1(_bn)?|_(dw|pw)_([1-9]|1[01])(_bn)?)/", 0.1), Rate("^a", 2.0))
    assert [str(one.place) for one in rates] == ["a.plan:16:31", "a.plan:16:78"]


def test_a_wrong_name_in_a_rate_is_an_error_at_its_place(here: Path) -> None:
    rate = 'rate { pattern: "@nek" scale: 0.1 }'
    Path("a.plan").write_text(PLAN.replace('name: "all"', f'name: "all" {rate}'), encoding="utf-8")
    with pytest.raises(PlanError, match=r"^a.plan:16:31: stage 'all': there is no @nek in this"):
        expand(read_plan("a.plan"))


def test_rates_of_a_run_have_the_patterns_that_names_stand_for(here: Path) -> None:
    config = PipelineConfig.read(here / "pipeline.config")
    conduct = Conduct(rates=(Rate("@neck", 0.5), Rate("^a", 2.0)), carry_optimizer=True)
    plain = (Rate("^ssd_mobile_net_v1_keras_feature_extractor/", 0.5), Rate("^a", 2.0))
    assert with_plain_rates(conduct, config) == Conduct(rates=plain, carry_optimizer=True)
    with pytest.raises(UsageError, match=r"^there is no @nek in this model"):
        with_plain_rates(Conduct(rates=(Rate("@nek", 0.5),)), config)


def test_rates_without_names_need_no_checkpoint(here: Path) -> None:
    config = PipelineConfig.read(here / "pipeline.config")
    for path in here.glob("ckpt-0*"):
        path.unlink()
    conduct = Conduct(rates=(Rate("^a@b", 0.5),))
    assert with_plain_rates(conduct, config) == conduct
