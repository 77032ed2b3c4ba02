"""Which tensors are variables of the model, what kind they are, and in what order."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.variables import Variable
from tests.support.bundle_writer import (
    BundleWriter,
    Spec,
    write_checkpoint,
    write_named_checkpoint,
)

END = "/.ATTRIBUTES/VARIABLE_VALUE"


def spec(name: str, dtype: str = "float32", shape: tuple[int, ...] = (2,)) -> Spec:
    return name, dtype, shape, None


def variables(path: Path) -> tuple[Variable, ...]:
    with Checkpoint.open(path) as checkpoint:
        return checkpoint.variables


def paths(path: Path) -> list[str]:
    return [variable.object_path for variable in variables(path)]


def test_a_variable_has_all_its_fields(tmp_path: Path) -> None:
    prefix = write_checkpoint(
        tmp_path / "c",
        {
            "model/a/conv/kernel": spec("conv/kernel", shape=(3, 3, 2, 4)),
            "model/a/bn/moving_mean": spec("conv_bn/moving_mean", shape=(4,)),
        },
    )
    first, second = variables(prefix)
    assert first == Variable(
        "conv/kernel",
        "model/a/conv/kernel",
        (3, 3, 2, 4),
        "float32",
        True,
        False,
        "model/a/conv",
        0,
    )
    assert (first.parameters, first.bytes) == (72, 288)
    assert second == Variable(
        "conv_bn/moving_mean", "model/a/bn/moving_mean", (4,), "float32", False, True,
        "model/a/bn", 1,
    )  # fmt: skip


def test_of_a_training_checkpoint_only_what_is_below_model(tmp_path: Path) -> None:
    prefix = write_checkpoint(
        tmp_path / "c",
        {
            "model/w": spec("w"),
            "model/w/.OPTIMIZER_SLOT/optimizer/momentum": spec("w/Momentum"),
            "model/w/.OPTIMIZER_SLOT/sgd/momentum": spec("w/Momentum"),
            "optimizer/learning_rate": spec("learning_rate", shape=()),
            "optimizer/_variables/1": spec("m"),
            "other/w": spec("other"),
            "model/optimizer/iter": spec("iter", "int64", ()),
            "save_counter": spec("save_counter", "int64", ()),
        },
        step=9,
    )
    assert paths(prefix) == ["model/w"]


def test_without_a_model_root_whatever_is_of_a_model(tmp_path: Path) -> None:
    prefix = write_checkpoint(
        tmp_path / "c",
        {
            "layer_with_weights-0/kernel": spec("conv/kernel"),
            "detector": spec("bare", shape=()),
            "layer_with_weights-0/kernel/.OPTIMIZER_SLOT/optimizer/m": spec("m"),
            "optimizer/iter": spec("Adam/iter", "int64", ()),
            "_optimizer/decay": spec("decay", shape=()),
            "keras_api/metrics/0/total": spec("total", shape=()),
            "save_counter": spec("save_counter", "int64", ()),
            "global_step": spec("global_step", "float32", ()),
            "seen_images": spec("seen_images", "int64", ()),
        },
        extra={
            "layer-0/.ATTRIBUTES/OBJECT_CONFIG_JSON": ("uint8", (2,), None),
            "table/.ATTRIBUTES/table-keys": ("int64", (2,), None),
        },
    )
    assert paths(prefix) == ["detector", "layer_with_weights-0/kernel"]


def test_tf1_slots_and_counters_are_no_variables_of_the_model(tmp_path: Path) -> None:
    model = ["FeatureExtractor/Conv/weights", "FeatureExtractor/Conv/BatchNorm/gamma", "bias"]
    others = [
        "FeatureExtractor/Conv/weights/Momentum",
        "FeatureExtractor/Conv/weights/RMSProp",
        "FeatureExtractor/Conv/weights/RMSProp_1",
        "FeatureExtractor/Conv/weights/Adam",
        "FeatureExtractor/Conv/weights/ExponentialMovingAverage",
        "FeatureExtractor/Conv/weights/MyOptimizer",
        "gone/weights/Adam_1",
        "training/Adam/bias/m",
        "beta1_power",
        "beta2_power_1",
        "learning_rate_that_is_no_counter",
    ]
    tensors = dict.fromkeys([*model, *others], ("float32", (2,), None))
    tensors["global_step"] = ("int64", (), None)
    tensors["batch_counter"] = ("int32", (), None)
    prefix = write_named_checkpoint(tmp_path / "model.ckpt", tensors)
    found = variables(prefix)
    assert sorted(v.name or "" for v in found) == sorted([*model, others[-1]])
    assert all(v.object_path == v.name for v in found)
    assert [v.layer for v in found if v.name == model[0]] == ["FeatureExtractor/Conv"]


KINDS = {
    "kernel": ("kernel", "conv/kernel", "float32", True, False),
    "gamma": ("gamma", "bn/gamma", "float32", True, False),
    "moving mean": ("moving_mean", "bn/moving_mean", "float32", False, True),
    "moving variance": ("moving_variance", "bn/moving_variance", "float32", False, True),
    "statistic by its name only": ("3", "bn/moving_mean", "float32", False, True),
    "statistic by its path only": ("moving_mean", "renamed", "float32", False, True),
    "moving_mean as a layer": ("w", "moving_mean/w", "float32", True, False),
    "half precision": ("w", "w", "bfloat16", True, False),
    "integers": ("w", "w", "int32", False, False),
    "truth values": ("w", "w", "bool", False, False),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_a_gradient_reaches(tmp_path: Path, kind: tuple[str, str, str, bool, bool]) -> None:
    last, name, dtype, trainable, statistic = kind
    (found,) = variables(write_checkpoint(tmp_path / "c", {f"model/x/{last}": spec(name, dtype)}))
    assert (found.trainable, found.statistic) == (trainable, statistic)


def test_statistics_of_tf1(tmp_path: Path) -> None:
    tensors = {f"BatchNorm/{n}": ("float32", (2,), None) for n in ("beta", "gamma", "moving_mean")}
    found = variables(write_named_checkpoint(tmp_path / "c", tensors))
    assert {v.name: v.statistic for v in found} == {
        "BatchNorm/beta": False,
        "BatchNorm/gamma": False,
        "BatchNorm/moving_mean": True,
    }


def test_in_a_bare_list_of_variables_the_name_tells_the_layer(tmp_path: Path) -> None:
    prefix = write_checkpoint(
        tmp_path / "c", {"variables/0": spec("a/kernel"), "variables/1": spec("b/kernel")}
    )
    assert [v.layer for v in variables(prefix)] == ["a", "b"]


def test_the_order_is_that_of_the_graph_with_what_hangs_together_together(tmp_path: Path) -> None:
    order = [
        "model/z/layer-0/kernel",
        "model/heads/0/kernel",
        "model/z/layer-1/kernel",
        "model/z/layer-0/bias",
        "model/a/kernel",
        "model/heads/1/kernel",
    ]
    prefix = write_checkpoint(tmp_path / "c", {path: spec(path) for path in order})
    assert paths(prefix) == [
        "model/z/layer-0/kernel",
        "model/z/layer-0/bias",
        "model/z/layer-1/kernel",
        "model/heads/0/kernel",
        "model/heads/1/kernel",
        "model/a/kernel",
    ]
    assert [v.order for v in variables(prefix)] == list(range(6))


def test_without_a_graph_numbers_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    tensors = {f"block_{n}/w": ("float32", (1,), None) for n in (10, 9, 1)}
    found = variables(write_named_checkpoint(tmp_path / "c", tensors))
    assert [v.name for v in found] == ["block_1/w", "block_9/w", "block_10/w"]


# Names that are missing.


def two_shards(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "c", {"model/a/w": spec("w")}, shards=2)


def test_names_come_from_the_shard_that_holds_the_graph(tmp_path: Path) -> None:
    prefix = two_shards(tmp_path)
    prefix.with_name("c.data-00001-of-00002").unlink()
    with Checkpoint.open(prefix) as checkpoint:
        assert [v.name for v in checkpoint.variables] == ["w"]
        assert checkpoint.names_missing == ""
        assert checkpoint.step is None


def test_without_the_shard_of_the_graph_there_are_paths_and_a_reason(tmp_path: Path) -> None:
    prefix = two_shards(tmp_path)
    gone = prefix.with_name("c.data-00000-of-00002")
    gone.unlink()
    with Checkpoint.open(prefix) as checkpoint:
        assert checkpoint.names_missing == f"{gone}, which holds the names, is missing"
        (variable,) = checkpoint.variables
    assert (variable.name, variable.object_path) == (None, "model/a/w")
    assert variable.label == "model/a/w"


def test_a_checkpoint_saved_without_a_graph(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "c", {"model/a/w": spec("w")}, graph=False)
    with Checkpoint.open(prefix) as checkpoint:
        assert checkpoint.format == "object"
        assert checkpoint.names_missing == f"{prefix} was saved without its object graph"


def test_variables_that_the_graph_has_no_name_for(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "c", {"model/a": spec(""), "model/b": spec("b")})
    with Checkpoint.open(prefix) as checkpoint:
        assert checkpoint.names_missing == (
            f"the object graph of {prefix} has no name for 1 of 2 variables"
        )
        assert [v.name for v in checkpoint.variables] == [None, "b"]


def test_the_format_and_the_step(tmp_path: Path) -> None:
    objects = write_checkpoint(tmp_path / "ckpt-1", {"model/a": spec("a")}, step=250)
    names = write_named_checkpoint(
        tmp_path / "model.ckpt", {"global_step": ("int64", (), (7).to_bytes(8, "little"))}
    )
    for prefix, form, step in ((objects, "object", 250), (names, "name", 7)):
        with Checkpoint.open(prefix) as checkpoint:
            assert (checkpoint.format, checkpoint.step) == (form, step)


def test_the_data_files_are_those_that_the_index_names_there_or_not(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path / "c", {"model/w": ("w", "float32", (1,), None)}, shards=2)
    Path(f"{prefix}.data-00001-of-00002").unlink()
    with Checkpoint.open(prefix) as found:
        assert found.data_files == (
            f"{prefix}.data-00000-of-00002",
            f"{prefix}.data-00001-of-00002",
        )


@pytest.mark.parametrize("shards", [1, 3])
def test_how_many_bytes_the_data_files_hold(tmp_path: Path, shards: int) -> None:
    shapes = {"model/w": (2, 3), "model/b": (), "model/none": (0,)}
    variables = {path: (path, "float32", shape, None) for path, shape in shapes.items()}
    prefix = write_checkpoint(tmp_path / "c", variables, shards=shards)
    with Checkpoint.open(prefix) as found:
        assert found.data_bytes == sum(Path(name).stat().st_size for name in found.data_files)


def test_an_empty_checkpoint_has_no_variables(tmp_path: Path) -> None:
    """The OD API's first checkpoint of a run without fine_tune_checkpoint is like that."""
    prefix = write_checkpoint(tmp_path / "ckpt-1", {}, step=0)
    assert variables(prefix) == ()
    assert variables(BundleWriter().write(tmp_path / "nothing")) == ()


def test_the_real_checkpoint_without_its_weights(corpus: Path) -> None:
    with Checkpoint.open(corpus / "checkpoints" / "efficientdet_d0_names_only") as checkpoint:
        found = checkpoint.variables
        assert checkpoint.resolution.startswith("ckpt-0 is the only checkpoint in ")
        assert checkpoint.names_missing == ""
        assert (len(found), sum(v.trainable for v in found)) == (683, 465)
        assert sum(v.statistic for v in found) == 218
        assert found[0].name == "stem_conv2d/kernel"
        assert len({v.object_path.split("/")[1] for v in found}) == 2
        assert checkpoint.step is None
        assert len(checkpoint.graph) == 1544
