"""Shows which variables each pattern of a pipeline.config matches, and what becomes of each.

Reads the config and the index of its checkpoint, runs nothing and writes nothing; with --live
the variables are those of the model itself. States: frozen or trainable for a variable that could
learn, held or updating for a moving statistic.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odfreeze.stages.conduct import Rate

__all__ = ["add_arguments", "add_model_source", "add_rates", "run"]

_PAGE_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze preview``."""
    parser.add_argument("config", metavar="CONFIG", help="a pipeline.config")
    add_model_source(parser)
    parser.add_argument(
        "--freeze_variables", action="append", metavar="PATTERN",
        help="try this instead of the config's; several times for several, '' for none; or a name "
        "for a part of the model, such as @backbone (see `odfreeze groups`)",
    )  # fmt: skip
    parser.add_argument(
        "--update_trainable_variables", action="append", metavar="PATTERN", help="likewise"
    )
    add_rates(parser)
    parser.add_argument(
        "--frozen_batch_norm", choices=("hold", "update"), default="hold",
        help="whether the statistics of a frozen batch norm layer stand still (default: hold)",
    )  # fmt: skip
    parser.add_argument(
        "--format", choices=("tree", "list", "json"), default="tree",
        help="tree for people, list: one variable a line, for grep; json for programs",
    )  # fmt: skip
    opening = parser.add_mutually_exclusive_group()
    opening.add_argument(
        "--depth", type=_depth, metavar="N", help="open the tree to this depth (default: what fits)"
    )
    opening.add_argument(
        "--all", action="store_const", const=-1, dest="depth", help="open it to every variable"
    )
    parser.add_argument(
        "--group_by", choices=("name", "path"),
        help="what the tree is one of (default: names, object paths for CenterNet)",
    )  # fmt: skip
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto",
        help="auto: on a terminal, unless NO_COLOR is set (default)",
    )  # fmt: skip


def add_rates(parser: argparse.ArgumentParser) -> None:
    """Adds what gives parts of the model a share of the learning rate."""
    parser.add_argument(
        "--rate", action="append", default=[], metavar="PATTERN=SCALE", dest="rates",
        help="the share of the learning rate that a part takes, such as @backbone=0.1; several "
        "times for several, of which the last that matches counts",
    )  # fmt: skip


def add_model_source(parser: argparse.ArgumentParser) -> None:
    """Adds what tells where the model's variables are listed from."""
    parser.add_argument(
        "--checkpoint", metavar="PATH", help="list this one instead of fine_tune_checkpoint"
    )
    parser.add_argument(
        "--live", action="store_true",
        help="list the model itself, built from the config alone: 10 to 30 s with TensorFlow, "
        "then its list is kept",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the preview; returns 0, whatever it warns of."""
    from odfreeze.garbage import collector_paused

    with collector_paused():
        return _print(args)


def _print(args: argparse.Namespace) -> int:
    from odfreeze.preview import preview
    from odfreeze.report.waiting import building_shown

    rates: tuple[Rate, ...] = ()
    if args.rates:
        from odfreeze.rates import parse_rate

        rates = tuple(map(parse_rate, args.rates))

    with building_shown(args.live) as watch:
        seen = preview(
            args.config,
            checkpoint=args.checkpoint,
            freeze_variables=_given(args.freeze_variables),
            update_trainable_variables=_given(args.update_trainable_variables),
            frozen_batch_norm=args.frozen_batch_norm,
            rates=rates,
            live=args.live,
            watch=watch,
        )
    if args.format == "json":
        from odfreeze.report.json import json_text

        sys.stdout.write(json_text(seen.to_json()))
        return 0
    from odfreeze.report.layout import preview_lines, preview_list
    from odfreeze.report.text import glyphs_for, wants_color, write_lines

    if args.format == "list":
        sys.stdout.write(preview_list(seen))
        return 0
    lines = preview_lines(
        seen,
        glyphs=glyphs_for(sys.stdout.encoding),
        depth=args.depth,
        by_path=None if args.group_by is None else args.group_by == "path",
        width=_PAGE_WIDTH,
    )
    write_lines(lines, sys.stdout, color=wants_color(args.color, sys.stdout))
    return 0


def _given(patterns: list[str] | None) -> list[str] | None:
    """Returns the patterns of a flag; None when it was not given, [] when its value was ''."""
    return None if patterns is None else [pattern for pattern in patterns if pattern]


def _depth(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of levels; give 0 or more")
    return value
