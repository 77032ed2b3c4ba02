"""The model as an icicle: parts, blocks and layers, each as wide as it has parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odfreeze.groups.grouping import Group, Part
from odfreeze.report.html import Element, element, stage_class
from odfreeze.runs.account import Account
from odfreeze.variables import Variable

__all__ = ["icicle", "network_order", "staircase"]

_ROWS = (30.0, 34.0, 58.0)
_GAP = 2.0
#: Width of a letter of a label, and what is left free beside it.
_LETTER, _MARGIN = 7.2, 8.0
#: A layer narrower than this is drawn as one with its neighbours.
_NARROWEST = 1.2
#: From the image to what is predicted.
_ORDER: tuple[Part, ...] = ("backbone", "neck", "head", "other")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A rectangle to draw."""

    label: str
    tip: str
    parameters: int
    opened: int | None
    name: str = ""


def network_order(account: Account) -> list[Group]:
    """Returns the groups from the image to the predictions, those without parameters left out."""
    if account.groups is None:
        return []
    groups = [one for part in _ORDER for one in account.groups.in_part(part)]
    return [one for one in groups if one.parameters]


def icicle(account: Account, width: int) -> Element:
    """Returns the picture, so many pixels wide."""
    groups = network_order(account)
    scale = width / max(1, sum(one.parameters for one in groups))
    tops = [sum(_ROWS[:row]) + row * _GAP for row in range(len(_ROWS) + 1)]
    height = tops[-1] + 18
    drawn: list[Element] = []
    left = 0.0
    part_left: dict[Part, tuple[float, int]] = {}
    for one in groups:
        begin, sofar = part_left.get(one.part, (left, 0))
        part_left[one.part] = begin, sofar + one.parameters
        cells = list(_layers(account, one))
        drawn += _fills(cells, left, scale, tops[1], _ROWS[1])
        of = f"{one.name}" + (f" ({one.kind})" if one.block else "")
        label = one.kind or one.part
        drawn.append(
            _outline(_Cell(label, _tip(account, of, one), one.parameters, _main(cells)), left,
                     scale, tops[1], _ROWS[1], "block")
        )  # fmt: skip
        drawn += _leaves(cells, left, scale, tops[2], _ROWS[2])
        left += one.parameters * scale
    for part, (begin, parameters) in part_left.items():
        share = 100 * parameters * scale / width
        label = f"{part} {share:.0f} %" if share >= 1 else part
        cell = _Cell(label, f"{part}: {parameters:,} parameters, {share:.1f} %", parameters, -1)
        drawn.append(_outline(cell, begin, scale, tops[0], _ROWS[0], "part"))
    ends = (
        element("text", "image", x=0, y=height - 4, class_="axis"),
        element("text", "prediction", x=width, y=height - 4, class_="axis", text_anchor="end"),
    )
    label = (
        f"The model's {account.parameters:,} parameters as an icicle of parts, blocks and layers,"
        " from the image on the left to the predictions on the right; the colour is the stage in"
        " which each opened"
    )
    return element(
        "svg", element("title", label), drawn, ends, role="img", aria_label=label,
        viewBox=f"0 0 {width} {height:g}", width=width, height=height, class_="icicle",
    )  # fmt: skip


def staircase(account: Account, width: int) -> Element:
    """Returns which group learns in which stage, all groups equally wide, so many pixels wide."""
    groups = network_order(account)
    stages = account.stages
    row, head = 24.0, 20.0
    step = width / max(1, len(groups))
    height = head + row * len(stages) + 4
    drawn: list[Element] = []
    left_of: dict[Part, int] = {}
    for place, one in enumerate(groups):
        left_of.setdefault(one.part, place)
    for part, place in left_of.items():
        count = sum(one.part == part for one in groups)
        if count * step > len(part) * _LETTER:
            drawn.append(element("text", part, x=place * step + 1, y=13.0, class_="axis"))
    for line, stage in enumerate(stages):
        top = head + line * row
        colour = stage_class(stage.number)
        for place, one in enumerate(groups):
            of = [v for v in one.variables if v.trainable]
            share = stage.parameters(of) / max(1, one.parameters)
            name = one.name + (f" ({one.kind})" if one.block else "")
            learns = f"{share:.0%} learns" if 0 < share < 1 else "learns" if share else "frozen"
            box = {"x": place * step + 0.5, "y": top + 1, "height": row - 3, "rx": 2}
            wide = max(1.0, step - 1.5)
            drawn.append(
                element(
                    "g",
                    element("title", f"stage {stage.number}, {stage.run.title}: {name} {learns}"),
                    element("rect", class_="cell never", width=wide, **box),
                    element("rect", class_=f"cell {colour}",
                            width=round(wide * share, 2), **box) if share else None,
                    _number(str(stage.number), place * step + step / 2, top + row / 2 + 3, colour)
                    if share > 0.6 and step >= 2 * _LETTER else None,
                )
            )  # fmt: skip
    label = "Which part of the model learns in which stage, from the image to the predictions"
    return element(
        "svg", element("title", label), drawn, role="img", aria_label=label,
        viewBox=f"0 0 {width} {height:g}", width=width, height=height, class_="staircase",
    )  # fmt: skip


