"""What `odfreeze check` found, for people and for machines."""

from __future__ import annotations

import json

import pytest

from odfreeze.check.linter import Checked
from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.report.findings import check_document, check_github, check_lines
from odfreeze.report.sarif import check_sarif
from odfreeze.report.text import plain
from odfreeze.textproto import Edit

ERROR = Finding(
    "ODF190", "error", "no field 'a'", Place("a b.config", 3, 3, "  a: 1"), (Edit(20, 21, b"b"),)
)
WARNING = Finding("ODF190", "warning", "100 % frozen", Place("map,1.pbtxt", 7, 1, "item {"))
INFO = Finding("ODF190", "info", "good to know")
FOUND = Checked("a b.config", (INFO, ERROR, WARNING), 2, b"", b"")
CLEAN = Checked("b.config", (), 0, b"", b"")
MENDED = Checked("a b.config", (WARNING,), 0, b"", b"", (ERROR,))


def test_text_shows_the_line_with_a_caret_and_a_summary() -> None:
    assert plain(check_lines([FOUND, CLEAN])) == (
        "a b.config: info ODF190: good to know\n"
        "a b.config:3:3: error ODF190: no field 'a'\n"
        "      a: 1\n"
        "      ^\n"
        "map,1.pbtxt:7:1: warning ODF190: 100 % frozen\n"
        "    item {\n"
        "    ^\n"
        "1 error, 1 warning, 1 info in 2 files; --fix mends 1; 2 silenced;"
        " `odfreeze explain ODF190` tells more of one\n"
    )


@pytest.mark.parametrize(
    ("is_fixed", "label", "count"),
    ((False, "to fix", "1 would be fixed"), (True, "fixed", "1 fixed")),
    ids=["planned", "written"],
)
def test_text_shows_what_is_fixed(is_fixed: bool, label: str, count: str) -> None:
    assert plain(check_lines([MENDED], is_fixed=is_fixed)) == (
        f"a b.config:3:3: {label} ODF190: no field 'a'\n"
        "map,1.pbtxt:7:1: warning ODF190: 100 % frozen\n"
        "    item {\n"
        "    ^\n"
        f"1 warning in 1 file; {count}; `odfreeze explain ODF190` tells more of one\n"
    )


def test_text_where_there_is_nothing_to_say() -> None:
    assert plain(check_lines([CLEAN, CLEAN])) == "2 files: nothing to report\n"


def test_text_does_nothing_to_a_terminal() -> None:
    nasty = Finding("ODF190", "error", "field '\x1b[2J'", Place("\x1b]0;a", 1, 1))
    text = plain(check_lines([Checked("a", (nasty,), 0, b"", b"")]))
    assert "\x1b" not in text
    assert "\\x1b[2J" in text


def test_json_has_a_row_for_each_finding() -> None:
    document = check_document([FOUND, MENDED])
    assert document["version"] == 1
    assert document["files"][0] == {
        "file": "a b.config", "errors": 1, "warnings": 1, "infos": 1, "silenced": 2, "fixed": 0,
    }  # fmt: skip
    assert document["findings"][1] == {
        "file": "a b.config", "code": "ODF190", "severity": "error", "message": "no field 'a'",
        "line": 3, "column": 3, "fixable": True,
    }  # fmt: skip
    assert [row["code"] for row in document["fixed"]] == ["ODF190"]
    assert [row["file"] for row in document["findings"][:3]] == [
        "a b.config", "a b.config", "map,1.pbtxt",
    ]  # fmt: skip
    json.dumps(document)


def test_github_gets_workflow_commands() -> None:
    assert check_github([FOUND, CLEAN]) == (
        "::notice file=a b.config,title=ODF190::good to know\n"
        "::error file=a b.config,line=3,col=3,title=ODF190::no field 'a'\n"
        "::warning file=map%2C1.pbtxt,line=7,col=1,title=ODF190::100 %25 frozen\n"
    )


def test_github_gets_no_command_out_of_a_message() -> None:
    nasty = Finding("ODF190", "error", "one\r\n::error::two")
    (line,) = check_github([Checked("a", (nasty,), 0, b"", b"")]).splitlines()
    assert line == "::error file=a,title=ODF190::one%0D%0A::error::two"


def test_sarif_has_a_rule_for_each_code_and_a_result_for_each_finding() -> None:
    log = check_sarif([FOUND, CLEAN])
    (run,) = log["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (log["version"], rule["id"]) == ("2.1.0", "ODF190")
    assert rule["shortDescription"]["text"] == "an ignore comment that silences nothing"
    assert [(r["ruleId"], r["ruleIndex"], r["level"]) for r in run["results"]] == [
        ("ODF190", 0, "note"),
        ("ODF190", 0, "error"),
        ("ODF190", 0, "warning"),
    ]


def test_sarif_places_and_fixes() -> None:
    info, error, warning = check_sarif([FOUND])["runs"][0]["results"]
    assert info["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "a%20b.config"}}}
    ]
    assert error["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 3}
    assert error["fixes"][0]["artifactChanges"][0]["replacements"] == [
        {"deletedRegion": {"byteOffset": 20, "byteLength": 1}, "insertedContent": {"text": "b"}}
    ]
    assert warning["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "map%2C1.pbtxt"
    }
    assert "fixes" not in warning
