r"""Rewrites fields of a pipeline.config; every byte outside of the fields stays as it is.

Without --output, --in_place or --diff the new config goes to standard output.

  odfreeze set pipeline.config --freeze_variables '/conv_\d+/' --num_steps 2000 --diff
  odfreeze set pipeline.config --freeze_variables @backbone --in_place
  odfreeze set pipeline.config --field model.ssd.num_classes=7 --in_place
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from odfreeze.errors import UsageError
from odfreeze.field_values import full_path, split_assignment, with_field
from odfreeze.pipeline import PipelineConfig
from odfreeze.train_fields import CHECKPOINT_TYPES, SHORT_NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("config", metavar="CONFIG", help="the pipeline.config to start from")
    fields = parser.add_argument_group("fields")
    fields.add_argument("--fine_tune_checkpoint", metavar="PREFIX", help="checkpoint to start from")
    fields.add_argument(
        "--fine_tune_checkpoint_type", metavar="TYPE", help=f"{', '.join(CHECKPOINT_TYPES)}"
    )
    fields.add_argument("--fine_tune_checkpoint_version", metavar="VERSION", help="V1 or V2")
    fields.add_argument(
        "--freeze_variables",
        metavar="PATTERN",
        action="append",
        help="pattern of what is frozen; give it several times for several patterns, which "
        "replace all that are there; or a name for a part of the model, such as @backbone or "
        "@backbone/1..3 (see `odfreeze groups`), for which patterns are written",
    )
    fields.add_argument(
        "--add_freeze_variables",
        metavar="PATTERN",
        action="append",
        help="a pattern to add to those that are there",
    )
    fields.add_argument(
        "--update_trainable_variables",
        metavar="PATTERN",
        action="append",
        help="pattern of what learns, the rest being frozen; as --freeze_variables",
    )
    fields.add_argument("--num_steps", metavar="N", type=int, help="steps to train")
    fields.add_argument("--batch_size", metavar="N", type=int, help="images a step")
    fields.add_argument(
        "--learning_rate",
        metavar="RATE",
        type=float,
        help="base rate of the optimizer's schedule, whatever its kind; a warm-up rate is lowered "
        "to it where it would be above, the rates of a stepped schedule are scaled alike",
    )
    fields.add_argument(
        "--field",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="any field by its dotted path, such as model.ssd.num_classes=7; "
        "PATH='\"text\"' is a string whatever it looks like, PATH='[1, 2]' a list",
    )
    fields.add_argument(
        "--clear",
        metavar="FIELD",
        action="append",
        default=[],
        help="remove a field, by name (freeze_variables) or by dotted path",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="PATH",
        help="what tells the variables that @backbone and the like stand for (default: the new "
        "config's fine_tune_checkpoint)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="have the model itself tell them, built from the config alone (10 to 30 s)",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--diff", action="store_true", help="print what changes as a unified diff")
    target = output.add_mutually_exclusive_group()
    target.add_argument("--output", metavar="FILE", help="write the new config here")
    target.add_argument("--in_place", action="store_true", help="write it over CONFIG")
    output.add_argument("--force", action="store_true", help="overwrite another file that exists")


def run(args: argparse.Namespace) -> int:
    """Rewrites the config; returns the exit status."""
    before = PipelineConfig.read(args.config)
    after = _edited(before, args)
    target = args.config if args.in_place else args.output
    if target:
        after.write(target, force=args.force)
    if args.diff:
        _print(before.diff(after))
    elif not target:
        _print(after.data)
    return 0


def _edited(config: PipelineConfig, args: argparse.Namespace) -> PipelineConfig:
    named = [name for name in (*SHORT_NAMES, "learning_rate") if getattr(args, name) is not None]
    assignments = [split_assignment(assignment) for assignment in args.field]
    if not (named or assignments or args.clear or args.add_freeze_variables):
        raise UsageError("nothing to set; give a field, such as --num_steps 2000 (see --help)")
    if args.freeze_variables and args.add_freeze_variables:
        raise UsageError(
            "--freeze_variables replaces the patterns and --add_freeze_variables adds to them; "
            "give one of the two"
        )
    given = {full_path(name) for name in named} | {path for path, _ in assignments}
    for field in args.clear:
        if full_path(field) in given:
            raise UsageError(f"{field} is both set and cleared; give one of the two")
        config = config.without(full_path(field))
    changes = {name: getattr(args, name) for name in named}
    changes["add_freeze_variables"] = args.add_freeze_variables or ()
    config = config.with_changes(**_with_sets(changes, config, args.checkpoint, args.live))
    for path, text in assignments:
        config = with_field(config, path, text)
    return config


def _with_sets(
    changes: dict[str, Any], config: PipelineConfig, checkpoint: str | None, live: bool
) -> dict[str, Any]:
    """Returns changes with the patterns that names of sets among them stand for (``@backbone``)."""
    fields = ("freeze_variables", "update_trainable_variables", "add_freeze_variables")
    given = {field: changes[field] for field in fields if changes.get(field)}
    if any(text.startswith("@") for texts in given.values() for text in texts):
        from odfreeze.groups.names import expanded
        from odfreeze.model_source import model_variables
        from odfreeze.report.waiting import building_shown

        source = checkpoint or changes.get("fine_tune_checkpoint")
        with building_shown(live) as watch:
            found = model_variables(config, source, live=live, watch=watch).variables
        given = {field: expanded(texts, lambda: found) for field, texts in given.items()}
    return {**changes, **given}


def _print(data: bytes) -> None:
    """Writes bytes to standard output as they are, whatever its encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
