"""``odfreeze plan``: what it prints, what it writes, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.cli import main
from odfreeze.stages.plan import read_plan
from tests.conftest import ROOT
from tests.support.model_lists import write_model

FAMILY = "ssd_mobilenet_v1"
_TRAINS = """
  batch_size: 4
  optimizer {
    momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }
  }"""
GOLDEN = ROOT / "tests/golden/plan/ssd_mobilenet_v1.plan"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_model(tmp_path_factory.mktemp("plan"), FAMILY)
    text = path.read_text(encoding="utf-8").replace(
        "train_config {", f"train_config {{{_TRAINS}", 1
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_plan_is_printed(config, capsys, monkeypatch) -> None:
    monkeypatch.chdir(config.parent)
    assert main(["plan", config.name, "--num_steps", "1000"]) == 0
    assert capsys.readouterr() == (GOLDEN.read_text(encoding="utf-8"), "")


def test_the_written_plan_names_the_config_from_where_it_is(config, tmp_path, capsys) -> None:
    path = tmp_path / "my.plan"
    assert main(["plan", str(config), "--num_steps", "1000", "--output", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    plan = read_plan(path)
    assert plan.base_config.resolve() == config.resolve()
    assert [stage.name for stage in plan.stages] == ["head", "head_and_neck", "from_conv_7", "all"]


def test_stage_takes_the_plan(config, tmp_path, capsys) -> None:
    path = tmp_path / "my.plan"
    main(["plan", str(config), "--num_steps", "1000", "--stages", "1", "--output", str(path)])
    main(["stage", str(path), "--output_dir", str(tmp_path / "stages"), "--ignore", "ODF"])
    assert capsys.readouterr().err == ""
    written = (tmp_path / "stages" / "02_head_and_neck" / "pipeline.config").read_text("utf-8")
    assert 'freeze_variables: "^(conv1(_bn)?/|conv_)"' in written
    assert "@" not in written


def test_a_plan_that_is_there_is_kept(config, tmp_path, capsys) -> None:
    path = tmp_path / "my.plan"
    path.write_text("mine", encoding="utf-8")
    assert main(["plan", str(config), "--num_steps", "1000", "--output", str(path)]) == 2
    assert capsys.readouterr() == (
        "",
        f"odfreeze: {path} is there already; give another --output, or --force to overwrite it\n",
    )
    assert path.read_text(encoding="utf-8") == "mine"


def test_more_stages_than_blocks_are_refused(config, capsys) -> None:
    assert main(["plan", str(config), "--num_steps", "1000", "--stages", "15"]) == 2
    assert capsys.readouterr() == (
        "",
        "odfreeze: --stages is 15; this backbone has 14 blocks: give 0 to 14\n",
    )
