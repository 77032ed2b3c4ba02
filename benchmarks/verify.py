"""How fast `odfreeze verify` is, against `cmp` on the same files; `set`, against `sed -i`.

Run it with `make benchmarks`. Two checkpoints of 1 GB, equal but for one variable that learned.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

from measure import ROOT, compare

from tests.support.bundle_writer import write_checkpoint

VARIABLES, SIZE = 64, 16 << 20
CONFIG = 'model { ssd { } } train_config { freeze_variables: "^frozen" }'


def write_pair(folder: Path) -> tuple[Path, Path]:
    """Writes the two checkpoints and returns their prefixes."""
    block = os.urandom(SIZE)
    prefixes = []
    for step in (0, 1):
        values = {
            f"model/frozen_{i}/kernel": (f"frozen_{i}/kernel", "float32", (SIZE // 4,), block)
            for i in range(VARIABLES - 1)
        }
        learned = bytes([step]) + block[1:]
        values["model/head/kernel"] = ("head/kernel", "float32", (SIZE // 4,), learned)
        prefixes.append(write_checkpoint(folder / f"ckpt-{step}", values, step=step))
    return prefixes[0], prefixes[1]


def compare_with_cmp(runs: int) -> None:
    """Prints the first comparison."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: Linux counts what a parent held to the peak of its children.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            before, after = pool.apply(write_pair, (folder,))
        config = folder / "pipeline.config"
        config.write_text(CONFIG, encoding="utf-8")
        ours = [sys.executable, "-m", "odfreeze", "verify", str(before), str(after)]
        ours += ["--pipeline_config_path", str(config)]
        shard = ".data-00000-of-00001"
        same = folder / "same"  # cmp stops at the first difference: it reads two equal files
        shutil.copyfile(f"{before}{shard}", same)
        mine, its = compare(ours, ["cmp", f"{before}{shard}", str(same)], runs)
    print(f"two checkpoints of {VARIABLES * SIZE >> 20} MB, whole processes, medians of {runs}")
    print(
        f"  odfreeze verify {mine.seconds:.2f} s, {mine.megabytes:.0f} MB; cmp {its.seconds:.2f} s:"
        f" {mine.seconds / its.seconds:.2f} times"
    )


def compare_with_sed(runs: int) -> None:
    """Prints the second comparison."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "pipeline.config"
        shutil.copyfile(ROOT / "sample_configs" / "efficientdet_d0_512x512.config", config)
        ours = [
            sys.executable,
            "-m",
            "odfreeze",
            "set",
            str(config),
            "--num_steps=77",
            "--in_place",
        ]
        mine, its = compare(
            ours, ["sed", "-i", "s/num_steps: .*/num_steps: 77/", str(config)], runs
        )
    print(f"one field of a config, whole processes, medians of {runs}")
    print(f"  odfreeze set {mine.seconds:.3f} s, sed -i {its.seconds:.3f} s")


if __name__ == "__main__":
    compare_with_cmp(runs=5)
    compare_with_sed(runs=9)
