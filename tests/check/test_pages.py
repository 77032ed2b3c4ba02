"""The page of each code: there for every code, and complete."""

from __future__ import annotations

import re

import pytest

from odfreeze.check.pages import all_codes, check_codes, read_page
from odfreeze.errors import UsageError
from tests.conftest import ROOT

SOURCES = sorted((ROOT / "odfreeze").rglob("*.py"))
REPORTED = {
    code
    for path in SOURCES
    for code in re.findall(r"(?:Finding\(|code=)\s*\"(ODF\d{3})\"", path.read_text("utf-8"))
}


def test_every_code_that_is_reported_has_a_page() -> None:
    assert sorted(REPORTED - set(all_codes())) == []


@pytest.mark.parametrize("code", all_codes())
def test_a_page_tells_what_stock_shows_why_and_the_cure(code: str) -> None:
    page = read_page(code)
    title, *lines = page.text.splitlines()
    assert title == f"# {code}: {page.title}"
    assert page.title and not page.title.endswith(".")
    headings = [line for line in lines if line.startswith("#")]
    fenced = "\n".join(lines).count("```")
    assert [one for one in headings if one.startswith("## ")] == [
        "## What stock shows",
        "## Why",
        "## Cure",
    ]
    assert fenced % 2 == 0
    assert len(lines) <= 50
    assert page.text.endswith("\n")


@pytest.mark.parametrize("code", ("odf190", "ODF190"))
def test_a_code_in_any_case(code: str) -> None:
    assert read_page(code).code == "ODF190"


def test_a_code_that_does_not_exist() -> None:
    with pytest.raises(UsageError) as caught:
        read_page("ODF991")
    assert str(caught.value).startswith("there is no code 'ODF991'")


@pytest.mark.parametrize("code", ("ODF190", "ODF1", "ODF"))
def test_a_beginning_of_codes_is_one(code: str) -> None:
    check_codes([code])


@pytest.mark.parametrize("code", ("190", "", "odf1", "ODF99", "../ODF100"))
def test_what_no_code_begins_with(code: str) -> None:
    with pytest.raises(UsageError, match="no code begins with"):
        check_codes([code])
