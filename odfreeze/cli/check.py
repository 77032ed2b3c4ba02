"""Finds what is wrong, or likely not meant, in pipeline.configs: before TensorFlow starts.

Each finding has a code, a severity and a place; `odfreeze explain CODE` tells what stock does,
why, and the cure. A comment `# odfreeze: ignore[CODE]` silences one behind its line.

  odfreeze check pipeline.config
  odfreeze check configs/ --ignore ODF5 --format=github
  odfreeze check pipeline.config --fix

Exit status: 0 where no finding is an error, 1 where one is.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odfreeze.check.linter import Checked

__all__ = ["add_arguments", "codes", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "configs",
        metavar="CONFIG",
        nargs="+",
        help="a pipeline.config, or a directory to search for *.config",
    )
    chosen = parser.add_argument_group("findings")
    for flag, text in (
        ("--select", "report only these codes, or codes that begin so: ODF3,ODF205"),
        ("--ignore", "leave these out"),
    ):
        chosen.add_argument(
            flag, metavar="CODES", action="extend", default=[], type=codes, help=text
        )
    chosen.add_argument("--strict", action="store_true", help="a warning, too, gives exit status 1")
    fixes = parser.add_argument_group("fixes")
    fixes.add_argument("--fix", action="store_true", help="mend in the files what is safe to mend")
    fixes.add_argument(
        "--diff", action="store_true", help="show what --fix changes; alone: only show"
    )
    run_flags = parser.add_argument_group("how it is going to be run (flags of model_main_tf2)")
    run_flags.add_argument("--model_dir", metavar="DIR", help="the run's directory")
    run_flags.add_argument("--num_train_steps", metavar="N", type=int, help="steps to end at")
    run_flags.add_argument(
        "--checkpoint_every_n",
        metavar="N",
        type=int,
        default=1000,
        help="steps between checkpoints",
    )
    run_flags.add_argument(
        "--num_replicas", metavar="N", type=int, help="devices that share a batch"
    )
    run_flags.add_argument(
        "--num_workers", metavar="N", type=int, default=1, help="machines that share the records"
    )
    run_flags.add_argument("--use_tpu", action="store_true", help="it runs on a TPU")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format", choices=("text", "json", "github", "sarif"), default="text", help="as what"
    )
    output.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colors in text"
    )


def codes(text: str) -> list[str]:
    """Returns the codes of a flag's value.

    >>> codes("ODF3, ODF205")
    ['ODF3', 'ODF205']
    """
    return [code.strip() for code in text.split(",") if code.strip()]


def run(args: argparse.Namespace) -> int:
    """Prints what is found; returns 1 where a finding is an error."""
    from odfreeze.check.linter import check_files
    from odfreeze.check.subject import RunFlags

    flags = RunFlags(
        model_dir=args.model_dir,
        num_train_steps=args.num_train_steps,
        checkpoint_every_n=args.checkpoint_every_n,
        num_replicas=args.num_replicas,
        num_workers=args.num_workers,
        use_tpu=args.use_tpu,
    )
    checked = check_files(
        args.configs,
        flags=flags,
        select=args.select,
        ignore=args.ignore,
        fix=args.fix or args.diff,
    )
    if args.fix:
        for one in checked:
            one.write()
    _print(checked, args)
    grave = ("error", "warning") if args.strict else ("error",)
    return int(any(one.count(severity) for one in checked for severity in grave))


def _print(checked: tuple[Checked, ...], args: argparse.Namespace) -> None:
    if args.diff:
        sys.stdout.flush()
        for one in checked:
            sys.stdout.buffer.write(one.diff())
        sys.stdout.buffer.flush()
        return
    if args.format == "text":
        from odfreeze.report.findings import check_lines
        from odfreeze.report.text import wants_color, write_lines

        color = wants_color(args.color, sys.stdout)
        write_lines(check_lines(checked, is_fixed=args.fix), sys.stdout, color=color)
    elif args.format == "github":
        from odfreeze.report.findings import check_github

        sys.stdout.write(check_github(checked))
    elif args.format == "sarif":
        from odfreeze.report.json import json_text
        from odfreeze.report.sarif import check_sarif

        sys.stdout.write(json_text(check_sarif(checked)))
    else:
        from odfreeze.report.findings import check_document
        from odfreeze.report.json import json_text

        sys.stdout.write(json_text(check_document(checked)))
