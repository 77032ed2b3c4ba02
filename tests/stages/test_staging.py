"""Staging: the configs of a plan, how they are chained, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.errors import (
    ConfigError,
    PatternError,
    PlanError,
    RemotePathError,
    TrainingRefusedError,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.plan import Plan, Stage
from odfreeze.stages.staging import plan_stages, read_plan, write_stages
from tests.stages.base_model import ALL, BASE, HEAD, config_of, model, snapshot
from tests.support.bundle_writer import write_checkpoint, write_named_checkpoint

pytestmark = pytest.mark.usefixtures("unchecked")


class TestConfigs:
    def test_a_stage_is_an_edit_of_the_base(self, base: Path, out: Path) -> None:
        (head,) = plan_stages(Plan(base, (HEAD,)), out)
        expected = (
            base.read_text(encoding="utf-8")
            .replace("num_steps: 1000", "num_steps: 50")
            .replace('freeze_variables: "^old"', 'update_trainable_variables: "^Head/"')
            .replace("total_steps: 1000", "total_steps: 50")
            .replace("warmup_steps: 100", "warmup_steps: 5")
        )
        assert head.data.decode() == expected

    def test_first_stage_starts_where_the_base_does(
        self, base: Path, checkpoint: Path, out: Path
    ) -> None:
        head = plan_stages(Plan(base, (HEAD, ALL)), out)[0]
        assert (head.starts_from, head.starts_from_type) == (checkpoint.as_posix(), "detection")

    def test_later_stages_start_from_the_last_checkpoint_before(
        self, base: Path, out: Path
    ) -> None:
        plan = Plan(base, (HEAD, ALL, Stage("more", 7)))
        head, everything, more = plan_stages(plan, out)
        for stage, before, step in ((everything, head, 50), (more, everything, 200)):
            config = config_of(stage)
            expected = (Path.cwd() / before.directory / f"model/ckpt-{step}").as_posix()
            assert config.fine_tune_checkpoint == stage.starts_from == before.checkpoint == expected
            assert config.fine_tune_checkpoint_type == stage.starts_from_type == "full"
            assert config.fine_tune_checkpoint_version == "V2"

    def test_checkpoints_are_absolute_when_the_output_is_relative(
        self, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        head, everything = plan_stages(Plan(base, (HEAD, ALL)), "some/../out")
        assert head.directory == Path("some/../out/01_head")
        assert everything.starts_from == (tmp_path / "out/01_head/model/ckpt-50").as_posix()

    def test_patterns_take_the_place_of_the_base_s(self, base: Path, out: Path) -> None:
        stages = (Stage("a", 1, ("x\\d", "y"), ("z",)), Stage("b", 1))
        first, second = map(config_of, plan_stages(Plan(base, stages), out))
        assert first.freeze_variables == ("x\\d", "y")
        assert first.update_trainable_variables == ("z",)
        assert second.freeze_variables == second.update_trainable_variables == ()

    def test_batch_size_and_rate_are_the_base_s_unless_given(self, base: Path, out: Path) -> None:
        absolute = Stage("c", 10, learning_rate=0.004)
        staged = plan_stages(Plan(base, (HEAD, ALL, absolute)), out)
        assert [one.batch_size for one in staged] == [8, 2, 8]
        assert [config_of(one).batch_size for one in staged] == [8, 2, 8]
        assert [config_of(one).learning_rate for one in staged] == [0.08, 0.008, 0.004]
        assert [one.schedule.peak for one in staged] == [0.08, 0.008, 0.004]

    def test_data_paths_stay_as_they_are(self, base: Path, out: Path) -> None:
        for one in plan_stages(Plan(base, (HEAD, ALL)), out):
            path = "train_input_reader.tf_record_input_reader.input_path"
            assert config_of(one).get(path) == "data/train.record"

    def test_line_endings_stay_as_they_are(self, base: Path, out: Path) -> None:
        plan = Plan(base, (HEAD, ALL))
        unix = [one.data for one in plan_stages(plan, out)]
        base.write_bytes(base.read_bytes().replace(b"\n", b"\r\n"))
        assert [one.data for one in plan_stages(plan, out)] == [
            data.replace(b"\n", b"\r\n") for data in unix
        ]

    def test_nothing_is_written(self, base: Path, tmp_path: Path) -> None:
        before = snapshot(tmp_path)
        plan_stages(Plan(base, (HEAD, ALL)), tmp_path / "out")
        assert snapshot(tmp_path) == before
        assert not (tmp_path / "out").exists()

    def test_base_without_schedule_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "bare.config"
        path.write_text("train_config { }")
        with pytest.raises(ConfigError, match="no learning rate to refit"):
            plan_stages(Plan(path, (HEAD,)), tmp_path / "out")

    @pytest.mark.parametrize(
        ("rate", "shown"),
        (({"learning_rate": 1e300}, "1e+300"), ({"learning_rate_scale": 1e-300}, "8e-302")),
        ids=("infinite", "nothing"),
    )
    def test_a_rate_that_the_config_cannot_hold_is_refused(
        self, base: Path, out: Path, rate: dict[str, float], shown: str
    ) -> None:
        with pytest.raises(PlanError) as caught:
            plan_stages(Plan(base, (Stage("head", 5, **rate),)), out)
        assert caught.value.message == (
            f"stage 'head': its highest learning rate is {shown}, which the config's 32 bits do not"
            " hold; give one from 1.2e-38 to 3.40282e+38"
        )

    def test_missing_base_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="there is no file"):
            plan_stages(Plan(tmp_path / "none.config", (HEAD,)), tmp_path / "out")

    @pytest.mark.parametrize("call", (plan_stages, write_stages), ids=("plan", "write"))
    def test_remote_output_is_refused(self, base: Path, call: object) -> None:
        assert callable(call)
        with pytest.raises(RemotePathError):
            call(Plan(base, (HEAD,)), "gs://bucket/out")

    def test_plan_that_leads_out_of_the_output_is_refused(self, base: Path, out: Path) -> None:
        with pytest.raises(PlanError, match="the name must be"):
            write_stages(Plan(base, (Stage("../../x", 1),)), out)

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(
            st.builds(
                Stage,
                name=st.just("s"),
                num_steps=st.integers(1, 10_000),
                freeze_variables=st.lists(st.sampled_from(["a", r"\d\.\"x'", "ä"])).map(tuple),
                update_trainable_variables=st.lists(st.sampled_from(["b", "/c/"])).map(tuple),
                learning_rate=st.none() | st.floats(1e-5, 10),
                batch_size=st.none() | st.integers(1, 99),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def test_a_config_reads_as_its_stage(self, drawn: list[Stage]) -> None:
        import dataclasses
        import tempfile

        stages = tuple(dataclasses.replace(s, name=f"s{i}") for i, s in enumerate(drawn))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "base.config"
            path.write_text(BASE)
            staged = plan_stages(Plan(path, stages), folder)
        for stage, one in zip(stages, staged, strict=True):
            config = config_of(one)
            assert config.num_steps == stage.num_steps
            assert config.freeze_variables == stage.freeze_variables
            assert config.update_trainable_variables == stage.update_trainable_variables
            assert config.batch_size == (stage.batch_size or 8)
            assert config.learning_rate == (stage.learning_rate or 0.08)
            assert (b"# a base to stage" in one.data, b"# as much as fits" in one.data) == (
                True,
                True,
            )


class TestJudging:
    def test_what_learns_is_counted_on_the_base_checkpoint(self, base: Path, out: Path) -> None:
        head, everything = write_stages(Plan(base, (HEAD, ALL)), out)
        assert head.selection is not None
        assert everything.selection is not None
        assert [v.name for v in head.selection.of("trainable")] == ["Head/kernel"]
        assert head.selection.totals()["frozen"].variables == 2
        assert everything.selection.totals()["trainable"].variables == 3

    def test_pattern_that_matches_nothing_is_refused_in_any_stage(
        self, base: Path, out: Path
    ) -> None:
        plan = Plan(base, (HEAD, Stage("next", 5, ("^Haed/",))))
        with pytest.raises(TrainingRefusedError, match=r"stage 'next': freeze_variables '\^Haed/'"):
            write_stages(plan, out)
        assert not out.exists()
        written = write_stages(plan, out, allow=["unmatched_patterns"])
        assert "ODF201" in {finding.code for finding in written[1].findings}

    def test_refusal_points_at_the_plan(self, base: Path, out: Path, tmp_path: Path) -> None:
        path = tmp_path / "a.plan"
        path.write_text(
            'base_config: "base.config"\n'
            'stage { name: "a" num_steps: 1 freeze_variables: ["block", "^Haed/"] }'
        )
        with pytest.raises(TrainingRefusedError) as caught:
            write_stages(read_plan(path), out)
        assert str(caught.value).startswith(f"{path}:2:60: stage 'a': ")

    def test_findings_point_at_the_plan(self, base: Path, out: Path, tmp_path: Path) -> None:
        path = tmp_path / "a.plan"
        path.write_text(
            'base_config: "base.config"\n'
            'stage { name: "a" num_steps: 1 freeze_variables: ["block", "^Haed/"] }'
        )
        (one,) = write_stages(read_plan(path), out, allow=["unmatched_patterns"])
        (finding,) = [finding for finding in one.findings if finding.code == "ODF201"]
        assert str(finding.place) == f"{path}:2:60"

    def test_everything_frozen_is_refused(self, base: Path, out: Path) -> None:
        plan = Plan(base, (HEAD, Stage("none", 5, (".",))))
        with pytest.raises(TrainingRefusedError, match=r"stage 'none': .*--allow_all_frozen"):
            write_stages(plan, out)
        assert write_stages(plan, out, allow=["all_frozen"])

    def test_frozen_but_not_restored_is_refused_in_the_first_stage_only(
        self, base: Path, out: Path
    ) -> None:
        heads_frozen = Stage("neck", 5, ("^Head/",))
        with pytest.raises(TrainingRefusedError, match="stage 'neck': 1 frozen variables get no"):
            write_stages(Plan(base, (heads_frozen,)), out)
        later = write_stages(Plan(base, (HEAD, heads_frozen)), out)
        assert later[1].findings == ()
        assert write_stages(Plan(base, (heads_frozen,)), out / "x", allow=["random_frozen"])

    def test_what_the_base_checkpoint_restores_says_nothing_of_a_later_stage(
        self, base: Path, checkpoint: Path, out: Path
    ) -> None:
        # Of a TF1 checkpoint nothing is restored, but stage 2 starts from a checkpoint of TF2.
        names = ("model/block_1/kernel", "model/Head/kernel")
        write_named_checkpoint(checkpoint, dict.fromkeys(names, ("float32", (3, 4), None)))
        head = Stage("head", 50, update_trainable_variables=("^model/Head/",))
        with pytest.raises(TrainingRefusedError, match="frozen variables get no value"):
            write_stages(Plan(base, (head,)), out)
        first, later = write_stages(Plan(base, (Stage("all", 9), head)), out)
        assert "ODF302" in {finding.code for finding in first.findings}
        assert later.selection is not None
        assert later.findings == ()

    def test_frozen_without_any_checkpoint_is_refused(self, base: Path, out: Path) -> None:
        text = base.read_text().splitlines(keepends=True)
        base.write_text("".join(line for line in text if "fine_tune_checkpoint:" not in line))
        with pytest.raises(TrainingRefusedError, match="sets no fine_tune_checkpoint"):
            write_stages(Plan(base, (HEAD,)), out)
        written = write_stages(Plan(base, (Stage("all", 9), HEAD)), out)
        assert [finding.code for one in written for finding in one.findings] == ["ODF391"]
        assert written[0].starts_from is None

    @pytest.mark.parametrize("where", ("gs://bucket/ckpt-0", "PATH/TO/ckpt-0"))
    def test_checkpoint_out_of_reach_is_said_once_and_goes_on(
        self, where: str, base: Path, checkpoint: Path, out: Path
    ) -> None:
        base.write_text(base.read_text().replace(checkpoint.as_posix(), where))
        head, everything = write_stages(Plan(base, (HEAD, ALL)), out)
        assert head.selection is everything.selection is None
        (finding,) = head.findings
        assert everything.findings == ()
        assert (finding.code, finding.severity) == ("ODF391", "warning")
        assert finding.place is not None
        assert (finding.place.file, finding.place.line) == (str(base), 6)
        assert head.starts_from == where

    def test_checkpoint_of_a_backbone_judges_no_patterns(
        self, base: Path, checkpoint: Path, out: Path
    ) -> None:
        write_checkpoint(
            checkpoint, {"feature_extractor/conv/kernel": ("block_1/kernel", "float32", (3,), None)}
        )
        base.write_text(base.read_text().replace('"detection"', '"classification"'))
        head, everything = write_stages(Plan(base, (HEAD, ALL)), out)
        assert head.selection is everything.selection is None
        assert everything.findings == ()

    def test_checkpoint_without_names_judges_no_patterns_for_names(
        self, base: Path, checkpoint: Path, out: Path
    ) -> None:
        write_checkpoint(checkpoint, model(), graph=False)
        (head,) = write_stages(Plan(base, (HEAD,)), out)
        assert head.selection is None
        assert "ODF303" in {finding.code for finding in head.findings}
        by_path = Stage("head", 5, update_trainable_variables=("(?#path)/_box_predictor/",))
        (head,) = write_stages(Plan(base, (by_path,)), out / "x")
        assert head.selection is not None

    def test_pattern_that_never_ends_points_at_the_plan(
        self, base: Path, out: Path, tmp_path: Path, checkpoint: Path
    ) -> None:
        name = "a" * 60 + "!"
        write_checkpoint(checkpoint, {"model/_box/kernel": (name, "float32", (3,), None)})
        path = tmp_path / "a.plan"
        path.write_text(
            'base_config: "base.config"\n'
            'stage { name: "a" num_steps: 1 freeze_variables: "(a+)+$" }'
        )
        with pytest.raises(PatternError, match="took longer") as caught:
            write_stages(read_plan(path), out)
        assert caught.value.place is not None
        assert (caught.value.place.file, caught.value.place.line) == (str(path), 2)
        assert not out.exists()


def test_stages_of_real_configs_are_edits_of_them(corpus: Path, tmp_path: Path) -> None:
    stage = Stage("a", 300, ("x",), ("y",), learning_rate=0.001)
    paths = sorted((corpus / "configs").rglob("*.config"))
    assert len(paths) > 100
    for path in paths[::4]:
        base = PipelineConfig.read(path)
        (one,) = plan_stages(Plan(path, (stage,)), tmp_path)
        config = config_of(one)
        assert config.num_steps == stage.num_steps
        assert config.patterns() and one.schedule.peak == pytest.approx(0.001)
        assert config.get("model") is not None
        assert base.data.count(b"#") == one.data.count(b"#")
