"""Curves as SVG: their axes, their stages, and many points as few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.report.plots import Band, Line, chart, nice_ticks, number_text

BANDS = (Band(1, "head", 0, 60), Band(2, "all", 60, 100))


def drawn(lines, width=500, height=200):
    return chart("Loss", lines, BANDS, width, height, number_text)


def points_of(polyline):
    return [tuple(map(float, pair.split(","))) for pair in polyline.get("points").split()]


ANY = st.floats(allow_nan=False, allow_infinity=False)


@given(ANY, ANY)
def test_ticks_enclose_the_range_and_are_few(one, other):
    low, high = sorted((one, other))
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    low, high = (min(max(end, -1e300), 1e300) for end in (low, high))
    slack = max(1e-6 * max(abs(low), abs(high)), 1e-29)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 0.83, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 250, [0, 50, 100, 150, 200, 250]),
        (0, 0, [-1, -0.5, 0, 0.5, 1]),
        (1.65, 1.9, [1.65, 1.7, 1.75, 1.8, 1.85, 1.9]),
        (0, 3e-7, [0, 1e-7, 2e-7, 3e-7]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert nice_ticks(low, high)[: len(ticks)] == pytest.approx(ticks, abs=1e-12)


def test_a_larger_value_is_higher_and_a_later_step_further_right():
    svg = drawn([Line(1, [(10, 1.0), (20, 3.0)])])
    (line,) = svg.findall("polyline")
    (left, low), (right, high) = points_of(line)
    assert left < right
    assert low > high


def test_every_point_is_inside_the_picture():
    svg = drawn([Line(1, [(0, 0.1), (60, 9.0)]), Line(2, [(60, 5.0), (100, 0.0)])])
    for line in svg.findall("polyline"):
        for x, y in points_of(line):
            assert 0 <= x <= 500
            assert 0 <= y <= 200


@given(st.lists(ANY, min_size=1, max_size=5))
def test_whatever_the_values_are_they_are_drawn_inside(values):
    svg = drawn([Line(1, list(enumerate(values)))])
    for dot in svg.findall("circle"):
        assert 0 <= float(dot.get("cy")) <= 200


def test_a_curve_has_the_colour_of_its_stage():
    svg = drawn([Line(1, [(0, 1), (5, 2)]), Line(2, [(60, 1), (70, 2)])])
    assert [one.get("class").split()[-1] for one in svg.findall("polyline")] == ["s1", "s2"]


def test_each_stage_is_named_above_the_curves_and_a_line_parts_them():
    svg = drawn([Line(1, [(0, 1), (5, 2)])])
    assert [text.text for text in svg.iter("text") if "on" in text.get("class").split()] == [
        "1 head",
        "2 all",
    ]
    assert len([one for one in svg.findall("line") if one.get("class") == "edge"]) == 1


def test_a_stage_too_short_for_its_name_has_its_number():
    bands = (Band(1, "head", 0, 95), Band(2, "everything", 95, 100))
    svg = chart("Loss", [Line(1, [(0, 1), (5, 2)])], bands, 500, 200, number_text)
    texts = [text.text for text in svg.iter("text") if "on" in text.get("class").split()]
    assert texts == ["1 head", "2"]


def test_values_far_above_zero_are_not_pressed_flat():
    svg = drawn([Line(1, [(0, 100.0), (50, 101.0)])])
    (line,) = svg.findall("polyline")
    (_, low), (_, high) = points_of(line)
    assert low - high > 100


def test_a_few_points_are_marked_with_their_values():
    svg = drawn([Line(1, [(10, 0.5), (20, 0.25)])])
    assert [dot.find("title").text for dot in svg.findall("circle")] == [
        "step 10: 0.5",
        "step 20: 0.25",
    ]


def test_a_single_point_is_a_dot():
    svg = drawn([Line(1, [(10, 0.5)])])
    assert svg.findall("polyline") == []
    assert len(svg.findall("circle")) == 1


def test_many_points_keep_their_peaks():
    points = [(n / 100, float(n == 5555)) for n in range(10_000)]
    svg = drawn([Line(1, points)])
    (line,) = svg.findall("polyline")
    found = points_of(line)
    assert len(found) <= 600
    assert len({y for _, y in found}) == 2
    assert [x for x, _ in found] == sorted(x for x, _ in found)
