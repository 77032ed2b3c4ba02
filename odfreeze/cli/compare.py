"""Show runs side by side: what each reached, its time, steps, parameters trained, memory.

Give directories of finished runs, staged ones or one model_dir each:

  odfreeze compare staged everything head_only --evaluate

or plans, which are then run one after the other, resumed where they were cut off, and evaluated:

  odfreeze compare --output_dir runs staged.plan everything.plan head_only.plan

Exit status: 0 when every run came to its end and was verified, 1 when one did not or was not,
2 when something cannot be used.
"""

from __future__ import annotations

import argparse
import sys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze compare``."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="a run's directory; with --output_dir a plan"
    )
    parser.add_argument(
        "--evaluate", action="store_true",
        help="let the OD API evaluate what has no result yet; needs TensorFlow, as training does",
    )  # fmt: skip
    parser.add_argument(
        "--metric", metavar="NAME", action="append", default=[],
        help="a column for this metric; may be repeated (default: mAP, mAP@.50IOU, total loss)",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="(default: auto)"
    )
    plans = parser.add_argument_group("to run plans")
    plans.add_argument("--output_dir", metavar="DIR", help="run plans, each in a folder there")
    plans.add_argument("--seed", type=int, metavar="N", help="make the runs repeatable; slower")
    plans.add_argument("--checkpoint_every_n", type=int, metavar="N", help="(default: 1000)")
    plans.add_argument("--verbose", action="store_true", help="show the OD API's own log too")


def run(args: argparse.Namespace) -> int:
    """Prints the comparison; returns 0 when all runs are verified, else 1."""
    from odfreeze.errors import UsageError
    from odfreeze.training.comparison import compare_plans, compare_runs
    from odfreeze.training.progress import open_progress

    if args.output_dir is None:
        for name in ("seed", "checkpoint_every_n", "verbose"):
            if getattr(args, name) is not None and getattr(args, name) is not False:
                raise UsageError(f"--{name} is for running plans; give --output_dir too")
    if args.checkpoint_every_n is not None and args.checkpoint_every_n < 1:
        raise UsageError(f"--checkpoint_every_n is {args.checkpoint_every_n}; give 1 or more")
    with open_progress(sys.stderr if args.format == "json" else sys.stdout) as progress:
        if args.output_dir is None:
            found = compare_runs(args.runs, evaluating=args.evaluate, watch=progress)
        else:
            found = compare_plans(
                args.runs,
                args.output_dir,
                seed=args.seed,
                checkpoint_every_n=args.checkpoint_every_n or 1000,
                watch=progress,
                verbose=args.verbose,
            )
    if args.format == "json":
        import json

        from odfreeze.report.comparison import comparison_json

        json.dump(comparison_json(found), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        from odfreeze.report.comparison import comparison_lines
        from odfreeze.report.text import wants_color, write_lines

        lines = comparison_lines(found, args.metric)
        write_lines(lines, sys.stdout, color=wants_color(args.color, sys.stdout))
    return 0 if found.ok else 1
