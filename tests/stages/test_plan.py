"""Plans: what can be written in one, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.errors import ConfigError, PatternError, PlanError, RemotePathError
from odfreeze.stages.conduct import Conduct, Rate, Until
from odfreeze.stages.plan import Plan, Stage, check_plan, read_plan
from odfreeze.textproto import parse
from tests.conftest import ROOT

WHOLE = """\
# two stages
base_config: "base.config"
stage {
  name: "head"
  freeze_variables: ["a\\\\d", 'b']
  update_trainable_variables: "c"
  num_steps: 40
  learning_rate: 0.5
  batch_size: 2
}
stage { name: "all-2" num_steps: 3 learning_rate_scale: .25 }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "a.plan"
    path.write_text(text, encoding="utf-8")
    return path


class TestReading:
    def test_every_field(self, tmp_path: Path) -> None:
        plan = read_plan(written(tmp_path, WHOLE))
        assert plan == Plan(
            tmp_path / "base.config",
            (
                Stage("head", 40, (r"a\d", "b"), ("c",), learning_rate=0.5, batch_size=2),
                Stage("all-2", 3, learning_rate_scale=0.25),
            ),
        )

    def test_conduct_of_a_stage(self, tmp_path: Path) -> None:
        text = """name: "a" rate { pattern: "x" scale: 0.1 } rate { pattern: "y" scale: 2 }
        until { patience: 30 min_delta: 0.5 max_steps: 90 every: 10 metric: "Loss/c" }
        handover: BEST carry_optimizer: true"""
        one = read_plan(written(tmp_path, stage(text))).stages[0]
        until = Until(30, "Loss/c", 0.5, max_steps=90, every=10)
        assert one.conduct == Conduct((Rate("x", 0.1), Rate("y", 2.0)), until, "best", True)
        assert one.num_steps == 90

    def test_stage_without_any_of_it_has_a_plain_conduct(self, tmp_path: Path) -> None:
        assert all(one.conduct.is_plain for one in read_plan(written(tmp_path, WHOLE)).stages)

    def test_patterns_have_their_places_in_the_plan(self, tmp_path: Path) -> None:
        path = written(tmp_path, WHOLE)
        patterns = read_plan(path).stages[0].patterns()
        assert [(p.field, p.text) for p in patterns] == [
            ("freeze_variables", r"a\d"),
            ("freeze_variables", "b"),
            ("update_trainable_variables", "c"),
        ]
        assert [(p.place.line, p.place.column) for p in patterns if p.place] == [
            (5, 22), (5, 30), (6, 31)
        ]  # fmt: skip

    def test_base_config_counts_from_the_plan_s_folder(self, tmp_path: Path) -> None:
        path = written(tmp_path, 'base_config: "../x/y.config" stage { name: "a" num_steps: 1 }')
        assert read_plan(path).base_config == tmp_path / "../x/y.config"

    def test_absolute_base_config_is_taken_as_it_is(self, tmp_path: Path) -> None:
        base = (tmp_path / "far" / "y.config").as_posix()
        path = written(tmp_path, f'base_config: "{base}" stage {{ name: "a" num_steps: 1 }}')
        assert read_plan(path).base_config == Path(base)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="there is no file"):
            read_plan(tmp_path / "none.plan")

    @pytest.mark.parametrize("path", ("gs://bucket/a.plan", "s3://bucket/a.plan"))
    def test_remote_plan(self, path: str) -> None:
        with pytest.raises(RemotePathError):
            read_plan(path)

    def test_remote_base_config(self, tmp_path: Path) -> None:
        path = written(tmp_path, 'base_config: "gs://b/c" stage { name: "a" num_steps: 1 }')
        with pytest.raises(RemotePathError, match="gs://b/c is not on this machine"):
            read_plan(path)


def stage(fields: str) -> str:
    return f'base_config: "b"\nstage {{ {fields} }}'


REFUSED = {
    "unknown field": (
        'base_config: "b"\nstage { name: "a" steps: 3 }',
        "2:19: Stage has no field 'steps'; did you mean 'num_steps'?",
    ),
    "no base config": ('stage { name: "a" num_steps: 1 }', "1:1: base_config is missing"),
    "empty base config": (
        'base_config: "" stage { name: "a" num_steps: 1 }',
        "1:14: base_config is empty; name the pipeline.config to stage",
    ),
    "base config twice": ('base_config: "a"\nbase_config: "b"', "2:1: base_config is written a"),
    "no name": (stage("num_steps: 1"), "2:7: name is missing in stage[0]"),
    "no steps": (stage('name: "a"'), "2:7: stage 'a': num_steps is missing; give the steps of"),
    "zero steps": (
        stage('name: "a" num_steps: 0'),
        "2:30: stage 'a': num_steps is 0; give a number from 1 to 4294967295",
    ),
    "steps twice": (
        stage('name: "a" num_steps: 1 until { patience: 1 max_steps: 2 }'),
        "2:63: stage 'a': num_steps and until.max_steps are given; keep one",
    ),
    "no patience": (stage('name: "a" until {}'), "2:25: patience is missing in stage[0].until"),
    "patience of nothing": (
        stage('name: "a" num_steps: 1 until { patience: 0 }'),
        "2:50: stage 'a': patience is 0; give a number from 1 to 4294967295",
    ),
    "looking seldom": (
        stage('name: "a" num_steps: 1 until { patience: 5 every: 6 }'),
        "2:59: stage 'a': every is 6; give at most the patience, 5",
    ),
    "min_delta below 0": (
        stage('name: "a" num_steps: 1 until { patience: 5 min_delta: -1 }'),
        "2:63: stage 'a': min_delta is -1; give a number from 0",
    ),
    "rate of 0": (
        stage('name: "a" num_steps: 1 rate { pattern: "x" scale: 0 }'),
        "2:59: stage 'a': scale is 0; give a number above 0; to freeze, use freeze_variables",
    ),
    "best of nothing": (
        stage('name: "a" num_steps: 1 handover: BEST'),
        "2:42: stage 'a': handover is BEST; that needs an until with a metric",
    ),
    "too many steps": (stage('name: "a" num_steps: 4294967296'), "2:30: stage[0].num_steps is"),
    "batch of none": (
        stage('name: "a" num_steps: 1 batch_size: 0'),
        "2:44: stage 'a': batch_size is 0; give",
    ),
    "two rates": (
        stage('name: "a" num_steps: 1 learning_rate: 1 learning_rate_scale: 2'),
        "2:49: learning_rate_scale cannot stand beside learning_rate",
    ),
    "rate of zero": (
        stage('name: "a" num_steps: 1 learning_rate: 0'),
        "2:47: stage 'a': learning_rate is 0; give a number above 0",
    ),
    "rate of infinity": (
        stage('name: "a" num_steps: 1 learning_rate: inf'),
        "2:47: stage 'a': learning_rate is inf; give a number above 0",
    ),
    "scale that is no number": (
        stage('name: "a" num_steps: 1 learning_rate_scale: nan'),
        "2:53: stage 'a': learning_rate_scale is nan; give a number above 0",
    ),
    "names equal but for their case": (
        stage('name: "a" num_steps: 1') + '\nstage { name: "A" num_steps: 1 }',
        "3:15: two stages are called 'A'; give each a name of its own",
    ),
}


