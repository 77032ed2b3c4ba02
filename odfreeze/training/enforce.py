"""The freezing itself: what a built detection model learns, and what stays as it is.

Two things are changed on the live model and nothing in the OD API: ``trainable_variables``
of the model gives what the selection trains, so that no gradient is taken and no optimizer
slot made for the rest; and batch norm layers that are held run in inference mode, because
their moving statistics are updated by the forward pass, which no gradient filter reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odfreeze.errors import SelectionMismatchError
from odfreeze.selection import FrozenBatchNorm, Pattern, Selection, select

if TYPE_CHECKING:
    from odfreeze.training.live import LiveVariable
    from odfreeze.variables import Variable

__all__ = ["Enforcement", "apply_selection", "compare_states", "hold", "select_live"]


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
      detection_model: An OD API ``DetectionModel`` whose variables exist.
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
    """Makes the model train what the selection says.

    Where nothing is frozen and nothing held the model is left exactly as it is.
    """
    for layer in _held_layers(enforcement):
        hold(layer)
    if "frozen" in enforcement.selection.states:
        _restrict(detection_model, enforcement)


def hold(layer: Any) -> None:
    """Makes a batch norm layer of any class run in inference mode from now on.

    ``layer.trainable = False`` is not enough: the OD API's ``FreezableBatchNorm`` and the v1
    Keras class ignore it (``core/freezable_batch_norm.py:64``).
    """
    if getattr(layer.call, "odfreeze_held", False):
        return
    call: Callable[..., Any] = layer.call

    def held_call(inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        return call(inputs, training=False, **kwargs)

    held_call.odfreeze_held = True  # type: ignore[attr-defined]
    object.__setattr__(layer, "call", held_call)


def compare_states(enforcement: Enforcement, expected: dict[str, str]) -> None:
    """Holds the live selection against the one that was previewed.

    Args:
      enforcement: The live selection.
      expected: State by object path, as previewed from a checkpoint. A path that only one
        side knows is no difference: a checkpoint may hold less than the model, or more.

    Raises:
      SelectionMismatchError: With both sides of every variable whose states differ.
    """
    rows = []
    for one, state in zip(enforcement.live, enforcement.selection.states, strict=True):
        previewed = expected.get(one.record.object_path)
        if previewed is not None and previewed != state:
            rows.append(
                f"  {one.record.object_path}: previewed {previewed},"
                f" the live model ({one.record.label}) gives {state}"
            )
    if rows:
        more = [f"  … and {len(rows) - 20} more"] if len(rows) > 20 else []
        raise SelectionMismatchError(
            f"the live model does not give what was previewed for {len(rows)} variables; the names"
            " in the checkpoint are not those of the live model. Address them by object path,"
            " with patterns that begin with (?#path):\n" + "\n".join(rows[:20] + more)
        )


def _held_layers(enforcement: Enforcement) -> list[Any]:
    layers = {}
    for one, state in zip(enforcement.live, enforcement.selection.states, strict=True):
        if state == "held" and one.record.statistic:
            layers[id(one.owner)] = one.owner
    return list(layers.values())


def _restrict(detection_model: Any, enforcement: Enforcement) -> None:
    """Makes ``detection_model.trainable_variables`` give the trainable ones, in stock's order."""
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
