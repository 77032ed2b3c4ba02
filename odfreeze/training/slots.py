"""What the optimizer keeps for variables that do not learn: their average, and nothing else.

Of a run with ``use_moving_average`` (builders/optimizer_builder.py, ``build_optimizers_tf_v2``)
stock makes an average of every trainable variable before it restores anything, out of zeros
(``official/modeling/optimization/ema_optimizer.py``, ``shadow_copy``), and pulls it towards the
variable after each step. That of a frozen variable would come close to the frozen value without
ever being it; and to leave it away would be worse: evaluation with ``use_moving_averages`` makes
averages of all variables, restores those that the checkpoint has, and runs the zeros of the
rest. So the average of what does not learn is set to its value once, and never touched again. The
averages of what learns stay stock's to the bit: of their zeros 1.4 % are left after three
steps, and nothing that a float32 can tell after thirty.

In a run that goes on from another one's checkpoint, slots wait there, or come back, for variables
that are frozen by now. They are dropped: nothing would ever read them. Those that the other run
had no need of, for variables that learn by now, begin as they do in a new run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odfreeze.training.enforce import Enforcement
    from odfreeze.training.loop import RunState

__all__ = ["settle_slots"]

#: The slot in which a moving average is kept.
_AVERAGE = "average"


def settle_slots(run: RunState, enforcement: Enforcement) -> None:
    """Sets the averages of what does not learn to its values, and drops its other slots.

    To be called when all values are in place and before the first step. With nothing frozen or
    held the optimizer is left exactly as it is.

    Args:
      run: The run, its optimizer as the OD API builds it.
      enforcement: What was decided for the variables of its model.
    """
    still = [*enforcement.values("frozen"), *enforcement.values("held")]
    optimizer = run.checkpoint.optimizer
    dropped = [
        _drop_slots(one, still)
        for one in (optimizer, getattr(optimizer, "_optimizer", None))  # inside of the averaging
        if hasattr(one, "_slots")
    ]
    if any(dropped) and run.restore_status is not None:
        run.restore_status.expect_partial()  # else each of them is a warning at the end of the run
    if getattr(optimizer, "has_shadow_copy", False):
        _pin_averages(optimizer, {id(value) for value in still})


def _pin_averages(optimizer: Any, still: set[int]) -> None:
    """Gives averages their variables' values, and takes them from those that steps update."""
    pairs = list(zip(optimizer._model_weights, optimizer._average_weights, strict=True))
    moving = [(weight, average) for weight, average in pairs if id(weight) not in still]
    for weight, average in pairs:
        if id(weight) in still:
            average.assign(weight.read_value())
    # The slots stay, for the checkpoints; only the lists that each step walks become shorter.
    optimizer._model_weights = [weight for weight, _ in moving]
    optimizer._average_weights = [average for _, average in moving]


def _drop_slots(optimizer: Any, still: list[Any]) -> bool:
    """Forgets slots other than averages, those that wait for being restored among them.

    Of the optimizers that the OD API builds, all of which are Keras's older kind
    (``optimizers/legacy/optimizer_v2.py``).

    Returns:
      Whether there were any.
    """
    dropped: set[int] = set()
    any_waited = False
    for value in still:
        key = value._unique_id
        own = optimizer._slots.get(key, {})
        for name in [name for name in own if name != _AVERAGE]:
            dropped.add(id(own.pop(name)))
        for name, waiting in optimizer._deferred_slot_restorations.items():
            if name != _AVERAGE and waiting.pop(key, None):
                any_waited = True
    if dropped:
        optimizer._weights = [one for one in optimizer._weights if id(one) not in dropped]
    return any_waited or bool(dropped)
