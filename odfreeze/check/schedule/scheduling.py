"""Rules about the steps of a run: how many, which are kept, what a batch is shared by.

References are to tf-models-research-object-detection 2.8.0.post1. What only stock gets wrong
is said to stock alone: ``odfreeze train`` takes exactly ``num_steps`` and saves the last one.
"""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.textproto import Message

__all__ = ["BLOCK", "RULES", "steps_of", "trains", "whole_blocks"]

#: Steps that stock takes at a time (model_lib_v2.py:43, NUM_STEPS_PER_ITERATION).
BLOCK = 100
# defaults of train.proto and optimizer.proto
_BATCH_SIZE, _RMSPROP_DECAY = 32, 0.9


def trains(subject: Subject) -> bool:
    """Whether the config is one to train with: it has a train_config."""
    found = subject.occurrence("train_config")
    return found is not None and isinstance(found.value, Message)


def steps_of(subject: Subject) -> int | None:
    """Returns the steps that a run is asked for: the flag's, else the config's; None for none."""
    if subject.flags.num_train_steps is not None:
        return subject.flags.num_train_steps
    return subject.integer("train_config.num_steps") or None


def whole_blocks(steps: int) -> int:
    """Returns the steps that stock takes when it is asked for so many.

    >>> whole_blocks(250), whole_blocks(300)
    (300, 300)
    """
    return -(-steps // BLOCK) * BLOCK


def no_steps(subject: Subject) -> Iterator[Finding]:
    """ODF401: no number of steps is given, or it is 0 (model_lib_v2.py:524, 676)."""
    if subject.is_tf1 or not trains(subject) or steps_of(subject):
        return
    place = subject.place("train_config.num_steps", "train_config")
    if subject.flags.num_train_steps is not None:
        message = "--num_train_steps is 0: nothing is trained; give the steps to train"
    elif not subject.has("train_config.num_steps"):
        message = (
            "num_steps is not written in train_config: stock starts and then breaks off, since "
            "under TF2 it knows no training without an end; write num_steps"
        )
    elif subject.integer("train_config.num_steps") == 0:
        message = (
            "num_steps is 0: under TF2 that is not 'without an end', stock starts and then "
            "breaks off; write the number of steps"
        )
    else:
        return  # no number: a finding of the schema
    yield Finding("ODF401", "error", message, place)


def not_whole_blocks(subject: Subject) -> Iterator[Finding]:
    """ODF402: stock goes on to the end of a block of 100 (model_lib_v2.py:676)."""
    steps = steps_of(subject)
    if subject.is_tf1 or subject.flags.is_enforced or not steps or steps % BLOCK == 0:
        return
    message = (
        f"{_called(subject)} {steps} is no multiple of {BLOCK}: stock steps in blocks of {BLOCK} "
        f"and trains {whole_blocks(steps)}; write a multiple of {BLOCK}, or use `odfreeze train`, "
        f"which trains {steps}"
    )
    yield Finding("ODF402", "warning", message, subject.place("train_config.num_steps"))


def steps_never_saved(subject: Subject) -> Iterator[Finding]:
    """ODF403: stock saves every so many steps, and not at the end (model_lib_v2.py:711)."""
    steps = steps_of(subject)
    if subject.is_tf1 or subject.flags.is_enforced or not steps:
        return
    asked = subject.flags.checkpoint_every_n
    every, taken = max(whole_blocks(asked), BLOCK), whole_blocks(steps)
    place = subject.place("train_config.num_steps")
    rest = taken % every
    if not rest:
        return
    if taken < every:
        message = (
            f"none of the {taken} steps is ever saved: stock saves every {asked} steps and not at "
            f"the end; give it --checkpoint_every_n={taken}, or use `odfreeze train`"
        )
    else:
        message = (
            f"the last {rest} of {taken} steps are never saved: stock saves every {asked} steps "
            "and not at the end; make num_steps a multiple of --checkpoint_every_n, or use "
            "`odfreeze train`"
        )
    yield Finding("ODF403", "warning", message, place)


def batch_not_shared_evenly(subject: Subject) -> Iterator[Finding]:
    """ODF411: a batch of nothing, or one that replicas cannot share (dataset_builder.py:243)."""
    if subject.is_tf1 or not trains(subject):
        return
    place = subject.place("train_config.batch_size", "train_config")
    size = subject.integer("train_config.batch_size", _BATCH_SIZE)
    replicas = subject.flags.num_replicas
    if size == 0:
        message = "batch_size is 0: stock makes no batches and breaks off; write 1 or more"
        yield Finding("ODF411", "error", message, place)
    elif size and replicas and replicas > 1 and size % replicas:
        near = max(size // replicas, 1) * replicas
        message = (
            f"batch_size {size} cannot be shared by {replicas} replicas, which stock refuses; "
            f"batch_size is the batch of all replicas together: write a multiple of {replicas}, "
            f"such as {near}"
        )
        yield Finding("ODF411", "error", message, place)


def no_optimizer(subject: Subject) -> Iterator[Finding]:
    """ODF412: no optimizer, or one without a schedule (optimizer_builder.py:135, 194)."""
    if subject.is_tf1 or not trains(subject):
        return
    optimizer = subject.member("train_config.optimizer")
    if optimizer is None:
        message = (
            "train_config has no optimizer, which stock refuses; write one, such as optimizer { "
            "momentum_optimizer { learning_rate { cosine_decay_learning_rate { … } } } }"
        )
        place = subject.place("train_config.optimizer", "train_config")
        yield Finding("ODF412", "error", message, place)
        return
    rate = f"{optimizer.path}.learning_rate"
    if subject.member(rate) is None:
        message = (
            f"{optimizer.field.name} has no learning rate schedule, which stock refuses; write "
            "one in learning_rate, such as cosine_decay_learning_rate { … }"
        )
        yield Finding("ODF412", "error", message, subject.place(rate, optimizer.path))


def decay_is_no_discount(subject: Subject) -> Iterator[Finding]:
    """ODF409: Keras decays the learning rate by RMSprop's ``decay`` (optimizer_builder.py:114)."""
    optimizer = subject.member("train_config.optimizer")
    if subject.is_tf1 or optimizer is None or optimizer.field.name != "rms_prop_optimizer":
        return
    path = f"{optimizer.path}.decay"
    decay = subject.number(path, _RMSPROP_DECAY)
    if not decay or decay < 0:
        return
    from odfreeze.textproto import set_field

    written = f"decay: {decay:g}" if subject.has(path) else f"decay ({decay:g} where not written)"
    message = (
        f"TF2 takes {written} of rms_prop_optimizer for a decay of the learning rate: step n is "
        f"taken with 1 / (1 + {decay:g} n) of it, step 100 with 1/{1 + decay * 100:.0f}; write "
        "decay: 0.0, which leaves the discount of RMSprop at 0.9"
    )
    # Keras' own discount is 0.9, the field's default: then nothing of what was meant is lost.
    edits = set_field(subject.config.document, path, 0.0) if decay == _RMSPROP_DECAY else ()
    yield Finding("ODF409", "warning", message, subject.place(path, optimizer.path), edits)


def averages_unused(subject: Subject) -> Iterator[Finding]:
    """ODF417: moving averages are kept, and only an evaluation could use them."""
    if subject.is_tf1 or subject.member("train_config.optimizer") is None:
        return
    path = "train_config.optimizer.use_moving_average"
    if not subject.flag(path, True) or subject.flag("eval_config.use_moving_averages"):
        return
    written = "is true" if subject.has(path) else "is true where it is not written"
    message = (
        f"use_moving_average {written}: averages of all weights are kept and saved, and neither "
        "evaluation (eval_config.use_moving_averages) nor export uses them; write "
        "use_moving_average: false"
    )
    yield Finding("ODF417", "info", message, subject.place(path, "train_config.optimizer"))


def _called(subject: Subject) -> str:
    return "num_steps" if subject.flags.num_train_steps is None else "--num_train_steps"


RULES = (
    no_steps, not_whole_blocks, steps_never_saved, decay_is_no_discount, batch_not_shared_evenly,
    no_optimizer, averages_unused,
)  # fmt: skip
