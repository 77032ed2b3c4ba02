"""`odfreeze train`: its flags, its output to the character, its exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from odfreeze.cli import main
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs import stage_runs
from odfreeze.runs.state import RunState, StageState
from odfreeze.runs.verify import verify
from odfreeze.stages.conduct import Conduct, Rate
from odfreeze.training import launch, staged
from odfreeze.training.launch import TrainingResult
from tests.support.fake_training import fake_python, write_run
from tests.support.tiny_detector import write_detector

pytestmark = pytest.mark.usefixtures("unchecked")

posix = pytest.mark.skipif(os.name != "posix", reason="needs an executable script")
RUN = ["train", "--pipeline_config_path", "pipeline.config", "--model_dir", "run"]
DONE = RunState((StageState("01_head", "finished", 40, 40, 75.0, loss=0.5),))
VERIFIED = (
    "verified: 0 of 3 frozen values changed, 0 of 2 held statistics changed,"
    " 18 of 18 trainable values changed\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config of 10 steps, as the current directory."""
    write_detector(tmp_path, "^Conv1", "^bn_Conv1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple]:
    """What was called in place of the library's functions, which do nothing then."""
    seen: list[tuple] = []

    def noted(name: str, result: Any):
        def call(*args: Any, **options: Any) -> Any:
            options.pop("watch", None)
            seen.append((name, *args, options))
            return result

        return call

    ended = TrainingResult(
        Path("run"),
        10,
        True,
        verify(write_run(folder / "verified", folder / "pipeline.config", 10)),
    )
    monkeypatch.setattr(launch, "train", noted("train", ended))
    monkeypatch.setattr(launch, "run_stock", noted("run_stock", None))
    monkeypatch.setattr(staged, "train_stages", noted("train_stages", ()))
    monkeypatch.setattr(staged, "train_plan", noted("train_plan", ()))
    monkeypatch.setattr(stage_runs, "read_run", lambda directory: DONE)
    return seen


def train_with(monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    """Makes the command train with a fake child."""
    real = launch.train
    monkeypatch.setattr(
        launch, "train", lambda *args, **options: real(*args, **{**options, "python": python})
    )


# --- what it prints, and its status ---


@posix
def test_a_run_from_start_to_end(folder: Path, monkeypatch, capsys) -> None:
    write_run(folder / "trained", folder / "pipeline.config", 10)
    body = """
event("phase", phase="import")
event("phase", phase="build")
event("selection", resumed_at=None, totals={"trainable": {"variables": 18, "parameters": 900}})
event("block", step=10, scalars={"Loss/total_loss": 0.25})
copy_run("trained")
event("saved", step=10, checkpoint="run/ckpt-10")
event("done", step=10, checkpoint="run/ckpt-10")
"""
    train_with(monkeypatch, fake_python(folder, body))
    assert main(RUN) == 0
    assert capsys.readouterr() == (
        "importing TensorFlow and the OD API\n"
        "building the model, restoring and tracing (the first step takes a while)\n"
        "trainable 18 variables (900 parameters)\n"
        "step 10 of 10, loss 0.2500\n"
        "saved run/ckpt-10\n"
        "run trained to step 10\n"
        f"  {VERIFIED}",
        "",
    )


def test_a_finished_run_is_verified_again(folder: Path, capsys) -> None:
    write_run(folder / "run", folder / "pipeline.config", 10)
    assert main(RUN) == 0
    assert capsys.readouterr() == (f"run was already at step 10\n  {VERIFIED}", "")


def test_a_failed_verification_is_status_1(folder: Path, capsys) -> None:
    write_run(folder / "run", folder / "pipeline.config", 10, changed=("trainable", "frozen"))
    assert main(RUN) == 1
    assert "\n  NOT VERIFIED: 3 of 3 frozen values changed, " in capsys.readouterr().out


def test_json_goes_to_standard_output_alone(folder: Path, capsys) -> None:
    write_run(folder / "run", folder / "pipeline.config", 10)
    assert main([*RUN, "--format=json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(run["model_dir"], run["step"], run["trained"]) for run in shown["runs"]] == [
        ("run", 10, False)
    ]
    assert shown["runs"][0]["verification"]["ok"] is True


@posix
def test_with_json_progress_goes_to_standard_error(folder: Path, monkeypatch, capsys) -> None:
    write_run(folder / "trained", folder / "pipeline.config", 10)
    body = 'event("phase", phase="import")\ncopy_run("trained")\n'
    train_with(monkeypatch, fake_python(folder, body))
    assert main([*RUN, "--format=json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["version"] == 1
    assert err == "importing TensorFlow and the OD API\n"


@posix
def test_a_failed_run_is_status_1_and_says_where_its_log_is(folder, monkeypatch, capsys) -> None:
    train_with(monkeypatch, fake_python(folder, 'raise ValueError("no images")'))
    assert main(RUN) == 1
    log = Path("run/odfreeze/train.log")
    assert capsys.readouterr() == (
        "",
        f"odfreeze: training failed with exit status 1: ValueError: no images (log: {log})\n",
    )
    assert log.read_text().startswith("Traceback (most recent call last):\n")


@posix
def test_the_childs_signal_is_the_status(folder: Path, monkeypatch, capsys) -> None:
    train_with(monkeypatch, fake_python(folder, "os.kill(os.getpid(), 15)\ntime.sleep(60)"))
    assert main(RUN) == 143
    assert capsys.readouterr().err == (
        "odfreeze: training was ended by SIGTERM; the same command resumes it"
        f" (log: {Path('run/odfreeze/train.log')})\n"
    )


def test_what_is_refused_is_status_2_at_its_place(folder: Path, capsys) -> None:
    write_detector(folder, "^Conv9")
    assert main(RUN) == 2
    assert capsys.readouterr() == (
        "",
        "odfreeze: pipeline.config:10:21: freeze_variables '^Conv9' matches none of 33 variables;"
        " `odfreeze preview` shows their names (--allow_unmatched_patterns goes on all the same)\n"
        '  freeze_variables: "^Conv9"\n'
        "                    ^\n",
    )
    assert not (folder / "run").exists()


def test_stages_that_are_finished(calls: list, capsys) -> None:
    assert main(["train", "--stages_dir", "stages"]) == 0
    assert capsys.readouterr() == (
        "every stage is finished and verified: nothing to do\n"
        "\n"
        "Stage    steps     time        loss    verified\n"
        "01_head  40 of 40  1 min 15 s  0.5000  yes\n",
        "",
    )


def test_stages_as_json(calls: list, capsys) -> None:
    assert main(["train", "--stages_dir", "stages", "--format=json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["runs"], shown["stages"]) == ([], DONE.to_json()["stages"])


def test_a_plan_that_was_run_has_a_report(calls: list, monkeypatch, capsys) -> None:
    monkeypatch.setattr("odfreeze.report.writing.keep_report", lambda where: Path(where, "x.html"))
    assert main(["train", "--stages_dir", "stages"]) == 0
    assert capsys.readouterr().out.endswith(f"yes\n\nReport: {Path('stages/x.html')}\n")
    assert main(["train", "--stages_dir", "stages", "--format=json"]) == 0
    json.loads(capsys.readouterr().out)


def test_a_folder_without_stages(folder: Path, capsys) -> None:
    assert main(["train", "--stages_dir", "stages"]) == 2
    assert capsys.readouterr().err == (
        "odfreeze: stages holds no stage (a folder such as 01_head with a pipeline.config); write"
        " them with: odfreeze stage PLAN --output_dir stages\n"
    )


# --- what it hands on ---

PLAIN: dict[str, Any] = {
    "checkpoint_every_n": 1000,
    "frozen_batch_norm": "hold",
    "seed": None,
    "allow": [],
    "ignore": [],
    "flags": [],
    "verbose": False,
}


def test_without_more_flags_all_is_stocks_default(calls: list) -> None:
    assert main(RUN) == 0
    assert calls == [("train", "pipeline.config", "run", {**PLAIN, "num_train_steps": None})]


@pytest.mark.parametrize(
    ("flags", "options"),
    (
        (["--num_train_steps=7"], {"num_train_steps": 7}),
        (["--checkpoint_every_n=5"], {"checkpoint_every_n": 5}),
        (["--frozen_batch_norm=update"], {"frozen_batch_norm": "update"}),
        (["--verbose"], {"verbose": True}),
        (["--seed=7"], {"seed": 7}),
        (
            ["--rate", "@backbone=0.1", "--rate=^Conv1=2"],
            {"conduct": Conduct(rates=(Rate("@backbone", 0.1), Rate("^Conv1", 2.0)))},
        ),
        (
            ["--allow_used_model_dir", "--allow_all_frozen"],
            {"allow": ["all_frozen", "used_model_dir"]},
        ),
        (["--ignore=ODF4,ODF501", "--ignore=ODF2"], {"ignore": ["ODF4", "ODF501", "ODF2"]}),
        (["--use_tpu", "--num_workers=2"], {"flags": ["--use_tpu=true", "--num_workers=2"]}),
        (["--nouse_tpu"], {"flags": ["--use_tpu=false"]}),
        (["--use_tpu=True"], {"flags": ["--use_tpu=true"]}),
        (["--record_summaries=0"], {"flags": ["--record_summaries=false"]}),
        (["--tpu_name", "me"], {"flags": ["--tpu_name=me"]}),
    ),
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_flags_become_options(calls: list, flags: list[str], options: dict[str, Any]) -> None:
    assert main([*RUN, *flags]) == 0
    assert calls == [
        ("train", "pipeline.config", "run", {**PLAIN, "num_train_steps": None, **options})
    ]


def test_hyphens_are_taken_for_underscores(calls: list) -> None:
    assert main(["train", "--pipeline-config-path=a-b.config", "--model-dir", "my-run"]) == 0
    assert calls[0][1:3] == ("a-b.config", "my-run")


STAGED: dict[str, Any] = {**PLAIN, "from_stage": None, "only_stage": None}


def test_stages_are_run_with_the_same_options(calls: list) -> None:
    flags = ["--checkpoint_every_n=5", "--use_tpu", "--seed=7", "--keep_checkpoints=last"]
    assert main(["train", "--stages_dir=my-stages", *flags, "--only_stage=head"]) == 0
    options = {
        **STAGED,
        "checkpoint_every_n": 5,
        "flags": ["--use_tpu=true"],
        "seed": 7,
        "only_stage": "head",
        "keep_checkpoints": "last",
    }
    assert calls == [("train_stages", "my-stages", options)]


def test_a_plan_is_run_with_the_same_options(calls: list) -> None:
    flags = ["--frozen_batch_norm=update", "--allow_all_frozen", "--ignore=ODF4", "--from_stage=2"]
    assert main(["train", "--plan=a.plan", "--output_dir=my-run", *flags]) == 0
    assert main(["train", "--plan=a.plan", "--output_dir=my-run", "--force"]) == 0
    options = {
        **STAGED,
        "force": False,
        "frozen_batch_norm": "update",
        "allow": ["all_frozen"],
        "ignore": ["ODF4"],
        "from_stage": "2",
    }
    assert calls == [
        ("train_plan", "a.plan", "my-run", options),
        ("train_plan", "a.plan", "my-run", {**STAGED, "force": True}),
    ]


def test_checkpoint_dir_evaluates_as_stock_does(calls: list, capsys) -> None:
    assert main([*RUN, "--checkpoint_dir=run", "--eval_timeout=9"]) == 0
    flags = ["--eval_timeout=9", "--checkpoint_dir=run"]
    options = {"flags": flags, "seed": None, "verbose": True}
    assert calls == [("run_stock", "pipeline.config", "run", options)]
    assert capsys.readouterr() == ("", "")


# --- wrong usage ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ([], "--pipeline_config_path is missing (or --plan, for a whole plan)"),
        (
            ["--pipeline_config_path=a"],
            "--model_dir is missing (or --plan, for a whole plan)",
        ),
        (
            ["--pipeline_config_path=a", "--model_dir="],
            "--model_dir is empty; give a path (a variable of the shell may be unset)",
        ),
        (
            ["--stages_dir=s", "--pipeline_config_path=a"],
            "--stages_dir goes without --pipeline_config_path: a stage has its own",
        ),
        (
            ["--stages_dir=s", "--model_dir=m"],
            "--stages_dir goes without --model_dir: a stage has its own",
        ),
        (
            ["--stages_dir=s", "--num_train_steps=3"],
            "--stages_dir goes without --num_train_steps: a stage has its own",
        ),
        (
            ["--stages_dir=s", "--checkpoint_dir=c"],
            "--stages_dir goes without --checkpoint_dir: a stage has its own",
        ),
        (
            ["--plan=p", "--output_dir=o", "--model_dir=m"],
            "--plan goes without --model_dir: a stage has its own",
        ),
        (
            ["--plan=p", "--output_dir=o", "--rate=a=1"],
            "--plan goes without --rate: a stage has its own, written in the plan",
        ),
        (
            ["--pipeline_config_path=a", "--model_dir=m", "--checkpoint_dir=c", "--rate=a=1"],
            "--checkpoint_dir goes without --rate: it only evaluates",
        ),
        (
            ["--pipeline_config_path=a", "--model_dir=m", "--rate=@backbone"],
            "--rate '@backbone' is not PATTERN=SCALE; write it as @backbone=0.1",
        ),
        (
            ["--plan=p", "--stages_dir=s"],
            "--plan and --stages_dir do not go together: --plan writes the stages itself, to"
            " --output_dir",
        ),
        (
            ["--plan=p"],
            "--output_dir is missing: the directory where the plan's stages go",
        ),
        (
            ["--stages_dir=s", "--output_dir=o"],
            "--output_dir goes with --plan",
        ),
        (
            ["--stages_dir=s", "--force"],
            "--force goes with --plan",
        ),
        (
            [*RUN[1:], "--from_stage=2"],
            "--from_stage goes with --plan or --stages_dir",
        ),
        (
            [*RUN[1:], "--keep_checkpoints=all"],
            "--keep_checkpoints goes with --plan or --stages_dir",
        ),
        (
            ["--model_dri=x"],
            "unrecognized arguments: --model_dri=x; did you mean --model_dir? (see `odfreeze train"
            " --help`)",
        ),
        (
            ["--frozen-batchnorm=hold"],
            "unrecognized arguments: --frozen_batchnorm=hold; did you mean --frozen_batch_norm?"
            " (see `odfreeze train --help`)",
        ),
        (
            ["--zzz"],
            "unrecognized arguments: --zzz (see `odfreeze train --help`)",
        ),
        (
            ["--num_train_steps=many"],
            "argument --num_train_steps: invalid int value: 'many' (see `odfreeze train --help`)",
        ),
        (
            ["--use_tpu=perhaps"],
            "argument --use_tpu: 'perhaps' is neither true nor false (see `odfreeze train --help`)",
        ),
        (
            ["--model_dir"],
            "argument --model_dir: expected one argument (see `odfreeze train --help`)",
        ),
        (
            ["--model"],
            "unrecognized arguments: --model; did you mean --model_dir? (see `odfreeze train"
            " --help`)",
        ),
    ),
    ids=(
        "nothing", "no model_dir", "empty model_dir", "stages and config", "stages and model_dir",
        "stages and steps", "stages and evaluation", "plan and model_dir",
        "plan and a rate", "evaluation and a rate", "no rate", "plan and stages", "plan alone",
        "stages and output", "stages and force", "a config and a stage",
        "a config and what to keep", "misspelt", "misspelt with hyphens",
        "unknown", "no number", "no truth value", "no value", "abbreviated",
    ),
)  # fmt: skip
def test_wrong_usage_is_status_2_with_the_cure(
    calls: list, capsys, arguments: list[str], message: str
) -> None:
    assert main(["train", *arguments]) == 2
    assert capsys.readouterr() == ("", f"odfreeze: {message}\n")
    assert calls == []


@pytest.mark.parametrize(
    ("flag", "message"),
    (
        ("--num_train_steps=0", "--num_train_steps is 0: a run takes at least 1 step"),
        ("--checkpoint_every_n=-1", "--checkpoint_every_n is -1; give 1 or more"),
        ("--seed=-1", "--seed is -1; give a number from 0 to 4294967295"),
        ("--seed=4294967296", "--seed is 4294967296; give a number from 0 to 4294967295"),
    ),
)
def test_numbers_that_make_no_run(capsys, flag: str, message: str) -> None:
    assert main([*RUN, flag]) == 2
    assert capsys.readouterr().err == f"odfreeze: {message}\n"


def test_a_config_that_is_not_there(capsys) -> None:
    assert main(["train", "--pipeline_config_path=none.config", "--model_dir=run"]) == 2
    assert capsys.readouterr().err == "odfreeze: there is no file none.config; check the path\n"


def test_help_names_every_flag(capsys) -> None:
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for flag in (
        "--pipeline_config_path FILE", "--model_dir DIR", "--stages_dir DIR", "--num_train_steps N",
        "--plan PLAN", "--output_dir DIR", "--from_stage STAGE", "--only_stage STAGE",
        "--keep_checkpoints {all,last}", "--force",
        "--checkpoint_every_n N", "--checkpoint_dir DIR", "--allow_random_frozen", "--use_tpu",
        "--nouse_tpu", "--num_workers", "--eval_timeout", "--verbose",
    ):  # fmt: skip
        assert flag in shown


def test_a_config_is_left_as_it_is(folder: Path) -> None:
    before = (folder / "pipeline.config").read_bytes()
    write_run(folder / "run", folder / "pipeline.config", 10)
    main(RUN)
    assert (folder / "pipeline.config").read_bytes() == before
    assert PipelineConfig.read("pipeline.config").num_steps == 10
