"""What the reader says of checkpoints that TensorFlow wrote, held against TensorFlow itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.checkpoint.graph import GRAPH_KEY, object_paths
from odfreeze.checkpoint.model import VALUE_SUFFIX

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tf() -> Any:
    return pytest.importorskip("tensorflow")


@pytest.fixture
def clean(tf: Any) -> Iterator[None]:
    tf.keras.backend.clear_session()
    yield
    tf.keras.backend.clear_session()


def held_against_tensorflow(tf: Any, path: Path | str) -> Checkpoint:
    """Checks keys, shapes, dtypes and value bytes of everything in a checkpoint."""
    checkpoint = Checkpoint.open(path)
    reader = tf.train.load_checkpoint(checkpoint.path)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    entries = checkpoint.entries
    assert {k: list(e.shape) for k, e in entries.items()} == shapes
    assert {k: e.dtype for k, e in entries.items()} == {k: d.name for k, d in dtypes.items()}
    for key, entry in entries.items():
        value = reader.get_tensor(key)
        if entry.dtype == "string":
            flat = [value] if isinstance(value, bytes) else list(value.ravel())
            assert list(checkpoint.strings(key)) == flat, key
        else:
            raw = value.tobytes() if hasattr(value, "tobytes") else bytes(value)
            assert bytes(checkpoint.read(key)) == raw, key
            assert b"".join(checkpoint.chunks(key, 100)) == raw, key
    return checkpoint


def names_by_tensorflow(tf: Any, prefix: str) -> dict[str, str]:
    """Returns checkpoint key to name from TensorFlow's own parsing of the object graph."""
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(tf.train.load_checkpoint(prefix).get_tensor(GRAPH_KEY))
    return {a.checkpoint_key: a.full_name for node in graph.nodes for a in node.attributes}


def small_model(tf: Any) -> Any:
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.Conv2D(4, 3, name="block_1_conv", use_bias=False),
        layers.BatchNormalization(name="block_1_BN"),
        layers.Flatten(),
        layers.Dense(3, name="head"),
    ])  # fmt: skip


def trained(tf: Any, optimizer: Any) -> Any:
    model = small_model(tf)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.random.normal([2, 8, 8, 3]), training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return model


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "momentum with slots": lambda tf: tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9),
    "adam with slots": lambda tf: tf.keras.optimizers.legacy.Adam(0.1),
    "adam of Keras 2.11": lambda tf: tf.keras.optimizers.Adam(0.1),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.usefixtures("clean")
def test_training_checkpoint(tf: Any, tmp_path: Path, make: Callable[[Any], Any]) -> None:
    optimizer = make(tf)
    model = trained(tf, optimizer)
    step = tf.Variable(7, dtype=tf.int64, name="global_step")
    saved = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    prefix = saved.save(str(tmp_path / "ckpt"))

    checkpoint = held_against_tensorflow(tf, prefix)
    assert checkpoint.format == "object"
    assert checkpoint.names_missing == ""
    assert checkpoint.step == 7
    live = {v.name.removesuffix(":0"): v for v in model.variables}
    assert [v.name for v in checkpoint.variables] == [
        "block_1_conv/kernel", "block_1_BN/gamma", "block_1_BN/beta", "block_1_BN/moving_mean",
        "block_1_BN/moving_variance", "head/kernel", "head/bias",
    ]  # fmt: skip
    for variable in checkpoint.variables:
        twin = live[variable.name or ""]
        assert variable.shape == tuple(twin.shape)
        assert variable.trainable == twin.trainable
        assert variable.statistic == (not twin.trainable)
        assert bytes(checkpoint.read(variable)) == twin.numpy().tobytes()


@pytest.mark.usefixtures("clean")
def test_names_and_paths_are_those_of_the_object_graph(tf: Any, tmp_path: Path) -> None:
    optimizer = tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9)
    model = trained(tf, optimizer)
    prefix = tf.train.Checkpoint(model=model, optimizer=optimizer).save(str(tmp_path / "ckpt"))
    checkpoint = Checkpoint.open(prefix)
    names = names_by_tensorflow(tf, prefix)
    assert {v.object_path + VALUE_SUFFIX: v.name for v in checkpoint.variables}.items() <= (
        names.items()
    )
    nodes = checkpoint.graph
    for node, path in zip(nodes, object_paths(nodes), strict=True):
        for full_name, key in node.attributes:
            assert names[key] == full_name
            if "/.OPTIMIZER_SLOT/" not in key:
                assert key == f"{path}{VALUE_SUFFIX}"
    slots = {slot for node in nodes for _, slot, _ in node.slots}
    assert slots == {"momentum"}


