"""The child that evaluates one checkpoint.

``python -m odfreeze.training.evaluation_child CONFIG CHECKPOINT MODEL_DIR ANSWER``: ANSWER is
written, the step and the metrics as JSON, or the error. What TensorFlow and the OD API print goes
where the parent sent it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from odfreeze.errors import OdfreezeError
from odfreeze.training import compat
from odfreeze.training.child import end_with_parent, summary_of

__all__ = ["evaluate_checkpoint"]


def evaluate_checkpoint(config: str, checkpoint: str, model_dir: str) -> dict[str, Any]:
    """Evaluates a checkpoint as ``model_main_tf2 --checkpoint_dir`` does, and returns.

    Stock's ``eval_continuously`` runs as it is. It would go on to wait for the next checkpoint
    (model_lib_v2.py:1135), so it is given this one as the only one there will be.

    Args:
      config: Path of the pipeline.config.
      checkpoint: The checkpoint's prefix.
      model_dir: Where summaries go.

    Returns:
      ``step``, and ``metrics`` as pairs of name and number, in stock's order.

    Raises:
      MissingDependencyError: TensorFlow or the OD API is not installed.
    """
    compat.prepare()
    from object_detection import model_lib_v2

    tf = model_lib_v2.tf
    tf.config.set_soft_device_placement(True)  # as model_main_tf2.py does
    found: dict[str, Any] = {}
    stock_loop = model_lib_v2.eager_eval_loop

    def eager_eval_loop(*args: Any, **kwargs: Any) -> Any:
        metrics = stock_loop(*args, **kwargs)
        found["step"] = int(kwargs["global_step"].numpy())
        found["metrics"] = [(name, float(value)) for name, value in metrics.items()]
        return metrics

    def checkpoints_iterator(*args: Any, **kwargs: Any) -> Iterator[str]:
        yield checkpoint

    replacements = (
        (model_lib_v2, "eager_eval_loop", eager_eval_loop),
        (tf.train, "checkpoints_iterator", checkpoints_iterator),
    )
    # Without a strategy, stock's swap of values and moving averages is an error.
    distribute = tf.compat.v2.distribute
    with contextlib.ExitStack() as stack:
        if not distribute.has_strategy():
            stack.enter_context(distribute.OneDeviceStrategy(_device(tf)).scope())
        for home, name, value in replacements:
            stack.callback(setattr, home, name, getattr(home, name))
            setattr(home, name, value)
        model_lib_v2.eval_continuously(
            pipeline_config_path=config,
            model_dir=model_dir,
            sample_1_of_n_eval_examples=None,  # what model_main_tf2 gives without its flag
            checkpoint_dir=str(Path(checkpoint).parent),
        )
    return found


def _device(tf: Any) -> str:
    return "/gpu:0" if tf.config.list_physical_devices("GPU") else "/cpu:0"


def _main(config: str, checkpoint: str, model_dir: str, answer: str) -> int:
    end_with_parent()
    told: dict[str, Any]
    status = 0
    try:
        told = evaluate_checkpoint(config, checkpoint, model_dir)
    except Exception as error:
        traceback.print_exc()
        told = {"message": str(error) if isinstance(error, OdfreezeError) else summary_of(error)}
        status = 1
    Path(answer).write_text(json.dumps(told), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
