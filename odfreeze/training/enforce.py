"""The freezing itself: what a built detection model learns, and what stays as it is.

Three things are changed on the live model and nothing in the OD API: ``trainable_variables``
of the model gives what the selection trains, so that no gradient is taken and no optimizer
slot made for the rest; gradient tapes do not watch what is frozen, so that the layers below
the lowest one that learns are not even recorded; and batch norm layers that are held run in
inference mode, because their moving statistics are updated by the forward pass, which no
gradient filter reaches. `lift_selection` takes all three back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odfreeze.errors import SelectionMismatchError
from odfreeze.selection import FrozenBatchNorm, Pattern, Selection, select
from odfreeze.training.replicas import copies, save_one_copy

if TYPE_CHECKING:
    from odfreeze.training.live import LiveVariable
    from odfreeze.variables import Variable

__all__ = [
    "Enforcement",
    "apply_selection",
    "compare_states",
    "hold",
    "lift_selection",
    "release",
    "select_live",
]

#: Marks the ``call`` of a held layer that has none of its own, only its class's.
_HELD = object()

#: Under this name a restricted model keeps what lifts the restriction.
_LIFT = "_odfreeze_lift"


@dataclass(frozen=True, slots=True)
class Enforcement:
    """A selection on a live model.

    Attributes:
      live: The model's variables.
      selection: What was decided for them, in the same order.
    """

    live: tuple[LiveVariable, ...]
    selection: Selection

    def values(self, state: str) -> list[Any]:
        """Returns the ``tf.Variable`` objects in one state."""
        pairs = zip(self.live, self.selection.states, strict=True)
        return [live.value for live, of in pairs if of == state]


def select_live(
    detection_model: Any,
    patterns: Sequence[Pattern],
    *,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    config_holds: Callable[[Variable], bool] | None = None,
) -> Enforcement:
    """Decides, for a built detection model, what learns; changes nothing.

    Args:
      detection_model: An OD API ``DetectionModel`` whose variables exist; `lift_selection`
        first where a selection was applied before, or what it froze is no longer trainable.
      patterns: The patterns of the config.
      frozen_batch_norm: ``hold`` or ``update``, see :func:`odfreeze.selection.select`.
      config_holds: Which statistics the config itself holds, likewise.

    Returns:
      The live variables and their selection.
    """
    from odfreeze.training.live import live_variables

    live = live_variables(detection_model)
    selection = select(
        [one.record for one in live],
        patterns,
        frozen_batch_norm=frozen_batch_norm,
        config_holds=config_holds,
    )
    return Enforcement(live, selection)


def apply_selection(detection_model: Any, enforcement: Enforcement) -> None:
    """Makes the model train what the selection says, and nothing else.

    Takes the place of a selection that was applied before. Where nothing is frozen and nothing
    held the model is left exactly as it is.
    """
    lift_selection(detection_model)
    lifts: list[Callable[[], None]] = []
    for layer in _held_layers(enforcement):
        hold(layer)
        lifts.append(functools.partial(release, layer))
    for value in enforcement.values("held"):
        lifts.extend(save_one_copy(value))
    frozen = enforcement.values("frozen")
    if frozen:
        lifts.append(_restrict(detection_model, enforcement))
        for value in frozen:
            lifts.extend(_unwatch(value))
    if lifts:
        object.__setattr__(detection_model, _LIFT, lifts)


def lift_selection(detection_model: Any) -> None:
    """Takes back what `apply_selection` did to the model, if it did."""
    for lift in getattr(detection_model, _LIFT, ()):
        lift()
    if hasattr(detection_model, _LIFT):
        object.__delattr__(detection_model, _LIFT)


def hold(layer: Any) -> None:
    """Makes a batch norm layer of any class run in inference mode from now on.

    ``layer.trainable = False`` is not enough: the OD API's ``FreezableBatchNorm`` and the v1
    Keras class ignore it (``core/freezable_batch_norm.py:64``).
    """
    if getattr(layer.call, "odfreeze_held", None) is not None:
        return
    call: Callable[..., Any] = layer.call

    def held_call(inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        return call(inputs, training=False, **kwargs)

    held_call.odfreeze_held = vars(layer).get("call", _HELD)  # type: ignore[attr-defined]
    object.__setattr__(layer, "call", held_call)


def release(layer: Any) -> None:
    """Lets a layer that `hold` holds run as it did before."""
    own = getattr(layer.call, "odfreeze_held", None)
    if own is _HELD:
        object.__delattr__(layer, "call")
    elif own is not None:
        object.__setattr__(layer, "call", own)


def compare_states(
    enforcement: Enforcement,
    expected: dict[str, str],
    names: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Holds the live selection against the one that was previewed.

    Args:
      enforcement: The live selection.
      expected: State by object path, as previewed from a checkpoint. A path that only one
        side knows is no difference: a checkpoint may hold less than the model, or more.
      names: Gives, for the message, the checkpoint's names by object path.

    Raises:
      SelectionMismatchError: With both sides of every variable whose states differ.
    """
    pairs = zip(enforcement.live, enforcement.selection.states, strict=True)
    if all(expected.get(one.record.object_path, state) == state for one, state in pairs):
        return
    from odfreeze.training.drift import describe_difference

    raise SelectionMismatchError(describe_difference(enforcement.selection, expected, names()))


def _held_layers(enforcement: Enforcement) -> list[Any]:
    layers = {}
    for one, state in zip(enforcement.live, enforcement.selection.states, strict=True):
        if state == "held" and one.record.statistic:
            layers[id(one.owner)] = one.owner
    return list(layers.values())


def _unwatch(value: Any) -> Iterator[Callable[[], None]]:
    """Keeps gradient tapes from watching a variable; yields what takes it back.

    A tape watches what says that it is trainable, when it is read. Nothing else asks it of the
    variable: layers keep lists of what they train.
    """
    for variable in copies(value):
        before = variable._trainable
        variable._trainable = False
        yield functools.partial(setattr, variable, "_trainable", before)


def _restrict(detection_model: Any, enforcement: Enforcement) -> Callable[[], None]:
    """Makes ``detection_model.trainable_variables`` give the trainable ones, in stock's order.

    Returns:
      What takes it back.
    """
    kind = type(detection_model)
    known = {id(one.value) for one in enforcement.live}
    learns = {id(value) for value in enforcement.values("trainable")}

    def trainable_variables(self: Any) -> list[Any]:
        stock = kind.trainable_variables.fget(self)
        late = [v.name for v in stock if id(v) not in known]
        if late:
            raise SelectionMismatchError(
                f"{len(late)} variables were created after the selection was made, among them"
                f" {late[0]!r}; nothing can say whether they should learn. Set"
                " run_fine_tune_checkpoint_dummy_computation: true in train_config"
            )
        return [v for v in stock if id(v) in learns]

    metaclass: Any = type(kind)
    restricted = metaclass(
        kind.__name__, (kind,), {"trainable_variables": property(trainable_variables)}
    )
    object.__setattr__(detection_model, "__class__", restricted)
    return functools.partial(object.__setattr__, detection_model, "__class__", kind)
