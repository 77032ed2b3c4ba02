"""`odfreeze train --plan`: what it prints, to the character but for times, and its exit status."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path

import pytest

from odfreeze.cli import main
from odfreeze.training import staged
from tests.support.plans import HEAD, NECK, TRAINS, trainer, write_base, write_plan

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.skipif(os.name != "posix", reason="needs executable scripts"),
]

REPORT = Path("run/report.html")
RUN = ["train", "--plan", "a.plan", "--output_dir", "run"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan of two stages and its base, as the current directory."""
    write_base(tmp_path)
    write_plan(tmp_path, HEAD, NECK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def train(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command with a child that only pretends; returns status, output and errors."""
    real = staged.train_plan

    def run(*flags: str, body: str = TRAINS, changed: dict | None = None):
        python = trainer(folder, Path("run"), body, **(changed or {}))
        monkeypatch.setattr(staged, "train_plan", functools.partial(real, python=python))
        status = main([*RUN, *flags])
        out, err = capsys.readouterr()
        return status, timeless(out), err

    return run


def timeless(text: str) -> str:
    """Returns output without what the clock has to do with."""
    text = re.sub(r", [0-9.]+ steps/s, [^,\n]+ left", "", text)
    text = re.sub(r", [^,\n]+ for all stages", "", text)
    return re.sub(r"\b(?:[0-9]+ min )?[0-9]+ s\b *", "N s ", text)


def test_a_plan_from_start_to_end(train) -> None:
    status, out, err = train()
    assert (status, err) == (0, "")
    assert out == (
        "stage 1 of 2: 01_head\n"
        "stage 1 of 2, 01_head: step 0 of 10\n"
        "saved run/01_head/model/ckpt-0\n"
        "saved run/01_head/model/ckpt-5\n"
        "stage 1 of 2, 01_head: step 10 of 10, loss 0.0909, rate 0.1\n"
        "saved run/01_head/model/ckpt-10\n"
        "stage 1 of 2: verified: 0 of 16 frozen values changed, 0 of 10 held statistics changed,"
        " 5 of 5 trainable values changed\n"
        "stage 2 of 2: 02_neck\n"
        "saved run/02_neck/model/ckpt-0\n"
        "saved run/02_neck/model/ckpt-10\n"
        "stage 2 of 2, 02_neck: step 20 of 20, loss 0.0476, rate 0.1\n"
        "saved run/02_neck/model/ckpt-20\n"
        "stage 2 of 2: verified: 0 of 15 frozen values changed, 0 of 10 held statistics changed,"
        " 6 of 6 trainable values changed\n"
        "run/01_head/model trained to step 10\n"
        "  verified: 0 of 16 frozen values changed, 0 of 10 held statistics changed, 5 of 5"
        " trainable values changed\n"
        "run/02_neck/model trained to step 20\n"
        "  verified: 0 of 15 frozen values changed, 0 of 10 held statistics changed, 6 of 6"
        " trainable values changed\n"
        "\n"
        "Stage    steps     time  loss    verified\n"
        "01_head  10 of 10  N s 0.0909  yes\n"
        "02_neck  20 of 20  N s 0.0476  yes\n"
        "all                N s 2 of 2\n"
        f"\nReport: {REPORT}\n"
    )


def test_again(train) -> None:
    train()
    assert train(body="sys.exit('must not run')") == (
        0,
        "stage 1 of 2: 01_head is finished\n"
        "stage 2 of 2: 02_neck is finished\n"
        "every stage is finished and verified: nothing to do\n"
        "\n"
        "Stage    steps     time  loss    verified\n"
        "01_head  10 of 10  N s 0.0909  yes\n"
        "02_neck  20 of 20  N s 0.0476  yes\n"
        "all                N s 2 of 2\n"
        f"\nReport: {REPORT}\n",
        "",
    )


def test_one_stage_of_it(train) -> None:
    status, out, _ = train("--only_stage=head")
    assert status == 0
    assert out.startswith("stage 1 of 2: 01_head\n")
    assert out.endswith(
        "01_head  10 of 10  N s 0.0909  yes\n"
        "02_neck  0 of 20                 not yet\n"
        "all                N s 1 of 2\n"
        f"\nReport: {REPORT}\n"
    )


def test_one_stage_again_says_nothing_of_those_that_were_not_asked_for(train) -> None:
    train("--only_stage=head")
    status, out, _ = train("--only_stage=head")
    assert status == 0
    assert out.startswith(
        "stage 1 of 2: 01_head is finished\n"
        "what was asked for is finished and verified: nothing to do\n"
    )


def test_a_plan_that_was_edited_says_so(train, folder: Path) -> None:
    train("--only_stage=1")
    write_plan(folder, HEAD, NECK.replace("20", "24"))
    status, out, _ = train()
    assert status == 0
    assert out.startswith(
        "02_neck has not begun: its config is what the plan gives now\n"
        "stage 1 of 2: 01_head is finished\n"
        "stage 2 of 2: 02_neck\n"
    )


def test_a_failed_verification_is_status_1(train) -> None:
    status, out, err = train(changed={"head": ("trainable", "frozen")})
    assert (status, err) == (1, "")
    assert "stage 1 of 2: NOT VERIFIED: 16 of 16 frozen values changed, " in out
    assert "stage 2 of 2" not in out
    assert out.endswith(
        "01_head  10 of 10  N s 0.0909  NO\n"
        "02_neck  0 of 20                 not yet\n"
        "all                N s 0 of 2\n"
        f"\nReport: {REPORT}\n"
    )


def test_a_failed_run_is_status_1(train) -> None:
    status, _, err = train(body="assert HERE\nsys.exit('no images')")
    log = Path("run/01_head/model/odfreeze/train.log")
    assert (status, err) == (
        1,
        f"odfreeze: training failed with exit status 1: no images (log: {log})\n",
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    (
        (
            ["--from_stage=nekc"],
            "there is no stage 'nekc' for --from_stage; did you mean 'neck'? (there are 01_head,"
            " 02_neck)",
        ),
        (
            ["--from_stage=1", "--only_stage=2"],
            "--from_stage and --only_stage do not go together; give one of them",
        ),
        (
            ["--keep_checkpoints=none"],
            "argument --keep_checkpoints: invalid choice: 'none' (choose from 'all', 'last') (see"
            " `odfreeze train --help`)",
        ),
        (["--checkpoint_every_n=0"], "--checkpoint_every_n is 0; give 1 or more"),
    ),
    ids=("misspelt stage", "both", "what to keep", "no number"),
)
def test_wrong_usage_is_status_2(train, flags: list[str], message: str) -> None:
    status, _, err = train(*flags)
    assert status == 2
    assert err.replace("choose from all, last", "choose from 'all', 'last'") == (
        f"odfreeze: {message}\n"
    )


def test_a_plan_that_changed_for_a_stage_that_ran_is_status_2(train, folder: Path) -> None:
    train("--only_stage=1")
    write_plan(folder, HEAD.replace("10", "12"), NECK)
    status, out, err = train()
    assert (status, out) == (2, "")
    assert err == (
        "odfreeze: a.plan:3:9: stage 1 of 2, 01_head, has been trained with another config than"
        " the plan gives now ('num_steps: 10' became 'num_steps: 12'); undo that in the plan, or"
        f" remove {Path('run/01_head/model')} and those of the stages after it, to train them anew"
        " (--allow_used_model_dir goes on from its checkpoint with the new config)\n"
        '  name: "head"\n'
        "        ^\n"
    )


def test_a_plan_that_is_not_there(capsys) -> None:
    assert main(["train", "--plan=b.plan", "--output_dir=run"]) == 2
    assert capsys.readouterr().err == "odfreeze: there is no file b.plan; check the path\n"
    assert not Path("run").exists()


def test_json_has_the_stages(train) -> None:
    status, out, _ = train("--format=json")
    shown = json.loads(out)
    assert status == 0
    assert [run["step"] for run in shown["runs"]] == [10, 20]
    assert [(one["name"], one["state"]) for one in shown["stages"]] == [
        ("01_head", "finished"), ("02_neck", "finished"),
    ]  # fmt: skip
