"""How fast training with a frozen backbone is, against stock and against a gradient filter.

Run it with `make benchmarks-training`; it takes about half an hour on two cores. Every figure is
of a process that runs the OD API's own `train_loop` on the CPU, batch 4, on the sample config as
it is written, its backbone frozen. Four sides, one after the other, several rounds:

- stock: `train_loop` as it is, which trains everything;
- filter: `trainable_variables` filtered by the patterns, the usual patch of a fork;
- odfreeze: the patterns enforced;
- nothing: odfreeze with no pattern in the config, which is to be as fast as stock.

Steps/s are counted from the second step to the last, and so is the time that the processors
worked for a step, which other work on the machine disturbs less. The first step is told by the
clock of the process, imports, building, restoring and tracing included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from measure import ENVIRONMENT, ROOT

#: Config and how many steps to take.
MODELS = {
    "SSD MobileNet V2 FPNLite 320": ("ssd_mobilenet_v2_fpnlite_320x320.config", 24),
    "EfficientDet-D0 512": ("efficientdet_d0_512x512.config", 12),
}
SIDES = ("stock", "filter", "odfreeze", "nothing")


def prepare(sample: str, folder: Path, steps: int) -> None:
    """Writes the data, a base checkpoint and the two configs, with patterns and without."""
    from odfreeze import PipelineConfig
    from odfreeze.training.live import build_model, save_checkpoint
    from odfreeze.training.shapes import write_shapes

    data = write_shapes(folder / "data", "train", images=16, size=320)
    config = PipelineConfig.read(ROOT / "sample_configs" / sample)
    for reader in ("train_input_reader", "eval_input_reader"):
        config = config.with_value(f"{reader}.label_map_path", str(data.label_map))
        config = config.with_values(
            f"{reader}.tf_record_input_reader.input_path", [str(data.records)]
        )
    base = folder / "base" / "ckpt-0"
    config = config.with_value("model.ssd.num_classes", len(data.classes)).with_changes(
        fine_tune_checkpoint=str(base), fine_tune_checkpoint_type="full", batch_size=4,
        num_steps=steps,
    )  # fmt: skip
    config.write(folder / "frozen.config")
    bare = config.with_changes(freeze_variables=[], update_trainable_variables=[])
    bare.write(folder / "bare.config")
    save_checkpoint(build_model(folder / "frozen.config"), base)


def run_side(side: str, folder: Path, steps: int) -> None:
    """Trains one side in this process and prints its figures as JSON."""
    begun = time.perf_counter()
    config = folder / ("frozen.config" if side in ("filter", "odfreeze") else "bare.config")
    model_dir = Path(tempfile.mkdtemp(dir=folder))
    from odfreeze.training import compat

    measures = compat.prepare()
    import tensorflow as tf
    from object_detection import model_lib_v2

    tf.get_logger().setLevel("ERROR")
    times = _watch_steps(model_lib_v2)
    arguments: dict[str, Any] = {
        "pipeline_config_path": str(config), "model_dir": str(model_dir),
        "train_steps": steps, "checkpoint_every_n": steps,
    }  # fmt: skip
    with tf.distribute.MirroredStrategy().scope():
        if side in ("odfreeze", "nothing"):
            _train_enforced(arguments, measures)
        else:
            if side == "filter":
                _filter_gradients(model_lib_v2, config)
            model_lib_v2.train_loop(**arguments, num_steps_per_iteration=steps)
    (shard,) = model_dir.glob(f"ckpt-{steps if side in ('odfreeze', 'nothing') else 2}.data*")
    first, last = min(times), max(times)
    (began, worked_before), (ended, worked) = times[first], times[last]
    print(
        json.dumps(
            {
                "steps_per_second": (last - first) / (ended - began),
                "work_per_step": (worked - worked_before) / (last - first),
                "first_step": began - begun,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "checkpoint": shard.stat().st_size / 1e6,
            }
        )
    )


def _train_enforced(arguments: dict[str, Any], measures: tuple[str, ...]) -> None:
    from odfreeze.training.hooks import EnforcingHooks
    from odfreeze.training.loop import train_loop_with_hooks
    from odfreeze.training.request import TrainingRequest

    request = TrainingRequest(
        config=arguments["pipeline_config_path"],
        model_dir=arguments["model_dir"],
        num_steps=arguments["train_steps"],
    )
    hooks = EnforcingHooks(request, measures, lambda kind, **data: None)
    train_loop_with_hooks(hooks, request.num_steps, **arguments)


def _filter_gradients(model_lib_v2: Any, config: Path) -> None:
    """Gives the tape and the optimizer only what the patterns of the config let learn."""
    import tf_slim
    from object_detection.utils import variables_helper  # noqa: F401  what forks call

    from odfreeze import PipelineConfig

    patterns = list(PipelineConfig.read(config).freeze_variables)
    stock = model_lib_v2.eager_train_step

    def eager_train_step(detection_model: Any, *args: Any, **kwargs: Any) -> Any:
        kind = type(detection_model)
        if not hasattr(kind, "filtered"):
            whole = kind.trainable_variables
            filtered = property(
                lambda self: tf_slim.filter_variables(whole.fget(self), None, patterns)
            )
            narrowed = type(kind)(
                kind.__name__, (kind,), {"trainable_variables": filtered, "filtered": True}
            )
            object.__setattr__(detection_model, "__class__", narrowed)
        return stock(detection_model, *args, **kwargs)

    model_lib_v2.eager_train_step = eager_train_step


def _watch_steps(model_lib_v2: Any) -> dict[int, tuple[float, float]]:
    """Returns a dict that fills with when each number of steps was first seen.

    By the clock, and by the seconds that the process has worked until then on all processors.
    """
    times: dict[int, tuple[float, float]] = {}
    builder = model_lib_v2.optimizer_builder
    stock = builder.build

    def build(optimizer_config: Any, global_step: Any = None) -> Any:
        def watch() -> None:
            while True:
                step = int(global_step.numpy())
                if step:
                    times.setdefault(step, (time.perf_counter(), time.process_time()))
                time.sleep(0.02)

        threading.Thread(target=watch, daemon=True).start()
        return stock(optimizer_config, global_step=global_step)

    builder.build = build
    return times


def measure(model: str, rounds: int, sides: list[str], steps: int | None) -> None:
    """Prints the table of one model; every other round is in the opposite order."""
    sample, usual = MODELS[model]
    steps = steps or usual
    with tempfile.TemporaryDirectory() as name:
        _child("prepare", sample, name, steps)
        found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for number in range(rounds):
            for side in sides[:: -1 if number % 2 else 1]:
                found[side].append(json.loads(_child(side, sample, name, steps)))
    print(f"{model}, batch 4, {steps} steps, medians of {rounds}")
    print(
        "            steps/s   work/step   first step   peak memory   checkpoint"
        "   steps/s and work against stock"
    )
    medians = {
        side: {what: statistics.median(one[what] for one in ones) for what in ones[0]}
        for side, ones in found.items()
    }
    for side, one in medians.items():
        speed, work = (
            one[what] / medians["stock"][what] for what in ("steps_per_second", "work_per_step")
        )
        print(
            f"  {side:9} {one['steps_per_second']:7.3f} {one['work_per_step']:9.3f} s"
            f" {one['first_step']:10.1f} s {one['peak']:10.0f} MB {one['checkpoint']:9.1f} MB"
            f" {speed:14.2f} {work:5.2f}"
        )
    if {"odfreeze", "filter"} <= medians.keys():
        ours, filtered = (medians[side]["steps_per_second"] for side in ("odfreeze", "filter"))
        print(f"  odfreeze against the gradient filter: {ours / filtered:.2f}", flush=True)


def _child(side: str, sample: str, folder: str, steps: int) -> str:
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, sample, folder, str(steps)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if done.returncode != 0:
        raise SystemExit(f"{side} of {sample} failed:\n{done.stderr[-3000:]}")
    return done.stdout.strip().rpartition("\n")[2]


def main() -> None:
    """Measures all models, or is one side of one of them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=list(MODELS), action="append")
    parser.add_argument("--steps", type=int, help="instead of what is usual for the model")
    parser.add_argument("--sides", choices=SIDES, nargs="+", default=list(SIDES))
    parser.add_argument("--side", nargs=4, metavar=("SIDE", "SAMPLE", "FOLDER", "STEPS"))
    arguments = parser.parse_args()
    if arguments.side:
        side, sample, folder, steps = arguments.side
        if side == "prepare":
            prepare(sample, Path(folder), int(steps))
        else:
            run_side(side, Path(folder), int(steps))
        return
    for model in arguments.model or MODELS:
        measure(model, arguments.rounds, arguments.sides, arguments.steps)


if __name__ == "__main__":
    main()
