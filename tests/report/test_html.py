"""Elements, and colours that can be told apart by whoever looks at them."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.report.html import element, page_bytes, stage_class, stage_style

PAPER = {"light": "#ffffff", "dark": "#17191d"}
#: How a colour looks to a person without green cones, and without red ones (Machado et al., 2009).
VISIONS = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
}


def colours(count: int, scheme: str) -> list[tuple[str, str]]:
    """Returns colour and ink of each stage."""
    light, _, dark = stage_style(count).partition("@media(prefers-color-scheme:dark)")
    found = re.findall(r"\{--c:(#\w{6});--on:(#\w{6})\}", light if scheme == "light" else dark)
    assert len(found) == count
    return found


def linear(colour: str) -> list[float]:
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of luminances, from 1 to 21."""
    lums = sorted(
        sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True))
        for c in (one, other)
    )
    return (lums[1] + 0.05) / (lums[0] + 0.05)


def seen(colour: str, vision: str) -> tuple[float, ...]:
    """CIE Lab of a colour as a person sees it."""
    rgb = linear(colour)
    rgb = [sum(w * v for w, v in zip(row, rgb, strict=True)) for row in VISIONS[vision]]
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    x, y, z = (
        sum(w * max(0.0, v) for w, v in zip(row, rgb, strict=True)) / n
        for row, n in zip(to_xyz, white, strict=True)
    )
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 12])
def test_a_number_can_be_read_on_every_colour(count, scheme):
    for colour, ink in colours(count, scheme):
        assert contrast(colour, ink) >= 4.5, colour


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 12])
def test_a_line_of_every_colour_stands_out_from_the_paper(count, scheme):
    for colour, _ in colours(count, scheme):
        assert contrast(colour, PAPER[scheme]) >= 3, colour


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_stages_are_told_apart_by_every_eye(count, scheme, vision):
    for one, other in itertools.combinations([c for c, _ in colours(count, scheme)], 2):
        distance = math.dist(seen(one, vision), seen(other, vision))
        assert distance > 12, (one, other)


def test_a_stage_has_a_class_and_never_has_one():
    assert (stage_class(3), stage_class(None)) == ("s3", "never")


def written(*children: object) -> str:
    return page_bytes("t", "", *children).decode()


def test_text_and_attributes_are_escaped():
    made = written(element("p", "<b>&", title='"><script>'))
    assert '<p title="&quot;&gt;<script&gt;">&lt;b&gt;&amp;</p>' in made


def test_children_are_text_elements_and_lists_of_them():
    made = written(element("p", "a", [element("b", "c"), "d", None, ["e"]]))
    assert "<p>a<b>c</b>de</p>" in made


def test_attributes_have_their_names():
    made = written(element("p", class_="x", aria_label="y", hidden=False, id=None, viewBox="0 0"))
    assert '<p class="x" aria-label="y" viewBox="0 0"></p>' in made


@given(st.text())
def test_any_text_can_be_written(text):
    made = page_bytes(text, "", element("p", text, title=text))
    made.decode("utf-8")
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", made)
