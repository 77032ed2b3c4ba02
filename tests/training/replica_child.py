"""Stands for the Python of a training environment: the child trains the tiny detector.

``ODFREEZE_TEST_CPUS`` logical CPUs become replicas of a ``MirroredStrategy``. What the optimizer
is given is appended to ``ODFREEZE_TEST_GIVEN``, a line each time it is; digests of the averages
on each replica at the end are written to ``ODFREEZE_TEST_AVERAGES``.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.training.tiny import register


def write_python(path: Path) -> Path:
    """Writes an executable that runs this module in place of ``-m odfreeze.training``."""
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.training.replica_child import main\n"
        "main()\n",
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def main() -> None:
    """Runs the child on the request that is the last argument."""
    tf = register()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * int(os.environ.get("ODFREEZE_TEST_CPUS", "1")),
    )
    if "ODFREEZE_TEST_GIVEN" in os.environ:
        _tell_what_is_given(tf, Path(os.environ["ODFREEZE_TEST_GIVEN"]))
    if "ODFREEZE_TEST_AVERAGES" in os.environ:
        _tell_the_averages(Path(os.environ["ODFREEZE_TEST_AVERAGES"]))
    sys.argv = ["odfreeze.training", sys.argv[-1]]
    runpy.run_module("odfreeze.training", run_name="__main__")


def _tell_what_is_given(tf: Any, path: Path) -> None:
    optimizer = tf.keras.optimizers.legacy.Optimizer
    stock = optimizer.apply_gradients

    def apply_gradients(self: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        pairs = list(grads_and_vars)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        row = {"replica": int(tf.get_static_value(replica)), "names": [v.name for _, v in pairs]}
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        return stock(self, pairs, *args, **kwargs)

    optimizer.apply_gradients = apply_gradients


def _tell_the_averages(path: Path) -> None:
    from odfreeze.runs.record import digest
    from odfreeze.training.hooks import EnforcingHooks
    from odfreeze.training.live import live_variables
    from odfreeze.training.replicas import copies

    at_end = EnforcingHooks.at_end

    def tell(self: EnforcingHooks, run: Any) -> None:
        at_end(self, run)
        optimizer = run.checkpoint.optimizer
        averages = {
            one.record.object_path: [
                digest(copy.read_value().numpy().tobytes())
                for copy in copies(optimizer.get_slot(one.value, "average"))
            ]
            for one in live_variables(run.model)
            if "average" in optimizer._slots.get(one.value._unique_id, ())
        }
        path.write_text(json.dumps(averages), encoding="utf-8")

    EnforcingHooks.at_end = tell  # type: ignore[method-assign]
