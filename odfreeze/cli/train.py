"""Train with the real OD API, the config's freezing enforced, then verify.

One config (--pipeline_config_path, --model_dir) or a whole plan (--plan, --output_dir). Takes the
flags of model_main_tf2 and hands those it does not need itself on to it. The same command again
resumes a run that was cut off.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from odfreeze.cli.check import codes
from odfreeze.cli.preview import add_rates
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

#: Flags that are about stages, with those that they go with.
_STAGED_FLAGS: dict[str, tuple[str, ...]] = {
    "output_dir": ("plan",),
    "force": ("plan",),
    "from_stage": ("plan", "stages_dir"),
    "only_stage": ("plan", "stages_dir"),
    "keep_checkpoints": ("plan", "stages_dir"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``odfreeze train``."""
    parser.add_argument("--pipeline_config_path", metavar="FILE", help="the pipeline.config")
    parser.add_argument("--model_dir", metavar="DIR", help="where checkpoints and the record go")
    _add_staged(parser)
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
    add_rates(parser)
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


def _add_staged(parser: argparse.ArgumentParser) -> None:
    staged = parser.add_argument_group("a whole plan, in place of one config")
    staged.add_argument("--plan", metavar="PLAN", help="write the plan's stages and run them")
    staged.add_argument("--output_dir", metavar="DIR", help="where the plan's stages go")
    staged.add_argument(
        "--stages_dir", metavar="DIR", help="run the stages that `odfreeze stage` wrote there"
    )
    staged.add_argument(
        "--from_stage",
        metavar="STAGE",
        help="begin with this one (name or number); what it starts from must be there",
    )
    staged.add_argument("--only_stage", metavar="STAGE", help="run just this one")
    staged.add_argument(
        "--keep_checkpoints",
        choices=("all", "last"),
        help="of a verified stage, when the next one has saved its own: last (default with --plan)"
        " keeps the one that it hands on and its last, all (default with --stages_dir) keeps all",
    )
    staged.add_argument(
        "--force",
        action="store_true",
        default=None,
        help="overwrite the config of a stage that was edited by hand and has not begun",
    )


def run(args: argparse.Namespace) -> int:
    """Runs one training or a whole plan and returns the exit status."""
    options: dict[str, Any] = {
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
    if args.rates:
        from odfreeze.rates import parse_rate
        from odfreeze.stages.conduct import conduct_beside

        beside = conduct_beside(args.pipeline_config_path)
        rates = (*beside.rates, *map(parse_rate, args.rates))
        options["conduct"] = replace(beside, rates=rates)
    if args.checkpoint_dir:
        from odfreeze.training.launch import run_stock

        flags = [*options["flags"], f"--checkpoint_dir={args.checkpoint_dir}"]
        where = args.pipeline_config_path, args.model_dir
        run_stock(*where, flags=flags, seed=args.seed, verbose=True)
        return 0

    from odfreeze.report.stages import render_stages, stages_json
    from odfreeze.report.training import render_results, render_results_json
    from odfreeze.report.writing import keep_report
    from odfreeze.runs.stage_runs import read_run
    from odfreeze.training.launch import train
    from odfreeze.training.progress import open_progress
    from odfreeze.training.staged import train_plan, train_stages

    directory = args.output_dir or args.stages_dir
    if directory:
        options |= {"from_stage": args.from_stage, "only_stage": args.only_stage}
        if args.keep_checkpoints:
            options["keep_checkpoints"] = args.keep_checkpoints
    state = page = None
    try:
        with open_progress(sys.stderr if args.format == "json" else sys.stdout) as progress:
            options["watch"] = progress
            if args.plan:
                results = train_plan(args.plan, directory, force=bool(args.force), **options)
            elif directory:
                results = train_stages(directory, **options)
            else:
                options["num_train_steps"] = args.num_train_steps
                results = (train(args.pipeline_config_path, args.model_dir, **options),)
    finally:  # what became of a run that failed is worth a page, too
        page = keep_report(directory) if directory else None
    if directory:
        state = read_run(directory)
    if args.format == "json":
        print(render_results_json(results, None if state is None else stages_json(state)))
    else:
        is_whole = state is None or all(one.state == "finished" for one in state.stages)
        print(render_results(results, is_whole=is_whole))
        if state is not None:
            print("\n" + render_stages(state))
        if page is not None:
            print(f"\nReport: {page}")
    return 0 if all(result.verification.ok for result in results) else 1


def _boolean(text: str) -> str:
    """Returns a truth value as absl's flags take it, from any that they take."""
    for value in ("true", "false"):
        if text.lower() in (value, value[0], "10"[value == "false"]):
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _check(args: argparse.Namespace) -> None:
    """Raises for flags that do not go together."""
    if args.plan and args.stages_dir:
        raise UsageError(
            "--plan and --stages_dir do not go together: --plan writes the stages itself, to"
            " --output_dir"
        )
    staged = "plan" if args.plan else "stages_dir" if args.stages_dir else ""
    if staged:
        for name in ("pipeline_config_path", "model_dir", "num_train_steps", "checkpoint_dir"):
            if getattr(args, name) is not None:
                raise UsageError(f"--{staged} goes without --{name}: a stage has its own")
        if args.rates:
            raise UsageError(
                f"--{staged} goes without --rate: a stage has its own, written in the plan"
            )
    if args.checkpoint_dir and args.rates:
        raise UsageError("--checkpoint_dir goes without --rate: it only evaluates")
    if args.plan and not args.output_dir:
        raise UsageError("--output_dir is missing: the directory where the plan's stages go")
    for name, homes in _STAGED_FLAGS.items():
        if getattr(args, name) is not None and staged not in homes:
            raise UsageError(f"--{name} goes with {' or '.join(f'--{home}' for home in homes)}")
    for name in ("pipeline_config_path", "model_dir"):
        if not staged and not getattr(args, name):
            raise UsageError(f"--{name} is missing (or --plan, for a whole plan)")
