"""What ``odfreeze check`` found: as text, as JSON, and as annotations for GitHub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from odfreeze.report.text import Line, Span, printable

if TYPE_CHECKING:
    from odfreeze.check.linter import Checked
    from odfreeze.findings import Finding

__all__ = ["check_document", "check_github", "check_lines", "finding_line"]

_GITHUB_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def check_lines(checked: Sequence[Checked], *, is_fixed: bool = False) -> Iterator[Line]:
    """Yields a line for each finding, with its line of the config and a caret, and a last one.

    Args:
      checked: What was found, config by config.
      is_fixed: Whether the fixes have been written.
    """
    for one in checked:
        for finding in one.fixed:
            yield finding_line(finding, one.file, "fixed" if is_fixed else "to fix")
        for finding in one.findings:
            yield finding_line(finding, one.file)
            excerpt = finding.place.excerpt() if finding.place else ""
            for text in excerpt.splitlines():
                yield [Span(f"    {text}", "dim")]
    yield [Span(_summary(checked, is_fixed))]


def finding_line(finding: Finding, file: str, instead: str = "") -> Line:
    """Returns ``file:line:column: severity CODE: message``; ``instead`` of the severity."""
    where = str(finding.place) if finding.place else file
    return [
        Span(f"{printable(where)}: ", "heading"),
        Span(f"{instead or finding.severity} {finding.code}", finding.severity),
        Span(f": {printable(finding.message)}"),
    ]


def _summary(checked: Sequence[Checked], is_fixed: bool) -> str:
    files = _counted(len(checked), "file")
    counts = [
        _counted(sum(one.count(severity) for one in checked), severity)
        for severity in ("error", "warning", "info")
        if any(one.count(severity) for one in checked)
    ]
    findings = [finding for one in checked for finding in one.findings]
    parts = [f"{', '.join(counts)} in {files}" if counts else f"{files}: nothing to report"]
    fixed = sum(len(one.fixed) for one in checked)
    if fixed:
        parts.append(f"{fixed} fixed" if is_fixed else f"{fixed} would be fixed")
    fixable = sum(bool(finding.edits) for finding in findings)
    if fixable:
        parts.append(f"--fix mends {fixable}")
    silenced = sum(one.silenced for one in checked)
    if silenced:
        parts.append(f"{silenced} silenced")
    if findings:
        parts.append(f"`odfreeze explain {findings[0].code}` tells more of one")
    return "; ".join(parts)


def _counted(count: int, noun: str) -> str:
    plural = noun if noun == "info" else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def check_document(checked: Sequence[Checked]) -> dict[str, Any]:
    """Returns what ``odfreeze check --format=json`` prints, as plain Python values."""
    return {
        "version": 1,
        "files": [
            {
                "file": one.file,
                "errors": one.count("error"),
                "warnings": one.count("warning"),
                "infos": one.count("info"),
                "silenced": one.silenced,
                "fixed": len(one.fixed),
            }
            for one in checked
        ],
        "findings": [
            {"file": _file(finding, one), **finding.to_json(), "fixable": bool(finding.edits)}
            for one in checked
            for finding in one.findings
        ],
        "fixed": [
            {"file": _file(finding, one), **finding.to_json()}
            for one in checked
            for finding in one.fixed
        ],
    }


def check_github(checked: Sequence[Checked]) -> str:
    """Returns the findings as workflow commands, which GitHub shows beside the lines."""
    lines = []
    for one in checked:
        for finding in one.findings:
            place = finding.place
            properties = {"file": _file(finding, one)}
            if place:
                properties.update(line=str(place.line), col=str(place.column))
            properties["title"] = finding.code
            shown = ",".join(
                f"{key}={_escaped(value, is_property=True)}" for key, value in properties.items()
            )
            level = _GITHUB_LEVELS[finding.severity]
            lines.append(f"::{level} {shown}::{_escaped(finding.message)}\n")
    return "".join(lines)


def _file(finding: Finding, checked: Checked) -> str:
    """Returns the file that a finding is in: a label map, for instance, and not the config."""
    return finding.place.file if finding.place else checked.file


def _escaped(text: str, *, is_property: bool = False) -> str:
    r"""Returns text as a workflow command can carry it.

    >>> _escaped("50 %\nand", is_property=True), _escaped("C:\\a, b", is_property=True)
    ('50 %25%0Aand', 'C%3A\\a%2C b')
    """
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if is_property else text
