"""What a checkpoint gives a model whose variables are known from the model itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.live_restore import given_to
from odfreeze.variables import Variable
from tests.support.bundle_writer import write_checkpoint
from tests.support.tiny_detector import BACKBONE, specs, variables

LIVE = variables()
OF_BACKBONE = [v.object_path.startswith(BACKBONE) for v in LIVE]
OF_EXTRACTOR = [v.object_path.startswith("model/_feature_extractor") for v in LIVE]


def restored(checkpoint: object, kind: str = "detection", live: list[Variable] = LIVE):
    return list(given_to(live, checkpoint, kind, "ssd").restore.restored)  # type: ignore[arg-type]


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    return str(write_checkpoint(tmp_path / "ckpt-0", specs()))


@pytest.mark.parametrize(
    ("kind", "expected"), [("detection", OF_EXTRACTOR), ("full", [True] * len(LIVE))]
)
def test_by_the_type(checkpoint: str, kind: str, expected: list[bool]) -> None:
    assert restored(checkpoint, kind) == expected
    assert any(expected)


def test_what_the_checkpoint_lacks_or_has_in_another_shape_is_not(tmp_path: Path) -> None:
    held = specs()
    absent, other = list(held)[:2]
    del held[absent]
    name, dtype, shape, _ = held[other]
    held[other] = (name, dtype, (*shape, 2), None)
    found = restored(write_checkpoint(tmp_path / "ckpt-0", held), "full")
    assert found == [False, False, *[True] * (len(LIVE) - 2)]


def test_a_backbone_is_restored_to_where_it_hangs(tmp_path: Path) -> None:
    held = {path.replace(BACKBONE, "feature_extractor"): one for path, one in specs().items()}
    kept = {path: one for path, one in held.items() if path.startswith("feature_extractor")}
    prefix = write_checkpoint(tmp_path / "ckpt-0", kept)
    assert restored(prefix, "classification") == OF_BACKBONE


def test_of_a_checkpoint_that_the_od_api_refuses_nothing_is(checkpoint: str) -> None:
    found = given_to(LIVE, checkpoint, "classification", "ssd")
    assert not any(found.restore.restored)
    assert "asks for 'feature_extractor'" in found.restore.problem


def test_the_names_of_the_checkpoint_are_known(checkpoint: str) -> None:
    found = given_to(LIVE, checkpoint, "detection", "ssd")
    assert found.names == {v.object_path: v.name for v in LIVE}
    assert (found.path, found.note, found.missing) == (checkpoint, "", "")


@pytest.mark.parametrize("checkpoint", [None, ""], ids=["none", "empty"])
def test_without_a_checkpoint_nothing_is_restored(checkpoint: str | None) -> None:
    found = given_to(LIVE, checkpoint, "detection", "ssd")
    assert (any(found.restore.restored), found.restore.problem, found.path) == (False, "", "")
    assert found.missing == "train_config.fine_tune_checkpoint is not set"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("detection", OF_EXTRACTOR), ("full", [True] * len(LIVE)), ("classification", OF_BACKBONE)],
    ids=["detection", "full", "classification"],
)
@pytest.mark.parametrize("path", ["gs://bucket/ckpt-0", "nowhere/ckpt-0"], ids=["remote", "gone"])
def test_one_that_is_not_here_is_taken_to_be_of_this_model(
    path: str, kind: str, expected: list[bool]
) -> None:
    found = given_to(LIVE, path, kind, "ssd")
    assert list(found.restore.restored) == expected
    assert (found.path, found.names) == (path, {})
    assert found.note == "taken to be of this very model, since it is not on this machine"


def test_so_is_one_that_is_damaged(checkpoint: str) -> None:
    index = Path(f"{checkpoint}.index")
    index.write_bytes(index.read_bytes()[:-10])
    found = given_to(LIVE, checkpoint, "detection", "ssd")
    assert list(found.restore.restored) == OF_EXTRACTOR
    assert found.note.startswith("taken to be of this very model, since ")
