"""The variables of a live model are those that a checkpoint of it holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odfreeze.errors import ConfigError, UsageError
from odfreeze.training.live import build_model, live_variables, save_checkpoint
from tests.training.models import CENTERNET, CONFIGS, EFFICIENTDET, SAMPLES, SSD, Built, built

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def saved_by_tensorflow(prefix: str) -> list[tuple[str, str, tuple[int, ...], str]]:
    """Name, object path, shape and dtype of what a checkpoint holds, in the graph's order."""
    import tensorflow as tf
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    reader = tf.train.load_checkpoint(prefix)
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return [
        (a.full_name, key.removesuffix(SUFFIX), tuple(shapes[key]), dtypes[key].name)
        for node in graph.nodes
        for a in node.attributes
        if (key := a.checkpoint_key) in shapes and key.startswith("model/")
    ]


def as_saved(live: Any) -> list[tuple[str | None, str, tuple[int, ...], str]]:
    return [
        (r.name, r.object_path, r.shape, r.dtype) for r in (variable.record for variable in live)
    ]


@pytest.fixture(params=SAMPLES, ids=lambda name: name.partition("_")[0])
def model(request: pytest.FixtureRequest) -> Built:
    return built(request.param)


class TestAgainstTheCheckpoint:
    def test_names_paths_shapes_and_dtypes_are_those_tensorflow_wrote(self, model: Built) -> None:
        assert as_saved(model.live) == saved_by_tensorflow(model.prefix)

    def test_records_are_those_that_odfreeze_reads_from_the_checkpoint(self, model: Built) -> None:
        from odfreeze.checkpoint import Checkpoint

        def by_path(records: Any) -> dict[str, Any]:
            return {r.object_path: dataclasses.replace(r, order=0) for r in records}

        with Checkpoint.open(model.prefix) as checkpoint:
            assert by_path(checkpoint.variables) == by_path(model.records)

    def test_the_variable_is_the_one_whose_value_was_written(self, model: Built) -> None:
        import numpy as np
        import tensorflow as tf

        reader = tf.train.load_checkpoint(model.prefix)
        for one in model.live[::7]:
            written = reader.get_tensor(one.record.object_path + SUFFIX)
            np.testing.assert_array_equal(one.value.numpy(), written)


class TestRecords:
    def test_every_variable_of_the_model_is_listed_once(self, model: Built) -> None:
        assert sorted(id(one.value) for one in model.live) == sorted(map(id, model.model.variables))

    def test_trainable_are_those_the_model_calls_so(self, model: Built) -> None:
        listed = {id(one.value) for one in model.live if one.record.trainable}
        assert listed == {id(value) for value in model.model.trainable_variables}

    def test_statistics_are_the_moving_ones_of_batch_norm_layers(self, model: Built) -> None:
        owners = [one.owner for one in model.live if one.record.statistic]
        expected = [
            one for one in model.live if (one.record.name or "").split("/")[-1][:7] == "moving_"
        ]
        assert len(owners) == len(expected) > 0
        assert all(hasattr(owner, "gamma") and hasattr(owner, "epsilon") for owner in owners)

    def test_the_owner_is_the_layer_that_holds_the_variable(self, model: Built) -> None:
        for one in model.live:
            assert id(one.value) in map(id, vars(one.owner).values())

    def test_the_loss_creates_no_further_variable(self) -> None:
        import tensorflow as tf

        model = built(CENTERNET).model
        before = len(model.variables)

        def loss(images: Any) -> Any:
            model.provide_groundtruth(
                groundtruth_boxes_list=[tf.constant([[0.1, 0.1, 0.6, 0.6]])],
                groundtruth_classes_list=[tf.one_hot([0], model.num_classes)],
                groundtruth_weights_list=[tf.ones([1])],
            )
            preprocessed, shapes = model.preprocess(images)
            return model.loss(model.predict(preprocessed, shapes), shapes)

        tf.function(loss).get_concrete_function(tf.TensorSpec([1, 64, 64, 3]))
        assert len(model.variables) == before


def test_a_second_model_has_the_names_of_a_first_one() -> None:
    """Keras would call its layers …_1, and the patterns for them would match nothing."""
    names = [[one.record.name for one in live_variables(build_model(CONFIGS / SSD))] for _ in "ab"]
    assert names[0] == names[1]
    assert any(
        name.startswith("ssd_mobile_net_v2_fpn_keras_feature_extractor/") for name in names[0]
    )


