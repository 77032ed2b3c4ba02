"""The pages of codes, for a terminal or a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from odfreeze.check.pages import Page

__all__ = ["page_list", "write_pages"]

_GROUPS = {
    "1": "Text and schema",
    "2": "Selection",
    "3": "Checkpoint",
    "4": "Schedule",
    "5": "Data",
    "6": "Run directory",
    "7": "Environment",
}


def page_list(pages: Sequence[Page]) -> str:
    """Returns a line for each page, below the heading of its group."""
    lines: list[str] = []
    group = ""
    for page in pages:
        if page.code[3] != group:
            group = page.code[3]
            lines += ["", _GROUPS[group]] if lines else [_GROUPS[group]]
        lines.append(f"  {page.code}  {page.title}")
    lines += ["", "`odfreeze explain CODE` shows the page of one."]
    return "\n".join(lines) + "\n"


def write_pages(pages: Sequence[Page], stream: TextIO, *, color: bool) -> None:
    """Writes pages as they are, or styled: then rich is imported."""
    if not color:
        stream.write("\n".join(page.text for page in pages))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=stream, force_terminal=True)
    for page in pages:
        console.print(Markdown(page.text))
