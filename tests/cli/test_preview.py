"""``odfreeze preview``: exact output and exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from odfreeze.cli import main
from tests.support.tiny_detector import write_detector

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(here: Path, *patterns: str) -> None:
    write_detector(here, *patterns, **{f"{here.as_posix()}/": ""})


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(["preview", *argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "block_1", "^Conv1", "BoxHead/kernel", "^blok_2_")
    status, out, err = run(capsys, "pipeline.config")
    assert out == (GOLDEN / "preview.txt").read_text(encoding="utf-8")
    assert (status, err) == (0, "")


def test_given_patterns_are_tried_and_nothing_is_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "block_1")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    arguments = ["--freeze-variables", "^Conv1", "--freeze_variables=bn_"]
    status, out, _ = run(capsys, *arguments, "pipeline.config")
    assert status == 0
    assert "[1] freeze_variables  bn_" in out
    assert "block_1 " not in out
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


def test_an_empty_pattern_given_means_none(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "block_1")
    _, out, _ = run(capsys, "pipeline.config", "--freeze_variables=")
    assert "freeze_variables" not in out


def test_a_given_checkpoint_says_what_was_taken(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "block_1_")
    status, out, _ = run(capsys, "pipeline.config", "--checkpoint", ".")
    assert status == 0
    assert re.search(
        r"^checkpoint  .*ckpt-0\n {12}ckpt-0 is the only checkpoint in", out, re.MULTILINE
    )


def test_list_is_for_grep(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "Conv1")
    status, out, err = run(capsys, "pipeline.config", "--format=list")
    assert (status, err, len(out.splitlines())) == (0, "", 33)
    assert out.splitlines()[1] == (
        "frozen\t8\t8\tfloat32\tbn_Conv1/gamma\t"
        "model/_feature_extractor/classification_backbone/layer_with_weights-1/gamma\t0"
    )


def test_json_is_for_programs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "zzz")
    status, out, _ = run(capsys, "pipeline.config", "--format", "json")
    found = json.loads(out)
    del found["variables"]
    assert status == 0
    assert found == {
        "version": 1,
        "config": "pipeline.config",
        "checkpoint": "ckpt-0",
        "resolution": "",
        "live": None,
        "fine_tune_checkpoint_type": "detection",
        "names_missing": "",
        "patterns": [{"field": "freeze_variables", "pattern": "zzz", "matches": 0}],
        "rates": [],
        "totals": {
            "frozen": {"variables": 0, "parameters": 0, "bytes": 0},
            "trainable": {"variables": 21, "parameters": 1112, "bytes": 4448},
            "held": {"variables": 0, "parameters": 0, "bytes": 0},
            "updating": {"variables": 12, "parameters": 88, "bytes": 352},
        },
        "findings": [
            {
                "code": "ODF201",
                "severity": "warning",
                "message": "freeze_variables: 'zzz' matches none of 33 variables; "
                "`odfreeze preview CONFIG --all` lists all names",
                "line": 10,
                "column": 21,
            },
            {
                "code": "ODF203",
                "severity": "warning",
                "message": "nothing is frozen: all 21 variables that can learn do, whatever the "
                "patterns were meant for",
                "line": 10,
                "column": 21,
            },
        ],
    }


def test_depth_and_all_open_the_tree(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here)
    rows = {}
    for flag in ("--depth=0", "--depth=1", "--all"):
        _, out, _ = run(capsys, "pipeline.config", flag)
        rows[flag] = len(out[out.index("Names") :].splitlines()) - 1
    assert rows["--depth=0"] == 2
    assert rows["--depth=0"] < rows["--depth=1"] < rows["--all"]
    assert "moving_variance" in out


def test_group_by_path(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here)
    _, out, _ = run(capsys, "pipeline.config", "--group_by=path")
    assert "\nObject paths " in out
    assert "layer_with_weights-" in out


def test_frozen_batch_norm_update(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, ".")
    _, out, _ = run(capsys, "pipeline.config", "--format=list", "--frozen_batch_norm=update")
    assert {line.split("\t")[0] for line in out.splitlines()} == {"frozen", "updating"}


def test_color_on_demand(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "Conv1")
    _, out, _ = run(capsys, "pipeline.config", "--color=always")
    assert "\x1b[" in out
    _, out, _ = run(capsys, "pipeline.config", "--color=never")
    assert "\x1b[" not in out


@pytest.mark.parametrize(
    ("patterns", "argv", "message"),
    [
        (("block_(",), (), "odfreeze: pipeline.config:10:28: freeze_variables: 'block_(' is no "
         "regular expression: missing ), unterminated subpattern; correct the pattern, or escape "
         "with \\ what is meant as a plain character\n"
         '  freeze_variables: "block_("\n' + " " * 27 + "^\n"),
        ((), ("--freeze_variables", "*block"), "odfreeze: freeze_variables:1:1: freeze_variables: "
         "'*block' is no regular expression: nothing to repeat; write '.*' where anything may "
         "stand\n*block\n^\n"),
        ((), ("--depth=deep",), "odfreeze: argument --depth: 'deep' is no number of levels; give 0 "
         "or more (see `odfreeze preview --help`)\n"),
        ((), ("--checkpoint", "nowhere/ckpt-1"), None),
    ],
    ids=["in-config", "given", "depth", "no-checkpoint"],
)  # fmt: skip
def test_what_cannot_be_used_is_an_error(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    patterns: tuple[str, ...],
    argv: tuple[str, ...],
    message: str | None,
) -> None:
    write(here, *patterns)
    status, out, err = run(capsys, "pipeline.config", *argv)
    assert (status, out) == (2, "")
    assert err.startswith("odfreeze: ") if message is None else err == message


def test_a_config_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "nowhere.config")
    assert (status, out) == (2, "")
    assert "nowhere.config" in err


def test_a_runaway_pattern_is_stopped(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "(.|[^!])+!")
    status, _, err = run(capsys, "pipeline.config")
    assert status == 2
    assert "took longer than 1.5 s and was stopped" in err


RATES = (
    "--rate",
    "@backbone=0.1",
    "--rate=^block_10_=0.5",
    "--rate",
    "^block_11=2",
    "--rate=zzz=3",
)


def test_rates_are_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "^block_11")
    status, out, err = run(capsys, "pipeline.config", *RATES)
    assert out == (GOLDEN / "preview_rates.txt").read_text(encoding="utf-8")
    assert (status, err) == (0, "")


def test_json_has_rates_and_the_share_of_each_variable_that_has_one(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "^block_11")
    _, out, _ = run(capsys, "pipeline.config", *RATES, "--format=json")
    found = json.loads(out)
    assert [(row["scale"], row["variables"]) for row in found["rates"]] == [
        (0.1, 9), (0.5, 3), (2.0, 0), (3.0, 0),
    ]  # fmt: skip
    assert found["rates"][1]["pattern"] == "^block_10_"
    shares = {row["name"]: row.get("rate_scale") for row in found["variables"]}
    assert shares["Conv1/kernel"] == 0.1
    assert shares["block_10_expand/kernel"] == 0.5
    assert shares["block_11_expand/kernel"] is None
    assert shares["bn_Conv1/moving_mean"] is None
    assert shares["Predictor/BoxHead/kernel"] is None
    assert [row["code"] for row in found["findings"] if row["code"] > "ODF22"] == [
        "ODF224", "ODF225",
    ]  # fmt: skip


def test_a_list_has_rates_in_a_column_of_its_own(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "^block_11")
    _, out, _ = run(capsys, "pipeline.config", *RATES, "--format=list")
    rows = {row.split("\t")[4]: row.split("\t")[-1] for row in out.splitlines()}
    assert rows["Conv1/kernel"] == "0.1"
    assert rows["Predictor/BoxHead/kernel"] == "1"
    assert rows["block_11_expand/kernel"] == "-"


def test_what_is_no_rate_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, "")
    assert run(capsys, "pipeline.config", "--rate", "@backbone=0") == (
        2, "", "odfreeze: --rate '@backbone=0': scale is 0; give a number above 0; to freeze, use "
        "freeze_variables\n",
    )  # fmt: skip
