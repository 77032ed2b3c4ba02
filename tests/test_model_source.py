"""Which checkpoint the variables are listed from, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    OdfreezeError,
    RemotePathError,
    TextProtoError,
    UsageError,
)
from odfreeze.model_source import ModelVariables, model_variables, open_checkpoint
from odfreeze.pipeline import PipelineConfig
from odfreeze.training import live_preview
from odfreeze.variables import Variable
from tests.support.bundle_writer import write_state
from tests.support.tiny_detector import variables, write_detector

COLUMN = len("  fine_tune_checkpoint: ") + 1


def naming(written: str) -> PipelineConfig:
    text = f"train_config {{\n  fine_tune_checkpoint: {written}\n}}"
    return PipelineConfig.parse(text.encode(), "a.config")


def test_the_variables_are_those_of_the_configs_checkpoint(tmp_path: Path) -> None:
    found = model_variables(PipelineConfig.read(write_detector(tmp_path)))
    assert {one.name for one in found.variables} == {one.name for one in variables()}
    assert (Path(found.source), found.resolution) == (tmp_path / "ckpt-0", "")


def test_a_checkpoint_that_is_given_is_read_instead(tmp_path: Path) -> None:
    write_detector(tmp_path)
    given = model_variables(naming("'not/there'"), tmp_path / "ckpt-0")
    assert Path(given.source) == tmp_path / "ckpt-0"
    assert given.variables == model_variables(naming("5"), tmp_path / "ckpt-0.index").variables


def test_what_was_taken_for_a_directory_is_told(tmp_path: Path) -> None:
    write_detector(tmp_path)
    write_state(tmp_path, "ckpt-0")
    found = model_variables(naming("''"), tmp_path)
    assert Path(found.source) == tmp_path / "ckpt-0"
    assert "ckpt-0" in found.resolution


def test_live_variables_need_no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (Variable("a", "model/a", (1,), "float32"),)
    asked = []

    def listing(config: PipelineConfig, *, watch: object) -> SimpleNamespace:
        asked.append((config, watch))
        return SimpleNamespace(variables=listed)

    monkeypatch.setattr(live_preview, "list_live_variables", listing)
    config = naming("'not/there'")
    assert model_variables(config, "nor/here", live=True, watch=print) == ModelVariables(listed, "")
    assert asked == [(config, print)]


@pytest.mark.parametrize("written", ["", "fine_tune_checkpoint: ''", "fine_tune_checkpoint: [];"])
def test_a_config_that_names_none_says_what_to_do(written: str) -> None:
    config = PipelineConfig.parse(f"train_config {{ {written} }}".encode(), "a.config")
    with pytest.raises(UsageError) as caught:
        open_checkpoint(config)
    assert str(caught.value) == (
        "a.config: train_config.fine_tune_checkpoint is not set, so there is nothing to list "
        "variables from; set it, give a checkpoint (--checkpoint PATH), or have the model built "
        "from the config (--live)"
    )


@pytest.mark.parametrize(
    ("written", "error", "message"),
    [
        ("'no/where'", CheckpointNotFoundError, "there is no checkpoint no/where: "),
        ("'no' '/where'", CheckpointNotFoundError, "there is no checkpoint no/where: "),
        ("' '", CheckpointNotFoundError, "' ' is no path of a checkpoint"),
        (r"'a\000b'", CheckpointNotFoundError, r"'a\x00b' is no path of a checkpoint"),
        (f"'{'a' * 5000}'", CheckpointNotFoundError, "there is no checkpoint aaa"),
        ("'gs://b/ckpt-0'", RemotePathError, "gs://b/ckpt-0 is not on this machine; "),
        ("5", TextProtoError, "expected a string in quotes, found an integer: 5; "),
        (r"'\377'", TextProtoError, "the string is not UTF-8 (byte 0xff); "),
        ("{ }", TextProtoError, "train_config.fine_tune_checkpoint is a message here; "),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_one_that_cannot_be_used_is_an_error_where_the_config_names_it(
    written: str, error: type[OdfreezeError], message: str
) -> None:
    with pytest.raises(error) as caught:
        open_checkpoint(naming(written))
    assert caught.value.message.startswith(message)
    assert str(caught.value.place) == f"a.config:2:{COLUMN}"


def test_a_damaged_one_too(tmp_path: Path) -> None:
    write_detector(tmp_path)
    index = tmp_path / "ckpt-0.index"
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(CheckpointCorruptError) as caught:
        open_checkpoint(naming(f"'{(tmp_path / 'ckpt-0').as_posix()}'"))
    assert str(caught.value.place) == f"a.config:2:{COLUMN}"


def test_of_one_named_twice_the_last_is_meant() -> None:
    text = b"train_config { fine_tune_checkpoint: 'a' }\ntrain_config { fine_tune_checkpoint: 'b' }"
    with pytest.raises(CheckpointNotFoundError, match="there is no checkpoint b") as caught:
        open_checkpoint(PipelineConfig.parse(text))
    assert caught.value.place is not None
    assert caught.value.place.line == 2


def test_one_that_is_given_has_no_place_in_the_config() -> None:
    with pytest.raises(CheckpointNotFoundError) as caught:
        open_checkpoint(naming("'a'"), "no/where")
    assert caught.value.place is None
