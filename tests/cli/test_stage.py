"""`odfreeze stage`: its output to the character, its exit status, what it leaves on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.cli import main
from tests.conftest import ROOT
from tests.support.bundle_writer import write_checkpoint

pytestmark = pytest.mark.usefixtures("unchecked")

BASE = """\
model { ssd { } }
train_config {
  batch_size: 8
  num_steps: 1000
  fine_tune_checkpoint: "base/ckpt-0"
  fine_tune_checkpoint_type: "full"
  optimizer { momentum_optimizer { learning_rate { cosine_decay_learning_rate {
    learning_rate_base: 0.08 total_steps: 1000 warmup_learning_rate: 0.02 warmup_steps: 100
  } } } }
}
"""
PLAN = """\
base_config: "base.config"
stage {
  name: "head"
  update_trainable_variables: "^Head/"
  num_steps: 50
}
stage {
  name: "all"
  freeze_variables: "^Conv/"
  freeze_variables: "^BN/"
  num_steps: 1
  learning_rate: 0.004
  batch_size: 1
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan, its base and its checkpoint, as the current directory."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base.config").write_text(BASE, encoding="utf-8")
    (tmp_path / "a.plan").write_text(PLAN, encoding="utf-8")
    write_checkpoint(
        tmp_path / "base/ckpt-0",
        {
            "model/conv/kernel": ("Conv/kernel", "float32", (3, 3, 8, 16), None),
            "model/bn/gamma": ("BN/gamma", "float32", (16,), None),
            "model/bn/moving_mean": ("BN/moving_mean", "float32", (16,), None),
            "model/head/kernel": ("Head/kernel", "float32", (16, 100), None),
        },
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_says_what_each_stage_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 0
    here = folder.as_posix()
    output = capsys.readouterr()
    assert output.err == ""
    assert (
        output.out.replace("\\", "/")
        == f"""\
a.plan: 2 stages of base.config

out/01_head/pipeline.config
  learns         1 of 3 variables, 1,600 of 2,768 parameters
  trains         50 steps of 8 images
  learning rate  0.08, cosine decay after 5 steps of warm-up
  starts from    base/ckpt-0 (full)
  ends with      {here}/out/01_head/model/ckpt-50

out/02_all/pipeline.config
  learns         1 of 3 variables, 1,600 of 2,768 parameters
  trains         1 step of 1 image
  learning rate  0.004, cosine decay
  starts from    {here}/out/01_head/model/ckpt-50 (full)
  ends with      {here}/out/02_all/model/ckpt-1

Next: odfreeze train --stages_dir out
"""
    )


def test_says_when_a_stage_may_end_earlier(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    until = "until { patience: 20 max_steps: 50 } handover: BEST"
    (folder / "a.plan").write_text(PLAN.replace("num_steps: 50", until), encoding="utf-8")
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 0
    here = folder.as_posix()
    assert f"""\
  trains         50 steps of 8 images
  or until       Loss/total_loss has not fallen for 20 steps, looked at every 20
  hands on       its best checkpoint
  learning rate  0.08, cosine decay after 5 steps of warm-up
  starts from    base/ckpt-0 (full)
  ends with      {here}/out/01_head/model/handover
""" in capsys.readouterr().out.replace("\\", "/")


RATES = """\
  rate { pattern: "^(Conv|Head)/" scale: 0.5 }
  rate { pattern: "(?#path)/head/" scale: 2 }
  carry_optimizer: true
"""


def rated(folder: Path, rates: str = RATES) -> None:
    text = PLAN.replace('  name: "all"\n', f'  name: "all"\n{rates}').replace("^Conv/", "^Conv")
    (folder / "a.plan").write_text(text.replace('freeze_variables: "^BN/"', ""), encoding="utf-8")


def test_says_which_rates_a_stage_has_and_what_they_reach(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rated(folder, RATES.replace("2 }", "2 } rate { pattern: '^BN' scale: 0.1 }"))
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 0
    output = capsys.readouterr()
    here = folder.as_posix()
    assert f"""\
  learning rate  0.004, cosine decay
  rate           0.5 of it for 0 variables: ^(Conv|Head)/
  rate           2 of it for 1 variable: (?#path)/head/
  rate           0.1 of it for 1 variable: ^BN
  starts from    {here}/out/01_head/model/ckpt-50 (full)
  optimizer      goes on with the slots of that checkpoint
""" in output.out.replace("\\", "/")
    assert output.err.splitlines()[0] == (
        "a.plan:9:19: warning ODF226: rate: '^(Conv|Head)/' decides nothing: for all that it "
        "matches a later rate counts, such as '(?#path)/head/'; the last that matches wins, so "
        "put it behind that one, or remove it"
    )


def test_of_rates_that_no_checkpoint_can_tell_it_says_the_patterns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rated(folder)
    (folder / "base/ckpt-0.index").unlink()
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 0
    assert (
        """\
  rate           0.5 of it for what matches '^(Conv|Head)/'
  rate           2 of it for what matches '(?#path)/head/'
"""
        in capsys.readouterr().out
    )


def test_a_rate_that_matches_nothing_is_refused_in_the_plan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rated(folder, "  rate { pattern: '^Haed' scale: 0.5 }\n")
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "odfreeze: a.plan:9:19: stage 'all': rate '^Haed' matches none of 4 variables; `odfreeze "
        "preview` shows their names (--allow_unmatched_patterns goes on all the same)"
    )
    assert not (folder / "out").exists()
    command = ["stage", "a.plan", "--output_dir", "out", "--allow_unmatched_patterns"]
    assert main(command) == 0


def test_again_says_that_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["stage", "a.plan", "--output_dir", "out"])
    capsys.readouterr()
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "pipeline.config" in line] == [
        f"{Path('out/01_head/pipeline.config')}  (unchanged)",
        f"{Path('out/02_all/pipeline.config')}  (unchanged)",
    ]