class TestRefusing:
    @pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
    def test_at_the_place(self, text: str, message: str, tmp_path: Path) -> None:
        path = written(tmp_path, text)
        with pytest.raises(PlanError) as caught:
            read_plan(path)
        assert str(caught.value).startswith(f"{path}:{message}")

    @pytest.mark.parametrize(
        "name",
        ("", "a/b", "a\\\\b", "..", ".", ".a", "-a", "_a", "a b", "a.b", "ä", "a\\n", "a" * 65),
    )
    def test_name_that_is_no_folder_name(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(PlanError, match=r"the name must be 1 to 64 letters"):
            read_plan(written(tmp_path, stage(f'name: "{name}" num_steps: 1')))

    @pytest.mark.parametrize("name", ("con", "NUL", "Com1", "lpt9", "aux", "prn"))
    def test_name_that_windows_keeps(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(PlanError, match=r"Windows keeps that name"):
            read_plan(written(tmp_path, stage(f'name: "{name}" num_steps: 1')))

    def test_no_stages(self, tmp_path: Path) -> None:
        with pytest.raises(PlanError, match=r"a.plan has no stages; write 1 to 99"):
            read_plan(written(tmp_path, 'base_config: "b"'))

    def test_more_stages_than_two_digits_number(self) -> None:
        stages = tuple(Stage(f"s{number}", 1) for number in range(100))
        check_plan(Plan(Path("b"), stages[:99]))
        with pytest.raises(PlanError, match="the plan has 100 stages"):
            check_plan(Plan(Path("b"), stages))

    def test_broken_pattern_of_a_rate_is_refused_at_its_place(self, tmp_path: Path) -> None:
        path = written(tmp_path, stage('name: "a" num_steps: 1 rate { pattern: "(" scale: 1 }'))
        with pytest.raises(PatternError) as caught:
            read_plan(path)
        assert caught.value.place is not None
        assert (caught.value.place.line, caught.value.place.column) == (2, 49)

    def test_pattern_that_is_no_regex(self, tmp_path: Path) -> None:
        path = written(tmp_path, stage('name: "a" num_steps: 1 freeze_variables: "x("'))
        with pytest.raises(PatternError) as caught:
            read_plan(path)
        assert caught.value.place is not None
        assert (caught.value.place.file, caught.value.place.line) == (str(path), 2)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        (
            (Stage("a", 0), "num_steps is 0"),
            (Stage("a", 1, learning_rate=-1.0), "learning_rate is -1"),
            (Stage("a", 1, learning_rate=1.0, learning_rate_scale=1.0), "keep one"),
            (Stage("a", 1, batch_size=0), "batch_size is 0"),
        ),
    )
    def test_plan_made_by_a_program_is_checked_too(self, wrong: Stage, message: str) -> None:
        with pytest.raises(PlanError, match=message):
            check_plan(Plan(Path("b"), (wrong,)))

    def test_pattern_of_a_program_that_is_no_regex(self) -> None:
        with pytest.raises(PatternError, match="stage 'a': freeze_variables"):
            check_plan(Plan(Path("b"), (Stage("a", 1, ("x(",)),)))

    @pytest.mark.parametrize("cut", range(0, len(WHOLE), 7))
    def test_plan_that_was_cut_off_is_an_error_or_a_shorter_plan(
        self, cut: int, tmp_path: Path
    ) -> None:
        path = written(tmp_path, WHOLE[:cut])
        try:
            plan = read_plan(path)
        except (ConfigError, ValueError):
            return
        assert len(plan.stages) <= 2


def test_example_in_the_schema_s_comments_is_a_plan(tmp_path: Path) -> None:
    lines = (ROOT / "protos/odfreeze/plan.proto").read_text(encoding="utf-8").splitlines()
    example = [line[5:] for line in lines if line.startswith("//   ")]
    assert [stage.name for stage in read_plan(written(tmp_path, "\n".join(example))).stages] == [
        "head",
        "all",
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "sample_configs").glob("*.plan")), ids=lambda path: path.stem
)
def test_sample_plans_are_read_and_have_their_base_config(path: Path) -> None:
    plan = read_plan(path)
    assert plan.base_config.is_file()
    assert parse(plan.base_config.read_bytes())
