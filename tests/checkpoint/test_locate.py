"""From what people give to the prefix of a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odfreeze.checkpoint import Checkpoint, latest, locate, named_in_state
from odfreeze.errors import (
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
    OdfreezeError,
    RemotePathError,
)
from tests.support.bundle_writer import write_checkpoint, write_state


def checkpoint(prefix: Path) -> Path:
    return write_checkpoint(prefix, {"model/w": ("w", "float32", (1,), None)})


@pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001"])
def test_the_prefix_or_one_of_its_files_is_taken_without_a_word(
    tmp_path: Path, ending: str
) -> None:
    prefix = checkpoint(tmp_path / "ckpt-0")
    assert locate(f"{prefix}{ending}") == (str(prefix), "")


def test_a_prefix_that_looks_like_a_file_name(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "model.ckpt-0.index")
    assert locate(prefix) == (str(prefix), "")


def test_a_path_object_and_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = checkpoint(tmp_path / "ckpt-0")
    assert locate(prefix) == (str(prefix), "")
    monkeypatch.chdir(tmp_path)
    assert locate("ckpt-0") == ("ckpt-0", "")
    assert Path(locate(".")[0]) == Path("ckpt-0")


STATES = {
    "a name": lambda folder: "ckpt-2",
    "an absolute path": lambda folder: str(folder / "ckpt-2"),
    "a path with dots": lambda folder: "../run/ckpt-2",
}


@pytest.mark.parametrize("name", STATES.values(), ids=STATES)
def test_the_state_file_names_the_latest(tmp_path: Path, name: object) -> None:
    folder = tmp_path / "run"
    for number in (2, 10):
        checkpoint(folder / f"ckpt-{number}")
    state = write_state(folder, name(folder), ["ckpt-10"])  # type: ignore[operator]
    for given in (folder, state):
        prefix, why = locate(given)
        assert Path(prefix).resolve() == folder / "ckpt-2"
        assert why == f"{state} names ckpt-2 as the latest"


MOVED = {
    "POSIX": "/home/someone/run/ckpt-2",
    "Windows": "C:\\Users\\someone\\run\\ckpt-2",
    "bucket": "gs://bucket/run/ckpt-2",
}


@pytest.mark.parametrize("name", MOVED.values(), ids=MOVED)
def test_a_directory_that_was_moved(tmp_path: Path, name: str) -> None:
    prefix = checkpoint(tmp_path / "ckpt-2")
    state = write_state(tmp_path, name)
    assert locate(tmp_path) == (
        str(prefix),
        f"{state} names ckpt-2 as the latest (the directory was moved)",
    )


STATE_TEXTS = {
    "single quotes": "model_checkpoint_path: 'ckpt-2'",
    "no space": 'model_checkpoint_path:"ckpt-2"',
    "CRLF": 'model_checkpoint_path: "ckpt-2"\r\nall_model_checkpoint_paths: "ckpt-3"\r\n',
    "twice, the last counts": 'model_checkpoint_path: "ckpt-3"\nmodel_checkpoint_path: "ckpt-2"',
    "octal escape": 'model_checkpoint_path: "\\143kpt-2"',
    "hex escape": 'model_checkpoint_path: "\\x63kpt-2"',
    "times besides": 'model_checkpoint_path: "ckpt-2"\nlast_preserved_timestamp: 1.5\n',
}


@pytest.mark.parametrize("text", STATE_TEXTS.values(), ids=STATE_TEXTS)
def test_forms_of_the_state_file(tmp_path: Path, text: str) -> None:
    for number in (2, 3):
        checkpoint(tmp_path / f"ckpt-{number}")
    (tmp_path / "checkpoint").write_bytes(text.encode())
    assert locate(tmp_path)[0] == str(tmp_path / "ckpt-2")


@pytest.mark.skipif(os.name == "nt", reason="file names are not bytes there")
def test_a_state_file_names_a_file_that_is_not_ascii(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "modèle-2")
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "mod\\303\\250le-2"')
    assert locate(tmp_path)[0] == str(prefix)


OTHER_STATES = {
    "names one that is not there": b'model_checkpoint_path: "ckpt-99"',
    "nonsense": b"\xff\x00\x01",
    "names nothing": b'model_checkpoint_path: ""',
    "escapes cut off": b'model_checkpoint_path: "ckpt\\',
    "NUL": b'model_checkpoint_path: "\\000"',
}


@pytest.mark.parametrize("content", OTHER_STATES.values(), ids=OTHER_STATES)
def test_where_the_state_file_does_not_help_the_highest_number_is_taken(
    tmp_path: Path, content: bytes
) -> None:
    for number in (9, 10, 2):
        checkpoint(tmp_path / f"ckpt-{number}")
    (tmp_path / "checkpoint").write_bytes(content)
    prefix, why = locate(tmp_path)
    assert prefix == str(tmp_path / "ckpt-10")
    assert why.startswith(f"ckpt-10 is the last of 3 checkpoints in {tmp_path}")


def test_the_only_checkpoint_of_a_directory(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "model.ckpt")
    assert locate(tmp_path) == (
        str(prefix),
        f"model.ckpt is the only checkpoint in {tmp_path}",
    )


def test_a_model_zoo_directory(tmp_path: Path) -> None:
    folder = tmp_path / "ssd_mobilenet_v2"
    prefix = checkpoint(folder / "checkpoint" / "ckpt-0")
    checkpoint(folder / "saved_model" / "variables" / "variables")
    inner = folder / "checkpoint"
    assert locate(folder) == (
        str(prefix),
        f"{folder} is a model directory; ckpt-0 is the only checkpoint in {inner}",
    )
    assert locate(inner)[0] == str(prefix)


@pytest.mark.parametrize("below", ["", "saved_model"])
def test_a_saved_model_directory(tmp_path: Path, below: str) -> None:
    prefix = checkpoint(tmp_path / below / "variables" / "variables")
    (tmp_path / below / "saved_model.pb").write_bytes(b"")
    assert locate(tmp_path) == (
        str(prefix),
        f"{tmp_path} is a SavedModel; its variables are in {prefix}",
    )
    assert locate(tmp_path / below / "saved_model.pb")[0] == str(prefix)
    assert locate(prefix.parent)[0] == str(prefix)


def test_what_was_taken_is_told_by_the_checkpoint(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "ckpt-3")
    with Checkpoint.open(tmp_path) as opened:
        assert opened.path == str(prefix)
        assert opened.requested == str(tmp_path)
        assert opened.resolution == f"ckpt-3 is the only checkpoint in {tmp_path}"


def test_the_latest_of_a_directory(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    assert latest(tmp_path / "absent") is None
    prefix = checkpoint(tmp_path / "ckpt-3")
    assert latest(tmp_path) == str(prefix)


def test_what_a_state_file_names_need_not_be_there(tmp_path: Path) -> None:
    assert named_in_state(tmp_path) is None
    write_state(tmp_path, "ckpt-3")
    assert named_in_state(tmp_path) == str(tmp_path / "ckpt-3")
    write_state(tmp_path, str(tmp_path.parent / "ckpt-3"))
    assert named_in_state(tmp_path) == str(tmp_path.parent / "ckpt-3")
    (tmp_path / "checkpoint").write_text("all_model_checkpoint_paths: 'ckpt-3'")
    assert named_in_state(tmp_path) is None


@pytest.mark.skipif(os.sep == "\\", reason="these are plain paths there")
def test_a_path_written_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(tmp_path / "models" / "ckpt-0")
    monkeypatch.chdir(tmp_path)
    assert locate("models\\ckpt-0")[0] == "models/ckpt-0"


def test_a_file_url(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "ckpt-0")
    assert locate(f"file://{prefix.as_posix()}")[0] == prefix.as_posix()


@pytest.mark.parametrize("path", ["gs://b/ckpt-0", "s3://b/c", "hdfs://h/c", "https://h/c"])
def test_a_remote_path_is_refused(path: str) -> None:
    with pytest.raises(RemotePathError, match=f"^{path} is not on this machine") as caught:
        locate(path)
    assert caught.value.path == path


FOREIGN = {
    "model.h5": "a Keras file",
    "model.keras": "a Keras file",
    "frozen_inference_graph.pb": "a frozen graph",
    "model.ckpt.meta": "the graph of a TF1 checkpoint",
    "ssd_mobilenet_v2.tar.gz": "an archive; unpack it first",
    "labels.txt": "no part of a checkpoint",
}


@pytest.mark.parametrize(("name", "what"), FOREIGN.items(), ids=FOREIGN)
def test_another_kind_of_file_is_called_by_its_name(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(CheckpointUnsupportedError, match=what):
        locate(tmp_path / name)


def test_a_v1_checkpoint_is_called_by_its_name(tmp_path: Path) -> None:
    prefix = checkpoint(tmp_path / "x")
    v1 = tmp_path / "resnet_v1_50.ckpt"
    v1.write_bytes(Path(f"{prefix}.index").read_bytes())
    with pytest.raises(CheckpointUnsupportedError, match="V1 format"):
        locate(v1)


def not_found(path: str | Path) -> str:
    with pytest.raises(CheckpointNotFoundError) as caught:
        locate(path)
    assert caught.value.path == str(path)
    return caught.value.message


def test_a_wrong_number_names_the_near_ones(tmp_path: Path) -> None:
    checkpoint(tmp_path / "ckpt-1")
    checkpoint(tmp_path / "ckpt-2")
    path = tmp_path / "ckpt-0"
    message = not_found(path)
    assert message.startswith(f"there is no checkpoint {path}: in {tmp_path} there is ")
    assert "ckpt-1" in message
    assert "ckpt-2" in message


def test_a_missing_index_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "ckpt-0.data-00000-of-00001").write_bytes(b"")
    for path in ("ckpt-0", "ckpt-0.index", "ckpt-0.data-00000-of-00001"):
        if not (tmp_path / path).exists():
            assert not_found(tmp_path / path).endswith(
                "its data is there, but ckpt-0.index is missing; copy that file too"
            )


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    folder = tmp_path / "model" / "checkpoint"
    assert not_found(folder / "ckpt-0").endswith(
        f"the directory {folder} does not exist ({tmp_path} does)"
    )


def test_a_directory_without_a_checkpoint(tmp_path: Path) -> None:
    assert not_found(tmp_path).startswith(f"there is no checkpoint in the directory {tmp_path}:")


def test_an_empty_directory_holds_none(tmp_path: Path) -> None:
    assert not_found(tmp_path / "ckpt-0").endswith(f"{tmp_path} holds none")


def test_the_placeholder_of_the_sample_configs() -> None:
    assert "is still the placeholder" in not_found("PATH_TO_BE_CONFIGURED/ckpt-0")


@pytest.mark.parametrize("path", ["", " ", "a\0b", "ckpt-0\n", "x" * 5000, "\udcff"])
def test_any_text_is_a_typed_error(path: str) -> None:
    with pytest.raises(OdfreezeError):
        locate(path)
