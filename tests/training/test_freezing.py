"""`freeze` on models of one's own: what it returns, refuses, replaces and takes back."""

from __future__ import annotations

import logging
import re

import pytest

from odfreeze.errors import PatternError, TrainingRefusedError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.training import compat, freeze
from tests.conftest import ROOT

pytestmark = pytest.mark.train

BODY = ["small/body/kernel:0", "small/body/bias:0"]
NORM = ["small/norm/gamma:0", "small/norm/beta:0"]
HEAD = ["small/head/kernel:0", "small/head/bias:0"]


@pytest.fixture(scope="module")
def tf():
    compat.prepare()
    import tensorflow

    return tensorflow


def small_model(tf, *, built=True):
    """Returns a model like the OD API's: a Keras layer that tracks layers of its own."""

    class Small(tf.keras.layers.Layer):
        def __init__(self):
            super().__init__(name="small")
            self.body = tf.keras.layers.Dense(3, name="body")
            self.norm = tf.keras.layers.BatchNormalization(name="norm")
            self.head = tf.keras.layers.Dense(2, name="head")

        def call(self, inputs, training=None):
            return self.head(self.norm(self.body(inputs), training=training))

    model = Small()
    if built:
        model(tf.ones((4, 5)))
    return model


@pytest.fixture
def model(tf):
    return small_model(tf)


def train_config(*frozen, update=()):
    from object_detection.protos import train_pb2

    return train_pb2.TrainConfig(freeze_variables=frozen, update_trainable_variables=update)


def names(variables):
    return [variable.name for variable in variables]


def moved(tf, model):
    """Returns the names of what a step of a loop of one's own changes."""
    before = {v.name: v.numpy().tobytes() for v in model.variables}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.random.normal((4, 5)), training=True) ** 2)
    learns = model.trainable_variables
    for gradient, variable in zip(tape.gradient(loss, learns), learns, strict=True):
        variable.assign_sub(0.1 * gradient)
    return {v.name for v in model.variables if v.numpy().tobytes() != before[v.name]}


def test_it_returns_what_learns_in_stocks_order(model):
    assert names(freeze(model, train_config("body", "gamma"))) == ["small/norm/beta:0", *HEAD]


def test_the_update_patterns_include_and_the_freeze_patterns_exclude(model):
    config = train_config("bias", update=["head", "body"])
    assert names(freeze(model, config)) == ["small/body/kernel:0", "small/head/kernel:0"]


def test_without_patterns_all_learns_and_the_model_is_as_it_was(model):
    kind = type(model)
    assert names(freeze(model, train_config())) == [*BODY, *NORM, *HEAD]
    assert type(model) is kind


def test_a_held_batch_norm_stands_still_though_called_in_training_mode(tf, model):
    freeze(model, train_config("body|norm"))
    assert moved(tf, model) == set(HEAD)


def test_its_statistics_follow_the_data_when_they_are_told_to(tf, model):
    freeze(model, train_config("body|norm"), frozen_batch_norm="update")
    statistics = {"small/norm/moving_mean:0", "small/norm/moving_variance:0"}
    assert moved(tf, model) == {*HEAD, *statistics}


def test_twice_is_once(tf, model):
    first = names(freeze(model, train_config("body|norm")))
    assert names(freeze(model, train_config("body|norm"))) == first
    assert moved(tf, model) == set(HEAD)


def test_other_patterns_take_the_place_of_the_first(tf, model):
    freeze(model, train_config("body|norm"))
    assert names(freeze(model, train_config("head"))) == [*BODY, *NORM]
    assert {"small/body/kernel:0", "small/norm/moving_mean:0"} <= moved(tf, model)


def test_a_config_without_patterns_takes_it_back(tf, model):
    kind = type(model)
    freeze(model, train_config("body|norm"))
    assert names(freeze(model, train_config())) == [*BODY, *NORM, *HEAD]
    assert type(model) is kind
    assert "small/norm/moving_mean:0" in moved(tf, model)


def test_stages_of_ones_own_thaw_from_the_head_down(tf, model):
    lengths = []
    for update in (["head"], ["head", "norm"], ["head", "norm", "body"]):
        lengths.append(len(freeze(model, train_config(update=update))))
        moved(tf, model)
    assert lengths == [2, 4, 6]


@pytest.mark.parametrize(
    ("patterns", "message"),
    (
        (
            ("body", "bodi"),
            "freeze_variables 'bodi' matches none of 8 variables; `odfreeze preview` shows their"
            " names (allow=['unmatched_patterns'] goes on all the same)",
        ),
        (
            ("",),
            "the patterns freeze everything: nothing would learn (allow=['all_frozen'] goes on all"
            " the same)",
        ),
    ),
    ids=("a pattern that matches nothing", "all frozen"),
)
def test_what_would_not_be_what_was_meant_is_refused(model, patterns, message):
    with pytest.raises(TrainingRefusedError) as caught:
        freeze(model, train_config(*patterns))
    assert str(caught.value) == message


def test_it_goes_on_where_that_is_meant(model):
    assert len(freeze(model, train_config("bodi"), allow=["unmatched_patterns"])) == 6
    assert freeze(model, train_config(""), allow=["all_frozen"]) == []


