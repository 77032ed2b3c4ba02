"""The account of a fine-tuning as one web page that stands alone."""

from __future__ import annotations

import functools
from collections.abc import Callable

import odfreeze
from odfreeze.report.html import Element, Node, element, page_bytes, stage_style
from odfreeze.report.icicle import icicle, staircase
from odfreeze.report.plots import Band, Line, chart, number_text
from odfreeze.report.style import STYLE
from odfreeze.report.summary import (
    STATE_WORDS,
    architecture,
    count_text,
    final_value,
    headline,
    main_metric,
    share_text,
    stage_steps,
    stage_time,
)
from odfreeze.report.tables import chip, cost, movement, scrolled, table, verification
from odfreeze.report.text import duration_text, size_text
from odfreeze.runs.account import Account, Stage
from odfreeze.stages.conduct import TRAINING_LOSS

__all__ = ["render_page"]

#: What a picture is as wide as, in pixels, on a wide screen and on a narrow one.
_WIDE, _NARROW = 1014, 430


def render_page(account: Account) -> bytes:
    """Returns the page in UTF-8."""
    name = account.directory.resolve().name or str(account.directory)
    sections = (
        _stages(account), _model(account), _curves(account), verification(account),
        movement(account), cost(account), _configs(account), _environment(account),
    )  # fmt: skip
    return page_bytes(
        f"{headline(account)} – {name}",
        STYLE + stage_style(len(account.stages)),
        _header(account),
        element("main", _notes(account), sections),
        element("footer", f"Made by odfreeze {odfreeze.__version__} from the files in ",
                element("code", str(account.directory)), "."),
    )  # fmt: skip


def _header(account: Account) -> Element:
    kind = "Staged fine-tuning" if account.kind == "plan" else "Training run"
    began = next((one.run.started for one in account.stages if one.run.started), "")
    ended = next((one.run.ended for one in reversed(account.stages) if one.run.ended), "")
    times = [_moment(text) for text in (began, ended) if text]
    lead = [architecture(account), str(account.directory), " to ".join(times)]
    return element(
        "header",
        element("p", f"odfreeze · {kind}", class_="eyebrow"),
        element("h1", headline(account)),
        element("p", " · ".join(filter(None, lead)), class_="lead"),
        element("dl", _tiles(account), class_="tiles"),
    )


def _tiles(account: Account) -> list[Element]:
    planned = sum(one.run.num_steps for one in account.stages)
    all_taken = account.is_finished or account.steps == planned
    tiles: list[tuple[str, str, str]] = []
    steps = "" if all_taken else f"of {planned:,}"
    if len(account.stages) > 1:
        steps = f"in {len(account.stages)} stages" if all_taken else f"{steps} planned"
    tiles.append(("Steps", f"{account.steps:,}", steps))
    if account.seconds is not None:
        tiles.append(("Time", duration_text(account.seconds), "verification included"))
    value = final_value(account)
    if value is not None:
        what, first, last = value
        tiles.append((what, number_text(last), f"from {number_text(first)}"))
    if account.variables:
        learned = account.opened_parameters
        share = share_text(learned, account.parameters)
        of = f"of {count_text(account.parameters)} parameters, {share}"
        word = "Learned" if account.is_finished else "To learn"
        tiles.append((word, count_text(learned), of))
    memory = max((one.run.peak_memory_bytes or 0 for one in account.stages), default=0)
    if memory:
        tiles.append(("Peak memory", size_text(memory), "of a training process"))
    passed = sum(one.run.state == "finished" for one in account.stages)
    if len(account.stages) > 1:
        tiles.append(("Verified", f"{passed} of {len(account.stages)}", "stages, bit by bit"))
    else:
        tiles.append(("Verification", "passed" if passed else "–", "bit by bit"))
    return [
        element("div", element("dt", what), element("dd", text, element("small", small)))
        for what, text, small in tiles
    ]


def _notes(account: Account) -> Node:
    wrong = [
        f"{one.run.name}: {reason}"
        for one in account.failed
        for reason in ((one.run.verdict.reasons if one.run.verdict else ()) or (one.run.reason,))
        if reason
    ]
    missing = [*account.notes]
    missing += [f"{one.run.name}: {note}" for one in account.stages for note in one.run.notes]
    boxes = []
    for title, notes, kind in (
        ("What went wrong", wrong, "notes bad"),
        ("What is missing", missing, "notes"),
    ):
        if notes:
            rows = [element("li", note) for note in notes]
            heading = element("h2", title)
            boxes.append(element("section", element("div", heading, element("ul", rows),
                                                    class_=f"box {kind}")))  # fmt: skip
    return boxes


def _stages(account: Account) -> Element:
    rows: list[list[Node]] = []
    for one in account.stages:
        learns = one.parameters(account.variables)
        known = bool(account.variables and one.states)
        share = f"{count_text(learns)} ({share_text(learns, account.parameters)})" if known else "–"
        rate = one.run.learning_rate
        losses = one.run.curves.scalar(TRAINING_LOSS)
        rows.append([
            [chip(one), one.run.title],
            element("span", STATE_WORDS[one.run.state], class_=f"mark {one.run.state}"),
            share,
            stage_steps(one),
            stage_time(one),
            "–" if rate is None else f"{rate:.3g}",
            number_text(losses[-1][1]) if losses else "–",
        ])  # fmt: skip
    ends = [
        element("p", chip(one), one.run.ending, class_="hint")
        for one in account.stages if one.run.ending
    ]  # fmt: skip
    heads = ["Stage", "State", "Learns", "Steps", "Time", "Learning rate", "Last loss"]
    return _section(
        "Stages" if account.kind == "plan" else "The run",
        "What was trained, in which order, and how it ended.",
        scrolled(table(heads, rows, left=(1,))),
        ends,
        _rates(account),
    )


