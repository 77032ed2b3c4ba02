"""Local files: remote paths told apart, writing whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.errors import ConfigError, RemotePathError
from odfreeze.files import LARGEST_TEXT, read_text_file, refuse_remote, write_atomically


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
