"""How fast and how small `odfreeze preview` is, against `tf.train.load_checkpoint`.

Run it with `make benchmarks`. Every figure is of a whole process, from start to end; the two
sides alternate in one run, and what counts is the ratio of their medians.

1. EfficientDet-D0 (built by the OD API from the sample config, 622 variables): preview in plain
   output against a Python that imports TensorFlow and opens the checkpoint.
2. The library's preview of 100,000 variables and 20 patterns against itself at 10,000.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
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


def measure(command: list[str]) -> tuple[float, float]:
    """Returns the wall time in seconds and the peak memory in MB of one process."""
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{command} ended with status {child.returncode}")
    return seconds, usage.ru_maxrss / 1024


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
        measure(ours), measure(theirs)  # warms the file cache
        pairs = [(measure(ours), measure(theirs)) for _ in range(runs)]
        bare = statistics.median(measure([sys.executable, "-c", "pass"])[0] for _ in range(runs))
    rows = {
        "time": ([o[0] for o, _ in pairs], [t[0] for _, t in pairs], "s", 3),
        "memory": ([o[1] for o, _ in pairs], [t[1] for _, t in pairs], "MB", 0),
    }
    print("EfficientDet-D0, 622 variables, whole processes, medians of", runs)
    for what, (ours_, theirs_, unit, digits) in rows.items():
        a, b = statistics.median(ours_), statistics.median(theirs_)
        print(
            f"  {what:<7} odfreeze preview {a:.{digits}f} {unit}, tf.train.load_checkpoint"
            f" {b:.{digits}f} {unit}: {b / a:.0f} times"
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
