"""The pages of codes, listed and shown."""

from __future__ import annotations

import io

from odfreeze.check.pages import Page
from odfreeze.report.pages import page_list, write_pages

PAGES = [
    Page("ODF101", "a field that does not exist", "# ODF101: a field that does not exist\n"),
    Page("ODF102", "a field elsewhere", "# ODF102: a field elsewhere\n\n## Why\n\nSo.\n"),
    Page("ODF701", "no TensorFlow", "# ODF701: no TensorFlow\n"),
]


def written(color: bool) -> str:
    stream = io.StringIO()
    write_pages(PAGES[:2], stream, color=color)
    return stream.getvalue()


def test_a_list_by_group() -> None:
    assert page_list(PAGES) == (
        "Text and schema\n"
        "  ODF101  a field that does not exist\n"
        "  ODF102  a field elsewhere\n"
        "\n"
        "Environment\n"
        "  ODF701  no TensorFlow\n"
        "\n"
        "`odfreeze explain CODE` shows the page of one.\n"
    )


def test_plain_pages_are_as_they_are() -> None:
    assert written(color=False) == PAGES[0].text + "\n" + PAGES[1].text


def test_styled_pages_hold_the_same_words() -> None:
    text = written(color=True)
    assert "\x1b[" in text
    assert "ODF102: a field elsewhere" in text
    assert "##" not in text
