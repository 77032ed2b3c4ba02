"""Tells what became of a fine-tuning: as a web page, as JSON, and in short.

Give the directory of a staged run, or the model_dir of one run; finished, going on or cut off.
Writes report.html and report.json into it and prints the rest in short. The page stands alone: it
loads nothing from anywhere, so it can be mailed and kept.
"""

from __future__ import annotations

import argparse
import sys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze report``."""
    parser.add_argument("directory", metavar="DIR", help="a staged run's directory, or a model_dir")
    parser.add_argument(
        "--output_dir",
        metavar="OUT",
        help="where to write report.html and report.json (default: DIR)",
    )
    parser.add_argument(
        "--format", choices=("html", "json", "text"),
        help="print only this, and write nothing",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Writes the page and the JSON, or prints one of them; returns 0."""
    from odfreeze.errors import UsageError
    from odfreeze.report.account import account_lines
    from odfreeze.report.writing import account_bytes, write_account
    from odfreeze.runs.account import read_account

    if args.format and args.output_dir:
        raise UsageError("--format prints and --output_dir writes; give one of them")
    account = read_account(args.directory)
    if args.format in ("html", "json"):
        sys.stdout.flush()
        sys.stdout.buffer.write(account_bytes(account, args.format))
        return 0
    print("\n".join(account_lines(account)))
    if not args.format:
        written = write_account(account, args.output_dir or args.directory)
        print("\n" + "\n".join(f"wrote {path}" for path in written))
    return 0
