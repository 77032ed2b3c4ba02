"""What a step does not reach, seen without changing it; and EfficientDet's unused top."""

from __future__ import annotations

import pytest

from odfreeze.runs.unreached import Unreached
from odfreeze.selection import Pattern
from odfreeze.training.enforce import apply_selection, select_live
from odfreeze.training.live import build_model
from odfreeze.training.reach import ReachWatch
from tests.conftest import ROOT
from tests.training.steps import provide_groundtruth

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tf():
    from odfreeze.training import compat

    compat.prepare()
    import tensorflow

    return tensorflow


@pytest.fixture
def model(tf):
    """A model with a norm that never runs, and a layer on which the loss does not depend."""

    class Small(tf.keras.layers.Layer):
        def __init__(self):
            super().__init__(name="small")
            self.body = tf.keras.layers.Dense(3, name="body")
            self.norm = tf.keras.layers.BatchNormalization(name="norm")
            self.unused = tf.keras.layers.Dense(2, name="unused")
            self.top = tf.keras.layers.BatchNormalization(name="top")
            self.top.build((None, 3))

        def call(self, inputs, training=None):
            hidden = self.norm(self.body(inputs), training=training)
            self.unused(hidden)
            return hidden

    model = Small()
    model(tf.ones((4, 5)))
    return model


UNUSED = {"model/unused/kernel", "model/unused/bias"}
TOP = {"model/top/gamma", "model/top/beta"}
STATISTICS = {"model/top/moving_mean", "model/top/moving_variance"}


def train_step(tf, model, optimizer, *, traced):
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(tf.ones((4, 5)), training=True) ** 2)
        variables = model.trainable_variables
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 1.0)
        optimizer.apply_gradients(list(zip(gradients, variables)))  # noqa: B905 - AutoGraph's

    (tf.function(step) if traced else step)()


@pytest.mark.parametrize("traced", (True, False), ids=("traced", "eager"))
def test_what_the_loss_does_not_depend_on_and_what_never_runs(tf, model, traced):
    optimizer = tf.keras.optimizers.SGD(0.1)
    watch = ReachWatch(optimizer, select_live(model, []))
    train_step(tf, model, optimizer, traced=traced)
    assert watch.stop() == Unreached(frozenset(UNUSED | TOP), frozenset(STATISTICS))


def test_what_is_frozen_or_held_is_not_looked_at(tf, model):
    optimizer = tf.keras.optimizers.SGD(0.1)
    enforcement = select_live(model, [Pattern("freeze_variables", "(?#path)unused|top")])
    apply_selection(model, enforcement)
    watch = ReachWatch(optimizer, enforcement)
    train_step(tf, model, optimizer, traced=True)
    assert watch.stop() == Unreached()


def test_statistics_that_update_though_their_layer_is_frozen_are(tf, model):
    optimizer = tf.keras.optimizers.SGD(0.1)
    patterns = [Pattern("freeze_variables", "(?#path)unused|top|norm")]
    enforcement = select_live(model, patterns, frozen_batch_norm="update")
    apply_selection(model, enforcement)
    watch = ReachWatch(optimizer, enforcement)
    train_step(tf, model, optimizer, traced=True)
    assert watch.stop() == Unreached(frozenset(), frozenset(STATISTICS))


def test_afterwards_all_is_as_it_was(tf, model):
    optimizer = tf.keras.optimizers.SGD(0.1)
    things = (optimizer, model.norm, model.top)
    before = [dict(vars(thing)) for thing in things]
    watch = ReachWatch(optimizer, select_live(model, []))
    assert "apply_gradients" in vars(optimizer)
    watch.stop()
    assert [set(vars(thing)) for thing in things] == [set(names) for names in before]


def test_a_replaced_method_is_given_back(tf, model):
    optimizer = tf.keras.optimizers.SGD(0.1)

    def own(*args, **kwargs):
        return None

    object.__setattr__(optimizer, "apply_gradients", own)
    ReachWatch(optimizer, select_live(model, [])).stop()
    assert optimizer.apply_gradients is own


def test_a_step_that_was_never_taken_tells_nothing_of_gradients(tf, model):
    watch = ReachWatch(tf.keras.optimizers.SGD(0.1), select_live(model, []))
    assert watch.stop().without_gradient == frozenset()


# --- EfficientDet, whose backbone ends in layers that the detector does not use ---


@pytest.fixture(scope="module")
def efficientdet(tf):
    """What one step, of images of 256 pixels, does not reach: names, and by object path."""
    text = (ROOT / "sample_configs" / "efficientdet_d0_512x512.config").read_text(encoding="utf-8")
    model = build_model(text.replace("512", "256"))
    enforcement = select_live(model, [Pattern("freeze_variables", "^stem_|^stack_")])
    apply_selection(model, enforcement)
    optimizer = tf.keras.optimizers.SGD(0.001)
    watch = ReachWatch(optimizer, enforcement)
    model._is_training = True
    tf.keras.backend.set_learning_phase(True)
    provide_groundtruth(model, 256)
    with tf.GradientTape() as tape:
        images, shapes = model.preprocess(tf.random.uniform([2, 256, 256, 3], 0, 255, seed=1))
        losses = model.loss(model.predict(images, shapes), shapes)
        loss = tf.add_n(list(losses.values()))
    learns = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, learns), learns, strict=True))
    names = {one.record.object_path: one.record.name for one in enforcement.live}
    return watch.stop(), names


def test_the_top_of_its_backbone_gets_no_gradient(efficientdet):
    found, names = efficientdet
    assert {names[path] for path in found.without_gradient} == {
        "top_conv2d/kernel",
        "top_bn/gamma",
        "top_bn/beta",
        "logits/kernel",
        "logits/bias",
    }


def test_the_statistics_of_its_top_never_run(efficientdet):
    found, names = efficientdet
    assert {names[path] for path in found.never_run} == {
        "top_bn/moving_mean",
        "top_bn/moving_variance",
    }
