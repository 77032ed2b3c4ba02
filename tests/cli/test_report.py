"""``odfreeze report``: the account of a run as a page, as JSON and in short."""

from __future__ import annotations

import json
import re

import pytest

from odfreeze.cli import main
from tests.support.account_runs import write_staged

FINISHED = """\
Both stages trained and verified: not one frozen value changed

Stage    state         learns  steps        time  loss
01_head  verified  272 (24 %)     10  1 min 00 s   0.2
02_more  verified  880 (79 %)     10  2 min 00 s   0.1

learned     880 of 1,112 parameters, 79 %
mAP         0.4, from 0.1
time        3 min 00 s
"""

UNFINISHED = """\
1 of 2 stages trained and verified so far

Stage    state          learns    steps        time  loss
01_head  verified   272 (24 %)       10  1 min 00 s   0.2
02_more  not begun  880 (79 %)  0 of 10           –     –

to learn    880 of 1,112 parameters, 79 %
mAP         0.2, from 0.1
time        1 min 00 s
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_staged(tmp_path / "run")


def test_it_writes_page_and_json_and_prints_the_rest_in_short(run, capsys):
    assert main(["report", "run"]) == 0
    out = capsys.readouterr().out
    assert out == FINISHED + "\nwrote run/report.html\nwrote run/report.json\n"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>\n")
    assert json.loads((run / "report.json").read_text())["version"] == 1


def test_the_same_run_gives_the_same_files(run):
    main(["report", "run"])
    before = [(run / name).read_bytes() for name in ("report.html", "report.json")]
    main(["report", "run"])
    assert [(run / name).read_bytes() for name in ("report.html", "report.json")] == before


def test_they_can_be_written_elsewhere(run, capsys):
    assert main(["report", "run", "--output-dir", "there/deep"]) == 0
    assert (run.parent / "there/deep/report.html").exists()
    assert not (run / "report.html").exists()
    assert capsys.readouterr().out.endswith("wrote there/deep/report.json\n")


def test_text_is_printed_and_nothing_written(run, capsys):
    assert main(["report", "run", "--format", "text"]) == 0
    assert capsys.readouterr().out == FINISHED
    assert not (run / "report.html").exists()


def test_json_is_printed_and_nothing_written(run, capsys):
    assert main(["report", "run", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["stages"][0]["name"] == "01_head"
    assert not (run / "report.json").exists()


def test_the_page_is_printed_and_nothing_written(run, capsys):
    assert main(["report", "run", "--format", "html"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("</html>")


def test_printing_and_writing_exclude_each_other(run, capsys):
    assert main(["report", "run", "--format", "text", "--output_dir", "there"]) == 2
    error = "odfreeze: --format prints and --output_dir writes; give one of them\n"
    assert capsys.readouterr().err == error


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert re.fullmatch(
        r"odfreeze: .* holds no run: give the directory .*\n", capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(run, capsys):
    (run.parent / "file").write_text("")
    assert main(["report", "run", "--output_dir", "file"]) == 2
    assert capsys.readouterr().err.startswith("odfreeze: file cannot be made: ")


def test_a_run_that_has_not_ended_tells_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_staged(tmp_path / "run", trained=1)
    assert main(["report", "run", "--format", "text"]) == 0
    assert capsys.readouterr().out == UNFINISHED


def test_a_failed_verification_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_staged(tmp_path / "run", trained=1, changed=("frozen", "trainable"))
    assert main(["report", "run", "--format", "text"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Stage 1 did not pass its verification\n")
    assert re.search(r"^01_head: \d+ of \d+ frozen variables changed$", out, re.M)