@pytest.mark.usefixtures("clean")
def test_weights_of_a_keras_model_without_a_model_root(tf: Any, tmp_path: Path) -> None:
    model = small_model(tf)
    model(tf.zeros([1, 8, 8, 3]))
    model.save_weights(str(tmp_path / "weights"))
    checkpoint = held_against_tensorflow(tf, tmp_path)
    assert {v.name for v in checkpoint.variables} == {v.name[:-2] for v in model.variables}


@pytest.mark.usefixtures("clean")
def test_saved_model(tf: Any, tmp_path: Path) -> None:
    optimizer = tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9)
    model = trained(tf, optimizer)
    model.compile(optimizer, "mse", metrics=["mae"])
    model.evaluate(tf.zeros([1, 8, 8, 3]), tf.zeros([1, 3]), verbose=0)
    tf.keras.models.save_model(model, str(tmp_path / "saved_model"), save_format="tf")
    checkpoint = held_against_tensorflow(tf, tmp_path)
    assert checkpoint.resolution.startswith(f"{tmp_path} is a SavedModel")
    assert {v.name for v in checkpoint.variables} == {v.name[:-2] for v in model.variables}


def test_dtypes_and_shapes(tf: Any, tmp_path: Path) -> None:
    values = {
        dtype: tf.cast(tf.constant([[0, 1, 2], [3, 4, 5]]), dtype)
        for dtype in (
            "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64",
            "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128",
        )
    }  # fmt: skip
    values["scalar"] = tf.constant(2.5)
    values["empty"] = tf.zeros([0, 4])
    values["long"] = tf.range(300_000, dtype=tf.float32)
    values["text"] = tf.constant([["", "a"], ["caf\u00e9" * 200, "\0\xff"]])
    values["one_text"] = tf.constant("scalar")
    variables = {name: tf.Variable(value, name=name) for name, value in values.items()}
    prefix = tf.train.Checkpoint(model=tf.train.Checkpoint(**variables)).save(str(tmp_path / "c"))
    checkpoint = held_against_tensorflow(tf, prefix)
    assert {v.name for v in checkpoint.variables} == values.keys() - {"text", "one_text"}
    learns = {v.name for v in checkpoint.variables if v.trainable}
    assert learns == {
        "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
        "scalar", "empty", "long",
    }  # fmt: skip


def test_local_names_with_slashes_and_dots(tf: Any, tmp_path: Path) -> None:
    root = tf.train.Checkpoint()
    root.model = tf.train.Checkpoint()
    root.model.parts = {"a/b": tf.Variable(1.0, name="x"), "c.d": tf.Variable(2.0, name="y")}
    checkpoint = held_against_tensorflow(tf, root.save(str(tmp_path / "c")))
    nodes = checkpoint.graph
    paths = object_paths(nodes)
    assert {v.object_path for v in checkpoint.variables} == {
        "model/parts/a.Sb",
        "model/parts/c..d",
    }
    assert {v.object_path for v in checkpoint.variables} <= set(paths)


def test_thousands_of_entries_in_several_blocks(tf: Any, tmp_path: Path) -> None:
    model = tf.train.Checkpoint()
    model.layers = [
        tf.Variable([float(i)], name=f"a/long/scope/of/names/v{i}") for i in range(4000)
    ]
    prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "ckpt"))
    checkpoint = held_against_tensorflow(tf, prefix)
    assert Path(prefix + ".index").stat().st_size > 1 << 17
    assert [v.name for v in checkpoint.variables] == [
        f"a/long/scope/of/names/v{i}" for i in range(4000)
    ]


class Graph:
    """Builds a TF1 graph and saves it."""

    def __init__(self, tf: Any, path: Path) -> None:
        self.v1 = tf.compat.v1
        self.path = path

    def save(self, build: Callable[[Any], None], **options: Any) -> str:
        with self.v1.Graph().as_default(), self.v1.Session() as session:
            build(self.v1)
            session.run(self.v1.global_variables_initializer())
            saver = self.v1.train.Saver(**options)
            return str(saver.save(session, str(self.path / "model.ckpt"), global_step=11))


@pytest.fixture
def graph(tf: Any, tmp_path: Path) -> Graph:
    return Graph(tf, tmp_path)


TF1_OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "Momentum": lambda v1: v1.train.MomentumOptimizer(0.1, 0.9),
    "RMSProp": lambda v1: v1.train.RMSPropOptimizer(0.1, momentum=0.9),
    "Adam": lambda v1: v1.train.AdamOptimizer(0.1),
    "Ftrl": lambda v1: v1.train.FtrlOptimizer(0.1),
    "own name": lambda v1: v1.train.MomentumOptimizer(0.1, 0.9, name="Fast"),
}


