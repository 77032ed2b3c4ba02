"""``odfreeze groups``, and the names of groups on other command lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.cli import main
from odfreeze.pipeline import PipelineConfig
from odfreeze.training.kept_lists import VariableList
from odfreeze.training.live_preview import Watch
from tests.conftest import ROOT
from tests.support.model_lists import variables_of, write_model

FAMILY = "ssd_mobilenet_v1"
GOLDEN = ROOT / f"tests/golden/groups/{FAMILY}.txt"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_model(tmp_path_factory.mktemp("groups"), FAMILY))


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(list(argv))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_table_is_that_of_the_model(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "groups", config)
    assert (status, err) == (0, "")
    assert out == GOLDEN.read_text(encoding="utf-8")


def test_json_is_for_programs(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "groups", config, "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert (found["version"], found["config"], found["notes"]) == (1, config, [])
    assert found["checkpoint"] == str(Path(config).parent / "ckpt-0")
    rows = {row["name"]: row for row in found["groups"]}
    assert sum(len(row["variables"]) for row in rows.values()) == len(variables_of(FAMILY))
    assert {key: rows["backbone/2"][key] for key in ("part", "kind", "block", "parameters")} == {
        "part": "backbone", "kind": "conv_1", "block": 2, "parameters": 2528,
    }  # fmt: skip
    assert rows["backbone/2"]["patterns"] == ["^conv_(dw|pw)_1(_bn)?/"]
    assert rows["head/box"]["block"] is None
    assert rows["backbone/2"]["variables"][0] == {
        "name": "conv_dw_1/depthwise_kernel",
        "object_path": "model/_feature_extractor/classification_backbone/layer_with_weights-2/"
        "depthwise_kernel",
        "parameters": 288,
        "trainable": True,
        "batch_norm": False,
    }


def test_another_checkpoint_can_be_listed(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path, "centernet_hourglass10")
    status, out, _ = run(capsys, "groups", config, "--checkpoint", str(tmp_path))
    golden = GOLDEN.with_name("centernet_hourglass10.txt")
    assert (status, out) == (0, golden.read_text(encoding="utf-8"))


def test_without_a_checkpoint_there_is_nothing_to_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.config").write_text("train_config { }\n", encoding="utf-8")
    status, out, err = run(capsys, "groups", "a.config")
    assert (status, out) == (2, "")
    assert err.startswith("odfreeze: a.config: train_config.fine_tune_checkpoint is not set")


@pytest.mark.parametrize("command", ["groups", "set"])
def test_the_live_model_can_be_listed(
    command: str, config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(asked: PipelineConfig, watch: Watch | None) -> VariableList:
        assert asked.file == config
        assert watch is not None
        watch(12.3)
        return VariableList(variables_of("centernet_hourglass10"), {})

    monkeypatch.setattr("odfreeze.training.live_preview.list_live_variables", build)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = "(?#path)^model/_feature_extractor/"
    arguments = ["--freeze_variables", "@backbone", "--diff"] if command == "set" else []
    status, out, err = run(capsys, command, config, "--live", *arguments)
    assert (status, shown in out) == (0, True)
    assert err == "\rbuilding the model, nothing is computed: 12 s\x1b[K\r\x1b[K"


def test_preview_takes_a_name_for_a_pattern(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["--freeze_variables", "@backbone", "--freeze_variables", "^Box"]
    status, out, _ = run(capsys, "preview", config, *names)
    assert status == 0
    assert "  [0] freeze_variables  ^(conv1(_bn)?/|conv_)      135" in out
    assert "  [1] freeze_variables  ^Box  " in out


def test_preview_takes_a_name_for_what_learns(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--update_trainable_variables", "@head", "--format", "json"]
    _, out, _ = run(capsys, "preview", config, *arguments)
    (pattern,) = json.loads(out)["patterns"]
    assert pattern == {
        "field": "update_trainable_variables",
        "pattern": "^BoxPredictor/",
        "matches": 24,
    }


def test_a_name_in_a_config_is_a_pattern_like_any_other(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(config).read_text(encoding="utf-8")
    other = tmp_path / "named.config"
    other.write_text(text.replace('"full"', '"full"\n  freeze_variables: "@head"'), "utf-8")
    _, out, _ = run(capsys, "preview", str(other), "--format", "json")
    assert json.loads(out)["patterns"][0] == {
        "field": "freeze_variables",
        "pattern": "@head",
        "matches": 0,
    }


def test_set_writes_plain_patterns(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(
        capsys, "set", config, "--freeze_variables", "@backbone/1..3", "--freeze_variables", "^x",
        "--update_trainable_variables", "@all", "--diff",
    )  # fmt: skip
    assert status == 0
    added = [line[1:].strip() for line in out.splitlines() if line.startswith("+ ")]
    assert sorted(added) == [
        'freeze_variables: "^conv(1(_bn)?|_(dw|pw)_[12](_bn)?)/"',
        'freeze_variables: "^x"',
        'update_trainable_variables: ".*"',
    ]


def test_set_adds_what_a_name_stands_for(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "set", config, "--add_freeze_variables", "@batch_norm", "--diff")
    assert status == 0
    assert '+  freeze_variables: "/(gamma|beta|moving_(mean|variance))$"' in out


def test_set_reads_the_checkpoint_that_it_sets(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path, "faster_rcnn_resnet50")
    prefix = (tmp_path / "ckpt-0").as_posix()
    for flag in ("--fine_tune_checkpoint", "--checkpoint"):
        arguments = ["set", config, "--freeze_variables", "@backbone/conv1..conv4", "--diff"]
        status, out, _ = run(capsys, *arguments, flag, prefix)
        assert status == 0
        assert '+  freeze_variables: "^conv[1-4]_"' in out


@pytest.mark.parametrize("command", ["set", "preview"])
def test_a_misspelt_name_is_told(
    command: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, command, config, "--freeze_variables", "@hed")
    assert (status, out) == (2, "")
    assert err == (
        "odfreeze: there is no @hed in this model; there is @head, @head/box, @head/class, @neck, "
        "@neck/feature_maps, @backbone, @batch_norm, @all (`odfreeze groups` lists them); did you "
        "mean '@head'?\n"
    )


def test_set_without_a_name_needs_no_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "a.config"
    config.write_text("train_config { }\n", encoding="utf-8")
    status, _, err = run(capsys, "set", str(config), "--freeze_variables", "a@b", "--diff")
    assert (status, err) == (0, "")
    status, _, err = run(capsys, "set", str(config), "--freeze_variables", "@all", "--diff")
    assert (status, "train_config.fine_tune_checkpoint is not set" in err) == (2, True)
