"""Which tensors of a checkpoint are variables of the model, and what kind each one is.

Everything else in a checkpoint (optimizer slots, hyperparameters, counters, the
object graph, metrics, tables) belongs to the training run and not to the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from odfreeze.checkpoint.bundle import Bundle
from odfreeze.variables import Variable

__all__ = ["VALUE_SUFFIX", "in_reading_order", "model_variables", "natural"]

#: How the key of every variable ends in an object-based checkpoint.
VALUE_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"

_SLOT = "/.OPTIMIZER_SLOT/"
_OPTIMIZERS = frozenset({"optimizer", "_optimizer"})
_METRICS = ("keras_api/metrics/", "_keras_api/metrics/")
_COUNTERS = frozenset({
    "step", "global_step", "save_counter", "epoch", "iter", "iterations",
    "current_loss_scale", "good_steps",
})  # fmt: skip
_STATISTICS = frozenset({
    "moving_mean", "moving_variance", "moving_stddev",
    "renorm_mean", "renorm_stddev", "renorm_mean_weight", "renorm_stddev_weight",
})  # fmt: skip
#: Parts of a TF1 name that belong to an optimizer or to moving averages (``slot_creator.py``).
_TF1_SLOT = (
    r"(?:^|/)(?:Momentum|RMSProp|RMSprop|Adam|AdamW|AdamWeightDecayOptimizer|Adamax|AdaMax|Nadam"
    r"|Adagrad|AdagradDA|Adadelta|Ftrl|SGD|LARS|LARSOptimizer|LAMB|GradientDescent"
    r"|ExponentialMovingAverage)(?:_\d+)?(?:/|$)"
)
_TF1_POWER = r"beta[12]_power(?:_\d+)?"
_DIGITS = re.compile(r"(\d{1,18})")  # more are several numbers: int() takes no thousands
_NUMBERLESS = frozenset({"string", "resource", "variant"})
_INTEGERS = frozenset({
    "int4", "int8", "int16", "int32", "int64", "uint4", "uint8", "uint16", "uint32", "uint64",
    "bool", "qint8", "qint16", "qint32", "quint8", "quint16",
})  # fmt: skip


def model_variables(
    bundle: Bundle, names: Mapping[str, str], *, by_name: bool
) -> tuple[Variable, ...]:
    """Returns the variables of the model in a checkpoint, in order.

    In an object-based checkpoint with anything below ``model/`` (what
    ``model_main_tf2`` and the model zoo write) the model is what lies there;
    elsewhere it is whatever is left without optimizers, counters and metrics.

    The order is that of the object graph with what hangs together kept together;
    of the names or paths, numbers by value, where there is no graph.

    Args:
      bundle: The index.
      names: Checkpoint key to name in the order of the graph; may be incomplete.
      by_name: Whether the checkpoint is name-based (TF1).

    Raises:
      CheckpointCorruptError: An entry cannot be decoded.
    """
    found = _of_names(bundle) if by_name else _of_objects(bundle)
    if by_name:
        ordered = sorted(found.items(), key=lambda item: natural(item[0]))
    elif names:
        in_graph = [(key, found.pop(key)) for key in names if key in found]
        ordered = in_reading_order([*in_graph, *found.items()])
    else:
        ordered = sorted(found.items(), key=lambda item: natural(item[1]))
    variables: list[Variable] = []
    for key, path in ordered:
        dtype, shape = bundle.kind(key)
        if dtype in _NUMBERLESS:
            continue
        name = path if by_name else names.get(key) or None
        layer, _, last = path.rpartition("/")
        statistic = last in _STATISTICS
        if not statistic and name is not None and not by_name:
            scope, _, tail = name.rpartition("/")
            statistic = tail in _STATISTICS
            if last.isdigit():  # a bare list of variables, as in some SavedModels
                layer = scope
        learns = not statistic and dtype not in _INTEGERS
        variables.append(
            Variable(name, path, shape, dtype, learns, statistic, layer, len(variables))
        )
    return tuple(variables)


def natural(text: str) -> list[str | int]:
    """Returns a sort key with numbers by value, so that ``block_2`` precedes ``block_10``.

    >>> sorted(["b/10", "b/2"], key=natural)
    ['b/2', 'b/10']
    """
    parts: list[str | int] = list(_DIGITS.split(text))
    parts[1::2] = map(int, parts[1::2])
    return parts


def _of_objects(bundle: Bundle) -> dict[str, str]:
    """Returns checkpoint key to object path of the model's variables."""
    cut = -len(VALUE_SUFFIX)
    found = {key: key[:cut] for key in bundle if key.endswith(VALUE_SUFFIX) and _SLOT not in key}
    below_model = {key: path for key, path in found.items() if path.startswith("model/")}
    return {
        key: path
        for key, path in (below_model or found).items()
        if ("ptimizer" not in path or _OPTIMIZERS.isdisjoint(path.split("/")))
        and (below_model or not (path.startswith(_METRICS) or _is_counter(bundle, key, path)))
    }


def _of_names(bundle: Bundle) -> dict[str, str]:
    """Returns the same for a name-based checkpoint: key and path are both the name."""
    is_slot = re.compile(_TF1_SLOT).search
    return {
        key: key
        for key in bundle
        if not is_slot(key)
        and key.rpartition("/")[0] not in bundle  # a slot of an optimizer by another name
        and not _is_counter(bundle, key, key)
    }


def _is_counter(bundle: Bundle, key: str, path: str) -> bool:
    """Tells whether a value at the root counts steps or the like."""
    if "/" in path:
        return False
    if path in _COUNTERS or re.fullmatch(_TF1_POWER, path):
        return True
    dtype, shape = bundle.kind(key)
    return shape == () and dtype in _INTEGERS


def in_reading_order(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sorts so that what shares a path prefix is together, in order of first appearance.

    The graph numbers objects breadth first, which scatters the layers of a head.

    Args:
      found: Pairs of anything and an object path, in the order of the graph.
    """
    layers: dict[str, list[tuple[str, str]]] = {}
    for item in found:
        layer = item[1].rpartition("/")[0]
        if layer in layers:
            layers[layer].append(item)
        else:
            layers[layer] = [item]
    below: dict[str, list[str]] = {"": []}  # of a prefix: those one part longer
    for layer in layers:
        prefix, longer = layer, ""
        while prefix not in below:
            below[prefix] = [longer] if longer else []
            longer, prefix = prefix, prefix.rpartition("/")[0]
        if longer:
            below[prefix].append(longer)
    ordered: list[tuple[str, str]] = []
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        ordered += layers.get(prefix, ())
        waiting += reversed(below[prefix])
    return ordered