def _layers(account: Account, of: Group) -> Iterator[_Cell]:
    """Yields a cell for each layer of a group that has parameters."""
    layers: dict[str, list[Variable]] = {}
    for variable in of.variables:
        if variable.trainable:
            layers.setdefault(variable.layer, []).append(variable)
    for path, variables in layers.items():
        parameters = sum(v.parameters for v in variables)
        opened: dict[int | None, int] = {}
        for v in variables:
            number = account.opened.get(v.object_path)
            opened[number] = opened.get(number, 0) + v.parameters
        most = max(opened, key=lambda number: opened[number])
        name = (variables[0].name or path).rpartition("/")[0] or path
        tip = f"{name}: {parameters:,} parameters, {_when(opened, account)}\n{path}"
        yield _Cell(name.rpartition("/")[2], tip, parameters, most, name)


def _when(opened: dict[int | None, int], account: Account) -> str:
    titles = {stage.number: stage.run.title for stage in account.stages}
    return " and ".join(
        "frozen to the end" if number is None else f"opens in stage {number} ({titles[number]})"
        for number in sorted(opened, key=lambda n: n or 1 << 30)
    )


def _tip(account: Account, name: str, of: Group) -> str:
    return f"{name}: {of.parameters:,} parameters, {_when(account.opened_in(of), account)}"


def _main(cells: Sequence[_Cell]) -> int | None:
    weight: dict[int | None, int] = {}
    for cell in cells:
        weight[cell.opened] = weight.get(cell.opened, 0) + cell.parameters
    return max(weight, key=lambda number: weight[number]) if weight else None


def _fills(
    cells: Sequence[_Cell], left: float, scale: float, top: float, height: float
) -> Iterator[Element]:
    """Yields the background of a row: neighbours of one stage as one."""
    place = 0
    while place < len(cells):
        end = place
        while end < len(cells) and cells[end].opened == cells[place].opened:
            end += 1
        wide = sum(cell.parameters for cell in cells[place:end]) * scale
        yield _rect(left, top, wide, height, f"fill {stage_class(cells[place].opened)}")
        left += wide
        place = end


def _leaves(
    cells: Sequence[_Cell], left: float, scale: float, top: float, height: float
) -> Iterator[Element]:
    """Yields the layers; those too narrow to see go with their neighbours of the same stage."""
    place = 0
    while place < len(cells):
        end, wide = place, 0.0
        while end < len(cells) and wide < _NARROWEST and cells[end].opened == cells[place].opened:
            one = cells[end].parameters * scale
            if wide and one >= _NARROWEST:
                break
            wide += one
            end += 1
        few = cells[place:end]
        tip = few[0].tip if len(few) == 1 else (
            f"{len(few)} layers, {few[0].name} to {few[-1].name}:"
            f" {sum(cell.parameters for cell in few):,} parameters"
        )  # fmt: skip
        cell = _Cell(few[0].label, tip, sum(one.parameters for one in few), few[0].opened)
        yield _outline(cell, left, scale, top, height, "layer")
        left += wide
        place = end


def _outline(
    cell: _Cell, left: float, scale: float, top: float, height: float, kind: str
) -> Element:
    """Returns a rectangle with its tooltip, and its label where that fits."""
    wide = cell.parameters * scale
    colour = "over" if cell.opened == -1 else stage_class(cell.opened)
    text = cell.label
    fits = len(text) * _LETTER + _MARGIN <= wide
    if not fits and kind == "layer":
        short = text.rpartition("_")[2]
        fits, text = len(short) * _LETTER + _MARGIN <= wide and len(short) > 2, short
    middle = round(top + height / 2 + 4, 2)
    number = None
    if not fits and kind == "block" and wide >= 2 * _LETTER:
        sign = "–" if cell.opened is None else str(cell.opened)
        number = _number(sign, left + wide / 2, middle, colour)
    return element(
        "g",
        element("title", cell.tip),
        _rect(left, top, wide, height, f"{kind} {colour}"),
        number,
        element("text", text, x=round(left + 5, 2), y=middle,
                class_=f"on {colour}") if fits else None,
    )  # fmt: skip


def _number(text: str, x: float, y: float, colour: str) -> Element:
    """Returns the number of a stage in the middle of what has its colour."""
    return element("text", text, x=round(x, 2), y=y, class_=f"on n {colour}")


def _rect(left: float, top: float, wide: float, height: float, kind: str) -> Element:
    return element(
        "rect", x=round(left, 2), y=round(top, 2), width=round(wide, 2), height=height, class_=kind
    )
