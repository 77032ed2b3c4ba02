"""Runs in a process of its own: rates and carried slots on the two replicas of a strategy.

TensorFlow takes logical devices only before it is used first. Prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from odfreeze.stages.conduct import Rate
from odfreeze.training import compat
from odfreeze.training.carry import carry_slots
from odfreeze.training.rates import apply_rates, rate_live
from odfreeze.training.replicas import copies
from tests.training.optimizers import averaged, build, enforcement_of, make_model, save, take_steps

EIGHTH = (Rate("^body/", 0.125),)


def main(folder: Path) -> dict[str, Any]:
    compat.prepare()
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy()
    found: dict[str, Any] = {"replicas": strategy.num_replicas_in_sync}
    with strategy.scope():
        for kind, average in (("momentum", False), ("adam", True)):
            found[kind] = {
                "scaled": _trained(kind, average, 0.1, EIGHTH),
                "whole": _trained(kind, average, 0.1),
                "an eighth": _trained(kind, average, 0.0125),
                **_carried(kind, average, folder / kind),
            }
    return found


def _trained(
    kind: str, average: bool, rate: float, rates: tuple[Rate, ...] = ()
) -> dict[str, list[str]]:
    """Returns the bytes of each copy of each variable after some steps."""
    model = make_model()
    optimizer, step = build(kind, rate, average=average)
    averaged(optimizer, model)
    enforcement = enforcement_of(model)
    apply_rates(optimizer, enforcement, rate_live(enforcement, rates, {}))
    take_steps(model, optimizer, step, range(3), traced=True)
    return _values(model.weights)


def _carried(kind: str, average: bool, folder: Path) -> dict[str, Any]:
    """Returns two steps of an optimizer that goes on, and of one that takes over its slots."""
    import tensorflow as tf

    model = make_model()
    optimizer, step = build(kind, average=average)
    averaged(optimizer, model)
    take_steps(model, optimizer, step, range(3), traced=True)
    prefix = save(model, optimizer, folder / "ckpt-3")

    other = make_model()
    taking, its_step = build(kind, average=average)
    averaged(taking, other)
    tf.train.Checkpoint(model=other).restore(prefix).expect_partial()
    run: Any = SimpleNamespace(
        resumed=False, is_chief=True, fine_tune_checkpoint=prefix,
        checkpoint=SimpleNamespace(optimizer=taking),
    )  # fmt: skip
    enforcement = enforcement_of(other)
    ids = {id(one.value) for one in enforcement.live}
    found = carry_slots(run, enforcement, ids, wanted=True, model_dir=str(folder / "next"))
    apply_rates(taking, enforcement, rate_live(enforcement, (), {}), found)
    its_step.assign(3)
    for of, by, at in ((model, optimizer, step), (other, taking, its_step)):
        take_steps(of, by, at, range(3, 5), traced=True)
    return {
        "slots": found.slots if found else 0,
        "going on": _values(model.weights),
        "taking over": _values(other.weights),
    }


def _values(variables: Any) -> dict[str, list[str]]:
    return {
        one.name: [copy.read_value().numpy().tobytes().hex() for copy in copies(one)]
        for one in variables
    }


if __name__ == "__main__":
    print("FOUND " + json.dumps(main(Path(sys.argv[1]))))
