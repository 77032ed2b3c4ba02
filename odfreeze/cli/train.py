"""Train with the real OD API, the config's freezing enforced, then verify.

Takes the flags of model_main_tf2 and hands those it does not need itself on to it. The same
command again resumes a run that was cut off.
"""

from __future__ import annotations

import argparse
import sys

from odfreeze.cli.check import codes
from odfreeze.errors import UsageError
from odfreeze.refusal import ALLOWANCES

#: Flags of ``model_main_tf2`` that are handed on as they are, with their type.
_STOCK_FLAGS: dict[str, type] = {
    "eval_on_train_data": bool,
    "sample_1_of_n_eval_examples": int,
    "sample_1_of_n_eval_on_train_examples": int,
    "eval_timeout": int,
    "use_tpu": bool,
    "tpu_name": str,
    "num_workers": int,
    "record_summaries": bool,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze train``."""
    parser.add_argument("--pipeline_config_path", metavar="FILE", help="the pipeline.config")
    parser.add_argument("--model_dir", metavar="DIR", help="where checkpoints and the record go")
    parser.add_argument(
        "--stages_dir",
        metavar="DIR",
        help="run the stages that `odfreeze stage` wrote there, instead of one config",
    )
    parser.add_argument("--num_train_steps", type=int, metavar="N", help="end at this step")
    parser.add_argument("--checkpoint_every_n", type=int, default=1000, metavar="N")
    parser.add_argument(
        "--checkpoint_dir", metavar="DIR", help="only evaluate the checkpoints there, as stock does"
    )
    parser.add_argument(
        "--frozen_batch_norm",
        choices=("hold", "update"),
        default="hold",
        help="what the statistics of frozen batch norm layers do (default: hold)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="make the run repeatable bit by bit; slower"
    )
    for name, meaning in ALLOWANCES.items():
        parser.add_argument(f"--allow_{name}", action="store_true", help=f"go on with {meaning}")
    parser.add_argument(
        "--ignore",
        metavar="CODES",
        action="extend",
        default=[],
        type=codes,
        help="findings of `odfreeze check` to go on in spite of: ODF501,ODF4",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--verbose", action="store_true", help="show the OD API's own log too")
    stock = parser.add_argument_group("flags of model_main_tf2, handed on")
    for name, kind in _STOCK_FLAGS.items():
        if kind is bool:
            stock.add_argument(f"--{name}", nargs="?", const="true", type=_boolean, metavar="BOOL")
            stock.add_argument(f"--no{name}", dest=name, action="store_const", const="false")
        else:
            stock.add_argument(f"--{name}", type=kind, metavar="VALUE")


def run(args: argparse.Namespace) -> int:
    """Runs one training or a whole plan and returns the exit status."""
    options = {
        "checkpoint_every_n": args.checkpoint_every_n,
        "frozen_batch_norm": args.frozen_batch_norm,
        "seed": args.seed,
        "allow": [name for name in ALLOWANCES if getattr(args, f"allow_{name}")],
        "ignore": args.ignore,
        "flags": [
            f"--{name}={value}"
            for name in _STOCK_FLAGS
            if (value := getattr(args, name)) is not None
        ],
        "verbose": args.verbose,
    }
    _check(args)
    if args.checkpoint_dir:
        from odfreeze.training.launch import run_stock

        flags = [*options["flags"], f"--checkpoint_dir={args.checkpoint_dir}"]
        where = args.pipeline_config_path, args.model_dir
        run_stock(*where, flags=flags, seed=args.seed, verbose=True)
        return 0

    from odfreeze.report.training import render_results, render_results_json
    from odfreeze.training.launch import train
    from odfreeze.training.progress import open_progress
    from odfreeze.training.staged import train_stages

    with open_progress(sys.stderr if args.format == "json" else sys.stdout) as progress:
        if args.stages_dir:
            results = train_stages(args.stages_dir, watch=progress, **options)
        else:
            options["num_train_steps"] = args.num_train_steps
            results = (train(args.pipeline_config_path, args.model_dir, watch=progress, **options),)
    print(render_results_json(results) if args.format == "json" else render_results(results))
    return 0 if all(result.verification.ok for result in results) else 1


def _boolean(text: str) -> str:
    """Returns a truth value as absl's flags take it, from any that they take."""
    for value in ("true", "false"):
        if text.lower() in (value, value[0], "10"[value == "false"]):
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _check(args: argparse.Namespace) -> None:
    if args.stages_dir:
        for name in ("pipeline_config_path", "model_dir", "num_train_steps", "checkpoint_dir"):
            if getattr(args, name) is not None:
                raise UsageError(f"--stages_dir goes without --{name}: a stage has its own")
        return
    for name in ("pipeline_config_path", "model_dir"):
        if not getattr(args, name):
            raise UsageError(f"--{name} is missing (or --stages_dir, for a whole plan)")
