"""What the OD API itself does with the faults of ODF3xx: the pages quote these texts."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from odfreeze.training import compat
from tests.support.bundle_writer import (
    Spec,
    floats,
    write_checkpoint,
    write_named_checkpoint,
)
from tests.training.models import CONFIGS, SSD, built

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train

COUNTER: dict[str, Spec] = {"save_counter": ("save_counter", "int64", (), bytes(8))}
UNBOUND = "Python objects that were not bound to checkpointed values"


@pytest.fixture(scope="module", autouse=True)
def shared_model_as_it_was():
    """Gives the model that other tests share its values back, which these tests restore over."""
    yield
    import tensorflow as tf

    shared = built(SSD)
    saved = tf.train.Checkpoint(model=shared.model).restore(shared.prefix)
    saved.assert_existing_objects_matched()


def load(path: Path | str, kind: str = "detection", *, model: Any = None, version: str = "V2"):
    """Does what train_loop does with a fine_tune_checkpoint (model_lib_v2.py:586)."""
    compat.prepare()
    from object_detection import model_lib_v2
    from object_detection.protos import train_pb2
    from object_detection.utils import variables_helper

    variables_helper.ensure_checkpoint_supported(str(path), kind, "/elsewhere")
    model_lib_v2.load_fine_tune_checkpoint(
        model or one_variable(),
        str(path),
        kind,
        train_pb2.CheckpointVersion.Value(version),
        run_model_on_dummy_input=False,
        input_dataset=None,
        unpad_groundtruth_tensors=False,
    )


def one_variable() -> Any:
    """A model of one variable, model/w, that restores as an SSD does with type full."""
    import tensorflow as tf

    class Model(tf.Module):
        def restore_from_objects(self, fine_tune_checkpoint_type: str) -> dict[str, tf.Module]:
            return {"model": self}

    model = Model()
    model.w = tf.Variable([1.0, 2.0])
    return model


def checkpoint(directory: Path, variables: Mapping[str, Spec] | None = None) -> Path:
    """A checkpoint that fits one_variable, or one of other variables."""
    variables = variables or {"model/w": ("w", "float32", (2,), floats(3, 4))}
    return write_checkpoint(directory / "ckpt-0", {**variables, **COUNTER})


def error_of(*args: Any, **options: Any) -> str:
    with pytest.raises(Exception) as caught:
        load(*args, **options)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_a_checkpoint_that_fits_is_loaded(tmp_path: Path) -> None:
    load(checkpoint(tmp_path))


# --- the path ----------------------------------------------------------------------


def test_305_an_index_file(tmp_path: Path) -> None:
    assert error_of(f"{checkpoint(tmp_path)}.index") == (
        "OSError: Checkpoint is expected to be an object-based checkpoint."
    )


def test_305_a_data_file(tmp_path: Path) -> None:
    said = error_of(f"{checkpoint(tmp_path)}.data-00000-of-00001")
    assert said.startswith("DataLossError: Unable to open table file")


def test_306_a_directory(tmp_path: Path) -> None:
    checkpoint(tmp_path / "checkpoint")
    assert error_of(tmp_path) == (
        f"ValueError: Couldn't find 'checkpoint' file or checkpoints in given directory {tmp_path}"
    )


def test_306_a_directory_with_a_state_file(tmp_path: Path) -> None:
    from tests.support.bundle_writer import write_state

    checkpoint(tmp_path)
    write_state(tmp_path, "ckpt-0")
    said = error_of(tmp_path)
    assert said.startswith(f"DataLossError: Unable to open table file {tmp_path}: ")
    assert f"{tmp_path}; Is a directory" in said


@pytest.mark.parametrize("path", ["nowhere/ckpt-0", r"C:\zoo\ckpt-0", "~/ckpt-0"])
def test_307_309_323_nothing_there(path: str) -> None:
    assert error_of(path) == (
        "NotFoundError: Unsuccessful TensorSliceReader constructor: Failed to find any matching "
        f"files for {path}"
    )


def test_308_a_missing_data_file(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path)
    Path(f"{prefix}.data-00000-of-00001").unlink()
    assert f"{prefix}.data-00000-of-00001; No such file or directory" in error_of(prefix)


def test_310_a_checkpoint_of_tf1(tmp_path: Path) -> None:
    prefix = write_named_checkpoint(tmp_path / "model.ckpt", {"w": ("float32", (2,), None)})
    assert error_of(prefix) == "OSError: Checkpoint is expected to be an object-based checkpoint."


def test_311_version_1(tmp_path: Path) -> None:
    said = error_of(checkpoint(tmp_path), version="V1")
    assert said == "ValueError: Checkpoint version should be V2"


def test_319_in_model_dir(tmp_path: Path) -> None:
    compat.prepare()
    from object_detection.utils import variables_helper

    with pytest.raises(RuntimeError) as caught:
        variables_helper.ensure_checkpoint_supported(
            str(checkpoint(tmp_path)), "detection", str(tmp_path)
        )
    assert str(caught.value) == (
        f"Checkpoint dir ({tmp_path}) and model_dir ({tmp_path}) cannot be same. Please set "
        "model_dir to a different path."
    )


def test_321_a_saved_model(tmp_path: Path) -> None:
    compat.prepare()
    import tensorflow as tf

    holder = tf.Module()
    holder._model = one_variable()
    tf.saved_model.save(holder, str(tmp_path))
    assert f"Found 2 {UNBOUND}" in error_of(tmp_path / "variables" / "variables")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n" * 2, "not an sstable (bad magic number)"),
        (b"short", "file is too short to be an sstable"),
    ],
    ids=["pointer", "short"],
)
def test_322_a_damaged_index(tmp_path: Path, content: bytes, text: str) -> None:
    prefix = checkpoint(tmp_path)
    Path(f"{prefix}.index").write_bytes(content)
    assert text in error_of(prefix)


def test_324_a_data_file_cut_off(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path)
    os.truncate(f"{prefix}.data-00000-of-00001", 5)
    assert "Read less bytes than requested" in error_of(prefix)


def test_327_no_save_counter(tmp_path: Path) -> None:
    compat.prepare()
    import tensorflow as tf

    prefix = tf.train.Checkpoint(model=one_variable()).write(str(tmp_path / "ckpt-0"))
    said = error_of(prefix)
    assert f"Found 1 {UNBOUND}" in said
    assert "save_counter" in said


def test_303_no_object_graph(tmp_path: Path) -> None:
    prefix = write_checkpoint(
        tmp_path / "ckpt-0", {"model/w": ("w", "float32", (2,), None), **COUNTER}, graph=False
    )
    assert error_of(prefix) == "OSError: Checkpoint is expected to be an object-based checkpoint."


# --- the type ----------------------------------------------------------------------


@functools.cache
def unbuilt(sample: str, old: str = "", new: str = "") -> Any:
    """The model of a sample config, with no variables yet."""
    compat.prepare()
    from google.protobuf import text_format
    from object_detection.builders import model_builder
    from object_detection.protos import pipeline_pb2

    text = (CONFIGS / sample).read_text(encoding="utf-8").replace(old, new or old)
    pipeline = text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())
    return model_builder.build(pipeline.model, is_training=True)


def hourglass() -> Any:
    from tests.training.models import CENTERNET

    return unbuilt(CENTERNET, "resnet_v1_50_fpn", "hourglass_10")


def test_312_a_type_that_no_ssd_takes(tmp_path: Path) -> None:
    said = error_of(checkpoint(tmp_path), "fine_tune", model=unbuilt(SSD))
    assert said == "ValueError: Not supported fine_tune_checkpoint_type: fine_tune"


def test_312_fine_tune_was_given_up_for_centernet(tmp_path: Path) -> None:
    said = error_of(checkpoint(tmp_path), "fine_tune", model=hourglass())
    assert said.startswith('ValueError: "fine_tune" is no longer supported for CenterNet.')


def test_312_an_hourglass_is_no_classifier(tmp_path: Path) -> None:
    said = error_of(checkpoint(tmp_path), "classification", model=hourglass())
    assert said.startswith("NotImplementedError: Classification backbone not supported for")


def test_312_a_type_that_no_centernet_knows(tmp_path: Path) -> None:
    said = error_of(checkpoint(tmp_path), "Detection", model=hourglass())
    assert said == "ValueError: Unknown fine tune checkpoint type Detection"


def test_313_what_a_missing_type_means() -> None:
    compat.prepare()
    from object_detection.protos import train_pb2
    from object_detection.utils import config_util

    found = []
    for old in (False, True):
        config = train_pb2.TrainConfig(from_detection_checkpoint=old)
        config_util.update_fine_tune_checkpoint_type(config)
        found.append(config.fine_tune_checkpoint_type)
    assert found == ["classification", "detection"]


def test_314_the_checkpoint_of_a_classifier_as_that_of_a_detector(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path, {"feature_extractor/w": ("w", "float32", (2,), None)})
    said = error_of(prefix, "detection")
    assert said.startswith(
        "RuntimeError: The checkpoint type 'detection' is not supported when it contains variable\n"
        "names with 'feature_extractor'."
    )


def test_317_a_field_of_tf1(tmp_path: Path) -> None:
    compat.prepare()
    from object_detection import model_lib_v2

    text = (CONFIGS / SSD).read_text(encoding="utf-8")
    path = tmp_path / "pipeline.config"
    path.write_text(
        text.replace("num_steps:", "load_all_detection_checkpoint_vars: true num_steps:")
    )
    with pytest.raises(ValueError, match="load_all_detection_checkpoint_vars unsupported in TF2"):
        model_lib_v2.train_loop(str(path), str(tmp_path))


def test_318_no_backbone_before_the_model_is_built(tmp_path: Path) -> None:
    said = error_of(checkpoint(tmp_path), "classification", model=unbuilt(SSD))
    assert "TypeError" in said
    assert "we received a (str -> NoneType) mapping instead" in said


def test_318_nothing_is_missed_in_a_model_without_variables(tmp_path: Path) -> None:
    load(checkpoint(tmp_path), "detection", model=unbuilt(SSD))


# --- what it holds -----------------------------------------------------------------


def of_the_model(change: Any) -> dict[str, Spec]:
    """The variables of the SSD with their object path and shape changed, all zero."""
    changed = (
        (record, *change(record.object_path, tuple(record.shape))) for record in built(SSD).records
    )
    return {path: (r.name, r.dtype, shape, None) for r, path, shape in changed}


def test_the_checkpoint_of_the_same_model_is_loaded(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path, of_the_model(lambda path, shape: (path, shape)))
    load(prefix, "full", model=built(SSD).model)


def test_302_another_root(tmp_path: Path) -> None:
    other = of_the_model(lambda path, shape: (path.replace("model/", "net/", 1), shape))
    assert f"Found 384 {UNBOUND}" in error_of(
        checkpoint(tmp_path, other), "full", model=built(SSD).model
    )


def test_314_the_checkpoint_of_a_detector_as_that_of_a_classifier(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path, of_the_model(lambda path, shape: (path, shape)))
    assert f"Found 260 {UNBOUND}" in error_of(prefix, "classification", model=built(SSD).model)


def test_315_another_meta_architecture(tmp_path: Path) -> None:
    def change(path: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return path.replace("_feature_extractor", "_feature_extractor_for_proposal_features"), shape

    prefix = checkpoint(tmp_path, of_the_model(change))
    assert f"Found 290 {UNBOUND}" in error_of(prefix, "detection", model=built(SSD).model)


def test_315_another_backbone(tmp_path: Path) -> None:
    def change(path: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        return path, (
            (7, 7, 3, 64) if path.endswith("backbone/layer_with_weights-0/kernel") else shape
        )

    prefix = checkpoint(tmp_path, of_the_model(change))
    said = error_of(prefix, "detection", model=built(SSD).model)
    assert "ValueError: Received incompatible tensor with shape (7, 7, 3, 64)" in said


def test_316_full_with_another_number_of_classes(tmp_path: Path) -> None:
    def change(path: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        is_class = "_class_predictor_layers" in path and not path.endswith("/depthwise_kernel")
        return path, ((*shape[:-1], shape[-1] // 4 * 91) if is_class else shape)

    prefix = checkpoint(tmp_path, of_the_model(change))
    said = error_of(prefix, "full", model=built(SSD).model)
    assert "ValueError: Received incompatible tensor with shape" in said


def test_328_another_width(tmp_path: Path) -> None:
    def change(path: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        is_first = path.endswith("_fpn_features_generator/top_layers/0/kernel")
        return path, ((*shape[:-1], 2 * shape[-1]) if is_first else shape)

    prefix = checkpoint(tmp_path, of_the_model(change))
    said = error_of(prefix, "detection", model=built(SSD).model)
    assert said.startswith(
        "ValueError: Received incompatible tensor with shape (1, 1, 1280, 256) when attempting to "
        "restore variable with shape (1, 1, 1280, 128)"
    )
