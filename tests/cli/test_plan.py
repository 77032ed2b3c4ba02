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


def test_the_config_itself_is_never_overwritten(config, tmp_path, capsys, monkeypatch) -> None:
    before = config.read_bytes()
    monkeypatch.chdir(config.parent)
    same = f"../{config.parent.name}/{config.name}"
    assert main(["plan", config.name, "--num_steps", "1000", "--output", same, "--force"]) == 2
    assert capsys.readouterr() == (
        "",
        f"odfreeze: {same} is the config that the plan is for; give another --output\n",
    )
    assert config.read_bytes() == before


@pytest.mark.parametrize("flags", ([], ["--force"]), ids=("unforced", "forced"))
def test_a_directory_is_no_file_to_write(config, tmp_path, capsys, flags) -> None:
    arguments = ["plan", str(config), "--num_steps", "1000", "--output", str(tmp_path)]
    assert main([*arguments, *flags]) == 2
    assert capsys.readouterr() == (
        "",
        f"odfreeze: {tmp_path} is a directory; give a file in it, such as {tmp_path / 'my.plan'}\n",
    )


@pytest.mark.parametrize(
    ("steps", "message"),
    (
        ("1", "1 step is too few for 4 stages; give the steps of all stages together (--num_st"),
        ("0", "0, endless, is too few for 4 stages; give the steps of all stages together"),
        (
            "99999999999",
            "99999999999 steps are more than the stages of a plan can have, each up to 4294967295;"
            " give fewer (--num_steps N)",
        ),
    ),
    ids=("fewer than stages", "endless", "more than a plan holds"),
)
def test_steps_that_make_no_plan_are_refused(config, capsys, steps: str, message: str) -> None:
    assert main(["plan", str(config), "--num_steps", steps]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"odfreeze: {config}: {message}")) == ("", True), err
