"""Runs in a process of its own: what is done for the replicas of a strategy, on three of them.

TensorFlow takes logical devices only before it is used first. Prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from odfreeze.errors import OdfreezeError
from odfreeze.runs.verify_workers import verify_alone
from odfreeze.runs.workers import read_workers
from odfreeze.selection import Pattern
from odfreeze.training import compat, workers
from odfreeze.training.enforce import Enforcement, apply_selection, lift_selection, select_live
from odfreeze.training.replicas import copies, value_bytes
from odfreeze.training.request import TrainingRequest
from odfreeze.training.slots import settle_slots

REPLICAS = 3
FROZEN = "^(body|norm)/"


def main(folder: Path) -> dict[str, Any]:
    compat.prepare()
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * REPLICAS,
    )
    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        model = _model(tf)
        enforcement = select_live(model, [Pattern("freeze_variables", FROZEN)])
        start = _held(enforcement)
        found: dict[str, Any] = {
            "replicas": strategy.num_replicas_in_sync,
            "states": {
                one.record.name: state
                for one, state in zip(enforcement.live, enforcement.selection.states, strict=True)
            },
            "copies": [len(copies(one.value)) for one in enforcement.live],
            "saved by stock": _saved_like(tf, model, folder / "stock", start),
        }
        apply_selection(model, enforcement)
        found["saved when held"] = _saved_like(tf, model, folder / "held", start)
        lift_selection(model)
        found["saved when lifted"] = _saved_like(tf, model, folder / "lifted", start)
        apply_selection(model, enforcement)
        found["alone"] = _alone(tf, strategy, model, enforcement, folder / "run", start)
        found["others"] = _others(enforcement, folder / "others")
        found["averages"] = _averages(tf, strategy, model, enforcement)
    return found


def _model(tf: Any) -> Any:
    """A body with a norm and a head with one, its statistics such as training leaves behind."""
    import numpy as np

    model = tf.keras.Sequential(
        [
            tf.keras.layers.Dense(8, name="body", input_shape=(4,)),
            tf.keras.layers.BatchNormalization(name="norm"),
            tf.keras.layers.Dense(1, name="head"),
            tf.keras.layers.BatchNormalization(name="head_norm"),
        ]
    )
    numbers = np.random.default_rng(1)
    for weight in model.non_trainable_weights:
        weight.assign(numbers.random(weight.shape).astype(np.float32))
    return model


def _held(enforcement: Enforcement) -> dict[str, bytes]:
    """Returns the bytes of the first copy of each held statistic, by object path."""
    rows = zip(enforcement.live, enforcement.selection.states, strict=True)
    return {
        one.record.object_path: value_bytes(one.value) for one, state in rows if state == "held"
    }


def _saved_like(tf: Any, model: Any, prefix: Path, start: dict[str, bytes]) -> bool:
    """Saves the model; returns whether the held statistics are in the file as they were."""
    path = tf.train.Checkpoint(model=model).save(str(prefix))
    reader = tf.train.load_checkpoint(path)
    return all(
        reader.get_tensor(f"{key}/.ATTRIBUTES/VARIABLE_VALUE").tobytes() == value
        for key, value in start.items()
    )


def _alone(
    tf: Any,
    strategy: Any,
    model: Any,
    enforcement: Enforcement,
    folder: Path,
    start: dict[str, bytes],
) -> dict[str, Any]:
    """Takes steps as stock does, then changes one replica's copy and lets that be found."""
    run = SimpleNamespace(is_chief=True, step=0)
    request = TrainingRequest("a.config", str(folder), 2)
    mine = workers.Workers(request, enforcement, run)
    given: list[list[str]] = []
    for _ in range(2):
        _step(tf, strategy, model, enforcement, given)
    run.step = 2
    mine.at_end(run)
    (kept,) = read_workers(folder)
    found = {
        "given to the optimizer": given,
        "ok": verify_alone(folder).ok,
        "held as at the start": _held(enforcement) == start,
        "own statistics": [len(set(one.end)) for one in kept.variables if one.state == "updating"],
    }
    frozen = next(iter(enforcement.values("frozen")))
    copies(frozen)[1].assign_add(tf.ones_like(copies(frozen)[1]))
    mine.at_end(run)
    verification = verify_alone(folder)
    found["tampered"] = {"ok": verification.ok, "reasons": verification.reasons}
    copies(frozen)[1].assign(copies(frozen)[0].read_value())
    return found


