"""Tells what a finding's code means: what stock shows, why, and the cure.

Without a code all codes are listed.

  odfreeze explain ODF301
"""

from __future__ import annotations

import argparse
import sys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("codes", metavar="CODE", nargs="*", help="such as ODF301")
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="styled or plain"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the pages, or the list of all codes; returns 0."""
    from odfreeze.check.pages import all_codes, read_page
    from odfreeze.report.pages import page_list, write_pages
    from odfreeze.report.text import wants_color

    pages = [read_page(code) for code in args.codes or all_codes()]
    if not args.codes:
        sys.stdout.write(page_list(pages))
        return 0
    write_pages(pages, sys.stdout, color=wants_color(args.color, sys.stdout))
    return 0
