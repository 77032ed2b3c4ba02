"""PipelineConfig: values as the OD API reads them, edits that touch nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from odfreeze.errors import (
    ConfigError,
    OutputError,
    PatternError,
    RemotePathError,
    TextProtoError,
    UnknownFieldError,
    UsageError,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.variables import Variable

TEXT = b"""\
model {
  ssd {
    num_classes: 90  # COCO
    feature_extractor { type: 'ssd_mobilenet_v2_fpn_keras' }
  }
}
train_config: {
  fine_tune_checkpoint_version: V2
  fine_tune_checkpoint: "zoo/ckpt-0"
  fine_tune_checkpoint_type: "detection"
  batch_size: 16
  num_steps: 5000
  optimizer {
    momentum_optimizer: {
      learning_rate: {
        cosine_decay_learning_rate {
          learning_rate_base: .08
          total_steps: 5000
          warmup_learning_rate: .026666
          warmup_steps: 1000
        }
      }
    }
  }
}
"""
CONFIG = PipelineConfig.parse(TEXT, "pipeline.config")


def train(text: str) -> PipelineConfig:
    return PipelineConfig.parse(f"train_config {{ {text} }}".encode())


def model(text: str) -> PipelineConfig:
    return PipelineConfig.parse(f"model {{ {text} }}".encode())


# --- reading ------------------------------------------------------------------------


def test_values() -> None:
    assert CONFIG.fine_tune_checkpoint == "zoo/ckpt-0"
    assert CONFIG.fine_tune_checkpoint_type == "detection"
    assert CONFIG.fine_tune_checkpoint_version == "V2"
    assert CONFIG.num_steps == 5000
    assert CONFIG.batch_size == 16
    assert CONFIG.learning_rate == 0.08
    assert CONFIG.meta_architecture == "ssd"
    assert CONFIG.freeze_variables == ()
    assert CONFIG.get("model.ssd.num_classes") == 90
    assert CONFIG.get("model.ssd.missing") is None
    assert CONFIG.get_all("train_config.num_steps") == (5000,)


def test_defaults_are_those_of_the_schema() -> None:
    config = PipelineConfig.parse(b"")
    assert config.fine_tune_checkpoint is None
    assert config.fine_tune_checkpoint_type == "classification"
    assert config.fine_tune_checkpoint_version == "V1"
    assert config.num_steps == 0
    assert config.batch_size == 32
    assert config.learning_rate is None
    assert config.meta_architecture is None
    assert config.patterns() == ()


@pytest.mark.parametrize(
    ("text", "effective"),
    [
        ("", "classification"),
        ("from_detection_checkpoint: true", "detection"),
        ("from_detection_checkpoint: false", "classification"),
        ("fine_tune_checkpoint_type: 'full' from_detection_checkpoint: true", "full"),
        ("fine_tune_checkpoint_type: '' from_detection_checkpoint: true", "detection"),
        ("from_detection_checkpoint: true from_detection_checkpoint: false", "classification"),
    ],
)
def test_the_checkpoint_type_that_takes_effect(text: str, effective: str) -> None:
    assert train(text).fine_tune_checkpoint_type == effective


@pytest.mark.parametrize(
    ("written", "version"), [("V2", "V2"), ("2", "V2"), ("V1", "V1"), ("0", "UNKNOWN")]
)
def test_the_version_may_be_a_name_or_a_number(written: str, version: str) -> None:
    assert train(f"fine_tune_checkpoint_version: {written}").fine_tune_checkpoint_version == version


def test_an_empty_checkpoint_is_none() -> None:
    assert train('fine_tune_checkpoint: ""').fine_tune_checkpoint is None


def test_of_a_field_written_twice_the_last_counts() -> None:
    text = b"train_config { num_steps: 1 num_steps: 2 } train_config { batch_size: 3 }"
    config = PipelineConfig.parse(text)
    assert (config.num_steps, config.batch_size) == (2, 3)


def test_patterns_come_in_file_order_with_places() -> None:
    config = PipelineConfig.parse(
        b"train_config {\n"
        b'  freeze_variables: "a\\\\d"\n'
        b"  update_trainable_variables: ['b',\n    'c']\n"
        b"  freeze_variables: 'd' 'e'\n"
        b"}\n",
        "x.config",
    )
    found = [(p.field, p.text, str(p.place)) for p in config.patterns()]
    assert found == [
        ("freeze_variables", r"a\d", "x.config:2:21"),
        ("update_trainable_variables", "b", "x.config:3:32"),
        ("update_trainable_variables", "c", "x.config:4:5"),
        ("freeze_variables", "de", "x.config:5:21"),
    ]
    assert config.freeze_variables == (r"a\d", "de")
    assert config.update_trainable_variables == ("b", "c")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ssd { }", "ssd"),
        ("faster_rcnn { } ", "faster_rcnn"),
        ("center_net { }", "center_net"),
        ("ssd { } center_net { }", "center_net"),
        ("ssd { } } model { faster_rcnn { }", "faster_rcnn"),
        ("", None),
    ],
)
def test_the_meta_architecture_is_the_message_set_last(text: str, name: str | None) -> None:
    assert model(text).meta_architecture == name


BATCH_NORM = "first_stage_box_predictor_conv_hyperparams { batch_norm { decay: 0.9 } }"
EFFICIENTNET = "feature_extractor { type: 'ssd_efficientnet-b0_bifpn_keras' }"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("ssd { }", "none"),
        ("ssd { freeze_batchnorm: false }", "none"),
        ("ssd { freeze_batchnorm: true }", "all"),
        (f"ssd {{ freeze_batchnorm: true {EFFICIENTNET} }}", "all_but_backbone"),
        ("faster_rcnn { }", "all"),
        ("faster_rcnn { feature_extractor { batch_norm_trainable: false } }", "all"),
        ("faster_rcnn { feature_extractor { batch_norm_trainable: true } }", "none"),
        (f"faster_rcnn {{ {BATCH_NORM} }}", "feature_extractor"),
        ("faster_rcnn { context_config { } }", "feature_extractor"),
        ("faster_rcnn { feature_extractor { conv_hyperparams { batch_norm { } } } }", "all"),
        ("center_net { }", "none"),
        ("", "none"),
    ],
)
def test_what_statistics_the_config_holds(text: str, held: str) -> None:
    assert model(text).held_statistics == held


BACKBONE_NORM = "model/_feature_extractor/_efficientnet/stem_bn/moving_mean"
NECK_NORM = "model/_feature_extractor/_bifpn_stage/node_input_maps/0/bn/moving_mean"
EXTRACTOR_NORM = "model/_feature_extractor_for_proposal_features/layer-1/moving_mean"
HEAD_NORM = "model/_first_stage_box_predictor/bn/moving_mean"


@pytest.mark.parametrize(
    ("text", "holding"),
    [
        ("ssd { freeze_batchnorm: true }", [BACKBONE_NORM, NECK_NORM]),
        (
            "ssd { freeze_batchnorm: true"
            " feature_extractor { type: 'ssd_efficientnet-b0_bifpn_keras' } }",
            [NECK_NORM],
        ),
        (f"faster_rcnn {{ {BATCH_NORM} }}", [EXTRACTOR_NORM]),
        ("faster_rcnn { }", [EXTRACTOR_NORM, HEAD_NORM]),
    ],
    ids=["all", "all-but-efficientnet", "feature-extractor", "all-of-faster-rcnn"],
)
def test_which_statistics_it_holds_is_told_by_object_path(text: str, holding: list[str]) -> None:
    rule = model(text).holds_statistic
    norms = [EXTRACTOR_NORM, HEAD_NORM] if "rcnn" in text else [BACKBONE_NORM, NECK_NORM]
    assert rule is not None
    assert [path for path in norms if rule(Variable(None, path, (8,), "float32"))] == holding


def test_a_config_that_holds_no_statistic_has_no_rule() -> None:
    assert model("ssd { }").holds_statistic is None


@pytest.mark.parametrize(
    ("text", "attribute", "message"),
    [
        ("num_steps: 'x'", "num_steps", "<text>:1:27: expected an integer, found a string: 'x'"),
        ("num_steps { }", "num_steps", "<text>:1:26: train_config.num_steps is a message here"),
        ("freeze_variables: a", "freeze_variables", "expected a string in quotes"),
        ("fine_tune_checkpoint: 5", "fine_tune_checkpoint", "expected a string in quotes"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_with_its_place(
    text: str, attribute: str, message: str
) -> None:
    with pytest.raises((TextProtoError, ConfigError)) as caught:
        getattr(train(text), attribute)
    assert message in str(caught.value)


# --- files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["gs://bucket/x.config", "s3://b/x", "hdfs://n/x", "https://host/x"]
)
def test_a_remote_path_is_said_to_be_one(path: str) -> None:
    with pytest.raises(RemotePathError, match="is not on this machine; copy it here first"):
        PipelineConfig.read(path)
    with pytest.raises(RemotePathError):
        CONFIG.write(path)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*x\.config; check the path"):
        PipelineConfig.read(tmp_path / "x.config")
    with pytest.raises(ConfigError, match="is a directory; give the file in it"):
        PipelineConfig.read(tmp_path)
    (tmp_path / "x.config").write_bytes(b"model {")
    with pytest.raises(TextProtoError, match=r"x\.config:1:7: '{' is never closed"):
        PipelineConfig.read(tmp_path / "x.config")
    with (tmp_path / "large.config").open("wb") as stream:
        stream.truncate(20 << 20)
    with pytest.raises(ConfigError, match="larger than any config"):
        PipelineConfig.read(tmp_path / "large.config")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.config"
    path.write_bytes(TEXT)
    return path


def test_writing_over_the_file_that_was_read_keeps_its_mode(file: Path) -> None:
    file.chmod(0o640)
    mode = stat.S_IMODE(file.stat().st_mode)
    PipelineConfig.read(file).with_changes(num_steps=7).write(file)
    assert file.read_bytes() == TEXT.replace(b"num_steps: 5000", b"num_steps: 7")
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert [path.name for path in file.parent.iterdir()] == ["pipeline.config"]


def test_another_file_is_not_overwritten_without_force(file: Path) -> None:
    other = file.with_name("other.config")
    other.write_bytes(b"mine")
    config = PipelineConfig.read(file)
    with pytest.raises(OutputError, match="exists and is not the config that was read"):
        config.write(other)
    assert other.read_bytes() == b"mine"
    config.write(other, force=True)
    assert other.read_bytes() == TEXT


def test_a_file_that_changed_since_it_was_read_is_not_overwritten(file: Path) -> None:
    config = PipelineConfig.read(file).with_changes(num_steps=7)
    file.write_bytes(b"# somebody else was here\n" + TEXT)
    with pytest.raises(OutputError, match="has changed since it was read"):
        config.write(file)
    assert file.read_bytes().startswith(b"# somebody else")


def test_a_new_file_is_written_whole_or_not_at_all(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PipelineConfig.read(file).with_changes(num_steps=7)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        config.write(file)
    assert [path.name for path in file.parent.iterdir()] == ["pipeline.config"]
    assert file.read_bytes() == TEXT


def test_a_directory_that_is_not_there(file: Path) -> None:
    with pytest.raises(OutputError, match="No such file or directory; check the directory"):
        PipelineConfig.read(file).write(file.parent / "none" / "x.config")


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right on Windows")
def test_a_symbolic_link_stays_one(file: Path) -> None:
    link = file.with_name("link.config")
    link.symlink_to(file.name)
    PipelineConfig.read(link).with_changes(num_steps=7).write(link)
    assert link.is_symlink()
    assert b"num_steps: 7" in file.read_bytes()


# --- editing ------------------------------------------------------------------------


def changed_lines(before: PipelineConfig, after: PipelineConfig) -> list[str]:
    """The lines of a diff that begin with - or +, without its header."""
    lines = before.diff(after).decode().splitlines()[2:]
    return [line for line in lines if line[0] in "+-"]


def test_each_field_is_rewritten_where_it_stands() -> None:
    after = CONFIG.with_changes(
        fine_tune_checkpoint="my/ckpt-7",
        fine_tune_checkpoint_type="full",
        num_steps=250,
        batch_size=4,
        learning_rate=0.04,
    )
    assert changed_lines(CONFIG, after) == [
        '-  fine_tune_checkpoint: "zoo/ckpt-0"',
        '-  fine_tune_checkpoint_type: "detection"',
        "-  batch_size: 16",
        "-  num_steps: 5000",
        '+  fine_tune_checkpoint: "my/ckpt-7"',
        '+  fine_tune_checkpoint_type: "full"',
        "+  batch_size: 4",
        "+  num_steps: 250",
        "-          learning_rate_base: .08",
        "+          learning_rate_base: 0.04",
    ]
    assert CONFIG.num_steps == 5000


def test_new_patterns_go_behind_the_checkpoint_and_its_kin() -> None:
    after = CONFIG.with_changes(freeze_variables=[r"/conv_\d+/", "b"])
    after = after.with_changes(update_trainable_variables=["head"])
    lines = after.data.decode().splitlines()
    assert lines[9:14] == [
        '  fine_tune_checkpoint_type: "detection"',
        '  freeze_variables: "/conv_\\\\d+/"',
        '  freeze_variables: "b"',
        '  update_trainable_variables: "head"',
        "  batch_size: 16",
    ]
    assert [(p.field, p.text) for p in after.patterns()] == [
        ("freeze_variables", r"/conv_\d+/"),
        ("freeze_variables", "b"),
        ("update_trainable_variables", "head"),
    ]


def test_no_patterns_clear_the_field() -> None:
    with_patterns = CONFIG.with_changes(freeze_variables=["a", "b"])
    assert with_patterns.with_changes(freeze_variables=[]).data == TEXT


def test_patterns_are_added_once() -> None:
    config = train("freeze_variables: ['a']").with_changes(add_freeze_variables=["b", "a", "b"])
    assert config.data == b"train_config { freeze_variables: ['a', 'b'] }"


def test_a_version_is_written_as_a_name() -> None:
    after = CONFIG.without("train_config.fine_tune_checkpoint_version")
    after = after.with_changes(fine_tune_checkpoint_version="V2")
    assert b'_type: "detection"\n  fine_tune_checkpoint_version: V2\n  batch_size' in after.data


def rates(optimizer: str, rate: float) -> str:
    before = f"optimizer {{ adam_optimizer {{ learning_rate {{ {optimizer} }} }} }}"
    after = train(before).with_changes(learning_rate=rate)
    assert after.learning_rate == rate
    return after.data.decode().split("learning_rate { ", 1)[1].removesuffix(" } } } }")


CONSTANT, COSINE = "constant_learning_rate", "cosine_decay_learning_rate"
BURNIN, STEPS = "exponential_decay_learning_rate", "manual_step_learning_rate"


@pytest.mark.parametrize(
    ("schedule", "rate", "after"),
    [
        (f"{CONSTANT} {{ learning_rate: 0.1 }}", 0.2, f"{CONSTANT} {{ learning_rate: 0.2 }}"),
        (f"{CONSTANT} {{ }}", 0.2, f"{CONSTANT} {{ learning_rate: 0.2 }}"),
        (
            f"{COSINE} {{ learning_rate_base: .1 warmup_learning_rate: .01 }}",
            0.05,
            f"{COSINE} {{ learning_rate_base: 0.05 warmup_learning_rate: .01 }}",
        ),
        (
            f"{COSINE} {{ learning_rate_base: .1 warmup_learning_rate: .01 }}",
            0.001,
            f"{COSINE} {{ learning_rate_base: 0.001 warmup_learning_rate: 0.001 }}",
        ),
        (
            f"{COSINE} {{ learning_rate_base: .1 warmup_learning_rate: .01 warmup_steps: 0 }}",
            0.001,
            f"{COSINE} {{ learning_rate_base: 0.001 warmup_learning_rate: .01 warmup_steps: 0 }}",
        ),
        (
            f"{COSINE} {{ learning_rate_base: .1 }}",
            0.0001,
            f"{COSINE} {{ learning_rate_base: 0.0001 warmup_learning_rate: 0.0001 }}",
        ),
        (
            f"{BURNIN} {{ initial_learning_rate: 1 burnin_learning_rate: .5 burnin_steps: 9 }}",
            0.1,
            f"{BURNIN} {{ initial_learning_rate: 0.1 burnin_learning_rate: 0.1 burnin_steps: 9 }}",
        ),
        (
            f"{BURNIN} {{ initial_learning_rate: .1 min_learning_rate: 1e-4 }}",
            0.01,
            f"{BURNIN} {{ initial_learning_rate: 0.01 min_learning_rate: 1e-4 }}",
        ),
        (
            f"{STEPS} {{ initial_learning_rate: .0003 schedule {{ step: 9 "
            "learning_rate: .00003 } schedule { step: 19 learning_rate: .000003 } }",
            0.0001,
            f"{STEPS} {{ initial_learning_rate: 0.0001 schedule {{ step: 9 "
            "learning_rate: 1e-05 } schedule { step: 19 learning_rate: 1e-06 } }",
        ),
        (
            f"{STEPS} {{ initial_learning_rate: 0.0 schedule {{ step: 9 learning_rate: .02 }}"
            " schedule { step: 19 learning_rate: .002 } }",
            0.01,
            f"{STEPS} {{ initial_learning_rate: 0.0 schedule {{ step: 9 learning_rate: 0.01 }}"
            " schedule { step: 19 learning_rate: 0.001 } }",
        ),
    ],
    ids=[
        "constant", "constant by default", "cosine", "cosine below its warm-up",
        "cosine without warm-up", "cosine below the default warm-up", "burn-in", "exponential",
        "steps keep their shape",
        "steps that begin with a warm-up",
    ],
)  # fmt: skip
def test_the_learning_rate_of_every_schedule(schedule: str, rate: float, after: str) -> None:
    assert rates(schedule, rate) == after


def test_of_two_optimizers_the_last_counts() -> None:
    one = "{ learning_rate { constant_learning_rate { learning_rate: 0.1 } } }"
    config = train(f"optimizer {{ adam_optimizer {one} }} optimizer {{ momentum_optimizer {one} }}")
    after = config.with_changes(learning_rate=0.5).data.decode()
    assert after.index("0.1") < after.index("momentum_optimizer") < after.index("0.5")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_steps": -1}, UsageError, "num_steps must be a number from 0 to 4294967295, not -1"),
        ({"batch_size": 0}, UsageError, "batch_size must be a number from 1 to"),
        ({"num_steps": 2**32}, UsageError, "num_steps must be a number from 0 to"),
        ({"learning_rate": 0.0}, UsageError, "learning_rate must be above 0, not 0.0"),
        ({"learning_rate": float("nan")}, UsageError, "learning_rate must be above 0, not nan"),
        (
            {"fine_tune_checkpoint_type": "detectoin"}, UsageError,
            "fine_tune_checkpoint_type must be one of classification, detection, full, not "
            "'detectoin'; did you mean 'detection'?",
        ),
        ({"fine_tune_checkpoint_version": "V3"}, UsageError, "must be one of V1, V2, not 'V3'"),
        ({"freeze_variables": ["a", "(b"]}, PatternError, "'(b' is no regular expression"),
        ({"add_freeze_variables": ["[b"]}, PatternError, "'[b' is no regular expression"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_values_that_cannot_be_meant(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        CONFIG.with_changes(**changes)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_learning_rate_needs_a_schedule() -> None:
    with pytest.raises(ConfigError, match="has no learning rate schedule in"):
        train("optimizer { }").with_changes(learning_rate=0.1)


def test_without_says_which_field_was_meant() -> None:
    assert CONFIG.without("train_config.freeze_variables") is CONFIG
    with pytest.raises(UnknownFieldError) as caught:
        CONFIG.without("model.ssd.num_clases")
    assert str(caught.value) == (
        "pipeline.config has no field model.ssd.num_clases; did you mean 'model.ssd.num_classes'?"
    )


def test_a_diff_says_when_a_file_ends_without_a_newline() -> None:
    before = PipelineConfig.parse(b"a: 1\r\nb: 2", "x.config")
    assert before.diff(before) == b""
    assert before.diff(before.with_value("b", 3)) == (
        b"--- x.config\n+++ x.config\n@@ -1,2 +1,2 @@\n a: 1\r\n"
        b"-b: 2\n\\ No newline at end of file\n+b: 3\n\\ No newline at end of file\n"
    )


def test_every_config_of_the_corpus_is_understood(corpus: Path) -> None:
    architectures = set()
    for path in sorted((corpus / "configs").glob("*/*.config")):
        config = PipelineConfig.read(path)
        architectures.add(config.meta_architecture)
        assert config.fine_tune_checkpoint_type in {"classification", "detection"}
        assert config.learning_rate is not None
        after = config.with_changes(num_steps=123, freeze_variables=[r"a\d"], learning_rate=1e-5)
        assert (after.num_steps, after.learning_rate) == (123, 1e-5)
        assert after.freeze_variables == (r"a\d",)
        touched = [line for line in changed_lines(config, after) if line[0] == "-"]
        assert 1 <= len(touched) <= 6, touched
    assert architectures == {"ssd", "faster_rcnn", "center_net"}
