"""The record of a run: written whole, read back equal, and every hand-edit is told."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import RecordError, RemotePathError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import (
    RecordedVariable,
    RunRecord,
    differing_identity,
    digest,
    read_record,
    record_path,
    write_record,
)
from odfreeze.stages.conduct import Conduct, Rate, Until

KERNEL = RecordedVariable(
    name="conv/kernel",
    object_path="model/conv/kernel",
    shape=(3, 3, 2, 4),
    dtype="float32",
    state="frozen",
    trainable=True,
    statistic=False,
    digest=digest(bytes(288)),
)
MEAN = dataclasses.replace(
    KERNEL, name=None, object_path="model/bn/moving_mean", shape=(), state="held", trainable=False,
    statistic=True,
)  # fmt: skip
RECORD = RunRecord(
    config_path="configs\\pipeline.config",
    config_text='train_config { freeze_variables: "é\\\\d" }\n',
    fine_tune_checkpoint="zoo/checkpoint/ckpt-0",
    fine_tune_checkpoint_type="detection",
    freeze_variables=("conv", "(?#path)model/b"),
    update_trainable_variables=(),
    frozen_batch_norm="hold",
    num_steps=250,
    start_step=0,
    versions={"odfreeze": "0.1.0", "tensorflow": "2.15.1"},
    measures=("pb2 modules from descriptors",),
    created="2025-01-02T03:04:05+00:00",
    variables=(KERNEL, MEAN),
    seed=7,
    conduct=Conduct(until=Until(patience=9)).to_json(),
)


def test_it_comes_back_equal(tmp_path: Path) -> None:
    path = write_record(RECORD, tmp_path / "run")
    assert path == tmp_path / "run" / "odfreeze" / "record.json" == record_path(tmp_path / "run")
    assert read_record(tmp_path / "run") == RECORD
    assert read_record(path) == RECORD


@given(
    text=st.text(max_size=50),
    name=st.none() | st.text(max_size=20),
    paths=st.sets(st.text(max_size=20), max_size=5),
    shape=st.lists(st.integers(0, 2**15), max_size=4).map(tuple),
)
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    name: str | None,
    paths: set[str],
    shape: tuple[int, ...],
) -> None:
    variables = [
        dataclasses.replace(KERNEL, name=name, object_path=path, shape=shape) for path in paths
    ]
    record = dataclasses.replace(
        RECORD, config_text=text, fine_tune_checkpoint=name, variables=tuple(variables)
    )
    folder = tmp_path_factory.mktemp("run")
    write_record(record, folder)
    assert read_record(folder) == record


def test_a_record_of_before_there_were_seeds_has_none(tmp_path: Path) -> None:
    path = write_record(RECORD, tmp_path)
    path.write_text(path.read_text().replace(' "seed": 7,\n', ""))
    assert '"seed"' not in path.read_text()
    assert read_record(tmp_path) == dataclasses.replace(RECORD, seed=None)


def test_bytes_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    text = b"# caf\xe9\n".decode("utf-8", "surrogateescape")
    write_record(dataclasses.replace(RECORD, config_text=text), tmp_path)
    assert read_record(tmp_path).config_text.encode("utf-8", "surrogateescape") == b"# caf\xe9\n"


def test_the_file_has_one_variable_a_line_and_says_its_version(tmp_path: Path) -> None:
    lines = write_record(RECORD, tmp_path).read_text("ascii").splitlines()
    assert lines[:3] == ["{", ' "version": 1,', ' "digest": "sha256",']
    assert json.loads(lines[-4].strip().rstrip(","))["object_path"] == KERNEL.object_path
    assert json.loads(lines[-3])["object_path"] == MEAN.object_path


def test_writing_leaves_no_other_file(tmp_path: Path) -> None:
    write_record(RECORD, tmp_path)
    write_record(dataclasses.replace(RECORD, num_steps=9), tmp_path)
    assert [file.name for file in (tmp_path / "odfreeze").iterdir()] == ["record.json"]
    assert read_record(tmp_path).num_steps == 9


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_the_digest_is_the_same_whole_and_in_pieces(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    expected = hashlib.sha256(whole).hexdigest()
    assert digest(whole) == digest(pieces) == digest(memoryview(whole)) == expected


def test_a_directory_without_a_record_says_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path)
    assert caught.value.path == str(record_path(tmp_path))
    assert "there is no record of a run here" in caught.value.message
    assert "odfreeze verify BEFORE AFTER" in caught.value.message


def test_a_remote_directory_is_refused() -> None:
    with pytest.raises(RemotePathError):
        read_record("gs://bucket/run")
    with pytest.raises(RemotePathError):
        write_record(RECORD, "gs://bucket/run")


def edited(change: Callable[[Any], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        data = json.loads(text)
        change(data)
        return json.dumps(data)

    return edit


def of_first(**values: object) -> Callable[[str], str]:
    return edited(lambda data: data["variables"][0].update(values))


def of_all(**values: object) -> Callable[[str], str]:
    return edited(lambda data: data.update(values))


EDITS: dict[str, tuple[Callable[[str], str], str]] = {
    "cut off": (lambda text: text[:-20], "not the record that"),
    "empty": (lambda text: "", "Expecting value"),
    "a list": (lambda text: "[]", "it is no JSON object"),
    "deeply nested": (lambda text: "[" * 200_000, "not the record that"),
    "not text": (lambda text: "\x00\x01", "not the record that"),
    "version to come": (of_all(version=2), "its version is 2, not 1"),
    "another digest": (of_all(digest="md5"), "its digest is 'md5', not 'sha256'"),
    "variables gone": (edited(lambda data: data.pop("variables")), "'variables' is no list"),
    "variables of another kind": (of_all(variables={}), "'variables' is no list"),
    "a variable of another kind": (of_all(variables=[3]), "variable 0 is no JSON object"),
    "state unknown": (of_first(state="melted"), "the state of variable 0 is 'melted'"),
    "state gone": (of_first(state=None), "'state' of variable 0 is no text"),
    "digest cut": (of_first(digest="ab12"), "the digest of variable 0 is 'ab12'"),
    "digest in capitals": (of_first(digest="A" * 64), "the digest of variable 0"),
    "shape of a text": (of_first(shape="3"), "the shape of variable 0 is no list"),
    "negative dimension": (of_first(shape=[-1]), "a dimension of variable 0 is -1, no count"),
    "dimension of truth": (of_first(shape=[True]), "a dimension of variable 0 is True"),
    "endless dimension": (of_first(shape=[10**400]), "a dimension of variable 0 is too large"),
    "endless shape": (of_first(shape=[2**40, 2**40]), "the size of variable 0 is too large"),
    "path gone": (of_first(object_path=None), "'object_path' of variable 0 is no text"),
    "trainable of a number": (of_first(trainable=1), "'trainable' or 'statistic' of variable 0"),
    "a path twice": (of_first(object_path=MEAN.object_path), "is in it twice"),
    "batch norm": (of_all(frozen_batch_norm="melt"), "'frozen_batch_norm' is 'melt'"),
    "patterns of a text": (of_all(freeze_variables="conv"), "'freeze_variables' is no list"),
    "patterns of numbers": (of_all(freeze_variables=[1]), "'freeze_variables' is no list"),
    "steps of a text": (of_all(num_steps="250"), "'num_steps' is '250', no count"),
    "steps without end": (of_all(num_steps=1 << 63), "'num_steps' is too large"),
    "steps infinite": (lambda text: text.replace("250", "1e999"), "no count"),
    "versions of a list": (of_all(versions=[]), "'versions' is no JSON object"),
    "rate without end": (
        of_all(conduct=Conduct((Rate("a", 10**400),)).to_json()),
        "'scale' is too large",
    ),
    "checkpoint gone": (
        edited(lambda data: data.pop("fine_tune_checkpoint")),
        "'fine_tune_checkpoint' of it is no text",
    ),
}


@pytest.mark.parametrize(("edit", "message"), EDITS.values(), ids=EDITS)
def test_a_hand_edited_record_is_a_clear_error(
    tmp_path: Path, edit: Callable[[str], str], message: str
) -> None:
    path = write_record(RECORD, tmp_path)
    path.write_text(edit(path.read_text("utf-8")), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path)
    assert message in caught.value.message
    assert caught.value.message.startswith(f"{path} is not the record that `odfreeze train` wrote")


@given(data=st.data())
def test_any_wrong_byte_is_an_error_or_another_record_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write_record(RECORD, tmp_path_factory.mktemp("run"))
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with contextlib.suppress(RecordError):
        assert isinstance(read_record(path), RunRecord)


SAME = """train_config {
  fine_tune_checkpoint: "zoo/checkpoint/ckpt-0" fine_tune_checkpoint_type: "detection"
  freeze_variables: ["conv", "(?#path)model/b"]
}"""


def test_the_same_run_differs_in_nothing_though_it_is_made_longer() -> None:
    longer = PipelineConfig.parse(SAME.replace("{", "{ num_steps: 900", 1).encode())
    assert differing_identity(RECORD, longer, "hold", 7) == []


@pytest.mark.parametrize(
    ("old", "new", "holding", "row"),
    [
        ('"conv", ', "", "hold", ("freeze_variables", ("conv", "(?#path)model/b"),
         ("(?#path)model/b",))),
        ("}", 'update_trainable_variables: "a" }', "hold", ("update_trainable_variables", (),
         ("a",))),
        ("ckpt-0", "ckpt-1", "hold", ("fine_tune_checkpoint", "zoo/checkpoint/ckpt-0",
         "zoo/checkpoint/ckpt-1")),
        ("detection", "full", "hold", ("fine_tune_checkpoint_type", "detection", "full")),
        ("", "", "update", ("frozen_batch_norm", "hold", "update")),
    ],
    ids=["freeze", "update", "checkpoint", "type", "batch-norm"],
)  # fmt: skip
def test_what_tells_another_run_apart(
    old: str, new: str, holding: Any, row: tuple[str, object, object]
) -> None:
    config = PipelineConfig.parse(SAME.replace(old, new).encode())
    assert differing_identity(RECORD, config, holding, 7) == [row]


@pytest.mark.parametrize("seed", [8, None])
def test_another_seed_is_another_run(seed: int | None) -> None:
    config = PipelineConfig.parse(SAME.encode())
    assert differing_identity(RECORD, config, "hold", seed) == [("seed", 7, seed)]


@pytest.mark.parametrize(
    ("asked", "rows"),
    (
        (Conduct(), [("rate", ("^a=0.1",), ()), ("carry_optimizer", True, False)]),
        (Conduct((Rate("^a", 0.1),), carry_optimizer=True), []),
        (Conduct((Rate("^a", 0.1),), Until(9), "best", carry_optimizer=True), []),
        (None, []),
    ),
    ids=("rates and slots", "the same", "another end", "not known"),
)
def test_rates_make_another_run_and_another_end_does_not(
    asked: Conduct | None, rows: list[object]
) -> None:
    conduct = Conduct((Rate("^a", 0.1),), carry_optimizer=True)
    record = dataclasses.replace(RECORD, conduct=conduct.to_json())
    config = PipelineConfig.parse(SAME.encode())
    assert differing_identity(record, config, "hold", 7, asked) == rows


def test_an_older_record_is_of_a_run_without_rates(tmp_path: Path) -> None:
    path = write_record(dataclasses.replace(RECORD, conduct=None), tmp_path)
    path.write_text(path.read_text("utf-8").replace(' "conduct": null,\n', "", 1), "utf-8")
    assert "conduct" not in json.loads(path.read_bytes())
    record, config = read_record(path), PipelineConfig.parse(SAME.encode())
    assert differing_identity(record, config, "hold", 7, Conduct()) == []
    (row,) = differing_identity(record, config, "hold", 7, Conduct((Rate("^a", 0.5),)))
    assert row == ("rate", (), ("^a=0.5",))
