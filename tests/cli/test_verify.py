"""``odfreeze verify``: exact text and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.cli import main
from odfreeze.runs.record import RecordedVariable, RunRecord, digest, write_record
from tests.support.bundle_writer import floats, write_checkpoint, write_state


def checkpoint(
    prefix: Path, *, kernel: float = 4, mean: float = 0, head: float = 6, step: int = 0
) -> None:
    write_checkpoint(
        prefix,
        {
            "model/b/conv/kernel": ("block_1/kernel", "float32", (2,), floats(1, kernel)),
            "model/b/bn/gamma": ("block_1_BN/gamma", "float32", (1,), floats(1)),
            "model/b/bn/moving_mean": ("block_1_BN/moving_mean", "float32", (1,), floats(mean)),
            "model/head/kernel": ("head/kernel", "float32", (2,), floats(5, head)),
        },
        step=step,
    )
    write_state(prefix.parent, prefix.name)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.config").write_text('train_config { freeze_variables: "block_1" }\n')
    checkpoint(tmp_path / "zoo" / "ckpt-0")
    checkpoint(tmp_path / "good" / "ckpt-3", head=7, step=250)
    checkpoint(tmp_path / "bad" / "ckpt-3", kernel=4.25, mean=1e-9, head=6, step=250)
    return tmp_path


def test_a_good_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "zoo", "good", "--pipeline_config_path", "a.config"]) == 0
    assert (
        capsys.readouterr().out
        == f"""\
OK: nothing that was to stay frozen changed by one bit

  frozen         2 of 2 unchanged
  held           1 of 1 unchanged
  trainable      1 of 1 changed: something did learn, so that the others stood still means something
  updating       0 of 0 changed

  before  {Path("zoo/ckpt-0")} (step 0)
  after   {Path("good/ckpt-3")} (step 250)
  config  a.config
"""
    )


def test_a_bad_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "zoo", "bad", "--pipeline_config_path=a.config"]) == 1
    assert (
        capsys.readouterr().out
        == f"""\
NOT OK
  1 of 2 frozen variables changed
  1 of 1 held variables changed
  none of 1 trainable variables changed its value: a run that trained nothing proves nothing

  frozen         1 of 2 unchanged
    block_1/kernel  largest difference 0.25
  held           0 of 1 unchanged
    block_1_BN/moving_mean  largest difference 1e-09
  trainable      0 of 1 changed
  updating       0 of 0 changed

  before  {Path("zoo/ckpt-0")} (step 0)
  after   {Path("bad/ckpt-3")} (step 250)
  config  a.config
"""
    )


def test_statistics_may_be_allowed_to_move(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["verify", "zoo", "bad", "--pipeline_config_path=a.config"]
    assert main([*command, "--frozen-batch-norm=update"]) == 1
    out = capsys.readouterr().out
    assert "held variables" not in out
    assert "  updating       1 of 1 changed\n" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["verify", "zoo", "bad", "--pipeline_config_path=a.config", "--format=json"]
    assert main(command) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["ok"]) == (1, False)
    assert [change["name"] for change in found["frozen"]["changed"]] == ["block_1/kernel"]
    assert found["held"]["variables"] == 1
    assert found["trainable"] == {
        "variables": 1, "unchanged": ["head/kernel"], "without_gradient": None,
        "missing": [], "new": [],
    }  # fmt: skip


@pytest.fixture
def run(folder: Path) -> Path:
    write_record(
        RunRecord(
            config_path="a.config", config_text="", fine_tune_checkpoint="zoo/ckpt-0",
            fine_tune_checkpoint_type="detection", freeze_variables=("block_1",),
            update_trainable_variables=(), frozen_batch_norm="hold", num_steps=250, start_step=0,
            versions={}, measures=(), created="", variables=tuple(
                RecordedVariable(
                    name, path, (len(value) // 4,), "float32", state,
                    trainable=state != "held", statistic=state == "held", digest=digest(value),
                )
                for name, path, state, value in (
                    ("block_1/kernel", "model/b/conv/kernel", "frozen", floats(1, 4)),
                    ("block_1_BN/gamma", "model/b/bn/gamma", "frozen", floats(1)),
                    ("block_1_BN/moving_mean", "model/b/bn/moving_mean", "held", floats(0)),
                    ("head/kernel", "model/head/kernel", "trainable", floats(5, 6)),
                )
            ),
        ),
        folder / "good",
    )  # fmt: skip
    return folder / "good"


@pytest.mark.usefixtures("run")
def test_a_run_by_its_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "good"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("OK: nothing that was to stay frozen changed by one bit\n")
    assert f"  before  {Path('good/odfreeze/record.json')} (step 0)\n" in out


@pytest.mark.usefixtures("run")
def test_a_record_with_another_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "good/odfreeze/record.json", "bad"]) == 1
    assert "    block_1/kernel  largest difference 0.25\n" in capsys.readouterr().out


def test_only_the_largest_changes_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, step in (("many0", 0), ("many1", 1)):
        variables = {
            f"model/b/{n}": (f"block_1/v{n}", "float32", (1,), floats(n * step)) for n in range(30)
        }
        head = ("head", "float32", (1,), floats(step))
        write_checkpoint(folder / name / "ckpt-0", {**variables, "model/head": head})
    assert main(["verify", "many0", "many1", "--pipeline_config_path=a.config"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:6] == [
        "  frozen         1 of 30 unchanged",
        "    block_1/v29  largest difference 29",
        "    block_1/v28  largest difference 28",
    ]
    assert lines[24] == "    and 9 more (--format=json has them all)"


ERRORS = {
    "no config": (
        ["verify", "zoo", "good"],
        "decided by a config: give it (--pipeline_config_path",
    ),
    "no record": (["verify", "zoo"], "there is no record of a run here"),
    "no checkpoint": (
        ["verify", "zoo", "gone", "--pipeline_config_path=a.config"],
        "there is no checkpoint gone",
    ),
    "config without a second checkpoint": (
        ["verify", "zoo", "--pipeline_config_path=a.config"],
        "a config decides between two checkpoints",
    ),
    "batch norm without a config": (
        ["verify", "zoo", "--frozen_batch_norm=hold"],
        "--frozen_batch_norm goes with --pipeline_config_path",
    ),
    "remote": (["verify", "gs://b/run"], "gs://b/run is not on this machine"),
    "no arguments": (["verify"], "required: BEFORE"),
}


@pytest.mark.parametrize(("command", "message"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_verified_is_status_2(
    capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("odfreeze: ")
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_a_damaged_checkpoint_is_status_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder / "good" / "ckpt-3.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:3])
    assert main(["verify", "zoo", "good", "--pipeline_config_path=a.config"]) == 2
    assert "the file ends at 3. Copy or download it again" in capsys.readouterr().err
