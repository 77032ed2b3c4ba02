"""Runs that come out the same twice: ``--seed``, and what stock needs for it to mean anything.

A seed alone is not enough. Ops that add up in whatever order threads finish in are replaced
by deterministic ones (``tf.config.experimental.enable_op_determinism``), and so are the orders
that ``tf.data`` leaves open: the OD API reads its files in parallel and as they come
(``builders/dataset_builder.py:88``). And its input functions, which augment the images,
never learn of the seed: it maps them with ``map_with_legacy_function``
(``dataset_builder.py:212``), whose graphs do not take it over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odfreeze.errors import UsageError

__all__ = ["check_seed", "explain_missing_kernel", "make_deterministic"]

#: What NumPy's generator takes (``numpy.random.seed``).
_SEEDS = 2**32


def check_seed(seed: int | None) -> None:
    """Checks a seed without TensorFlow.

    Raises:
      UsageError: It is not in 0 to 2**32 - 1.
    """
    if seed is not None and not 0 <= seed < _SEEDS:
        raise UsageError(f"--seed is {seed}; give a number from 0 to {_SEEDS - 1}")


def make_deterministic(seed: int) -> None:
    """Makes all that follows in this process repeatable, bit for bit.

    Seeds Python, NumPy, TensorFlow and Keras, turns deterministic ops on, and hands the seed
    to the graphs of the OD API's input functions. To be called before a model or a dataset is
    made. It lasts as long as the process does.

    Args:
      seed: From 0 to 2**32 - 1.
    """
    check_seed(seed)
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    dataset = tf.compat.v1.data.Dataset
    if hasattr(dataset, "map_with_legacy_function"):
        dataset.map_with_legacy_function = _seeded(dataset.map_with_legacy_function, seed, tf)


def _seeded(stock: Callable[..., Any], seed: int, tf: Any) -> Callable[..., Any]:
    """Returns ``map_with_legacy_function`` with the seed set in the graph of what it maps."""

    def map_with_legacy_function(self: Any, map_func: Any, *args: Any, **kwargs: Any) -> Any:
        def seeded(*elements: Any) -> Any:
            tf.compat.v1.set_random_seed(seed)  # of the function's own graph: it is being traced
            return map_func(*elements)

        return stock(self, seeded, *args, **kwargs)

    return map_with_legacy_function


def explain_missing_kernel(error: BaseException) -> str | None:
    """Returns what to do about an op that has no deterministic kernel, None for another error.

    TensorFlow finds that out when the op runs, in the first step.
    """
    text = str(error)
    if type(error).__name__ != "UnimplementedError" or "eterministic" not in text:
        return None
    lines = (line.strip() for line in text.splitlines())
    said = next((line for line in lines if "eterministic" in line), "")
    cure = "train without --seed"
    if "CropAndResize" in text:
        cure += ", or set use_matmul_crop_and_resize: true in model.faster_rcnn"
    return (
        f"--seed takes deterministic ops only, and TensorFlow has not all of them: {said}; {cure}"
    )
