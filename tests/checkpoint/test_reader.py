"""A checkpoint as people open it: its values by any name, and names that a stranger made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.checkpoint.model import VALUE_SUFFIX, natural
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
)
from odfreeze.keras_names import keras_name
from tests.support.bundle_writer import floats, write_checkpoint, write_named_checkpoint

HUGE = "9" * 5000  # more digits than int() takes


def write(directory: Path, **paths: str) -> Path:
    """Writes a checkpoint of one value for each object path with its name."""
    variables = {path: (name, "float32", (2,), floats(1.0, 2.0)) for path, name in paths.items()}
    return write_checkpoint(directory / "ckpt-7", variables, step=7)


@pytest.mark.parametrize("path", ["model/w", f"model/w{VALUE_SUFFIX}"])
def test_a_value_is_read_by_object_path_or_by_key(tmp_path: Path, path: str) -> None:
    write(tmp_path, **{"model/w": "w"})
    with Checkpoint.open(tmp_path / "ckpt-7") as checkpoint:
        (variable,) = checkpoint.variables
        assert bytes(checkpoint.read(path)) == floats(1.0, 2.0)
        assert bytes(checkpoint.read(variable)) == b"".join(checkpoint.chunks(path, 3))


def test_a_path_that_is_not_there_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, **{"model/kernel": "k"})
    with Checkpoint.open(tmp_path / "ckpt-7") as checkpoint:
        with pytest.raises(CheckpointNotFoundError) as caught:
            checkpoint.entry("model/kernels")
        assert caught.value.message == (
            f"{checkpoint.path} has no tensor 'model/kernels'; did you mean 'model/kernel'?"
        )


def test_a_closed_checkpoint_reads_again(tmp_path: Path) -> None:
    write(tmp_path, **{"model/w": "w"})
    checkpoint = Checkpoint.open(tmp_path / "ckpt-7")
    checkpoint.close()
    assert bytes(checkpoint.read("model/w")) == floats(1.0, 2.0)
    checkpoint.close()
    checkpoint.close()


def test_a_checksum_of_ones_own_is_held_against_the_stored_one(tmp_path: Path) -> None:
    write(tmp_path, **{"model/w": "w"})
    checkpoint = Checkpoint.open(tmp_path / "ckpt-7")
    with checkpoint, pytest.raises(CheckpointCorruptError):
        checkpoint.check_crc("model/w", 0)


def test_strings_are_not_read_from_numbers(tmp_path: Path) -> None:
    write(tmp_path, **{"model/w": "w"})
    checkpoint = Checkpoint.open(tmp_path / "ckpt-7")
    with checkpoint, pytest.raises(CheckpointUnsupportedError):
        checkpoint.strings("model/w")


def test_the_step_needs_its_data_file(tmp_path: Path) -> None:
    write(tmp_path, **{"model/w": "w"})
    with Checkpoint.open(tmp_path / "ckpt-7") as checkpoint:
        assert checkpoint.step == 7
        files = [Path(file) for file in checkpoint.data_files]
    for file in files:
        file.unlink()
    with Checkpoint.open(tmp_path / "ckpt-7") as checkpoint:
        assert (checkpoint.step, len(checkpoint.variables)) == (None, 1)
        assert checkpoint.names_missing.endswith("which holds the names, is missing")
        with pytest.raises(CheckpointNotFoundError):
            _ = checkpoint.graph


def test_a_checkpoint_by_name_has_no_graph(tmp_path: Path) -> None:
    write_named_checkpoint(tmp_path / "ckpt-7", {"w": ("float32", (2,), floats(1.0, 2.0))})
    with Checkpoint.open(tmp_path / "ckpt-7") as checkpoint:
        assert (checkpoint.format, checkpoint.graph, checkpoint.names_missing) == ("name", (), "")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"model/layer_with_weights-{HUGE}/kernel", "w"),
        ("model/w", f"conv2d_{HUGE}/kernel"),
        ("model/w", f"ssd_keras_feature_extractor_{HUGE}/kernel"),
        ("model/w", f"hourglass_network/residual_block_{HUGE}/kernel"),
    ],
    ids=["path", "class", "extractor", "block"],
)
def test_a_number_of_thousands_of_digits_is_a_name_like_any_other(
    tmp_path: Path, path: str, name: str
) -> None:
    write(tmp_path, **{path: name, "model/b": "b"})
    with Checkpoint.open(tmp_path / "ckpt-7") as checkpoint:
        found = {variable.object_path: variable for variable in checkpoint.variables}
    assert found[path].name == name
    made_up = keras_name(found[path])
    assert made_up is None or HUGE not in str(made_up)


def test_a_digit_that_is_no_number_may_be_in_the_name_of_a_file(tmp_path: Path) -> None:
    for name in ("²", "1²", "ckpt-2"):
        (tmp_path / f"{name}.index").touch()
    with pytest.raises(CheckpointNotFoundError, match="there is no checkpoint"):
        Checkpoint.open(tmp_path / "ckpt-9")


def test_such_a_number_is_put_in_order_too() -> None:
    assert sorted([f"b/{HUGE}", "b/10", "b/2"], key=natural) == ["b/2", "b/10", f"b/{HUGE}"]
