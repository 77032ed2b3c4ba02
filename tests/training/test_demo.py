"""The demo's own parts that need no TensorFlow: its folder, its configs, its closing table."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import fix_config
from odfreeze.errors import OutputError, TrainingFailedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.verify import verify
from odfreeze.stages.plan import read_plan
from odfreeze.training import demo
from odfreeze.training.demo import DemoSummary, describe_summary, run_demo
from tests.support.fake_training import write_run
from tests.support.tiny_detector import write_detector

MARKER = "made_by_odfreeze_demo.txt"


@pytest.fixture
def summary(tmp_path: Path) -> DemoSummary:
    config = write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    good = verify(write_run(tmp_path / "good", config, 10))
    everything = ("trainable", "updating", "frozen", "held")
    stock = verify(write_run(tmp_path / "stock", config, 10, changed=everything))
    return DemoSummary({"01_head": good, "02_neck": good}, stock, 401.0)


def test_the_closing_table(summary: DemoSummary) -> None:
    assert (
        describe_summary(summary)
        == """\
                         frozen values changed  held statistics changed
odfreeze train, 01_head  0 of 3                 0 of 2
odfreeze train, 02_neck  0 of 3                 0 of 2
plain model_main_tf2     3 of 3                 2 of 2

All of it took 6 min 41 s."""
    )


def test_it_is_ok_when_freezing_held_and_stock_did_not(summary: DemoSummary) -> None:
    good, bad = summary.enforced["01_head"], summary.stock
    assert summary.ok
    assert not DemoSummary({"01_head": good}, good, 1.0).ok
    assert not DemoSummary({"01_head": good, "02_neck": bad}, bad, 1.0).ok


def test_its_folder_is_made_and_marked(tmp_path: Path) -> None:
    demo._make_room(tmp_path / "deep" / "demo")
    assert [p.name for p in (tmp_path / "deep" / "demo").iterdir()] == [MARKER]


def test_a_folder_of_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    demo._make_room(tmp_path / "demo")
    (tmp_path / "demo" / "old").write_text("")
    demo._make_room(tmp_path / "demo")
    assert [p.name for p in (tmp_path / "demo").iterdir()] == [MARKER]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    demo._make_room(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [MARKER]


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years")

    def never(*arguments: object) -> int:
        raise AssertionError("the demo went on")

    with pytest.raises(OutputError) as caught:
        run_demo(tmp_path, command=never, say=never)
    assert str(caught.value) == (
        f"{tmp_path} exists and was not made by the demo; give another --output_dir"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_its_configs_point_to_its_data_and_its_base(tmp_path: Path) -> None:
    base, new = map(PipelineConfig.read, demo._write_configs(tmp_path))
    assert (base.fine_tune_checkpoint, base.freeze_variables) == (None, ())
    assert new.fine_tune_checkpoint == str(tmp_path.resolve() / f"base/ckpt-{base.num_steps}")
    assert new.fine_tune_checkpoint_type == "full"
    for config, name in ((base, "base"), (new, "new")):
        for reader in ("train_input_reader", "eval_input_reader"):
            data = tmp_path.resolve() / "data" / name
            assert config.get(f"{reader}.label_map_path") == f"{data}.pbtxt"
            records = config.get(f"{reader}.tf_record_input_reader.input_path")
            assert records in (f"{data}.record", (f"{data}.record",))


def test_its_plan_stages_head_and_neck_of_its_config(tmp_path: Path) -> None:
    _, new = demo._write_configs(tmp_path)
    plan = read_plan(tmp_path / "demo.plan")
    assert Path(plan.base_config).resolve() == new.resolve()
    assert len(plan.stages) == 2


def test_a_dataset_that_cannot_be_drawn_is_told_by_its_last_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        demo.subprocess,
        "run",
        lambda *args, **kw: demo.subprocess.CompletedProcess(args, 3, "", "Traceback\nwhy\n"),
    )
    with pytest.raises(TrainingFailedError) as caught:
        demo._draw(tmp_path, "base=disc")
    assert (str(caught.value), caught.value.returncode) == (
        "the dataset could not be drawn: why", 3,
    )  # fmt: skip


def _failing(command: str):
    """Commands that end well, but for one."""
    return lambda arguments: 2 * (arguments[0] == command)


def test_its_copied_config_has_two_faults_that_check_mends(tmp_path: Path) -> None:
    _, new = demo._write_configs(tmp_path)
    copied = demo._write_copied(tmp_path, new)
    mended = fix_config(copied, select=["ODF101", "ODF103"])
    assert [finding.code for finding in mended.fixed] == ["ODF101", "ODF103"]
    assert mended.data == new.read_bytes().replace(
        b"train_config {", b'train_config {\n  freeze_variables: ".*backbone/.*"', 1
    )


def test_commands_are_shown_as_typed_and_one_that_fails_ends_the_demo(
    tmp_path, monkeypatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(demo, "_draw", lambda *args: None)
    with pytest.raises(TrainingFailedError, match="`odfreeze train` ended with exit status 2"):
        run_demo(tmp_path / "my demo", command=_failing("train"), say=said.append)
    root = tmp_path / "my demo"
    assert said[-1] == (
        f"$ odfreeze train --pipeline_config_path '{root / 'base.config'}' --model_dir"
        f" '{root / 'base'}'"
    )
