"""Lists the parts of a model: head, neck, the backbone's blocks in order of depth, batch norm.

Each has a name that can stand where a pattern can: @head, @head/box, @neck, @backbone,
@backbone/3..5 or @backbone/stack_2, @batch_norm, @all. It stands for the pattern shown with it.

  odfreeze groups pipeline.config
  odfreeze set pipeline.config --freeze_variables @backbone/1..3 --diff
"""

from __future__ import annotations

import argparse
import sys

from odfreeze.cli.preview import add_model_source

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze groups``."""
    parser.add_argument("config", metavar="CONFIG", help="a pipeline.config")
    add_model_source(parser)
    parser.add_argument(
        "--format", choices=("tree", "json"), default="tree", help="tree for people (default)"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto",
        help="auto: on a terminal, unless NO_COLOR is set (default)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the groups; returns 0."""
    from odfreeze.groups.grouping import group
    from odfreeze.groups.names import group_patterns
    from odfreeze.model_source import model_variables
    from odfreeze.pipeline import PipelineConfig
    from odfreeze.report.waiting import building_shown

    config = PipelineConfig.read(args.config)
    with building_shown(args.live) as watch:
        found = model_variables(config, args.checkpoint, live=args.live, watch=watch)
    groups = group(found.variables)
    patterns = group_patterns(groups)
    if args.format == "json":
        from odfreeze.report.groups import groups_json
        from odfreeze.report.json import json_text

        sys.stdout.write(json_text(groups_json(groups, patterns, args.config, found.source)))
        return 0
    from odfreeze.report.groups import group_lines
    from odfreeze.report.text import glyphs_for, wants_color, write_lines

    lines = group_lines(groups, patterns, glyphs=glyphs_for(sys.stdout.encoding))
    write_lines(lines, sys.stdout, color=wants_color(args.color, sys.stdout))
    return 0