@pytest.mark.skipif(os.name == "nt", reason="the quotes of other shells")
def test_what_comes_next_can_be_pasted_into_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    name = "it's $HOME (1)"
    assert main(["stage", "a.plan", "--output_dir", name]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    said = subprocess.run(
        ["sh", "-c", line.replace("Next: odfreeze train", "printf %s")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == f"--stages_dir{name}"


def test_without_a_readable_checkpoint_patterns_stand_for_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "base/ckpt-0.index").unlink()
    assert main(["stage", "a.plan", "--output_dir", "my out"]) == 0
    output = capsys.readouterr()
    assert output.err.startswith(
        "base.config:5:25: warning ODF391: the patterns were not held against a checkpoint: "
    )
    assert "  learns         what matches '^Head/'\n" in output.out
    assert "  learns         everything but for what matches '^Conv/' or '^BN/'\n" in output.out
    assert output.out.endswith("\nNext: odfreeze train --stages_dir 'my out'\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    (
        (
            "num_steps: 50",
            "steps: 50",
            "odfreeze: a.plan:5:3: Stage has no field 'steps'; did you mean 'num_steps'?\n"
            "  steps: 50\n  ^\n",
        ),
        (
            '"^Head/"',
            '"^Haed/"',
            "odfreeze: a.plan:4:31: stage 'head': update_trainable_variables '^Haed/' matches none"
            " of 4 variables; `odfreeze preview` shows their names (--allow_unmatched_patterns goes"
            ' on all the same)\n  update_trainable_variables: "^Haed/"\n' + " " * 30 + "^\n",
        ),
        (
            '"base.config"',
            '"gs://bucket/base.config"',
            "odfreeze: gs://bucket/base.config is not on this machine; copy it here first\n",
        ),
    ),
    ids=("misspelt field", "pattern without match", "remote base"),
)
def test_refuses_with_status_2_and_writes_nothing(
    old: str, new: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.plan").write_text(PLAN.replace(old, new), encoding="utf-8")
    assert main(["stage", "a.plan", "--output_dir", "out"]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", message)
    assert not (folder / "out").exists()


def test_allowances_can_be_combined(folder: Path) -> None:
    text = PLAN.replace('"^Head/"', '"^Haed/"')
    (folder / "a.plan").write_text(text, encoding="utf-8")
    command = ["stage", "a.plan", "--output_dir", "out"]
    assert main([*command, "--allow_unmatched_patterns"]) == 2  # nothing is left that learns
    assert main([*command, "--allow-unmatched-patterns", "--allow_all_frozen"]) == 0
    assert main(command) == 2  # what one call allowed is not allowed to the next


def test_force_overwrites(folder: Path) -> None:
    command = ["stage", "a.plan", "--output_dir", "out"]
    assert main(command) == 0
    (folder / "a.plan").write_text(PLAN.replace("50", "60"), encoding="utf-8")
    assert main(command) == 2
    assert main([*command, "--force"]) == 0
    assert "num_steps: 60" in (folder / "out/01_head/pipeline.config").read_text()


def test_output_dir_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage", "a.plan"]) == 2
    assert "--output_dir" in capsys.readouterr().err


def test_help_names_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage", "--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("--output_dir", "--force", "--allow_unmatched_patterns", "--allow_all_frozen"):
        assert flag in text


def test_as_a_process_of_its_own_without_tensorflow(folder: Path) -> None:
    script = (
        "import sys; from odfreeze.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(status or 50 * bool({'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    arguments = ["stage", str(folder / "a.plan"), "--output_dir", str(folder / "out")]
    arguments += ["--ignore=ODF"]
    command = [sys.executable, "-c", script, *arguments]
    assert subprocess.run(command, check=False, capture_output=True, cwd=ROOT).returncode == 0
