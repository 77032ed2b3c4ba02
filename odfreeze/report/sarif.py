"""What ``odfreeze check`` found, as SARIF 2.1.0: the format that code hosts and editors read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from odfreeze.check.linter import Checked
    from odfreeze.findings import Finding

__all__ = ["check_sarif"]

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def check_sarif(checked: Sequence[Checked]) -> dict[str, Any]:
    """Returns a SARIF log with one run: a rule for each code found, a result for each finding."""
    from odfreeze import __version__
    from odfreeze.check.pages import read_page

    codes = sorted({finding.code for one in checked for finding in one.findings})
    rules = []
    for code in codes:
        page = read_page(code)
        rules.append(
            {
                "id": code,
                "shortDescription": {"text": page.title},
                "help": {"text": page.text, "markdown": page.text},
            }
        )
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "odfreeze", "version": __version__, "rules": rules},
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(finding, one.file, codes.index(finding.code))
                    for one in checked
                    for finding in one.findings
                ],
            }
        ],
    }


def _result(finding: Finding, file: str, index: int) -> dict[str, Any]:
    place = finding.place
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file if place else file)}}
    if place:
        location["region"] = {"startLine": place.line, "startColumn": place.column}
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }
    if finding.edits:
        replacements = [
            {
                "deletedRegion": {"byteOffset": edit.start, "byteLength": edit.end - edit.start},
                "insertedContent": {"text": edit.replacement.decode("utf-8", "replace")},
            }
            for edit in finding.edits
        ]
        change = {"artifactLocation": {"uri": _uri(file)}, "replacements": replacements}
        result["fixes"] = [{"artifactChanges": [change]}]
    return result


def _uri(path: str) -> str:
    r"""Returns a path as a URI reference, relative where it is.

    >>> _uri("my configs\\a.config"), _uri("/data/ä.config"), _uri("C:/a.config")
    ('my%20configs/a.config', '/data/%C3%A4.config', 'file:///C:/a.config')
    """
    slashed = path.replace("\\", "/")
    if len(slashed) > 1 and slashed[1] == ":":
        return f"file:///{slashed[:2]}{quote(slashed[2:])}"
    return quote(slashed)