def _rates(account: Account) -> Node:
    """Returns what learned at a rate of its own, where anything did."""
    rows: list[list[Node]] = [
        [[chip(one), one.run.title], element("code", rate.pattern), f"× {rate.scale:g}"]
        for one in account.stages for rate in one.run.conduct.rates
    ]  # fmt: skip
    if not rows:
        return None
    heads = ["Stage", "Pattern", "Share of the learning rate"]
    return [element("h3", "Rates by part"), scrolled(table(heads, rows, left=(1,)))]


def _model(account: Account) -> Node:
    if account.groups is None:
        return None
    by_stage: dict[int | None, int] = {one.number: 0 for one in account.stages}
    for variable in account.variables:
        if variable.trainable:
            number = account.opened.get(variable.object_path)
            by_stage[number] = by_stage.get(number, 0) + variable.parameters
    legend = []
    for one in account.stages:
        share = share_text(by_stage[one.number], account.parameters)
        planned = ", planned" if one.is_planned else ""
        of = "nothing new" if not by_stage[one.number] else f"{share}{planned}"
        legend.append(element("li", chip(one), f"{one.run.title} ({of})"))
    if by_stage.get(None):
        share = share_text(by_stage[None], account.parameters)
        legend.append(element("li", element("span", "–", class_="chip never"),
                              f"frozen to the end ({share})"))  # fmt: skip
    notes = [element("p", note, class_="hint") for note in account.groups.notes]
    stairs: Node = None
    if len(account.stages) > 1:
        stairs = [
            element("h3", "What learns in which stage"),
            element("p", "A column is a part of the model, a row a stage, the first on top.",
                    class_="hint"),
            _both(lambda width: staircase(account, width)),
        ]  # fmt: skip
    return _section(
        "The model",
        "Every part as wide as it has parameters, coloured by the stage in which it"
                " first learned: parts, their blocks, and their layers.",
        element("div", element("ul", legend, class_="legend"),
                _both(lambda width: icicle(account, width)), stairs, class_="box"),
        notes,
    )  # fmt: skip


def _curves(account: Account) -> Node:
    bands = [
        Band(one.number, one.run.title, one.first_step, max(one.last_step, one.first_step + 1))
        for one in account.stages
    ]

    def lines(name: str, of: str) -> list[Line]:
        found = []
        for one in account.stages:
            points = getattr(one.run.curves, of)(name)
            if points:
                moved = [(one.first_step + step, value) for step, value in points]
                found.append(Line(one.number, moved))
        return found

    name = next((n for s in account.stages if (n := main_metric(s.run.curves))), "")
    charts: list[Node] = []
    for title, found, height in (
        (f"Metric: {name}", lines(name, "metric") if name else [], 240),
        ("Total loss of the training", lines(TRAINING_LOSS, "scalar"), 240),
        ("Learning rate", lines("learning_rate", "scalar"), 170),
    ):
        if found:
            draw = functools.partial(chart, title, found, bands, height=height, show=number_text)
            charts.append(element("div", element("h3", title), _both(draw), class_="box"))
    if not charts:
        return None
    return _section(
        "Curves",
        "All stages on one axis of steps, one behind the other.",
        charts,
    )


def _section(title: str, hint: str, *content: Node) -> Element:
    """Returns a section under its heading and a line that says what is seen."""
    return element("section", element("h2", title), element("p", hint, class_="hint"), content)


def _both(draw: Callable[[int], Element]) -> list[Element]:
    """Returns a picture for wide screens and one for narrow ones; the style shows one of them."""
    return [
        element("div", draw(_WIDE), class_="wide"),
        element("div", draw(_NARROW), class_="narrow"),
    ]


def _configs(account: Account) -> Node:
    found = []
    for one in account.stages:
        if not one.run.config_text:
            continue
        inside: list[Node] = []
        small = "the whole config"
        if one.diff_against:
            changed = [n for n in one.diff.splitlines()[2:] if n[:1] in ("+", "-")]
            lines = f"{len(changed)} lines differ" if changed else "no line differs"
            small = f"{lines} from {one.diff_against}"
            inside.append(_diff(one))
        whole = element("pre", one.run.config_text)
        if one.diff_against:
            whole = element("details", element("summary", "The whole config"), whole)
        inside.append(whole)
        title = element("summary", chip(one), one.run.title, element("small", small))
        found.append(element("details", title, inside))
    if not found:
        return None
    return _section(
        "Configs",
        "Exactly what was trained with; open one to read it.",
        found,
    )


def _diff(one: Stage) -> Node:
    if not one.diff:
        return None
    kinds = {"+": "a", "-": "d", "@": "h"}
    lines = one.diff.splitlines()[2:]
    return element("pre", [element("span", line, class_=kinds.get(line[:1])) for line in lines])


def _environment(account: Account) -> Node:
    versions = next((one.run.versions for one in account.stages if one.run.versions), {})
    if not versions:
        return None
    rows: list[list[Node]] = [[name, version] for name, version in versions.items()]
    return _section(
        "Versions",
        "What it was trained with.",
        scrolled(table(["Package", "Version"], rows, left=(1,), dense=True)),
    )


def _moment(text: str) -> str:
    """Returns an ISO 8601 time to the minute.

    >>> _moment("2025-01-02T03:04:05+00:00")
    '2025-01-02 03:04 UTC'
    """
    zone = text[19:].replace("+00:00", "UTC").replace("Z", "UTC")
    return f"{text[:10]} {text[11:16]} {zone}".strip()
