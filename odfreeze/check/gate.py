"""The check that stands before training and staging: errors refuse, warnings are passed on."""

from __future__ import annotations

from collections.abc import Sequence

from odfreeze.check.ignores import covers
from odfreeze.check.linter import check_config
from odfreeze.check.subject import RunFlags
from odfreeze.errors import TrainingRefusedError
from odfreeze.findings import Finding, in_order
from odfreeze.pipeline import PipelineConfig

__all__ = ["refuse_errors"]


def refuse_errors(
    config: PipelineConfig,
    flags: RunFlags,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    lenient: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """Raises for the first error that a check of a config finds.

    Args:
      config: The config.
      flags: How it is going to be run.
      select: Codes, or beginnings of codes, to look at; none for all.
      ignore: Likewise, to leave out.
      lenient: Likewise, of errors that are passed on and do not refuse.

    Returns:
      The other findings, the gravest first.

    Raises:
      TrainingRefusedError: With the finding's place, and what lets it through.
      UsageError: No code begins like one of these.
    """
    checked = check_config(config, flags=flags, select=select, ignore=ignore)
    grave = [f for f in checked.findings if f.severity == "error" and not covers(lenient, f.code)]
    if not grave:
        return in_order(checked.findings)
    first, *others = grave
    more = f"; {_counted(len(others))}: `odfreeze check` shows all" if others else ""
    raise TrainingRefusedError(
        f"{first.code}: {first.message}{more} (`odfreeze explain {first.code}` tells more;"
        f" --ignore {','.join(dict.fromkeys(f.code for f in grave))} goes on all the same)",
        place=first.place,
    )


def _counted(count: int) -> str:
    return f"{count} more error{'' if count == 1 else 's'}"
