"""Write the configs of a staged fine-tuning: one directory with a pipeline.config per stage.

The plan names a base config and lists the stages: which patterns, how many steps, what learning
rate. The first stage starts from the base's fine_tune_checkpoint, each later one from the
last checkpoint of the one before. The same command again changes nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from odfreeze.cli.check import codes

if TYPE_CHECKING:
    from odfreeze.stages.staging import StagedConfig

__all__ = ["add_arguments", "run"]


#: Allowances that have a meaning before anything is trained.
_ALLOWANCES = ("unmatched_patterns", "all_frozen", "random_frozen", "used_model_dir")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from odfreeze.refusal import ALLOWANCES

    parser.add_argument("plan", metavar="PLAN", help="the plan, a text file")
    parser.add_argument(
        "--output_dir", required=True, metavar="DIR", help="where the stages' directories go"
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite a pipeline.config that differs"
    )
    for name in _ALLOWANCES:
        parser.add_argument(
            f"--allow_{name}",
            dest="allow",
            action="append_const",
            const=name,
            default=[],
            help=f"go on in spite of {ALLOWANCES[name]}",
        )
    parser.add_argument(
        "--ignore",
        metavar="CODES",
        action="extend",
        default=[],
        type=codes,
        help="leave these findings out: ODF501,ODF4",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the stages and prints what each of them does."""
    from odfreeze.stages.staging import read_plan, write_stages

    plan = read_plan(args.plan)
    staged = write_stages(
        plan, args.output_dir, force=args.force, allow=args.allow, ignore=args.ignore
    )
    for one in staged:
        for finding in one.findings:
            if finding.severity != "info":  # `odfreeze preview` of the config shows these
                print(finding, file=sys.stderr)
    print(f"{args.plan}: {_counted(len(staged), 'stage')} of {plan.base_config}")
    for one in staged:
        print()
        print("\n".join(_lines(one)))
    print(f"\nNext: odfreeze train --stages_dir {_quoted(args.output_dir)}")
    return 0


def _lines(one: StagedConfig) -> list[str]:
    """Returns a stage as lines of text."""
    start = f"{one.starts_from} ({one.starts_from_type})" if one.starts_from else "random values"
    rows = [
        ("learns", _learns(one)),
        ("trains", f"{_counted(one.num_steps, 'step')} of {_counted(one.batch_size, 'image')}"),
        *_early_end(one),
        ("learning rate", one.schedule.describe()),
        *(("rate", text) for text in _rates(one)),
        ("starts from", start),
        *_optimizer(one),
        ("ends with", one.checkpoint),
    ]
    state = "" if one.is_written else "  (unchanged)"
    return [f"{one.config_path}{state}", *(f"  {label:<13}  {text}" for label, text in rows)]


def _early_end(one: StagedConfig) -> list[tuple[str, str]]:
    """Returns when a stage ends before its last step, and what it then hands on."""
    until = one.stage.conduct.until
    if until is None:
        return []
    handed = "its best" if one.stage.conduct.handover == "best" else "its last"
    return [("or until", until.describe()), ("hands on", f"{handed} checkpoint")]


def _rates(one: StagedConfig) -> list[str]:
    """Returns the shares of the learning rate, and what takes them as far as that is known."""
    rates = one.stage.conduct.rates
    if one.rated is None:
        return [f"{rate.scale:g} of it for what matches {rate.pattern!r}" for rate in rates]
    counts = zip(rates, one.rated.reach(), strict=True)
    return [
        f"{rate.scale:g} of it for {_counted(count, 'variable')}: {rate.pattern}"
        for rate, count in counts
    ]


def _optimizer(one: StagedConfig) -> list[tuple[str, str]]:
    """Returns what the optimizer begins with, where that is not nothing."""
    if not one.stage.conduct.carry_optimizer:
        return []
    return [("optimizer", "goes on with the slots of that checkpoint")]


def _learns(one: StagedConfig) -> str:
    """Returns what learns: counted, or the patterns where no checkpoint could tell."""
    if one.selection is not None:
        totals = one.selection.totals()
        learning, frozen = totals["trainable"], totals["frozen"]
        return (
            f"{learning.variables} of {learning.variables + frozen.variables} variables,"
            f" {learning.parameters:,} of {learning.parameters + frozen.parameters:,} parameters"
        )
    parts = [
        text
        for text, patterns in (
            ("what matches", one.stage.update_trainable_variables),
            ("but for what matches", one.stage.freeze_variables),
        )
        if patterns
        for text in (f"{text} {' or '.join(map(repr, patterns))}",)
    ]
    if not one.stage.update_trainable_variables:
        parts.insert(0, "everything")
    return " ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _quoted(path: str) -> str:
    """Returns a path as it can be typed in a shell."""
    if os.name == "nt":
        return f'"{path}"' if any(c.isspace() for c in path) else path
    import shlex

    return shlex.quote(path)
