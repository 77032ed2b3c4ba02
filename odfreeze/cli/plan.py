"""Draft a plan for a model: head, then neck, then the backbone from its top, rates falling.

The plan is a commented text for you to edit; `odfreeze stage` writes its configs.

  odfreeze plan pipeline.config --stages 3 --num_steps 6000 --output my.plan
"""

from __future__ import annotations

import argparse
import sys

from odfreeze.cli.preview import add_model_source

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze plan``."""
    parser.add_argument("config", metavar="CONFIG", help="a pipeline.config")
    parser.add_argument(
        "--stages", type=int, default=2, metavar="N",
        help="open the backbone in so many steps, 0 leaves it frozen (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--num_steps", type=int, metavar="N", help="steps of all stages (default: the config's)"
    )
    add_model_source(parser)
    parser.add_argument("--output", metavar="FILE", help="write the plan here, not to the terminal")
    parser.add_argument("--force", action="store_true", help="overwrite a file that exists")


def run(args: argparse.Namespace) -> int:
    """Drafts the plan; prints or writes it."""
    from odfreeze.model_source import model_variables
    from odfreeze.pipeline import PipelineConfig
    from odfreeze.report.waiting import building_shown
    from odfreeze.stages.drafting import draft_plan, write_draft

    config = PipelineConfig.read(args.config)
    with building_shown(args.live) as watch:
        found = model_variables(config, args.checkpoint, live=args.live, watch=watch)
    draft = draft_plan(config, found.variables, stages=args.stages, num_steps=args.num_steps)
    if args.output:
        write_draft(draft, args.output, force=args.force)
    else:
        sys.stdout.write(draft.to_text())
    return 0
