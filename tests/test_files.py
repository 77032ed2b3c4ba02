"""Local files: remote paths told apart, writing whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.errors import ConfigError, OutputError, RemotePathError
from odfreeze.files import (
    LARGEST_TEXT,
    read_text_file,
    refuse_remote,
    write_atomically,
    write_variables,
)


@pytest.mark.parametrize("path", ["gs://b/x", "s3://b/x", "hdfs://n/x", "HTTPS://h/x"])
def test_remote_paths(path: str) -> None:
    with pytest.raises(RemotePathError) as caught:
        refuse_remote(path)
    assert str(caught.value) == f"{path} is not on this machine; copy it here first"
    assert caught.value.path == path


@pytest.mark.parametrize(
    "path", ["x", "/a//b", "C:\\models\\x", "C://x", "a b://x", "://x", Path("x")]
)
def test_local_paths(path: str | Path) -> None:
    refuse_remote(path)


def test_a_text_of_the_largest_size_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with file.open("wb") as stream:
        stream.truncate(LARGEST_TEXT)
    assert len(read_text_file(file)) == LARGEST_TEXT
    with file.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ConfigError, match="is larger than any config"):
        read_text_file(file)


def test_writing_replaces_the_whole_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"long before")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_variables_are_a_line_each_below_all_else(tmp_path: Path) -> None:
    file = tmp_path / "new" / "x.json"
    write_variables(file, {"version": 1, "of": {"a": None}}, [{"name": "ä"}, {"name": "b"}])
    assert file.read_bytes().decode() == (
        '{\n "version": 1,\n "of": {\n  "a": null\n },\n'
        ' "variables": [\n  {"name": "\\u00e4"},\n  {"name": "b"}\n ]\n}\n'
    )
    assert json.loads(file.read_bytes()) == {
        "version": 1, "of": {"a": None}, "variables": [{"name": "ä"}, {"name": "b"}],
    }  # fmt: skip


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"x\.json cannot be written: .*; check the directory"):
        write_variables(tmp_path / "file" / "x.json", {"version": 1}, [])
