"""How a preview is laid out for people: header, patterns, totals, tree, findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from odfreeze.findings import Finding
from odfreeze.preview import Preview
from odfreeze.report.text import Glyphs, Line, Span, Style, printable, size_text, wrapped
from odfreeze.report.tree import Node, Row, grow, rows_of
from odfreeze.selection import STATES
from odfreeze.variables import Variable

__all__ = ["preview_lines", "preview_list"]

#: Labels longer than this push their numbers to the right.
_WIDEST_LABEL = 72


def preview_lines(
    preview: Preview,
    *,
    glyphs: Glyphs,
    depth: int | None = None,
    by_path: bool | None = None,
    width: int = 100,
) -> Iterator[Line]:
    """Yields the lines of ``odfreeze preview``.

    Args:
      preview: What to show.
      glyphs: What to draw the tree with.
      depth: Levels of the tree to open; None for what fits, negative for all.
      by_path: Group by object path instead of by name; None for what patterns can depend on.
      width: Columns for running text; tables and trees take what they need.
    """
    yield from _header(preview)
    yield from _patterns(preview, glyphs)
    yield from _rates(preview)
    yield from _totals(preview)
    yield from _tree(preview, glyphs, depth, by_path)
    yield from _findings(preview.findings, width)


def preview_list(preview: Preview) -> str:
    """Returns one variable a line, tab separated, for grep and cut.

    Columns: state, parameters, shape, dtype, name (``-`` without one), object
    path, indexes of the patterns that match it (``-`` for none); and where rates are
    given, its share of the learning rate (``-`` where it does not learn).
    """
    selection = preview.selection
    lines = []
    for variable, state, by, scale in zip(
        selection.variables, selection.states, selection.matched_by, preview.scales(), strict=True
    ):
        shape = "x".join(map(str, variable.shape)) or "scalar"
        name = "-" if variable.name is None else printable(variable.name)
        cells = [
            state, str(variable.parameters), shape, variable.dtype, name,
            printable(variable.object_path), ",".join(map(str, by)) or "-",
        ]  # fmt: skip
        if preview.rated is not None:
            cells.append(f"{scale:g}" if state == "trainable" else "-")
        lines.append("\t".join(cells) + "\n")
    return "".join(lines)


def _header(preview: Preview) -> Iterator[Line]:
    yield [Span("config      ", "dim"), Span(printable(preview.config))]
    if preview.live:
        yield [Span("model       ", "dim"), Span(f"built from the config by {_builder(preview)}")]
    if preview.live and not preview.checkpoint:
        yield [Span("checkpoint  ", "dim"), Span("none")]
        return
    yield [Span("checkpoint  ", "dim"), Span(printable(preview.checkpoint))]
    if preview.resolution:
        yield [Span(" " * 12 + printable(preview.resolution), "dim")]
    given, whole = sum(preview.restored), len(preview.restored)
    style: Style = "" if given else "warning"
    yield [
        Span("restores    ", "dim"),
        Span(f"{given:,} of {whole:,} variables", style),
        Span(f' (fine_tune_checkpoint_type "{printable(preview.checkpoint_type)}")', "dim"),
    ]


def _builder(preview: Preview) -> str:
    """Returns what built the model; of a checkout the folder alone, without its time."""
    titles = {"tensorflow": "TensorFlow", "object_detection": "the OD API"}
    known = [(titles[name], preview.live[name]) for name in titles if name in preview.live]
    return " and ".join(
        f"{title} {printable(version.partition('@')[0])}" for title, version in known
    )


def _patterns(preview: Preview, glyphs: Glyphs) -> Iterator[Line]:
    patterns = preview.selection.patterns
    yield []
    if not patterns:
        yield [Span("No patterns: everything learns.", "heading")]
        return
    yield [Span("Patterns", "heading")]
    counts = preview.selection.match_counts()
    samples = _samples(preview, glyphs)
    texts = [printable(pattern.text) for pattern in patterns]
    fields = max(len(pattern.field) for pattern in patterns)
    widest = max(min(len(text), 48) for text in texts)
    for index, (pattern, text) in enumerate(zip(patterns, texts, strict=True)):
        count = counts[index]
        yield [
            Span(f"  [{index}] ", "dim"),
            Span(f"{pattern.field:<{fields}}  ", "dim"),
            Span(f"{text:<{widest}}", "heading"),
            Span(f"  {count:>7,}" if count else "  nothing", "" if count else "warning"),
            Span(f"  {samples[index]}", "dim"),
        ]


def _samples(preview: Preview, glyphs: Glyphs) -> list[str]:
    """The first and the last of what each pattern matches."""
    selection = preview.selection
    first: dict[int, Variable] = {}
    last: dict[int, Variable] = {}
    for variable, by in zip(selection.variables, selection.matched_by, strict=True):
        for index in by:
            first.setdefault(index, variable)
            last[index] = variable
    samples = []
    for index, (pattern, count) in enumerate(
        zip(selection.patterns, selection.match_counts(), strict=True)
    ):
        ends = [first[index], last[index]][:count] if count else []
        labels = [printable(v.object_path if pattern.by_path else v.label) for v in ends]
        samples.append((", " if count == 2 else f" {glyphs.ellipsis} ").join(labels))
    return samples


def _rates(preview: Preview) -> Iterator[Line]:
    """The shares of the learning rate, and how many variables learn with each."""
    if preview.rated is None:
        return
    yield []
    yield [Span("Rates", "heading"), Span("  shares of the learning rate; the last counts", "dim")]
    rates, reach = preview.rated.rates, preview.rated.reach()
    texts = [printable(rate.pattern) for rate in rates]
    wide = max(len(f"{rate.scale:g}") for rate in rates)
    widest = max(min(len(text), 48) for text in texts)
    for rate, text, count in zip(rates, texts, reach, strict=True):
        yield [
            Span(f"  {rate.scale:>{wide}g}  "),
            Span(f"{text:<{widest}}", "heading"),
            Span(f"  {count:>7,}" if count else "  nothing", "" if count else "warning"),
        ]


def _totals(preview: Preview) -> Iterator[Line]:
    totals = preview.selection.totals()
    whole = sum(total.parameters for total in totals.values()) or 1
    yield []
    yield [
        Span(f"{'State':<11}", "heading"),
        Span(f"{'variables':>9}{'parameters':>14}{'share':>8}{'size':>11}", "dim"),
    ]
    for state in STATES:
        total = totals[state]
        share = 100 * total.parameters / whole
        percent = "<1 %" if 0 < share < 1 else f"{share:.0f} %"
        size = size_text(total.bytes)
        numbers = f"{total.variables:>9,}{total.parameters:>14,}{percent:>8}{size:>11}"
        yield [Span(f"  {state:<9}", state), Span(numbers, "" if total.variables else "dim")]


def _tree(
    preview: Preview, glyphs: Glyphs, depth: int | None, by_path: bool | None
) -> Iterator[Line]:
    if by_path is None:
        by_path = (preview.meta_architecture or "").startswith(("center_net", "deepmac"))
    scales = None if preview.rated is None else preview.scales()
    headings = grow(preview.selection, preview.restored, by_path=by_path, scales=scales)
    rows = rows_of(headings, depth)
    labels = [_branches(row, glyphs) + _label(row, glyphs) for row in rows]
    states = [_state(row) for row in rows]
    wide = min(_WIDEST_LABEL, max(map(len, labels), default=0))
    wide_state = max((len(text) for text, _ in states), default=0)
    wide_by = max((len(_by(row.node)) for row in rows if not row.open), default=0)
    rates = [_rate(row) for row in rows]
    wide_rate = max(map(len, ["rate", *rates])) + 2 if scales is not None else 0
    some_restored = any(preview.restored)
    yield []
    what = "Object paths" if by_path or preview.names_missing else "Names"
    yield [
        Span(f"{what:<{wide}}", "heading"),
        Span(f"  {'state':<{wide_state}}", "dim"),
        Span(f"{'  rate':<{wide_rate}}" if wide_rate else "", "dim"),
        Span(f"  {'by' if wide_by else '':<{wide_by}}", "dim"),
        Span(f"{'variables':>11}{'parameters':>14}{'size':>11}", "dim"),
    ]
    for row, label, (state, style), rate in zip(rows, labels, states, rates, strict=True):
        node = row.node
        lead = _branches(row, glyphs)
        numbers = f"{node.variables:>11,}{node.parameters:>14,}{size_text(node.bytes):>11}"
        by = "" if row.open else _by(node)
        yield [
            Span(lead, "dim"),
            Span(f"{label[len(lead) :]:<{wide - len(lead)}}  ", "heading" if row.open else ""),
            Span(f"{state:<{wide_state}}", style),
            Span(f"  {rate}".ljust(wide_rate) if wide_rate else ""),
            Span(f"  {by:<{wide_by}}", "dim"),
            Span(numbers, "dim" if row.open else ""),
            Span("" if row.open or not some_restored else _restored(node), "warning"),
        ]


def _branches(row: Row, glyphs: Glyphs) -> str:
    if len(row.lead) < 2:
        return ""
    bars = "".join(glyphs.bar if more else glyphs.blank for more in row.lead[1:-1])
    return bars + (glyphs.tee if row.lead[-1] else glyphs.elbow)


def _label(row: Row, glyphs: Glyphs) -> str:
    return printable(row.label).replace("…", glyphs.ellipsis)


def _state(row: Row) -> tuple[str, Style]:
    if row.open:
        return "", ""
    counts = row.node.states
    present = [state for state in STATES if state in counts]
    if row.node.uniform:
        return ", ".join(present), present[0]
    return ", ".join(f"{counts[state]} {state}" for state in present), "mixed"


def _rate(row: Row) -> str:
    if row.open or not row.node.scales:
        return ""
    from odfreeze.rates import scale_text

    return scale_text(row.node.scales)


def _by(node: Node) -> str:
    return "".join(f"[{index}]" for index in sorted(node.by))


def _restored(node: Node) -> str:
    if node.restored == node.variables:
        return ""
    return "  not restored" if node.restored == 0 else "  partly restored"


def _findings(findings: Sequence[Finding], width: int) -> Iterator[Line]:
    if not findings:
        return
    for finding in findings:
        yield []
        where = f" {printable(str(finding.place))}" if finding.place else ""
        yield [Span(finding.severity, finding.severity), Span(f" {finding.code}{where}", "heading")]
        for line in wrapped(printable(finding.message), width, "  "):
            yield [Span(line)]
