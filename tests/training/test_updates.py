"""A scaled variable moves as with a learning rate so scaled, whatever the optimizer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from odfreeze.errors import TrainingRefusedError
from odfreeze.training.updates import Adjustment, adjust_updates, corrects_bias
from tests.training import optimizers
from tests.training.optimizers import averaged, build, make_model, take_steps, values_of

pytestmark = pytest.mark.train

STEPS = range(6)


def trained(kind: str, rate: float, scale: float = 1.0, **how: Any) -> dict[str, Any]:
    """Returns the values after some steps; ``scale`` is that of the body."""
    model = make_model()
    optimizer, step = build(kind, rate, average=how.pop("average", False))
    averaged(optimizer, model)
    adjust_updates(
        optimizer,
        {one._unique_id: Adjustment(scale) for one in model.weights if "body" in one.name},
    )
    take_steps(model, optimizer, step, STEPS, **how)
    return values_of(model)


def parts(values: dict[str, Any], name: str) -> list[Any]:
    return [value for key, value in values.items() if name in key]


GRAPHED = ("momentum", "adam")  # tracing takes its time


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        (kind, how)
        for how in ({}, {"sparse": True}, {"average": True}, {"traced": True})
        for kind in (GRAPHED if "traced" in how else optimizers.KINDS)
    ],
    ids=lambda value: value if isinstance(value, str) else "".join(value) or "dense",
)
def test_an_eighth_is_an_eighth_of_the_rate_bit_for_bit(kind: str, how: dict[str, bool]) -> None:
    """An eighth of a float is exact, so that nothing but the scale can make a difference."""
    found, whole, part = (
        trained(kind, rate, scale, **how) for rate, scale in ((0.1, 0.125), (0.1, 1), (0.0125, 1))
    )
    for mine, its in zip(parts(found, "body"), parts(part, "body"), strict=True):
        assert mine.tobytes() == its.tobytes()
    for mine, its in zip(parts(found, "head"), parts(whole, "head"), strict=True):
        assert mine.tobytes() == its.tobytes()
    assert all(
        (a != b).any() for a, b in zip(parts(whole, "body"), parts(part, "body"), strict=True)
    )


@pytest.mark.parametrize("kind", optimizers.KINDS)
def test_a_tenth_is_a_tenth_of_the_rate_to_a_floats_precision(kind: str) -> None:
    import numpy as np

    found, part = trained(kind, 0.1, 0.1), trained(kind, 0.01)
    for mine, its in zip(parts(found, "body"), parts(part, "body"), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["rmsprop", "adam"])
def test_scaled_gradients_would_not_do_that(kind: str) -> None:
    """Why the update is scaled: these optimizers divide by the size of the gradient."""
    model = make_model()
    optimizer, step = build(kind)
    apply = optimizer.apply_gradients
    optimizer.apply_gradients = lambda pairs: apply([(0.125 * one, of) for one, of in pairs])
    take_steps(model, optimizer, step, STEPS)
    scaled, whole, part = values_of(model), trained(kind, 0.1), trained(kind, 0.0125)
    start = values_of(make_model())
    for name in whole:
        moved, fully, partly = (abs(of[name] - start[name]).sum() for of in (scaled, whole, part))
        assert abs(moved - fully) < abs(moved - partly)


@pytest.mark.parametrize("adjustments", [{}, {"one": Adjustment(1.0)}], ids=("none", "of nothing"))
def test_without_an_adjustment_the_optimizer_is_as_it_was(adjustments: dict[str, Any]) -> None:
    optimizer, _ = build("adam", average=True)
    before = {key: dict(vars(one)) for key, one in enumerate((optimizer, optimizer._optimizer))}
    adjust_updates(optimizer, adjustments)
    assert {key: vars(one) for key, one in enumerate((optimizer, optimizer._optimizer))} == before


def test_the_learning_rate_stays_what_it_was() -> None:
    model = make_model()
    optimizer, step = build("momentum")
    adjust_updates(optimizer, {one._unique_id: Adjustment(0.1) for one in model.weights})
    before = float(optimizer.learning_rate)
    take_steps(model, optimizer, step, range(1))
    step.assign(0)
    assert float(optimizer.learning_rate) == before


@pytest.mark.parametrize(
    ("kind", "does"), [("momentum", False), ("rmsprop", False), ("adam", True)]
)
def test_only_adam_depends_on_how_many_steps_there_were(kind: str, does: bool) -> None:
    assert corrects_bias(build(kind)[0]) is does
    assert corrects_bias(build(kind, average=True)[0]) is does


def test_an_optimizer_of_another_kind_is_refused() -> None:
    with pytest.raises(
        TrainingRefusedError, match="the optimizer is SimpleNamespace, which is not"
    ):
        adjust_updates(SimpleNamespace(), {"one": Adjustment(0.1)})
    adjust_updates(SimpleNamespace(), {"one": Adjustment()})