def _step(
    tf: Any, strategy: Any, model: Any, enforcement: Enforcement, given: list[list[str]]
) -> None:
    """One step on every replica, each with a batch of its own."""

    def step() -> None:
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(tf.ones([2, 4]) * (replica + 1.0), training=True))
        learns = enforcement.values("trainable")
        gradients = tape.gradient(loss, learns)
        given.append([value.name for value in learns])

        def apply(_: Any, *all_gradients: Any) -> None:
            for value, gradient in zip(learns, all_gradients, strict=True):
                strategy.extended.update(
                    value, lambda v, g: v.assign_sub(0.1 * g), args=(gradient,)
                )

        summed = tf.distribute.get_replica_context().all_reduce("sum", gradients)
        tf.distribute.get_replica_context().merge_call(apply, args=tuple(summed))

    strategy.run(step)


def _averages(tf: Any, strategy: Any, model: Any, enforcement: Enforcement) -> dict[str, Any]:
    """Settles the slots of an optimizer that has them for all, and takes a step with the rest."""
    from official.modeling.optimization.ema_optimizer import ExponentialMovingAverage

    inner = tf.keras.optimizers.legacy.Adam(0.1)
    optimizer = ExponentialMovingAverage(inner)
    lift_selection(model)
    optimizer.shadow_copy(model)
    all_of_them = list(model.trainable_variables)

    def step(variables: list[Any]) -> None:
        strategy.run(
            lambda: optimizer.apply_gradients([(tf.ones_like(one), one) for one in variables])
        )

    step(all_of_them)
    before = len(inner._slots)
    apply_selection(model, enforcement)
    run = SimpleNamespace(
        checkpoint=SimpleNamespace(optimizer=optimizer), restore_status=None, step=1
    )
    settle_slots(run, enforcement)
    step(enforcement.values("trainable"))
    named = {one._unique_id: one.name.partition(":")[0] for one in all_of_them}

    def averages(state: str) -> Iterator[tuple[str, list[bytes], list[bytes]]]:
        for one in enforcement.values(state):
            average = copies(optimizer.get_slot(one, "average"))
            own, its = (
                [copy.read_value().numpy().tobytes() for copy in of]
                for of in (copies(one), average)
            )
            yield named[one._unique_id], own, its

    return {
        "slots before": before,
        "slots after": sorted(named[key] for key, own in inner._slots.items() if own),
        "of the frozen": {name: own == its for name, own, its in averages("frozen")},
        "moved": {
            name: sum(a != b for a, b in zip(own, its, strict=True))
            for name, own, its in averages("trainable")
        },
    }


def _others(enforcement: Enforcement, folder: Path) -> dict[str, Any]:
    """Lets there be a second worker, whose digests are ours but for one thing."""
    import numpy as np

    request = TrainingRequest("a.config", str(folder), 2, flags=("--checkpoint_every_n=1",))
    run = SimpleNamespace(is_chief=True, step=0)
    workers._tasks = lambda strategy: ("worker-0", "worker-1")
    found: dict[str, Any] = {}
    for name, calls in {"nothing": {}, "terms": {1: 1}, "values": {2: 4}, "end": {3: 0}}.items():
        count = 0

        def summed(tf: Any, strategy: Any, rows: Any, calls: dict[int, int] = calls) -> Any:
            nonlocal count
            count += 1
            total = np.array(rows, np.float32) * strategy.num_replicas_in_sync
            if count in calls:
                total[calls[count]] += 1
            return total

        workers._sum_over_replicas = summed
        try:
            workers.Workers(request, enforcement, run).at_end(run)
            found[name] = "agreed" if read_workers(folder)[0].agreed else "not agreed"
        except OdfreezeError as error:
            found[name] = [type(error).__name__, str(error), read_workers(folder)[0].agreed]
    return found


if __name__ == "__main__":
    print("FOUND " + json.dumps(main(Path(sys.argv[1]))), flush=True)
