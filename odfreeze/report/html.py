"""The elements, colours and style of a page that stands alone: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias
from xml.etree import ElementTree as ET

__all__ = ["NEVER", "Element", "Node", "element", "page_bytes", "stage_class", "stage_style"]

Element: TypeAlias = ET.Element
#: What can be in an element: text, elements, nothing, or several of these.
Node: TypeAlias = "str | Element | Iterable[Node] | None"

#: Class of what is frozen in all stages.
NEVER = "never"

#: Colours from the first stage to the last, light and dark: lightness falls (or rises) with the
#: stage, so that they are told apart without seeing hues.
_LIGHT = ("#d18000", "#c8483f", "#8f2a72", "#1f3290")
_DARK = ("#8183ee", "#c56fbb", "#f08468", "#ffd166")


def element(tag: str, *children: Node, **attributes: object) -> Element:
    """Returns an element with its children; what they say is escaped when it is written.

    Args:
      tag: Its name.
      *children: Text, elements, or lists of them; None is left out.
      **attributes: By name: ``class_`` for ``class``, ``aria_label`` for ``aria-label``; None and
        False are left out.
    """
    made = ET.Element(tag)
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        made.set(name.rstrip("_").replace("_", "-"), _shown(text))
    _add(made, children)
    return made


def page_bytes(title: str, style: str, *children: Node) -> bytes:
    """Returns a whole page in UTF-8.

    Its policy lets a browser load nothing at all, and run nothing.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", style),
    )
    page = element("html", head, element("body", *children), lang="en")
    text = ET.tostring(page, encoding="unicode", method="html")
    return ("<!doctype html>\n" + text + "\n").encode("utf-8", "backslashreplace")


def stage_class(number: int | None) -> str:
    """Returns the class of a stage's colour; for None that of what never learns."""
    return NEVER if number is None else f"s{number}"


def stage_style(count: int) -> str:
    """Returns the style that gives each of so many stages its colour, by day and by night."""
    days, nights = (
        "".join(
            f".s{n}{{--c:{colour};--on:{_ink(colour)}}}"
            for n, colour in enumerate(_ramp(stops, count), 1)
        )
        for stops in (_LIGHT, _DARK[::-1])
    )
    return f"{days}@media(prefers-color-scheme:dark){{{nights}}}"


def _ramp(stops: Sequence[str], count: int) -> list[str]:
    """Returns so many colours along a ramp.

    >>> _ramp(("#000000", "#0000ff"), 3)
    ['#000000', '#000080', '#0000ff']
    """
    found = []
    for number in range(count):
        # Of few stages the last is not at the very end: the steps between are large enough.
        place = (len(stops) - 1) * number / max(count - 1, 2 if len(stops) > 2 else 1)
        low = min(int(place), len(stops) - 2)
        pairs = zip(_channels(stops[low]), _channels(stops[low + 1]), strict=True)
        mixed = (round(a + (b - a) * (place - low)) for a, b in pairs)
        found.append("#" + "".join(f"{value:02x}" for value in mixed))
    return found


def _ink(colour: str) -> str:
    """Returns black or white, whichever is read better: at least 4.5 to 1, by WCAG's luminance.

    >>> _ink("#ffd166"), _ink("#322c8a")
    ('#000000', '#ffffff')
    """
    values = (value / 255 for value in _channels(colour))
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _add(parent: Element, children: Iterable[Node]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            text = _shown(child)
            if len(parent):
                parent[-1].tail = (parent[-1].tail or "") + text
            else:
                parent.text = (parent.text or "") + text
        elif isinstance(child, ET.Element):
            parent.append(child)
        else:
            _add(parent, child)


def _shown(text: str) -> str:
    r"""Returns text with what no page may hold as escapes.

    >>> _shown("a\x00b\ud800\n<")
    'a\\x00b\\ud800\n<'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" or (c.isspace() and ord(c) > 159) or ord(c) > 0xFFFF
        else c.encode("unicode_escape").decode()
        for c in text
    )  # fmt: skip
