"""Lists of variables that are kept: read back as written, never trusted, bounded in number."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from odfreeze.training import kept_lists
from odfreeze.training.kept_lists import VariableList, cache_folder, from_json, keep, kept
from tests.support.tiny_detector import variables

MODEL = "0123456789abcdef" * 4
VERSIONS = {"tensorflow": "2.15.1", "object_detection": "2.8.0"}
LIST = VariableList(tuple(variables()), VERSIONS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ODFREEZE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_kept_is_read_back() -> None:
    assert kept(MODEL, VERSIONS) is None
    keep(MODEL, LIST)
    assert kept(MODEL, VERSIONS) == LIST


@pytest.mark.parametrize(
    ("model", "versions"),
    [("f" * 64, VERSIONS), (MODEL, {**VERSIONS, "tensorflow": "2.16.0"}), (MODEL, {})],
    ids=["another-model", "another-version", "no-version"],
)
def test_for_another_there_is_none(model: str, versions: dict[str, str]) -> None:
    keep(MODEL, LIST)
    assert kept(model, versions) is None


def test_any_serves_where_there_is_no_tensorflow() -> None:
    keep(MODEL, LIST)
    keep("f" * 64, built_by("2.18.0"))
    assert kept_lists.kept_by_any(MODEL) == LIST
    assert kept_lists.kept_by_any("e" * 64) is None


def built_by(tensorflow: str) -> VariableList:
    return VariableList(LIST.variables, {**VERSIONS, "tensorflow": tensorflow})


def test_of_several_the_newest_serves() -> None:
    for age, tensorflow in ((30, "2.12.0"), (10, "2.18.0"), (20, "2.15.1")):
        keep(MODEL, built_by(tensorflow))
        path = kept_lists._path(MODEL, built_by(tensorflow).versions)
        os.utime(path, (1_000_000 - age,) * 2)
    found = kept_lists.kept_by_any(MODEL)
    assert found is not None
    assert found.versions["tensorflow"] == "2.18.0"


GOOD = LIST.to_json()
ROW = GOOD["variables"][0]


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {**GOOD, "format": 2},
        {**GOOD, "versions": []},
        {**GOOD, "versions": {"tensorflow": 2}},
        {**GOOD, "variables": []},
        {**GOOD, "variables": {}},
        {**GOOD, "variables": [ROW, ROW]},
        {**GOOD, "variables": [ROW[:5]]},
        *({**GOOD, "variables": [[*ROW[:at], None, *ROW[at + 1 :]]]} for at in range(6)),
        {**GOOD, "variables": [["", *ROW[1:]]]},
        {**GOOD, "variables": [["x" * 5000, *ROW[1:]]]},
        {**GOOD, "variables": [[*ROW[:2], [True], *ROW[3:]]]},
        {**GOOD, "variables": [[*ROW[:2], [-1], *ROW[3:]]]},
        {**GOOD, "variables": [[*ROW[:2], [1.5], *ROW[3:]]]},
        {**GOOD, "variables": [[*ROW[:4], 1, ROW[5]]]},
    ],
    ids=lambda found: None,
)
def test_what_is_not_of_the_form_is_no_list(found: object) -> None:
    assert from_json(GOOD) == LIST
    assert from_json(found) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"null", b"\xff\xfe", b"[" * 100_000, json.dumps(GOOD).encode()[:-9]],
    ids=["empty", "cut", "null", "no-text", "deep", "cut-late"],
)
def test_a_damaged_file_is_no_list_and_is_replaced(data: bytes) -> None:
    keep(MODEL, LIST)
    Path(kept_lists._path(MODEL, VERSIONS)).write_bytes(data)
    assert kept(MODEL, VERSIONS) is None
    keep(MODEL, LIST)
    assert kept(MODEL, VERSIONS) == LIST


def test_a_file_far_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    keep(MODEL, LIST)
    monkeypatch.setattr(kept_lists, "_LARGEST", 100)
    assert kept(MODEL, VERSIONS) is None


def test_a_list_of_other_versions_under_this_name_is_not_taken() -> None:
    keep(MODEL, LIST)
    other = json.dumps(built_by("2.18.0").to_json())
    Path(kept_lists._path(MODEL, VERSIONS)).write_text(other)
    assert kept(MODEL, VERSIONS) is None


def test_only_so_many_are_kept_and_what_is_used_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_lists, "_MOST_LISTS", 3)
    for number in range(3):
        keep(f"{number}" * 64, LIST)
        os.utime(kept_lists._path(f"{number}" * 64, VERSIONS), (1_000_000 + number,) * 2)
    (folder / "of_somebody_else.json").write_text("{}")
    assert kept("0" * 64, VERSIONS) == LIST
    keep("3" * 64, LIST)
    assert [kept(f"{number}" * 64, VERSIONS) is not None for number in range(4)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert (folder / "of_somebody_else.json").exists()


def test_where_nothing_can_be_written_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ODFREEZE_CACHE_DIR", str(tmp_path / "file" / "below"))
    keep(MODEL, LIST)
    assert kept(MODEL, VERSIONS) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_folder_is_its_owners(folder: Path) -> None:
    keep(MODEL, LIST)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"ODFREEZE_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ("linux", {"XDG_CACHE_HOME": "/b"}, "/b/odfreeze"),
        ("linux", {"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/odfreeze"),
        ("linux", {"HOME": "/h"}, "/h/.cache/odfreeze"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/odfreeze"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/odfreeze/Cache"),
    ],
    ids=["given", "xdg", "xdg-relative", "home", "mac", "windows"],
)
def test_where_lists_are_kept(
    platform: str, environment: dict, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name == "nt":
        pytest.skip("paths are written otherwise")
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("ODFREEZE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == expected
