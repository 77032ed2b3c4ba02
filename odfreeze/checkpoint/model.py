"""Which tensors of a checkpoint are variables of the model, and what kind each one is.

Everything else in a checkpoint (optimizer slots, hyperparameters, counters, the
object graph, metrics, tables) belongs to the training run and not to the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from odfreeze.checkpoint.bundle import Bundle
from odfreeze.variables import Variable

__all__ = ["VALUE_SUFFIX", "model_variables", "natural"]

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
_TF1_SLOT = re.compile(
    r"(?:^|/)(?:Momentum|RMSProp|RMSprop|Adam|AdamW|AdamWeightDecayOptimizer|Adamax|AdaMax|Nadam"
    r"|Adagrad|AdagradDA|Adadelta|Ftrl|SGD|LARS|LARSOptimizer|LAMB|GradientDescent"
    r"|ExponentialMovingAverage)(?:_\d+)?(?:/|$)"
)
_TF1_POWER = re.compile(r"beta[12]_power(?:_\d+)?")
_DIGITS = re.compile(r"(\d+)")
_NUMBERLESS = frozenset({"string", "resource", "variant"})
_INTEGERS = ("int", "uint", "bool", "qint", "quint")


#: What a variable is taken for: (checkpoint key, object path, name).
_Found = tuple[str, str, str | None]


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
    if not by_name and names:
        order = {key: position for position, key in enumerate(names)}
        found = [(key, path, names.get(key) or None) for key, path, _ in found]
        found.sort(key=lambda item: order.get(item[0], len(order)))
        found = _together(found)
    else:
        found.sort(key=lambda item: natural(item[1]))
    variables: list[Variable] = []
    for key, path, name in found:
        dtype, shape = bundle.kind(key)
        if dtype in _NUMBERLESS:
            continue
        layer, _, last = path.rpartition("/")
        if name is not None:
            scope, _, tail = name.rpartition("/")
            if last.isdigit():  # a bare list of variables, as in some SavedModels
                layer, last = scope, tail
        else:
            tail = last
        statistic = last in _STATISTICS or tail in _STATISTICS
        learns = not statistic and not dtype.startswith(_INTEGERS)
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


def _of_objects(bundle: Bundle) -> list[_Found]:
    cut = -len(VALUE_SUFFIX)
    pairs = [(key, key[:cut]) for key in bundle if key.endswith(VALUE_SUFFIX) and _SLOT not in key]
    below_model = [pair for pair in pairs if pair[1].startswith("model/")]
    found: list[_Found] = [
        (key, path, None)
        for key, path in below_model or pairs
        if "ptimizer" not in path or _OPTIMIZERS.isdisjoint(path.split("/"))
    ]
    if below_model:
        return found
    return [
        item
        for item in found
        if not item[1].startswith(_METRICS) and not _is_counter(bundle, item[0], item[1])
    ]


def _of_names(bundle: Bundle) -> list[_Found]:
    return [
        (key, key, key)
        for key in bundle
        if not _TF1_SLOT.search(key)
        and key.rpartition("/")[0] not in bundle  # a slot of an optimizer by another name
        and not _is_counter(bundle, key, key)
    ]


def _is_counter(bundle: Bundle, key: str, path: str) -> bool:
    """Tells whether a value at the root counts steps or the like."""
    if "/" in path:
        return False
    if _TF1_POWER.fullmatch(path) or path in _COUNTERS:
        return True
    dtype, shape = bundle.kind(key)
    return shape == () and dtype.startswith(_INTEGERS)


def _together(found: list[_Found]) -> list[_Found]:
    """Sorts so that what shares a path prefix is together, in order of first appearance.

    The graph numbers objects breadth first, which scatters the layers of a head.
    """
    layers: dict[str, list[_Found]] = {}
    for item in found:
        layers.setdefault(item[1].rpartition("/")[0], []).append(item)
    rank: dict[str, int] = {}
    keys: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        key = []
        prefix = ""
        for part in layer.split("/"):
            prefix = f"{prefix}/{part}"
            key.append(rank.setdefault(prefix, len(rank)))
        keys[layer] = tuple(key)
    return [item for layer in sorted(layers, key=keys.__getitem__) for item in layers[layer]]
