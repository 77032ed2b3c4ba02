"""Curves of all stages on one axis of steps, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from odfreeze.report.html import Element, element, stage_class

__all__ = ["Band", "Line", "chart", "nice_ticks", "number_text"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 10.0, 26.0, 24.0
_LETTER = 7.2
#: More points than a line has pixels are drawn as the least and the largest of each pixel.
_POINTS_MOST = 600
#: Points that are at least so far apart, in pixels, are marked with dots.
_DOTS_APART = 7.0
#: The axis begins at 0 where the least value is below this share of the largest.
_FLAT = 0.5
#: Values beyond these are drawn at the edge; differences below are none.
_LARGEST, _SMALLEST = 1e300, 1e-30

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Band:
    """The steps of one stage.

    Attributes:
      number: Of the stage.
      title: Its name.
      start: The step of the whole run at which it begins.
      end: That at which it ends.
    """

    number: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """A curve within one stage.

    Attributes:
      number: Of the stage.
      points: Pairs of step of the whole run and value.
      style: Class of the line: "" or ``second``.
    """

    number: int
    points: Points
    style: str = ""


def chart(
    title: str,
    lines: Sequence[Line],
    bands: Sequence[Band],
    width: int,
    height: int,
    show: Callable[[float], str],
) -> Element:
    """Returns a chart, so many pixels wide and high.

    Args:
      title: What it shows, for those who do not see it, too.
      lines: The curves.
      bands: The stages.
      width: In pixels.
      height: Likewise.
      show: Returns a value as text.
    """
    values = [value for line in lines for _, value in line.points]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    # From 0 on, but where that would press the curves flat.
    ticks = nice_ticks(min(0.0, low) if low < _FLAT * high else low, high)
    floor, roof = ticks[0], ticks[-1]
    last = max([band.end for band in bands] + [1])
    inner = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def x(step: float) -> float:
        return round(_LEFT + inner[0] * step / last, 2)

    def y(value: float) -> float:
        share = (roof - min(max(value, floor), roof)) / (roof - floor)
        return round(_TOP + inner[1] * share, 2)

    drawn: list[Element] = [element("title", title)]
    for value in ticks:
        drawn.append(element("line", x1=_LEFT, x2=width - _RIGHT, y1=y(value), y2=y(value),
                             class_="grid"))  # fmt: skip
        drawn.append(element("text", show(value), x=_LEFT - 7, y=y(value) + 4, class_="axis",
                             text_anchor="end"))  # fmt: skip
    drawn += _stages(bands, x, height)
    for line in lines:
        points = [(x(step), y(value)) for step, value in _thinned(line.points)]
        kind = f"line {line.style} {stage_class(line.number)}".replace("  ", " ")
        if len(points) > 1:
            path = " ".join(f"{left:g},{top:g}" for left, top in points)
            drawn.append(element("polyline", points=path, class_=kind))
        reach = points[-1][0] - points[0][0] if points else 0.0
        if len(points) < 2 or reach / len(points) >= _DOTS_APART:
            for (left, top), (step, value) in zip(points, line.points, strict=True):
                tip = f"step {step:,.0f}: {show(value)}"
                dot = element("circle", element("title", tip), cx=left, cy=top, r=2.6,
                              class_=f"dot {stage_class(line.number)}")  # fmt: skip
                drawn.append(dot)
    for step in nice_ticks(0, last, most=max(3, width // 110)):
        if step <= last:
            anchor = "end" if x(step) > width - 30 else "middle"
            drawn.append(element("text", f"{step:,.0f}", x=x(step), y=height - 6.0, class_="axis",
                                 text_anchor=anchor))  # fmt: skip
    return element(
        "svg", drawn, role="img", aria_label=title, viewBox=f"0 0 {width} {height}",
        width=width, height=height, class_="chart",
    )  # fmt: skip


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers that enclose a range, at least two.

    >>> nice_ticks(0, 0.83)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> nice_ticks(3, 3)
    [2.0, 2.5, 3.0, 3.5, 4.0]
    """
    low, high = (min(max(end, -_LARGEST), _LARGEST) for end in (low, high))
    if high - low <= max(1e-12 * max(abs(low), abs(high)), _SMALLEST):
        reach = abs(high) / 3 if abs(high) > _SMALLEST else 1.0
        low, high = high - reach, high + reach
    rough = (high - low) / most
    exponent = math.floor(math.log10(rough))
    step = next(m * 10.0**exponent for m in (1, 2, 5, 10) if m * 10.0**exponent >= rough * 0.999)
    first, final = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ends = range(first, max(final, first + 1) + 1)
    return [round(number * step, max(0, 2 - exponent)) for number in ends]


def number_text(value: float) -> str:
    """Returns a value of a curve as people read it.

    >>> [number_text(v) for v in (0, 0.5, 1.25, 0.00012, 12345.0)]
    ['0', '0.5', '1.25', '0.00012', '12,345']
    """
    if abs(value) >= 999.5:  # three digits of it would be written as 1e+03
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _stages(bands: Sequence[Band], x: Callable[[float], float], height: int) -> Iterator[Element]:
    """Yields a strip above the curves for each stage, and a line where one ends."""
    for band in bands:
        left, wide = x(band.start), max(1.0, x(band.end) - x(band.start))
        tip = f"stage {band.number}, {band.title}: steps {band.start:,} to {band.end:,}"
        label = f"{band.number} {band.title}"
        if len(label) * _LETTER + 8 > wide:
            label = str(band.number) if len(str(band.number)) * _LETTER + 4 < wide else ""
        yield element(
            "g",
            element("title", tip),
            element("rect", x=left, y=2, width=round(max(1.0, wide - 1.5), 2), height=17, rx=2,
                    class_=f"band {stage_class(band.number)}"),
            element("text", label, x=left + 5, y=14.5, class_=f"on {stage_class(band.number)}")
            if label else None,
        )  # fmt: skip
        if band.start:
            yield element("line", x1=left, x2=left, y1=_TOP, y2=height - _BOTTOM, class_="edge")


def _thinned(points: Points) -> Points:
    """Returns points that draw the same line with fewer of them.

    >>> len(_thinned([(n, n % 7) for n in range(10_000)])) <= _POINTS_MOST
    True
    """
    if len(points) <= _POINTS_MOST:
        return points
    size = math.ceil(2 * len(points) / _POINTS_MOST)
    found: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        few = points[start : start + size]
        ends = {min(few, key=lambda p: p[1]), max(few, key=lambda p: p[1])}
        found += sorted(ends)
    return found
