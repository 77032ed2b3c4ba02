"""What an optimizer keeps for variables that do not learn, with the optimizer only pretended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from odfreeze.training.enforce import Enforcement
from odfreeze.training.slots import settle_slots


class Value:
    """A variable: a number, and the key under which an optimizer knows it."""

    def __init__(self, name: str, number: float = 0.0) -> None:
        self._unique_id, self.number, self.assigned = name, number, 0

    def read_value(self) -> float:
        return self.number

    def assign(self, number: float) -> None:
        self.number, self.assigned = number, self.assigned + 1


def optimizer(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{"_slots": {}, "_deferred_slot_restorations": {}, "_weights": [], **fields}
    )


def averaging(inner: SimpleNamespace, *values: Value) -> SimpleNamespace:
    """Returns what stock wraps around an optimizer, its averages still zero."""
    averages = [Value(f"{value._unique_id}/average") for value in values]
    slots = {
        value._unique_id: {"average": one} for value, one in zip(values, averages, strict=True)
    }
    return optimizer(
        _optimizer=inner, has_shadow_copy=True, _slots=slots, _weights=list(averages),
        _model_weights=list(values), _average_weights=list(averages),
    )  # fmt: skip


def run(optimizer: SimpleNamespace, status: Any = None) -> Any:
    return SimpleNamespace(checkpoint=SimpleNamespace(optimizer=optimizer), restore_status=status)


def decided(**states: str) -> Any:
    """Returns an enforcement of values by state; its own ``values`` is what is asked."""
    values = {name: Value(name, number) for number, name in enumerate(states, 1)}
    live = tuple(SimpleNamespace(value=value) for value in values.values())
    return Enforcement(live, SimpleNamespace(states=tuple(states.values()))), values


class Status:
    """What a restore gives; tells whether it was told not to warn."""

    def __init__(self) -> None:
        self.partial = False

    def expect_partial(self) -> None:
        self.partial = True


def test_averages_of_what_does_not_learn_get_its_values_and_are_updated_no_more() -> None:
    enforcement, values = decided(a="frozen", b="trainable", c="held")
    outer = averaging(optimizer(), *values.values())
    settle_slots(run(outer), enforcement)
    numbers = {key: slots["average"].number for key, slots in outer._slots.items()}
    assert numbers == {"a": 1, "b": 0, "c": 3}
    assert outer._model_weights == [values["b"]]
    assert outer._average_weights == [outer._slots["b"]["average"]]


def test_all_averages_stay_in_the_checkpoints() -> None:
    enforcement, values = decided(a="frozen", b="trainable")
    outer = averaging(optimizer(), *values.values())
    settle_slots(run(outer), enforcement)
    assert set(outer._slots) == {"a", "b"}
    assert len(outer._weights) == 2


def test_with_nothing_frozen_nothing_is_touched() -> None:
    enforcement, values = decided(a="trainable", b="updating")
    inner = optimizer(_slots={"a": {"m": Value("a/m")}})
    outer = averaging(inner, values["a"])
    model_weights, averages = list(outer._model_weights), list(outer._average_weights)
    settle_slots(run(outer, Status()), enforcement)
    assert (outer._model_weights, outer._average_weights) == (model_weights, averages)
    assert averages[0].assigned == 0
    assert set(inner._slots["a"]) == {"m"}


def test_slots_that_another_run_left_are_dropped_of_what_is_frozen_by_now() -> None:
    enforcement, _ = decided(a="frozen", b="trainable")
    slots = {name: {"m": Value(f"{name}/m"), "v": Value(f"{name}/v")} for name in "ab"}
    weights = [one for own in slots.values() for one in own.values()]
    inner = optimizer(_slots=slots, _weights=[Value("iter"), *weights])
    status = Status()
    settle_slots(run(inner, status), enforcement)
    assert {name for name, own in inner._slots.items() if own} == {"b"}
    assert [one._unique_id for one in inner._weights] == ["iter", "b/m", "b/v"]
    assert status.partial


def test_those_that_wait_for_their_restore_wait_no_more_and_are_no_warning() -> None:
    enforcement, values = decided(a="frozen", b="trainable")
    inner = optimizer(_deferred_slot_restorations={"momentum": {"a": ["…"], "b": ["…"]}})
    outer = averaging(inner, *values.values())
    outer._deferred_slot_restorations["average"] = {"a": ["…"]}
    status = Status()
    settle_slots(run(outer, status), enforcement)
    assert inner._deferred_slot_restorations == {"momentum": {"b": ["…"]}}
    assert outer._deferred_slot_restorations == {"average": {"a": ["…"]}}
    assert status.partial


def test_a_restore_that_found_a_place_for_all_may_still_warn() -> None:
    enforcement, _ = decided(a="frozen", b="trainable")
    status = Status()
    settle_slots(run(optimizer(_slots={"b": {"m": Value("b/m")}}), status), enforcement)
    assert not status.partial


def test_an_optimizer_of_another_kind_is_left_alone() -> None:
    enforcement, _ = decided(a="frozen")
    settle_slots(run(SimpleNamespace()), enforcement)
