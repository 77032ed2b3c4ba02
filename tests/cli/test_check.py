"""`odfreeze check`: exact text and exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.cli import main
from tests.conftest import ROOT

#: One error, with a fix; the rest of what is missing is silenced.
TEXT = """\
# odfreeze: ignore[ODF106, ODF110, ODF2, ODF3, ODF4, ODF5]
model { ssd { } }
train_config {
  fine_tune_checkpoint_version: v2
}
"""
ENUM = "fine_tune_checkpoint_version: v2"


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("pipeline.config")
    path.write_text(TEXT)
    return path


def findings(capsys, *arguments: str) -> tuple[int, list[tuple[str, int]]]:
    status = main(["check", "--format=json", *arguments])
    rows = json.loads(capsys.readouterr().out)["findings"]
    return status, [(row["code"], row["line"]) for row in rows]


def test_an_error_gives_status_1(capsys) -> None:
    assert findings(capsys, "pipeline.config") == (1, [("ODF103", 4)])


def test_the_line_is_shown_with_a_caret(capsys) -> None:
    main(["check", "pipeline.config"])
    first, excerpt, caret, summary = capsys.readouterr().out.splitlines()
    assert first.startswith("pipeline.config:4:33: error ODF103: ")
    assert excerpt == "      fine_tune_checkpoint_version: v2"
    assert caret.index("^") == excerpt.index("v2")
    assert summary.startswith("1 error in 1 file; --fix mends 1; ")


def test_nothing_found_gives_status_0(file: Path, capsys) -> None:
    file.write_text(TEXT.replace("v2", "V2"))
    assert main(["check", "pipeline.config", "--ignore=ODF1"]) == 0
    assert capsys.readouterr().out.startswith("1 file: nothing to report")


@pytest.mark.parametrize(
    ("arguments", "status"),
    (([], 0), (["--strict"], 1)),
    ids=["a-warning-passes", "unless-strict"],
)
def test_warnings(file: Path, capsys, arguments: list[str], status: int) -> None:
    file.write_text("# odfreeze: ignore[ODF9]\n" + TEXT.replace("v2", "V2"))
    assert findings(capsys, "pipeline.config", *arguments) == (status, [("ODF190", 1)])


def test_fix_mends_the_file(file: Path, capsys) -> None:
    assert main(["check", "pipeline.config", "--fix"]) == 0
    assert file.read_text() == TEXT.replace("v2", "V2")
    assert "pipeline.config:4:33: fixed ODF103: " in capsys.readouterr().out


def test_diff_shows_what_fix_would_do_and_writes_nothing(file: Path, capfd) -> None:
    assert main(["check", "pipeline.config", "--diff"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line for line in lines if line[0] in "-+"] == [
        "--- pipeline.config",
        "+++ pipeline.config",
        f"-  {ENUM}",
        f"+  {ENUM.replace('v2', 'V2')}",
    ]
    assert file.read_text() == TEXT


@pytest.mark.parametrize("flag", ("--select=ODF5", "--ignore=ODF103", "--ignore=ODF5,ODF1"))
def test_what_is_not_asked_for_gives_status_0(capsys, flag: str) -> None:
    assert findings(capsys, "pipeline.config", flag) == (0, [])


def test_a_directory(capsys, tmp_path: Path) -> None:
    assert findings(capsys, str(tmp_path))[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        (["none.config"], "odfreeze: there is no file none.config; check the path\n"),
        (
            ["pipeline.config", "--ignore", "ODF999"],
            "odfreeze: no code begins with 'ODF999' (`odfreeze explain` lists all codes)\n",
        ),
    ),
    ids=["no-file", "no-code"],
)
def test_wrong_usage_gives_status_2(capsys, arguments: list[str], message: str) -> None:
    assert main(["check", *arguments]) == 2
    assert capsys.readouterr() == ("", message)


def test_github(capsys) -> None:
    assert main(["check", "pipeline.config", "--format=github"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("::error file=pipeline.config,line=4,col=33,title=ODF103::")


def test_sarif(capsys) -> None:
    assert main(["check", "pipeline.config", "--format=sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["ODF103"]


def test_a_check_imports_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys; from odfreeze.cli import main; main(['check', 'pipeline.config']);"
        " sys.exit(bool({'tensorflow', 'numpy', 'object_detection'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "sample_configs").glob("*.config")))
def test_the_samples_lack_only_what_is_to_be_filled_in(capsys, name: str) -> None:
    left_open = ["--ignore=ODF109", "--ignore=ODF219"]  # what to fill in, and that stock ignores it
    if name == "demo.config":  # which counts steps as only `odfreeze train` does, on 16 images
        left_open += ["--ignore=ODF402,ODF403,ODF516"]
    assert findings(capsys, str(ROOT / "sample_configs" / name), *left_open) == (0, [])
