"""What is still to be filled in, and what only looks so."""

from __future__ import annotations

import pytest

from odfreeze.check.subject import is_placeholder


@pytest.mark.parametrize(
    "text",
    [
        "PATH_TO_BE_CONFIGURED",
        "PATH_TO_BE_CONFIGURED/train2017-?????-of-00256.tfrecord",
        "gs://bucket/PATH_TO_BE_CONFIGURED/ckpt-0",
        "PATH/TO/label_map.pbtxt",
        "/path/to/label_map.pbtxt",
        "C:\\path\\to\\label_map.pbtxt",
        "PATH_TO_LABEL_MAP",
        "path_to_be_configured/a",
        "<PATH>/a",
        "data/<your file>.record",
        "YOUR_RECORD.tfrecord",
    ],
)
def test_to_be_filled_in(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "data/train.record",
        "/data/path_to_gold/train.record",
        "my_path/to_train/a",
        "mypath/to/a",
        "data/MYPATH_TO_X/a",
        "yours_truly.record",
        "a<b",
    ],
)
def test_filled_in(text: str | None) -> None:
    assert not is_placeholder(text)
