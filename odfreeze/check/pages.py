"""The page of each code: what stock shows, why, and the cure."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odfreeze.errors import UsageError, suggest

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["Page", "all_codes", "check_codes", "read_page"]


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
    names = (file.name for file in _folder().iterdir())
    return tuple(sorted(name[:-3] for name in names if name.endswith(".md")))


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
    text = _folder().joinpath(f"{wanted}.md").read_text(encoding="utf-8")
    return Page(wanted, text.partition("\n")[0].partition(": ")[2], text)


def _folder() -> Traversable:
    from importlib import resources  # 10 ms, and no page is read where nothing is found

    return resources.files("odfreeze.check").joinpath("pages")


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
