"""The rules behind findings: one small function a code, each from a `Case` to findings.

- ODF1xx, the config's text: `odfreeze.check.text`
- ODF2xx, the patterns and what they select: `odfreeze.check.patterns`, `odfreeze.check.outcome`
- ODF3xx, the checkpoint: `odfreeze.check.restoring`
"""

from __future__ import annotations

from odfreeze.check.case import Case
from odfreeze.findings import Finding, in_order

__all__ = ["Case", "findings_of"]


def findings_of(case: Case) -> tuple[Finding, ...]:
    """Returns what all rules find, by severity."""
    from odfreeze.check import outcome, patterns, restoring, text

    rules = (*restoring.RULES, *text.RULES, *patterns.RULES, *outcome.RULES)
    return in_order(finding for rule in rules for finding in rule(case))
