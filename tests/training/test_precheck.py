"""What is known and refused before a run starts, from files alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from odfreeze.check.linter import Checked
from odfreeze.check.subject import RunFlags
from odfreeze.errors import (
    CheckpointNotFoundError,
    OdfreezeError,
    PatternError,
    RecordError,
    RemotePathError,
    TrainingRefusedError,
    UsageError,
)
from odfreeze.findings import Finding
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import record_path
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.training.precheck import Precheck, check_run, latest_step, precheck
from tests.support.bundle_writer import write_checkpoint, write_state
from tests.support.fake_training import write_run
from tests.support.tiny_detector import specs, write_detector

HEADS = "Predictor/BoxHead"
CURE = (
    "; ask for what it was made with, choose another directory, or remove that one"
    " (--allow_used_model_dir goes on from its checkpoint all the same)"
)


def check(
    config: Path, model_dir: object = None, *, steps: int | None = None, allow=(), **options
) -> Precheck:
    folder = config.parent / "run" if model_dir is None else model_dir
    batch_norm = options.get("frozen_batch_norm", "hold")
    return precheck(PipelineConfig.read(config), folder, steps, batch_norm, allow)


def refused(*args: object, error: type[OdfreezeError] = TrainingRefusedError, **options) -> str:
    with pytest.raises(error) as caught:
        check(*args, **options)
    assert caught.value.exit_status == 2
    return str(caught.value)


def rewrite(config: Path, **changes: object) -> Path:
    PipelineConfig.read(config).with_changes(**changes).write(config, force=True)
    return config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_detector(tmp_path, "^Conv1", "^bn_Conv1")


# --- a run that may start ---


def test_a_new_run_is_previewed(config: Path) -> None:
    found = check(config)
    assert (found.num_steps, found.step, found.steps_left) == (10, None, 10)
    assert Counter(found.expected.values()) == {
        "frozen": 3, "held": 2, "trainable": 18, "updating": 10,
    }  # fmt: skip
    assert found.expected[
        "model/_feature_extractor/classification_backbone/layer_with_weights-0/kernel"
    ] == "frozen"  # fmt: skip


class TestRates:
    """Shares of the learning rate."""

    @staticmethod
    def check(config: Path, *rates: Rate, allow=(), model_dir: object = None) -> Precheck:
        folder = config.parent / "run" if model_dir is None else model_dir
        pipeline = PipelineConfig.read(config)
        return precheck(pipeline, folder, None, "hold", allow, conduct=Conduct(rates=rates))

    def test_the_share_of_each_variable_is_previewed(self, config: Path) -> None:
        found = self.check(config, Rate("block_1", 0.1), Rate("Conv1", 2.0))
        assert Counter(found.expected_scales.values()) == {1.0: 24, 0.1: 9}
        assert len(found.expected) == 33
        assert [str(one)[:15] for one in found.findings] == ["warning ODF225:"]

    def test_without_rates_there_is_nothing_to_compare(self, config: Path) -> None:
        found = self.check(config)
        assert (found.expected_scales, found.findings) == ({}, ())

    def test_one_that_matches_nothing_is_refused(self, config: Path) -> None:
        with pytest.raises(
            TrainingRefusedError, match=r"^rate 'blok' matches none of 33 variables"
        ):
            self.check(config, Rate("block", 0.1), Rate("blok", 0.1))
        found = self.check(config, Rate("blok", 0.1), allow=["unmatched_patterns"])
        assert set(found.expected_scales.values()) == {1.0}

    def test_a_broken_pattern_is_an_error(self, config: Path) -> None:
        with pytest.raises(PatternError, match="rate: '\\(' is no regular expression"):
            self.check(config, Rate("(", 0.1))

    def test_names_that_the_live_model_may_have_are_left_to_it(self, tmp_path: Path) -> None:
        config = TestNamesThatKerasNumbers.numbered(tmp_path, "(?#path)_feature_extractor/")
        assert self.check(config, Rate("^conv2d_0/", 0.1)).num_steps == 10
        with pytest.raises(TrainingRefusedError, match="rate 'zzz' matches none"):
            self.check(config, Rate("zzz", 0.1))


class TestNamesThatKerasNumbers:
    """In the checkpoint they run from conv2d_13; the live model's may be others."""

    @staticmethod
    def numbered(folder: Path, pattern: str) -> Path:
        path = write_detector(folder, pattern)
        held = specs()
        for number, at in enumerate(list(held)[-2:], start=13):
            held[at] = (f"conv2d_{number}/kernel", *held[at][1:])
        write_checkpoint(folder / "ckpt-0", held)
        return rewrite(path, fine_tune_checkpoint_type="full")

    @pytest.mark.parametrize("pattern", ["^conv2d_1/", "^conv2d(_2)?/"], ids=str)
    def test_a_pattern_for_others_is_left_to_the_live_model(
        self, tmp_path: Path, pattern: str
    ) -> None:
        found = check(self.numbered(tmp_path, pattern))
        assert set(found.expected.values()) == {"trainable", "updating"}

    @pytest.mark.parametrize("pattern", ["^blok_1/", "(?#path)conv2d_1/"], ids=["name", "path"])
    def test_one_for_something_else_is_refused(self, tmp_path: Path, pattern: str) -> None:
        assert "matches none of 33 variables" in refused(self.numbered(tmp_path, pattern))