@pytest.mark.parametrize("make", TF1_OPTIMIZERS.values(), ids=TF1_OPTIMIZERS)
def test_name_based(tf: Any, graph: Graph, make: Callable[[Any], Any]) -> None:
    model: list[str] = []

    def build(v1: Any) -> None:
        step = v1.train.get_or_create_global_step()
        with v1.variable_scope("FeatureExtractor"):
            w = v1.get_variable("conv/weights", [3, 2])
            gamma = v1.get_variable("conv/BatchNorm/gamma", [2])
            v1.get_variable("conv/BatchNorm/moving_mean", [2], trainable=False)
        model.extend(v.op.name for v in v1.global_variables() if v is not step)
        loss = tf.reduce_sum(w * gamma)
        train = make(v1).minimize(loss, step)
        average = tf.train.ExponentialMovingAverage(0.9)
        with tf.control_dependencies([train]):
            average.apply(v1.trainable_variables())

    checkpoint = held_against_tensorflow(tf, graph.save(build))
    assert checkpoint.format == "name"
    assert checkpoint.names_missing == ""
    assert checkpoint.step == 0
    assert sorted(v.name or "" for v in checkpoint.variables) == sorted(model)
    assert [v.name for v in checkpoint.variables if v.statistic] == [
        "FeatureExtractor/conv/BatchNorm/moving_mean"
    ]


PARTITIONS = {
    "rows": ([7, 3], [3, 1]),
    "columns": ([4, 9], [1, 4]),
    "last of three": ([2, 3, 5], [1, 1, 5]),
    "vector": ([130], [4]),
}


@pytest.mark.parametrize(("shape", "parts"), PARTITIONS.values(), ids=PARTITIONS)
def test_partitioned(tf: Any, graph: Graph, shape: list[int], parts: list[int]) -> None:
    def build(v1: Any) -> None:
        v1.get_variable(
            "embedding/weights",
            shape,
            partitioner=lambda shape, dtype: parts,
            initializer=v1.random_normal_initializer(),
        )
        v1.get_variable("bias", [3])

    checkpoint = held_against_tensorflow(tf, graph.save(build))
    assert [(v.name, list(v.shape)) for v in checkpoint.variables] == [
        ("bias", [3]),
        ("embedding/weights", shape),
    ]
    assert len(checkpoint.entries["embedding/weights"].slices) == max(parts)


def test_sharded(tf: Any, graph: Graph) -> None:
    def build(v1: Any) -> None:
        for number in range(4):
            with v1.device(f"/cpu:{number % 2}"):
                v1.get_variable(f"layer_{number}/weights", [50])

    path = graph.path
    config = tf.compat.v1.ConfigProto(device_count={"CPU": 2})
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session(config=config) as session:
        build(v1)
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver(sharded=True).save(session, str(path / "model.ckpt"))
    checkpoint = held_against_tensorflow(tf, prefix)
    assert {e.shard for e in checkpoint.entries.values()} == {0, 1}
    assert [v.name for v in checkpoint.variables] == [f"layer_{n}/weights" for n in range(4)]


def test_string_tensors_of_tf1(tf: Any, graph: Graph) -> None:
    def build(v1: Any) -> None:
        v1.get_variable("labels", initializer=tf.constant(["cat", "", "dog" * 100]))
        v1.get_variable("w", [1])

    checkpoint = held_against_tensorflow(tf, graph.save(build))
    assert checkpoint.strings("labels") == (b"cat", b"", b"dog" * 100)
    assert [v.name for v in checkpoint.variables] == ["w"]


def test_our_writer_writes_what_tensorflow_reads(tf: Any, tmp_path: Path) -> None:
    from tests.support.bundle_writer import BundleWriter

    writer = BundleWriter(2)
    rows = {((0, 2), (0, -1)): bytes(range(24)), ((2, 1), (0, -1)): bytes(range(12))}
    writer.add_partitioned("p", "float32", [3, 3], rows, shards=(0, 1))
    writer.add_strings("s", [2], [b"", b"x" * 300], shard=1)
    for number in range(300):
        writer.add(f"layer_{number}/kernel", "float32", [number % 3], shard=number % 2)
    for snappy in (False, True):
        prefix = writer.write(tmp_path / f"c{snappy}", block_bytes=500, snappy=snappy)
        held_against_tensorflow(tf, prefix)


def test_real_checkpoint_without_its_weights(tf: Any, corpus: Path) -> None:
    folder = corpus / "checkpoints" / "efficientdet_d0_names_only"
    checkpoint = Checkpoint.open(folder)
    reader = tf.train.load_checkpoint(checkpoint.path)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    assert {k: list(e.shape) for k, e in checkpoint.entries.items()} == shapes
    assert {k: e.dtype for k, e in checkpoint.entries.items()} == {
        k: d.name for k, d in dtypes.items()
    }
    names = names_by_tensorflow(tf, checkpoint.path)
    model = {k: n for k, n in names.items() if k.startswith("model/")}
    assert {v.object_path + VALUE_SUFFIX: v.name for v in checkpoint.variables} == model
    assert len(checkpoint.variables) == 683
    assert checkpoint.names_missing == ""
