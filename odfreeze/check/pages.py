"""The page of each code: what stock shows, why, and the cure."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass

from odfreeze.errors import UsageError, suggest

__all__ = ["Page", "all_codes", "check_codes", "read_page"]

#: Not by importlib.resources, whose import takes a tenth of a check's time.
_FOLDER = os.path.join(os.path.dirname(__file__), "pages")  # noqa: PTH118, PTH120


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know of a code.

    Attributes:
      code: The code.
      title: What such a finding says, in a few words.
      text: The page in Markdown, its title included.
    """

    code: str
    title: str
    text: str


@functools.cache
def all_codes() -> tuple[str, ...]:
    """Returns every code, in order."""
    return tuple(sorted(name[:-3] for name in os.listdir(_FOLDER) if name.endswith(".md")))  # noqa: PTH208


def read_page(code: str) -> Page:
    """Returns the page of a code.

    Raises:
      UsageError: There is no such code.

    >>> read_page("ODF190").title
    'an ignore comment that silences nothing'
    """
    wanted = code.upper()
    if wanted not in all_codes():
        raise UsageError(
            f"there is no code {code!r}{suggest(wanted, all_codes())}"
            " (`odfreeze explain` lists all of them)"
        )
    with open(f"{_FOLDER}/{wanted}.md", encoding="utf-8") as stream:  # noqa: PTH123
        text = stream.read()
    return Page(wanted, text.partition("\n")[0].partition(": ")[2], text)


def check_codes(codes: Iterable[str], *, needed: bool = False) -> None:
    """Raises for something that no code begins with.

    Args:
      codes: Codes, or beginnings of codes such as ``ODF3``.
      needed: Whether there must be one.

    Raises:
      UsageError: No code begins so.
    """
    given = tuple(codes)
    if needed and not given:
        raise UsageError("names no code; write one, such as ignore[ODF301]")
    for one in given:
        if not (one.startswith("ODF") and any(code.startswith(one) for code in all_codes())):
            raise UsageError(f"no code begins with {one!r} (`odfreeze explain` lists all codes)")
