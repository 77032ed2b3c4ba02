"""Proves that frozen values did not change by one bit, without TensorFlow.

Give a run's directory: its record is compared with its last checkpoint. Or give two
checkpoints and the pipeline.config that says what was to stay frozen between them.
Exit status: 0 when it is as it must be, 1 when a frozen or held value changed or
nothing learned, 2 when something cannot be read.
"""

from __future__ import annotations

import argparse
import sys

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze verify``."""
    parser.add_argument(
        "before", metavar="BEFORE",
        help="a run's model_dir or record, or the checkpoint that was trained from",
    )  # fmt: skip
    parser.add_argument(
        "after", metavar="AFTER", nargs="?",
        help="the checkpoint that came of it (default: the run's last)",
    )  # fmt: skip
    parser.add_argument(
        "--pipeline_config_path", metavar="CONFIG",
        help="what was to stay frozen between two checkpoints",
    )  # fmt: skip
    parser.add_argument(
        "--frozen_batch_norm", choices=("hold", "update"),
        help="with CONFIG: whether frozen batch norm statistics had to stand still (default: hold)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("text", "json"), default="text",
        help="text for people (default), json for programs",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the verification; returns 0 when it is ok, else 1."""
    from odfreeze.errors import UsageError
    from odfreeze.runs.verify import verify

    if args.frozen_batch_norm and not args.pipeline_config_path:
        raise UsageError(
            "--frozen_batch_norm goes with --pipeline_config_path; a run's record has its own"
        )
    found = verify(
        args.before,
        args.after,
        config=args.pipeline_config_path,
        frozen_batch_norm=args.frozen_batch_norm or "hold",
    )
    if args.format == "json":
        import json

        json.dump(found.to_json(), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        from odfreeze.report.verification import verification_lines

        sys.stdout.write("\n".join(verification_lines(found)) + "\n")
    return 0 if found.ok else 1
