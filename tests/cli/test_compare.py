"""``odfreeze compare`` on runs that others made: text, JSON, exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.cli import main
from tests.conftest import ROOT
from tests.support.compared_runs import LOWER, write_evaluation, write_single, write_staged


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_staged(Path("staged"), {"freeze": (LOWER,)}, {"freeze": ("^(bn_)?Conv1",)})
    write_single(Path("single"))
    write_evaluation(Path("single"), Path("single.config"), 0.25)
    write_single(Path("bad"), LOWER, verified=False)
    return tmp_path


def test_runs_side_by_side(capsys):
    assert main(["compare", "staged", "single"]) == 0
    assert (
        capsys.readouterr().out
        == """\
Run        mAP  mAP@.50IOU  total_loss  steps        time  at once  in all   memory  status
staged       -           -           -     20  2 min 00 s      880     880  1.0 GiB  verified
single  0.2500      0.3750      0.7500     10  1 min 00 s    1,112   1,112  1.0 GiB  verified

at once, in all: parameters trained in the largest stage, in any stage; 1,112 could learn

note: staged: what it came to has no evaluation; --evaluate makes one

same model, base checkpoint, data, evaluation, batch size and seed
"""
    )


def test_the_json(capsys):
    assert main(["compare", "staged", "single", "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [run["status"] for run in found["runs"]] == ["verified", "verified"]
    assert found["differences"] == []


def test_a_metric_of_ones_own(capsys):
    main(["compare", "single", "--metric=Loss/total_loss"])
    assert capsys.readouterr().out.split()[:2] == ["Run", "total_loss"]


def test_a_metric_that_no_run_has_is_told(capsys):
    assert main(["compare", "single", "--metric=DetectionBoxes_Precision/mAp", "--metric=x"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Run     mAp  x  steps")
    assert (
        "note: no run has a metric DetectionBoxes_Precision/mAp; did you mean"
        " 'DetectionBoxes_Precision/mAP'?\n\nnote: no run has a metric x\n"
    ) in out


def test_what_learned_is_not_known_of_a_run_without_a_record(capsys):
    Path("stock/odfreeze").mkdir(parents=True)
    assert main(["compare", "stock"]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        "Run    steps  time  at once  in all  memory  status",
        "stock      0     -        -       -       -  unfinished",
    ]


def test_a_run_that_is_not_verified(capsys):
    assert main(["compare", "single", "bad"]) == 1
    assert "not verified" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["single", "single"], "single is given twice; give each run once"),
        (["elsewhere"], "elsewhere is not a directory: give the directory that `odfreeze stage`"),
        (["single", "--seed=1"], "--seed is for running plans; give --output_dir too"),
        (["single", "--verbose"], "--verbose is for running plans; give --output_dir too"),
        (["a.plan", "--output_dir=out"], "there is no file a.plan; check the path"),
        (["a/x.plan", "b/x.plan", "--output_dir=out"], "two plans are called x; their runs would"),
        ([], "the following arguments are required: RUN"),
        (["gs://bucket/run"], "gs://bucket/run is not on this machine; copy it here first"),
        (["single", "--checkpoint_every_n=0"], "--checkpoint_every_n is for running plans; give"),
        (["a.plan", "--output_dir=o", "--checkpoint_every_n=0"], "--checkpoint_every_n is 0; give"),
        (["a.plan", "--output_dir=gs://b/x"], "gs://b/x is not on this machine; copy it here"),
    ],
    ids=[
        "twice",
        "missing",
        "seed",
        "verbose",
        "no plan",
        "one name",
        "nothing",
        "remote",
        "every 0 steps of nothing",
        "every 0 steps",
        "remote output",
    ],
)
def test_wrong_usage(capsys, arguments, message):
    assert main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"odfreeze: {message}")) == ("", True), err


def test_nothing_of_tensorflow_is_needed():
    code = (
        "import sys; from odfreeze.cli import main; main(['compare', 'staged', 'single']);"
        "print(sorted({'tensorflow', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[]"
