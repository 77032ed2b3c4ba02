"""All of odfreeze on a small dataset made on the spot, with the real OD API.

Takes some minutes: it trains a small base model, previews and stages a fine-tuning, trains it
with the freezing enforced, verifies, and shows what plain model_main_tf2 makes of the same.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze demo``."""
    parser.add_argument(
        "--output_dir",
        default="demo_output",
        metavar="DIR",
        help="folder for all that it makes (default: demo_output)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the demo and returns the exit status."""
    from odfreeze.cli import main
    from odfreeze.training.demo import describe_summary, run_demo

    def say(text: str) -> None:
        print(text, flush=True)

    summary = run_demo(args.output_dir, command=main, say=say)
    say("\n" + describe_summary(summary))
    return 0 if summary.ok else 1
