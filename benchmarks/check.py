"""How fast `odfreeze check` is, against the first thing that stock does with a config.

Run it with `make benchmarks`. Every figure is of a whole process; the two sides alternate in one
run, and what counts is the ratio of their medians. Stock's side imports the OD API, reads the
config and builds the model: what it takes until `model_main_tf2` could say a first word about
it. Ours reads the checkpoint, too (EfficientDet-D0, 683 variables, patterns with matches).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, compare
from preview import BUILD, SAMPLE

STOCK = """
import sys
from odfreeze.training import compat
compat.prepare()
from object_detection import model_main_tf2
from object_detection.builders import model_builder
from object_detection.utils import config_util
configs = config_util.get_configs_from_pipeline_file(sys.argv[1])
model_builder.build(configs["model"], is_training=True)
"""


def compare_with_stock(runs: int) -> None:
    """Prints the comparison."""
    from odfreeze import PipelineConfig

    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "ckpt-0"
        build = [sys.executable, "-c", BUILD, str(SAMPLE), str(prefix)]
        quiet = subprocess.DEVNULL
        subprocess.run(build, check=True, stdout=quiet, stderr=quiet, cwd=ROOT)
        config = Path(folder) / "pipeline.config"
        sample = PipelineConfig.read(SAMPLE).with_changes(fine_tune_checkpoint=str(prefix))
        sample.write(config)
        # The data is not there, which gives the status 1 of an error.
        ours = [sys.executable, "-m", "odfreeze", "check", str(config), "--ignore=ODF109,ODF5"]
        mine, its = compare(ours, [sys.executable, "-c", STOCK, str(config)], runs)
    print("a config with its checkpoint of 683 variables, whole processes, medians of", runs)
    print(
        f"  time    odfreeze check {mine.seconds:.3f} s, stock until its model is built"
        f" {its.seconds:.2f} s: {its.seconds / mine.seconds:.0f} times"
    )
    print(f"  memory  odfreeze check {mine.megabytes:.0f} MB, stock {its.megabytes:.0f} MB")


if __name__ == "__main__":
    compare_with_stock(runs=5)
