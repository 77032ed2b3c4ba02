"""Freezing on a live model: what it trains, what its batch norm layers do, what is refused."""

from __future__ import annotations

import pytest

from odfreeze.errors import SelectionMismatchError
from odfreeze.selection import Pattern
from odfreeze.training.enforce import (
    apply_selection,
    compare_states,
    hold,
    lift_selection,
    release,
    select_live,
)
from tests.training.runs import BACKBONE

pytestmark = pytest.mark.train


def small_model(tf, *, norm=None):
    """Returns a model like the OD API's: a Keras layer that tracks layers of its own."""

    class Small(tf.keras.layers.Layer):
        def __init__(self):
            super().__init__(name="small")
            self.body = tf.keras.layers.Dense(3, name="body")
            self.norm = norm or tf.keras.layers.BatchNormalization(name="norm")
            self.head = tf.keras.layers.Dense(2, name="head")

        def call(self, inputs, training=None):
            return self.head(self.norm(self.body(inputs), training=training))

    model = Small()
    model(tf.ones((4, 5)))
    return model


@pytest.fixture(scope="module")
def tf():
    from odfreeze.training import compat

    compat.prepare()
    import tensorflow

    return tensorflow


def train_one_step(tf, model):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.random.normal((4, 5)), training=True) ** 2)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, variables)
    for gradient, variable in zip(gradients, variables, strict=True):
        variable.assign_sub(0.1 * gradient)


def snapshot(model):
    return {variable.name: variable.numpy().tobytes() for variable in model.variables}


def test_only_what_the_selection_trains_is_given_to_the_tape(tf):
    model = small_model(tf)
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "body|norm")]))
    names = [variable.name for variable in model.trainable_variables]
    assert names == ["small/head/kernel:0", "small/head/bias:0"]


def test_stock_order_of_the_variables_is_kept(tf):
    model = small_model(tf)
    stock = [variable.name for variable in model.trainable_variables]
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "norm/gamma")]))
    now = [variable.name for variable in model.trainable_variables]
    assert now == [name for name in stock if "gamma" not in name]


def test_a_model_of_which_nothing_is_frozen_is_left_as_it_is(tf):
    model = small_model(tf)
    kind, call = type(model), model.norm.call
    apply_selection(model, select_live(model, []))
    assert type(model) is kind
    assert model.norm.call == call


def batch_norms(tf):
    from object_detection.core.freezable_batch_norm import FreezableBatchNorm

    return {
        "freezable": FreezableBatchNorm(name="norm"),
        "freezable, training given": FreezableBatchNorm(training=True, name="norm"),
        "keras": tf.keras.layers.BatchNormalization(name="norm"),
        "keras v1": tf.compat.v1.keras.layers.BatchNormalization(name="norm"),
        "synchronized": tf.keras.layers.BatchNormalization(synchronized=True, name="norm"),
        "synchronized, experimental": tf.keras.layers.experimental.SyncBatchNormalization(
            name="norm"
        ),
    }


KINDS = (
    "freezable",
    "freezable, training given",
    "keras",
    "keras v1",
    "synchronized",
    "synchronized, experimental",
)


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_a_frozen_batch_norm_stand_still(tf, kind):
    model = small_model(tf, norm=batch_norms(tf)[kind])
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "body|norm")]))
    before = snapshot(model)
    train_one_step(tf, model)
    after = snapshot(model)
    assert {name for name in before if before[name] != after[name]} == {
        "small/head/kernel:0",
        "small/head/bias:0",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_they_move_when_they_are_told_to_update(tf, kind):
    model = small_model(tf, norm=batch_norms(tf)[kind])
    patterns = [Pattern("freeze_variables", "body|norm")]
    apply_selection(model, select_live(model, patterns, frozen_batch_norm="update"))
    before = snapshot(model)
    train_one_step(tf, model)
    after = snapshot(model)
    moved = {name for name in before if before[name] != after[name]}
    assert "small/norm/moving_mean:0" in moved
    assert "small/norm/gamma:0" not in moved


def test_holding_twice_is_holding_once(tf):
    layer = tf.keras.layers.BatchNormalization()
    hold(layer)
    call = layer.call
    hold(layer)
    assert layer.call is call


def test_what_is_frozen_is_not_watched_by_a_tape(tf):
    model = small_model(tf)
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "body|norm")]))
    with tf.GradientTape() as tape:
        model(tf.ones((4, 5)), training=True)
    watched = [variable.name for variable in tape.watched_variables()]
    assert watched == ["small/head/kernel:0", "small/head/bias:0"]


def test_a_lifted_selection_leaves_the_model_as_it_was_built(tf):
    model = small_model(tf)
    kind, call = type(model), model.norm.call
    stock = [variable.name for variable in model.trainable_variables]
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "body|norm")]))
    lift_selection(model)
    assert type(model) is kind
    assert model.norm.call == call
    assert [variable.name for variable in model.trainable_variables] == stock
    before = snapshot(model)
    train_one_step(tf, model)
    after = snapshot(model)
    assert {name for name in before if before[name] == after[name]} == set()


def test_a_second_selection_takes_the_place_of_the_first(tf):
    model = small_model(tf)
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "body|norm")]))
    lift_selection(model)
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "head")]))
    before = snapshot(model)
    train_one_step(tf, model)
    after = snapshot(model)
    assert {name for name in before if before[name] == after[name]} == {
        "small/head/kernel:0",
        "small/head/bias:0",
    }


def test_a_call_of_the_layer_s_own_is_given_back(tf):
    layer = tf.keras.layers.BatchNormalization()
    own = object.__getattribute__(layer, "call")
    object.__setattr__(layer, "call", own)
    hold(layer)
    release(layer)
    assert layer.call is own


def test_a_variable_made_after_the_selection_stops_the_run(tf):
    model = small_model(tf)
    apply_selection(model, select_live(model, [Pattern("freeze_variables", "body")]))
    model.late = tf.keras.layers.Dense(1, name="late")
    model.late(tf.ones((1, 2)))
    with pytest.raises(SelectionMismatchError, match="created after the selection was made"):
        _ = model.trainable_variables


def test_a_state_that_differs_from_the_preview_is_told_with_both_sides(tf):
    model = small_model(tf)
    enforcement = select_live(model, [Pattern("freeze_variables", "body")])
    expected = {"model/body/kernel": "trainable", "elsewhere": "frozen"}
    with pytest.raises(SelectionMismatchError) as caught:
        compare_states(enforcement, expected, lambda: {"model/body/kernel": "dense/kernel"})
    assert caught.value.exit_status == 2
    assert [line.split() for line in str(caught.value).splitlines()[2:4]] == [
        ["in", "the", "checkpoint", "previewed", "in", "the", "live", "model", "now", "object",
         "path"],
        ["dense/kernel", "trainable", "small/body/kernel", "frozen", "model/body/kernel"],
    ]  # fmt: skip


def test_equal_states_pass(tf):
    model = small_model(tf)
    enforcement = select_live(model, [Pattern("freeze_variables", "body")])
    compare_states(enforcement, {"model/body/kernel": "frozen", "model/head/kernel": "trainable"})


def test_a_detection_model_gives_the_backbone_away(tf, workspace):
    from odfreeze.training.live import build_model

    model = build_model(workspace.config)
    enforcement = select_live(model, [Pattern("freeze_variables", BACKBONE)])
    apply_selection(model, enforcement)
    assert len(model.trainable_variables) == 76
    totals = {state: t.variables for state, t in enforcement.selection.totals().items()}
    assert totals == {"frozen": 156, "trainable": 76, "held": 104, "updating": 48}
