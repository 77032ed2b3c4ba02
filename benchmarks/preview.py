"""How fast and how small `odfreeze preview` is, against `tf.train.load_checkpoint`.

Run it with `make benchmarks`. Every figure is of a whole process, from start to end; the two
sides alternate in one run, and what counts is the ratio of their medians.

1. EfficientDet-D0 (built by the OD API from the sample config, 683 variables): preview in plain
   output against a Python that imports TensorFlow and opens the checkpoint.
2. The library's preview of 100,000 variables and 20 patterns against itself at 10,000.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import ROOT, compare, run_once

SAMPLE = ROOT / "sample_configs" / "efficientdet_d0_512x512.config"

BUILD = """
import sys
from odfreeze.training import compat
compat.prepare()
from odfreeze.training.live import build_model, save_checkpoint
save_checkpoint(build_model(sys.argv[1]), sys.argv[2])
"""
LOAD = """
import sys
import tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
print(len(reader.get_variable_to_shape_map()))
"""


def compare_with_tensorflow(runs: int) -> None:
    """Prints the first comparison."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "checkpoint" / "ckpt-0"
        subprocess.run(
            [sys.executable, "-c", BUILD, str(SAMPLE), str(prefix)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        ours = [sys.executable, "-m", "odfreeze", "preview", str(SAMPLE), "--checkpoint", folder]
        theirs = [sys.executable, "-c", LOAD, str(prefix)]
        mine, its = compare(ours, theirs, runs)
        bare = statistics.median(run_once([sys.executable, "-c", "pass"])[0] for _ in range(runs))
    print("EfficientDet-D0, 683 variables, whole processes, medians of", runs)
    print(
        f"  time    odfreeze preview {mine.seconds:.3f} s, tf.train.load_checkpoint"
        f" {its.seconds:.2f} s: {its.seconds / mine.seconds:.0f} times"
    )
    print(
        f"  memory  odfreeze preview {mine.megabytes:.0f} MB, tf.train.load_checkpoint"
        f" {its.megabytes:.0f} MB: {its.megabytes / mine.megabytes:.0f} times"
    )
    print(f"  (an empty Python takes {bare:.3f} s of either)")


def compare_with_itself(runs: int) -> None:
    """Prints the second comparison."""
    from odfreeze import PipelineConfig, preview
    from tests.support.bundle_writer import write_checkpoint

    patterns = [f"^tower_{i}/.*_{i}/" for i in range(19)] + ["kernel$"]
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (10_000, 100_000):
            prefix = Path(folder) / f"ckpt-{count}"
            values = {
                f"model/tower_{i % 40}/layer_{i}/kernel": (
                    f"tower_{i % 40}/layer_{i}/kernel", "float32", (1,), b"\0\0\0\0",
                )
                for i in range(count)
            }  # fmt: skip
            write_checkpoint(prefix, values)
            config = PipelineConfig.parse(
                b'model { ssd {} } train_config { fine_tune_checkpoint_type: "full" }'
            )
            took = []
            for _ in range(runs):
                begun = time.perf_counter()
                preview(config, checkpoint=str(prefix), freeze_variables=patterns)
                took.append(time.perf_counter() - begun)
            seconds[count] = statistics.median(took)
    a, b = seconds[10_000], seconds[100_000]
    print(f"preview() with 20 patterns, medians of {runs}")
    print(f"  10,000 variables {a:.2f} s, 100,000 variables {b:.2f} s: {b / a:.1f} times")


if __name__ == "__main__":
    compare_with_tensorflow(runs=9)
    compare_with_itself(runs=3)
