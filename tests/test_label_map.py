"""Label maps with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.errors import ConfigError, OdfreezeError, TextProtoError
from odfreeze.label_map import LabelMap, read_label_map


def read(tmp_path: Path, text: str) -> LabelMap:
    path = tmp_path / "map.pbtxt"
    path.write_text(text, encoding="utf-8")
    return read_label_map(path)


def test_items_with_their_places(tmp_path: Path) -> None:
    found = read(
        tmp_path, "# animals\nitem {\n  id: 1\n  name: 'cat'\n}\nitem: { name: \"dog\" }\n"
    )
    assert [(one.id, one.name, one.display_name) for one in found.items] == [
        (1, "cat", ""), (0, "dog", ""),
    ]  # fmt: skip
    assert [(one.place.line, one.id_place.line, one.id_place.column) for one in found.items] == [
        (2, 3, 7), (6, 6, 7),
    ]  # fmt: skip


def test_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path, "").items == ()


def test_ids_by_name_and_display_name(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "item { id: 1 name: '/m/01yrx' display_name: 'Cat' } item { id: 2 name: 'dog' }"
        "item { id: 7 name: 'Cat' }",
    )
    assert found.ids() == {"/m/01yrx": 1, "dog": 2, "Cat": 7, "": 7}


def test_all_fields_of_the_schema_are_taken(tmp_path: Path) -> None:
    text = (
        "item { id: 1 name: 'a' frequency: FREQUENT instance_count: 3 ancestor_ids: 2 "
        "descendant_ids: [3, 4] keypoints { id: 0 label: 'nose' } }"
    )
    assert len(read(tmp_path, text).items) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("item {\n  id: 1\n  nam: 'cat'\n}", (3, 3)),
        ("items {\n  id: 1\n}", (1, 1)),
        ("item {\n  id: '1'\n}", (2, 7)),
        ("item {\n  id: 1\n  name: cat\n}", (3, 9)),
        ("item: 3", (1, 7)),
        ("item {\n  id: 1\n", None),
        ("cat\ndog\n", None),
    ],
    ids=["field", "items", "id-in-quotes", "name-without-quotes", "no-message", "brace", "list"],
)
def test_what_is_no_label_map(tmp_path: Path, text: str, place: tuple[int, int] | None) -> None:
    with pytest.raises((ConfigError, TextProtoError)) as caught:
        read(tmp_path, text)
    assert caught.value.place is not None
    assert caught.value.place.file.endswith("map.pbtxt")
    if place:
        assert (caught.value.place.line, caught.value.place.column) == place


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OdfreezeError, match="there is no file"):
        read_label_map(tmp_path / "map.pbtxt")
