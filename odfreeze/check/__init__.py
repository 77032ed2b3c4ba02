"""Rules, one small function a code, and what runs them.

Rules about what a preview knows take a `Case`; those of ``odfreeze check`` a `Subject`:

- `odfreeze.check.text`: ODF1xx, text and schema
- `odfreeze.check.selection`: ODF2xx, the patterns and what they select
- `odfreeze.check.start`: ODF3xx, the checkpoint that training starts from
- `odfreeze.check.schedule`: ODF4xx, steps, learning rates, fields that nobody reads
- `odfreeze.check.data`: ODF5xx, records, label maps, image sizes, evaluation
- `odfreeze.check.run_directory`: ODF6xx

`odfreeze.check.linter` runs them all, `odfreeze.check.gate` stands before training and staging, and
``pages/`` has the page of each code.
"""

from __future__ import annotations

from odfreeze.check.case import Case
from odfreeze.findings import Finding, in_order

__all__ = ["Case", "findings_of"]


def findings_of(case: Case) -> tuple[Finding, ...]:
    """Returns what the rules about a case find, by severity."""
    from odfreeze.check.selection import moving_names, outcome, patterns, rates
    from odfreeze.check.start import restoring
    from odfreeze.check.text import wrong_names

    about_selection = (*patterns.RULES, *rates.RULES, *outcome.RULES, *moving_names.RULES)
    rules = (*restoring.RULES, *wrong_names.RULES, *about_selection)
    return in_order(finding for rule in rules for finding in rule(case))