def test_it_writes_nothing(config: Path) -> None:
    before = sorted(config.parent.rglob("*"))
    check(config)
    assert sorted(config.parent.rglob("*")) == before


def test_frozen_batch_norm_changes_what_is_expected(config: Path) -> None:
    assert "held" not in check(config, frozen_batch_norm="update").expected.values()


def test_a_run_without_patterns_trains_everything(tmp_path: Path) -> None:
    states = set(check(write_detector(tmp_path)).expected.values())
    assert states == {"trainable", "updating"}


# --- its steps ---


def test_num_train_steps_wins_over_the_config(config: Path) -> None:
    assert check(config, steps=7).num_steps == 7


def test_num_train_steps_does_where_the_config_has_no_steps(tmp_path: Path) -> None:
    config = write_detector(tmp_path, **{"  num_steps: 10\n": ""})
    assert check(config, steps=7).num_steps == 7


@pytest.mark.parametrize("line", ("", "  num_steps: 0\n"), ids=("missing", "zero"))
def test_a_run_without_an_end_is_refused(tmp_path: Path, line: str) -> None:
    config = write_detector(tmp_path, **{"  num_steps: 10\n": line})
    assert refused(config) == (
        f"{config}: train_config.num_steps is 0: a run needs an end; set num_steps or give"
        " --num_train_steps"
    )


@pytest.mark.parametrize("steps", (0, -1))
def test_num_train_steps_must_be_a_count(config: Path, steps: int) -> None:
    message = refused(config, steps=steps, error=UsageError)
    assert message == f"--num_train_steps is {steps}: a run takes at least 1 step"


# --- a directory that another run used ---


def test_the_same_run_resumes(config: Path) -> None:
    found = check(config, write_run(config.parent / "run", config, 4))
    assert (found.step, found.steps_left) == (4, 6)
    assert "frozen" in found.expected.values()


def test_a_run_at_its_end_has_no_steps_left(config: Path) -> None:
    assert check(config, write_run(config.parent / "run", config, 10)).steps_left == 0


def test_a_run_can_be_made_longer(config: Path) -> None:
    write_run(config.parent / "run", config, 10)
    rewrite(config, num_steps=25)
    assert check(config).steps_left == 15


def test_a_trailing_slash_is_no_other_directory(config: Path) -> None:
    run = write_run(config.parent / "run", config, 4)
    assert check(config, f"{run}/").step == 4


def test_relative_paths_are_those_of_the_current_directory(config: Path, monkeypatch) -> None:
    write_run(config.parent / "run", config, 4)
    monkeypatch.chdir(config.parent)
    assert check(Path("pipeline.config"), "run").step == 4


@pytest.mark.parametrize("step", (0, 4))
def test_a_checkpoint_without_record_is_refused(config: Path, step: int) -> None:
    run = write_run(config.parent / "run", config, step, record=False)
    assert refused(config) == (
        f"{run} already holds a checkpoint (step {step}) that no odfreeze run made; it would win"
        f" over fine_tune_checkpoint{CURE}"
    )


@pytest.mark.parametrize(
    ("recorded", "difference"),
    (
        (
            {"freeze_variables": ("^Conv1",)},
            "freeze_variables was ['^Conv1'] and is now ['^Conv1', '^bn_Conv1']",
        ),
        (
            {"update_trainable_variables": ("x",)},
            "update_trainable_variables was ['x'] and is now not set",
        ),
        ({"frozen_batch_norm": "update"}, "frozen_batch_norm was 'update' and is now 'hold'"),
        (
            {"fine_tune_checkpoint_type": "full"},
            "fine_tune_checkpoint_type was 'full' and is now 'detection'",
        ),
        ({"seed": 7}, "seed was 7 and is now not set"),
    ),
    ids=("freeze_variables", "update_trainable_variables", "frozen_batch_norm", "type", "seed"),
)
def test_the_checkpoint_of_another_run_is_refused(
    config: Path, recorded: dict[str, object], difference: str
) -> None:
    run = write_run(config.parent / "run", config, 4, **recorded)
    assert refused(config) == (
        f"{run} holds another run's checkpoint (step 4): its {difference}{CURE}"
    )


