"""What a training step reaches: seen while stock traces its first one, and kept for verify.

Nothing of the step is changed. For the time of the first block of steps two things are looked
at on their way: what the optimizer is given, where a variable on which the loss does not depend
comes with None for a gradient; and which of the batch norm layers whose statistics update run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from odfreeze.runs.record import read_record
from odfreeze.runs.unreached import Unreached, write_unreached

if TYPE_CHECKING:
    from odfreeze.training.enforce import Enforcement

__all__ = ["ReachWatch", "keep_unreached"]

#: Stands for the attribute of an object that has none of its own, only its class's.
_NONE = object()


class ReachWatch:
    """Watches, from its making until `stop`, what training reaches.

    Args:
      optimizer: The run's, before it has applied anything.
      enforcement: What was decided for the run's model.
    """

    def __init__(self, optimizer: Any, enforcement: Enforcement) -> None:
        self._enforcement = enforcement
        self._given: set[int] = set()
        self._reached: set[int] = set()
        self._ran: set[int] = set()
        self._undo: list[Callable[[], None]] = []
        if "trainable" in enforcement.selection.states:
            self._replace(optimizer, "apply_gradients", self._watched_apply)
        for layer in self._updating_layers():
            self._replace(layer, "call", functools.partial(self._watched_call, layer))

    def stop(self) -> Unreached:
        """Ends the watch, leaves everything as it was, and returns what was not reached."""
        while self._undo:
            self._undo.pop()()
        without, never = [], []
        states = self._enforcement.selection.states
        for one, state in zip(self._enforcement.live, states, strict=True):
            number, path = id(one.value), one.record.object_path
            if state == "trainable" and number in self._given and number not in self._reached:
                without.append(path)
            elif state == "updating" and one.record.statistic and id(one.owner) not in self._ran:
                never.append(path)
        return Unreached(frozenset(without), frozenset(never))

    def _updating_layers(self) -> list[Any]:
        pairs = zip(self._enforcement.live, self._enforcement.selection.states, strict=True)
        layers = {
            id(one.owner): one.owner
            for one, state in pairs
            if state == "updating" and one.record.statistic
        }
        return [layer for layer in layers.values() if callable(getattr(layer, "call", None))]

    def _watched_apply(self, stock: Callable[..., Any]) -> Callable[..., Any]:
        def apply_gradients(grads_and_vars: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
            pairs = list(grads_and_vars)
            self._given.update([id(variable) for _, variable in pairs])
            self._reached.update([id(variable) for given, variable in pairs if given is not None])
            return stock(pairs, *args, **kwargs)

        return apply_gradients

    def _watched_call(self, layer: Any, stock: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._ran.add(id(layer))
            return stock(*args, **kwargs)

        return call

    def _replace(
        self, home: Any, name: str, watched: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        own = vars(home).get(name, _NONE)
        object.__setattr__(home, name, watched(getattr(home, name)))
        if own is _NONE:
            self._undo.append(functools.partial(object.__delattr__, home, name))
        else:
            self._undo.append(functools.partial(object.__setattr__, home, name, own))


def keep_unreached(found: Unreached, model_dir: str) -> None:
    """Writes what a run does not reach beside its record."""
    write_unreached(found, model_dir, read_record(model_dir).created)