def test_a_refusal_leaves_what_was_frozen_before(tf, model):
    freeze(model, train_config("body|norm"))
    with pytest.raises(TrainingRefusedError):
        freeze(model, train_config("bodi"))
    assert names(model.trainable_variables) == HEAD
    assert moved(tf, model) == set(HEAD)


def test_a_pattern_that_is_none_changes_nothing(model):
    with pytest.raises(PatternError):
        freeze(model, train_config("("))
    assert len(model.trainable_variables) == 6


def test_what_can_be_allowed_is_told_by_name(model):
    with pytest.raises(UsageError, match="nothing to allow called 'all_froze'; did you mean"):
        freeze(model, train_config(), allow=["all_froze"])
    with pytest.raises(UsageError, match=r"a list of names: \['all_frozen'\]"):
        freeze(model, train_config(), allow="all_frozen")


def test_a_model_that_never_ran_is_refused_with_the_way_to_build_it(tf):
    model = small_model(tf, built=False)
    with pytest.raises(UsageError, match=r"Run it once before freeze\(\): images, shapes = "):
        freeze(model, train_config("body"))
    model(tf.ones((1, 5)))
    assert len(freeze(model, train_config("body"))) == 4


def test_a_model_of_which_a_part_never_ran_is_refused(tf, model):
    model.mask_head = tf.keras.layers.Dense(1, name="mask_head")
    with pytest.raises(UsageError, match="or not all"):
        freeze(model, train_config("body"))


def test_the_second_stage_of_a_one_stage_detector_never_runs(tf, model):
    model.box_head = tf.keras.layers.Dense(1, name="box_head")
    model._number_of_stages = 1
    assert names(freeze(model, train_config("body"))) == [*NORM, *HEAD]


@pytest.mark.parametrize("thing", (object(), None, {"model": 1}), ids=("object", "None", "dict"))
def test_what_holds_no_patterns_is_no_config(model, thing):
    with pytest.raises(UsageError, match="is no config that holds freeze_variables"):
        freeze(model, thing)


def test_what_has_no_variables_is_no_model():
    with pytest.raises(UsageError, match="a dict is no detection model"):
        freeze({}, train_config("body"))


def test_it_says_what_learns(model, caplog):
    with caplog.at_level(logging.INFO, logger="odfreeze"):
        freeze(model, train_config("body|norm"))
    assert caplog.messages == [
        "trainable 2 variables (8 parameters), frozen 4 (24), held 2 (6)",
    ]


# --- a detection model, as in the OD API's few-shot tutorial ---


@pytest.fixture(scope="module")
def configs(tf):
    from object_detection.utils import config_util

    return config_util.get_configs_from_pipeline_file(str(ROOT / "sample_configs" / "demo.config"))


@pytest.fixture(scope="module")
def detector(tf, configs):
    from object_detection.builders import model_builder

    tf.keras.backend.reset_uids()
    model = model_builder.build(configs["model"], is_training=True)
    with pytest.raises(UsageError, match="Run it once before"):
        freeze(model, configs["train_config"])
    images, shapes = model.preprocess(tf.zeros([1, 96, 96, 3]))
    model.predict(images, shapes)
    return model


FROZEN = "^(bn_)?Conv|^expanded_conv_|^block_[0-9]+_"


def forms(configs, form):
    """Returns the demo's config with the backbone frozen, in each form that is taken."""
    from object_detection.protos import pipeline_pb2

    configs["train_config"].freeze_variables[:] = [FROZEN]
    if form == "TrainConfig":
        return configs["train_config"]
    if form == "dict":
        return configs
    pipeline = pipeline_pb2.TrainEvalPipelineConfig(
        model=configs["model"], train_config=configs["train_config"]
    )
    if form == "TrainEvalPipelineConfig":
        return pipeline
    path = ROOT / "sample_configs" / "demo.config"
    return PipelineConfig.read(path).with_changes(freeze_variables=[FROZEN])


@pytest.mark.parametrize("form", ("TrainConfig", "dict", "TrainEvalPipelineConfig", "ours"))
def test_every_form_of_a_config_selects_the_same(detector, configs, form):
    assert len(freeze(detector, forms(configs, form))) == 76
    assert len(detector.trainable_variables) == 76


def test_a_step_of_a_loop_of_ones_own_moves_what_learns_and_nothing_else(tf, detector, configs):
    learns = freeze(detector, forms(configs, "dict"))
    optimizer = tf.keras.optimizers.SGD(0.5, momentum=0.9)
    still = [v for v in detector.variables if re.search(FROZEN, v.name)]
    before = [v.numpy() for v in still], [v.numpy() for v in learns]

    detector.provide_groundtruth(
        groundtruth_boxes_list=[tf.constant([[0.2, 0.2, 0.6, 0.6]])],
        groundtruth_classes_list=[tf.one_hot([0], detector.num_classes)],
    )
    with tf.GradientTape() as tape:
        images, shapes = detector.preprocess(tf.random.uniform([1, 96, 96, 3], maxval=255))
        losses = detector.loss(detector.predict(images, shapes), shapes)
        loss = tf.add_n(list(losses.values()))
    optimizer.apply_gradients(zip(tape.gradient(loss, learns), learns, strict=True))

    assert len(still) == 156 + 104
    assert all((v.numpy() == was).all() for v, was in zip(still, before[0], strict=True))
    assert any((v.numpy() != was).any() for v, was in zip(learns, before[1], strict=True))
    assert len(optimizer.variables()) == 1 + len(learns)