def test_a_run_from_another_checkpoint_is_another_run(config: Path) -> None:
    run = write_run(config.parent / "run", config, 4, fine_tune_checkpoint="zoo/ckpt-0")
    now = (config.parent / "ckpt-0").as_posix()
    assert refused(config) == (
        f"{run} holds another run's checkpoint (step 4): its fine_tune_checkpoint was 'zoo/ckpt-0'"
        f" and is now {now!r}{CURE}"
    )


def test_a_run_past_its_end_is_refused(config: Path) -> None:
    run = write_run(config.parent / "run", config, 40)
    assert refused(config) == (
        f"{run} is at step 40, past the 10 steps asked for: nothing would be trained; ask for more"
        " steps, or choose another --model_dir (--allow_used_model_dir verifies it as it is)"
    )


def test_a_record_that_is_no_record_is_refused(config: Path) -> None:
    run = write_run(config.parent / "run", config, 4)
    record_path(run).write_text("{}")
    assert "is not the record that `odfreeze train` wrote" in refused(config, error=RecordError)


@pytest.mark.parametrize(
    ("step", "options"),
    (
        (4, {"record": False}),
        (4, {"freeze_variables": ("x",)}),
        (4, {"frozen_batch_norm": "update"}),
        (40, {}),
    ),
    ids=("no record", "other patterns", "other batch norm", "past its end"),
)
def test_used_model_dir_lets_another_run_through(config: Path, step: int, options: dict) -> None:
    write_run(config.parent / "run", config, step, **options)
    assert check(config, allow=["used_model_dir"]).step == step


def test_a_directory_with_summaries_only_is_a_new_run(config: Path) -> None:
    (config.parent / "run" / "train").mkdir(parents=True)
    assert check(config).step is None


def test_a_state_file_without_its_checkpoint_is_a_new_run(config: Path) -> None:
    run = config.parent / "run"
    run.mkdir()
    write_state(run, "ckpt-4")
    assert latest_step(run) is None


def test_an_older_checkpoint_is_not_taken_for_the_one_that_is_named(config: Path) -> None:
    run = write_run(config.parent / "run", config, 4)
    write_state(run, "ckpt-8")
    assert latest_step(run) is None


def test_a_folder_named_checkpoint_is_no_state_file(config: Path) -> None:
    write_checkpoint(config.parent / "run/checkpoint/ckpt-0", {}, step=3)
    assert latest_step(config.parent / "run") is None


@pytest.mark.parametrize("model_dir", ("gs://bucket/run", "hdfs://host/run"))
def test_a_remote_model_dir_is_refused(config: Path, model_dir: str) -> None:
    assert refused(config, model_dir, error=RemotePathError) == (
        f"{model_dir} is not on this machine, and a run keeps its record beside its checkpoints;"
        " give a local --model_dir"
    )


# --- the checkpoint that it starts from ---


