"""The page of an account in a real browser: nothing asked for, nothing complained of, not blank.

Skipped where no Chromium is installed (``apt-get install chromium``; ``CHROMIUM`` names another).
"""

from __future__ import annotations

import pytest

from odfreeze.report.writing import keep_report
from tests.support.account_runs import write_staged
from tests.support.browser import chromium, colours_of, visit

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return keep_report(write_staged(tmp_path_factory.mktemp("browser") / "run"))


def test_a_browser_shows_the_page_and_asks_for_nothing(page, tmp_path):
    visited = visit(page, tmp_path)
    assert visited.console == []
    assert visited.requests == []
    for words in ("not one frozen value changed", "How far each part moved", "02_more", "0 of "):
        assert words in visited.dom
    assert visited.dom.count("<svg") == 10


def test_a_browser_would_tell_of_a_request_and_of_a_script(tmp_path):
    """What the test above finds nothing of is there to be found."""
    wrong = tmp_path / "wrong.html"
    wrong.write_text('<img src="http://127.0.0.1:9/x.png"><script>console.error("no")</script>')
    visited = visit(wrong, tmp_path)
    assert any('"no"' in line for line in visited.console)
    assert "http://127.0.0.1:9/x.png" in visited.requests


@pytest.mark.parametrize("width", [1200, 500])
def test_what_it_shows_is_not_blank(page, tmp_path, width):
    picture = tmp_path / "page.png"
    visit(page, tmp_path, width=width, picture=picture)
    found, height, colours = colours_of(picture)
    assert (found, height) == (width, 800)
    assert len(colours) > 30
    pixels = sum(colours.values())
    assert 0.3 < max(colours.values()) / pixels < 0.98  # paper, and something on it
    for colour in (b"\xd1\x80\x00", b"\xac\x39\x58"):  # of stages 1 and 2
        assert colours.get(colour, 0) >= 5  # no more of a badge may be in sight
