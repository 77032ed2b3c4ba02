"""A finding as text and as JSON."""

from __future__ import annotations

from odfreeze.errors import Place
from odfreeze.findings import Finding, in_order


def test_a_finding_without_a_place() -> None:
    finding = Finding("ODF303", "warning", "no names")
    assert str(finding) == "warning ODF303: no names"
    assert finding.to_json() == {
        "code": "ODF303", "severity": "warning", "message": "no names", "line": None,
        "column": None,
    }  # fmt: skip


def test_the_place_of_a_finding_is_line_and_column() -> None:
    finding = Finding("ODF201", "warning", "m", Place("a.config", 12, 3))
    assert (finding.to_json()["line"], finding.to_json()["column"]) == (12, 3)


def test_the_gravest_come_first_and_equals_stay_in_order() -> None:
    severities = ("info", "warning", "error", "info", "warning")
    some = [Finding(str(i), s, "") for i, s in enumerate(severities)]  # type: ignore[arg-type]
    assert [finding.code for finding in in_order(some)] == ["2", "1", "4", "0", "3"]