#: A tree of trackables: None is a new variable, an int an earlier one again.
_TREES = st.recursive(
    st.none() | st.integers(0, 3),
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b/c", "d.e", "f", "moving_mean"]), child, max_size=3
        )
    ),
    max_leaves=8,
)


class TestAnyTrackable:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(tree=st.dictionaries(st.sampled_from(["x", "y", "z"]), _TREES, max_size=3))
    def test_object_paths_are_the_savers(self, tree: dict[str, Any], tmp_path_factory: Any) -> None:
        import tensorflow as tf

        made: list[Any] = []

        def grow(node: Any) -> Any:
            if isinstance(node, list):
                return [grow(child) for child in node]
            if isinstance(node, dict):
                return {name: grow(child) for name, child in node.items()}
            if node is not None and node < len(made):
                return made[node]
            made.append(
                tf.Variable(float(len(made)), name=f"v{len(made)}", trainable=len(made) % 2)
            )
            return made[-1]

        root = tf.Module()
        for name, node in tree.items():
            setattr(root, name, grow(node))
        prefix = save_checkpoint(root, tmp_path_factory.mktemp("tree") / "ckpt-0")
        live = live_variables(root)
        assert as_saved(live) == saved_by_tensorflow(prefix)
        assert [one.record.trainable for one in live] == [one.value.trainable for one in live]

    def test_a_mirrored_variable_is_one_variable(self, tmp_path: Path) -> None:
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
            layers = [tf.keras.layers.Conv2D(4, 3), tf.keras.layers.BatchNormalization()]
            model = tf.keras.Sequential([tf.keras.Input([8, 8, 3]), *layers])
            live = live_variables(model)
        assert all(len(one.value.values) == 1 for one in live)
        assert as_saved(live) == saved_by_tensorflow(save_checkpoint(model, tmp_path / "ckpt-0"))
        assert [one.record.trainable for one in live] == [True, True, True, True, False, False]
        assert [one.record.statistic for one in live] == [False, False, False, False, True, True]


class TestSaveCheckpoint:
    def test_holds_the_model_and_a_save_counter_and_nothing_else(self) -> None:
        import tensorflow as tf

        keys = tf.train.load_checkpoint(built(SSD).prefix).get_variable_to_shape_map()
        others = {key for key in keys if not key.startswith("model/")}
        assert others == {"_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter" + SUFFIX}

    def test_has_a_state_file_that_names_it(self) -> None:
        import tensorflow as tf

        prefix = built(SSD).prefix
        assert tf.train.latest_checkpoint(str(Path(prefix).parent)) == prefix

    def test_the_prefix_must_end_in_a_number(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="ends in -NUMBER, as ckpt-0 does, not 'model'"):
            save_checkpoint(None, tmp_path / "model")
        assert not list(tmp_path.iterdir())


class TestBuildModel:
    def test_takes_the_text_of_a_config_too(self) -> None:
        with pytest.raises(
            ConfigError, match=r"the given text is no pipeline.config: .*num_clases"
        ):
            build_model("model { ssd { num_clases: 3 } }")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"cannot read .*absent\.config"):
            build_model(tmp_path / "absent.config")

    def test_what_the_od_api_refuses_is_a_config_error(self) -> None:
        text = 'model { ssd { feature_extractor { type: "no_such" } } }'
        with pytest.raises(
            ConfigError, match="the OD API cannot build the model of the given text"
        ):
            build_model(text)

    def test_a_real_checkpoint_has_the_same_variables(self, corpus: Path) -> None:
        from odfreeze.checkpoint import Checkpoint

        mine = {r.object_path: (r.name, r.shape) for r in built(EFFICIENTDET).records}
        with Checkpoint.open(corpus / "checkpoints" / "efficientdet_d0_names_only") as checkpoint:
            theirs = {v.object_path: (v.name, v.shape) for v in checkpoint.variables}
        # The one place where the number of classes shows.
        classes = [path for path in mine if "_class_predictor_layers" in path]
        assert len(classes) == 3
        for path in classes:
            del mine[path], theirs[path]
        assert mine == theirs
