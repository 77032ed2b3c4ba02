"""A diagnosis of an environment as text."""

from __future__ import annotations

import textwrap

from odfreeze import __version__
from odfreeze.training.doctor import Diagnosis
from odfreeze.training.environment import REQUIREMENTS, Environment, Requirement

__all__ = ["doctor_lines"]

_WIDTH = 98


def doctor_lines(diagnosis: Diagnosis) -> list[str]:
    """Returns the lines of ``odfreeze doctor``: what is there, what is mended, what is amiss."""
    environment = diagnosis.environment
    python = ".".join(map(str, environment.python))
    lines = [
        f"odfreeze {__version__}, Python {python} on {environment.platform}, {environment.prefix}",
        "",
        "installed",
    ]
    rows = [_row(environment, requirement) for requirement in REQUIREMENTS]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    lines += [
        f"  {name:<{widths[0]}}  {version:<{widths[1]}}  {note}".rstrip()
        for name, version, note in rows
    ]
    needed = [one for one in diagnosis.decisions if one.need.needed]
    if needed:
        lines += ["", "stock would break here; odfreeze mends it while it runs"]
    for one in needed:
        lines.append(f"  {one.measure.name}")
        lines += _filled("stock: ", one.measure.symptom)
        lines += _filled("why: ", one.need.why)
        lines += _filled("cure: ", f"odfreeze {one.measure.cure}")
    idle = [one for one in diagnosis.decisions if not one.need.needed]
    if idle:
        width = max(len(one.measure.name) for one in idle)
        lines += ["", "not needed here"]
        lines += [f"  {one.measure.name:<{width}}  {one.need.why}" for one in idle]
    rest = [finding for finding in diagnosis.findings if finding.code != "ODF705"]
    if rest:
        lines.append("")
        for finding in rest:
            lines += textwrap.wrap(
                str(finding), _WIDTH, subsequent_indent="  ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    lines += ["", _verdict(diagnosis)]
    return lines


def _row(environment: Environment, requirement: Requirement) -> tuple[str, str, str]:
    package = environment.packages.get(requirement.module)
    if package is None:
        note = "optional" if requirement.optional else f"used by {requirement.used_by}"
        return requirement.distributions[0], "missing", note
    name = package.distribution or requirement.distributions[0]
    note = ""
    if package.distribution is None:
        note = f"not installed, but found in {package.location}"
    elif requirement.module == "google.protobuf" and environment.protobuf_implementation:
        note = f"implementation: {environment.protobuf_implementation}"
    return name, package.version or "unknown", note


def _filled(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"    {label}", subsequent_indent="      ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _verdict(diagnosis: Diagnosis) -> str:
    if diagnosis.ok:
        return "training will work here"
    codes = ", ".join(dict.fromkeys(finding.code for finding in diagnosis.errors))
    count = len(diagnosis.errors)
    problems = "1 problem" if count == 1 else f"{count} problems"
    return f"training cannot work here: {problems} ({codes}; `odfreeze explain CODE` tells more)"
