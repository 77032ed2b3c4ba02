"""Says whether training will work in this Python environment, without importing TensorFlow.

Shows what is installed, what of the stock Object Detection API would break on it and how
odfreeze mends that while it runs, and what is missing with the command that installs it.
Exit status: 0 when training will work, 1 when it cannot.
"""

from __future__ import annotations

import argparse
import sys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze doctor``."""
    parser.add_argument(
        "--format", choices=("text", "json"), default="text",
        help="text for people (default), json for programs",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the diagnosis; returns 0 when training will work, else 1."""
    from odfreeze.training.doctor import diagnose

    found = diagnose()
    if args.format == "json":
        from odfreeze.report.json import json_text

        sys.stdout.write(json_text(found.to_json()))
    else:
        from odfreeze.report.doctor import doctor_lines

        sys.stdout.write("\n".join(doctor_lines(found)) + "\n")
    return 0 if found.ok else 1
