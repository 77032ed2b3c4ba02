"""The optimizers that the OD API builds, on a model of two layers with gradients that are given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from odfreeze.training import compat
from odfreeze.training.enforce import Enforcement, select_live

RATE = "learning_rate { cosine_decay_learning_rate { BASE total_steps: 40 warmup_steps: 2 } }"
#: Texts of optimizers, their learning rate to be filled in.
KINDS = {
    "plain": "momentum_optimizer { RATE momentum_optimizer_value: 0.0 }",
    "momentum": "momentum_optimizer { RATE momentum_optimizer_value: 0.9 }",
    "rmsprop": "rms_prop_optimizer { RATE momentum_optimizer_value: 0.0 REST }",
    "rmsprop with momentum": "rms_prop_optimizer { RATE momentum_optimizer_value: 0.9 REST }",
    "adam": "adam_optimizer { RATE }",
}


def build(kind: str, rate: float = 0.1, *, average: bool = False) -> tuple[Any, Any]:
    """Returns an optimizer and the step that its learning rate follows."""
    compat.prepare()
    import tensorflow as tf
    from google.protobuf import text_format
    from object_detection.builders import optimizer_builder
    from object_detection.protos import optimizer_pb2

    base = f"learning_rate_base: {rate!r} warmup_learning_rate: {rate / 2!r}"
    text = KINDS[kind].replace("REST", "decay: 0.9 epsilon: 0.001")
    text = text.replace("RATE", RATE.replace("BASE", base))
    config = optimizer_pb2.Optimizer()
    text_format.Merge(text, config)
    config.use_moving_average = average
    first = tf.VariableAggregation.ONLY_FIRST_REPLICA
    step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)
    optimizer, _ = optimizer_builder.build(config, global_step=step)
    return optimizer, step


def make_model() -> Any:
    """Two layers, ``body`` and ``head``, with the same values every time."""
    compat.prepare()
    import numpy as np
    import tensorflow as tf

    model = tf.keras.Sequential(
        [
            tf.keras.layers.Dense(3, name="body", input_shape=(4,)),
            tf.keras.layers.Dense(2, name="head"),
        ]
    )
    numbers = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(numbers.normal(size=weight.shape).astype(np.float32))
    return model


def enforcement_of(model: Any, *patterns: Any) -> Enforcement:
    return select_live(model, patterns)


def take_steps(
    model: Any,
    optimizer: Any,
    step: Any,
    steps: range,
    *,
    sparse: bool = False,
    traced: bool = False,
    learns: str = "",
) -> None:
    """Takes steps whose gradients depend on nothing but the step and the variable's place."""
    import numpy as np
    import tensorflow as tf

    variables = [one for one in model.trainable_variables if learns in one.name]

    def take(*gradients: Any) -> None:
        given = [tf.identity(one) for one in gradients]  # each replica's own
        if sparse:  # the last row twice, so that its parts have to be summed up
            given = [_in_rows(tf, one) for one in given]
        optimizer.apply_gradients([(one, variables[at]) for at, one in enumerate(given)])
        step.assign_add(1)

    strategy = tf.distribute.get_strategy()

    def on_every_replica(*gradients: Any) -> None:
        strategy.run(take, args=gradients)

    call = tf.function(on_every_replica) if traced else take
    for number in steps:
        numbers = np.random.default_rng(number)
        every = {
            one.name: numbers.normal(size=one.shape).astype(np.float32)
            for one in model.trainable_variables
        }
        call(*[tf.constant(every[one.name]) for one in variables])


def _in_rows(tf: Any, gradient: Any) -> Any:
    rows = tf.constant([*range(gradient.shape[0]), gradient.shape[0] - 1])
    return tf.IndexedSlices(tf.gather(gradient, rows), rows, gradient.shape)


def averaged(optimizer: Any, model: Any) -> Any:
    """Makes the averages of an optimizer that has them, as stock does before the first step."""
    if hasattr(optimizer, "shadow_copy"):
        optimizer.shadow_copy(SimpleNamespace(trainable_variables=model.trainable_variables))
    return optimizer


def values_of(model: Any) -> dict[str, Any]:
    return {one.name: one.numpy() for one in model.weights}


def save(model: Any, optimizer: Any, prefix: Path) -> str:
    """Saves both as stock does; returns the prefix."""
    import tensorflow as tf

    return str(tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(prefix)))


def watch_gradients(monkeypatch: Any) -> dict[int, Any]:
    """Returns a dict that fills with the gradient that each variable was last updated with.

    By the id of the variable; for optimizers that the OD API builds from now on, run eagerly.
    """
    from object_detection import model_lib_v2

    gradients: dict[int, Any] = {}
    stock = model_lib_v2.optimizer_builder.build

    def build(*args: Any, **kwargs: Any) -> Any:
        optimizer, rates = stock(*args, **kwargs)
        apply = optimizer.apply_gradients

        def apply_gradients(pairs: Any, *args: Any, **kwargs: Any) -> Any:
            pairs = list(pairs)
            gradients.update({id(v): g.numpy() for g, v in pairs if g is not None})
            return apply(pairs, *args, **kwargs)

        optimizer.apply_gradients = apply_gradients
        return optimizer, rates

    monkeypatch.setattr(model_lib_v2.optimizer_builder, "build", build)
    return gradients