def test_patterns_without_a_checkpoint_are_refused(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv1", **{"  fine_tune_checkpoint: ": "  # "})
    message = (
        f"{config}:10:21: patterns are given but no fine_tune_checkpoint: what they freeze would"
        " stay at its random start; set fine_tune_checkpoint (--allow_random_frozen goes on all"
        ' the same)\n  freeze_variables: "^Conv1"\n                    ^'
    )
    assert refused(config) == message
    assert check(config, allow=["random_frozen"]).expected == {}


def test_training_from_scratch_needs_no_checkpoint(tmp_path: Path) -> None:
    config = write_detector(tmp_path, **{"  fine_tune_checkpoint: ": "  # "})
    assert check(config) == Precheck(10, None, {})


def test_a_resumed_run_without_a_checkpoint_to_start_from_has_its_values(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv1", **{"  fine_tune_checkpoint: ": "  # "})
    write_run(tmp_path / "run", config, 4)
    assert check(config) == Precheck(10, 4, {})


def test_a_missing_checkpoint_is_an_error_at_its_place(config: Path) -> None:
    (config.parent / "ckpt-0.index").unlink()
    assert refused(config, error=CheckpointNotFoundError).startswith(f"{config}:8:25: ")


def test_a_resumed_run_does_without_it(config: Path) -> None:
    write_run(config.parent / "run", config, 4)
    (config.parent / "ckpt-0.index").unlink()
    assert check(config) == Precheck(10, 4, {})


def test_a_remote_checkpoint_is_left_to_the_child(tmp_path: Path) -> None:
    config = rewrite(write_detector(tmp_path, "x"), fine_tune_checkpoint="gs://bucket/ckpt-0")
    assert check(config) == Precheck(10, None, {})


def test_a_backbone_alone_is_not_judged_by_names_that_it_cannot_have(tmp_path: Path) -> None:
    config = write_detector(tmp_path, HEADS, **{'"detection"': '"classification"'})
    write_checkpoint(
        tmp_path / "ckpt-0",
        {"feature_extractor/layer-0/kernel": ("Conv1/kernel", "float32", (3,), None)},
    )
    assert check(config).expected == {}


def test_a_checkpoint_without_names_is_not_judged_by_them(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv1")
    spec = {"model/_feature_extractor/k": ("Conv1/kernel", "float32", (3,), None)}
    write_checkpoint(tmp_path / "ckpt-0", spec, graph=False)
    assert check(config).expected == {}


# --- its patterns ---


def test_a_pattern_without_match(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^Conv1", "^Conv9")
    assert refused(config) == (
        f"{config}:11:21: freeze_variables '^Conv9' matches none of 33 variables; `odfreeze"
        " preview` shows their names (--allow_unmatched_patterns goes on all the same)\n"
        '  freeze_variables: "^Conv9"\n                    ^'
    )
    assert check(config, allow=["unmatched_patterns"]).expected


def test_everything_frozen(tmp_path: Path) -> None:
    config = rewrite(write_detector(tmp_path, ".*"), fine_tune_checkpoint_type="full")
    assert refused(config).startswith("the patterns freeze everything: nothing would learn")
    assert set(check(config, allow=["all_frozen"]).expected.values()) == {"frozen", "held"}


def test_frozen_heads_that_type_detection_does_not_restore(tmp_path: Path) -> None:
    config = write_detector(tmp_path, HEADS)
    assert refused(config).startswith(
        "2 frozen variables get no value from fine_tune_checkpoint and would stay at their random"
        " start, among them 'Predictor/BoxHead/kernel'; "
    )
    assert check(config, allow=["random_frozen"]).expected
    assert check(rewrite(config, fine_tune_checkpoint_type="full")).expected


def test_a_resumed_run_has_its_values(tmp_path: Path) -> None:
    config = write_detector(tmp_path, HEADS)
    write_run(tmp_path / "run", config, 4)
    assert check(config).step == 4


def test_a_misspelt_allowance_is_an_error(config: Path) -> None:
    assert refused(config, allow=["random_frozn"], error=UsageError) == (
        "there is nothing to allow called 'random_frozn'; did you mean 'random_frozen'?"
    )


# --- what a check says of it ---


def checked(monkeypatch, config: Path, *findings: Finding, ignore=(), resumed: bool = False):
    """Makes a check find this; returns what was passed on, and what the check was told."""
    told: dict[str, object] = {}

    def find(pipeline: PipelineConfig, **options: object) -> Checked:
        told.update(options)
        return Checked(pipeline.file, findings, 0, b"", b"")

    monkeypatch.setattr("odfreeze.check.gate.check_config", find)
    run = config.parent / "run"
    if resumed:
        write_run(run, config, 4)
    flags = RunFlags(model_dir=str(run), is_enforced=True)
    return check_run(PipelineConfig.read(config), flags, ignore), told


def test_warnings_of_a_check_are_passed_on_and_hints_are_not(config: Path, monkeypatch) -> None:
    warning = Finding("ODF410", "warning", "nobody reads it")
    hint = Finding("ODF219", "info", "good to know")
    assert checked(monkeypatch, config, hint, warning)[0] == (warning,)


def test_an_error_of_a_check_refuses(config: Path, monkeypatch) -> None:
    with pytest.raises(TrainingRefusedError, match=r"^ODF501: no data "):
        checked(monkeypatch, config, Finding("ODF501", "error", "no data"))


@pytest.mark.parametrize(
    ("resumed", "left_out"),
    ((False, "ODF301"), (True, "ODF3")),
    ids=["new", "resumed"],
)
def test_what_precheck_judges_itself_is_left_to_it(
    config: Path, monkeypatch, resumed: bool, left_out: str
) -> None:
    _, told = checked(monkeypatch, config, ignore=["ODF4"], resumed=resumed)
    assert told["ignore"] == (left_out, "ODF601", "ODF602", "ODF4")
