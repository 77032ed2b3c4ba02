"""What is said of the path of the checkpoint, and of the files that it leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odfreeze.check.linter import fix_config
from odfreeze.check.start import starting
from odfreeze.check.subject import Subject
from odfreeze.textproto import apply_edits
from tests.check.planted import said, subject_of
from tests.support.bundle_writer import write_checkpoint, write_named_checkpoint, write_state
from tests.support.tiny_detector import specs

needs_slashes = pytest.mark.skipif(os.sep != "/", reason="Windows finds the file all the same")


def zoo(directory: Path, name: str = "ckpt-0", shards: int = 1) -> str:
    return write_checkpoint(directory / name, specs(), shards=shards).as_posix()


def of(path: Path | str, **flags: str) -> Subject:
    """A config whose fine_tune_checkpoint, on line 2, is a path."""
    text = str(path).replace("\\", "\\\\")
    return subject_of(f'train_config {{\n  fine_tune_checkpoint: "{text}"\n}}\n', **flags)


def everything(subject: Subject) -> list[str]:
    try:
        return said(finding for rule in starting.RULES for finding in rule(subject))
    finally:
        subject.close()


def mended(subject: Subject) -> str:
    """The path after the fixes."""
    edits = [e for rule in starting.RULES for finding in rule(subject) for e in finding.edits]
    subject.close()
    text = apply_edits(subject.config.data, edits).decode()
    return text.partition('"')[2].partition('"')[0]


def test_of_a_checkpoint_that_is_whole_nothing_is_said(tmp_path: Path) -> None:
    assert everything(of(zoo(tmp_path, shards=2), model_dir=str(tmp_path / "run"))) == []


@pytest.mark.parametrize(
    "text",
    [
        'train_config { fine_tune_checkpoint: "" }',
        "train_config { }",
        'train_config { fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED/ckpt-0" }',
        'train_config { fine_tune_checkpoint: "C:\\new\\ckpt-0" }',
        'train_config { fine_tune_checkpoint: "nowhere" } '
        'model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }',
        "train_config { fine_tune_checkpoint: 5 }",
        "train_config: 5",
    ],
    ids=["empty", "none", "placeholder", "eaten", "tf1", "number", "no-message"],
)
def test_what_is_the_business_of_other_rules(text: str) -> None:
    assert everything(subject_of(text)) == []


# --- what the path is ----------------------------------------------------------------


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_305_one_file_of_the_checkpoint(ending: str, tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    assert everything(of(prefix + ending)) == [
        f"ODF305 error 2: fine_tune_checkpoint ends in {ending!r}, one of the checkpoint's files; "
        f"TensorFlow takes what their names have in common: {prefix!r}"
    ]
    assert mended(of(prefix + ending)) == prefix


def test_305_also_where_the_file_is_not_there() -> None:
    assert mended(of("nowhere/ckpt-0.index")) == "nowhere/ckpt-0"


def test_306_a_directory_with_one_checkpoint(tmp_path: Path) -> None:
    prefix = zoo(tmp_path / "checkpoint")
    resolution = f"{tmp_path} is a model directory; ckpt-0 is the only checkpoint in"
    (found,) = everything(of(tmp_path))
    assert found.startswith(
        f"ODF306 error 2: fine_tune_checkpoint {str(tmp_path)!r} is a directory; TensorFlow takes "
        f"the prefix of a checkpoint's files: {prefix!r} ({resolution}"
    )
    assert mended(of(tmp_path)) == prefix


def test_306_which_of_several_is_meant_is_not_guessed(tmp_path: Path) -> None:
    zoo(tmp_path)
    last = zoo(tmp_path, "ckpt-1")
    (found,) = everything(of(tmp_path))
    assert f"files: {last!r} (ckpt-1 is the last of 2 checkpoints in " in found
    assert mended(of(tmp_path)) == str(tmp_path)


def test_306_a_directory_without_a_checkpoint(tmp_path: Path) -> None:
    assert everything(of(tmp_path)) == [
        f"ODF306 error 2: fine_tune_checkpoint is a directory: there is no checkpoint in the "
        f"directory {tmp_path}: no 'checkpoint' file, no .index file, no checkpoint or variables "
        "directory with one"
    ]


def test_307_another_number(tmp_path: Path) -> None:
    zoo(tmp_path)
    assert everything(of(tmp_path / "ckpt-7")) == [
        f"ODF307 error 2: fine_tune_checkpoint: there is no checkpoint {tmp_path / 'ckpt-7'}: in "
        f"{tmp_path} there is ckpt-0"
    ]


def test_307_a_relative_path_is_one_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    prefix = zoo(tmp_path / "zoo")
    config = tmp_path / "a.config"
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = 'train_config {\n  fine_tune_checkpoint: "zoo/ckpt-0"\n}\n'
    (found,) = everything(subject_of(text, str(config)))
    here = f"is taken from where training is started, here {tmp_path / 'elsewhere'}"
    assert found.endswith(f"a relative path {here}; beside the config there is one: {prefix!r}")
    monkeypatch.chdir(tmp_path)
    assert everything(subject_of(text, str(config))) == []


def test_307_a_blank_too_many(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    (found,) = everything(of(prefix + " "))
    assert found.endswith(f"without the blank at its end or beginning it is there: {prefix!r}")


@needs_slashes
def test_309_backslashes(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    windows = prefix.replace("/", "\\")
    assert everything(of(windows)) == [
        f"ODF309 error 2: fine_tune_checkpoint {windows!r} has backslashes, which part a path on "
        "Windows alone, and which the text format takes for escapes; write slashes: "
        f"{prefix!r}"
    ]
    assert mended(of(windows)) == prefix
    assert mended(of("C:\\zoo\\ckpt-0")) == "C:/zoo/ckpt-0"


@needs_slashes
def test_309_not_for_a_name_that_has_one(tmp_path: Path) -> None:
    assert everything(of(zoo(tmp_path, "a\\b-0"))) == []


@pytest.mark.parametrize("path", ["gs://bucket/ckpt-0", "s3://b/ckpt-0.index", "hdfs://h/a"])
def test_320_a_remote_path_is_not_looked_at(path: str) -> None:
    assert everything(of(path)) == [
        f"ODF320 info 2: fine_tune_checkpoint {path!r} is not on this machine: nothing of it was "
        "checked; copy its .index and .data files here to have that done"
    ]


@needs_slashes
def test_320_a_file_url_is_on_this_machine(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    assert everything(of(f"file://{prefix}")) == []
    assert [line[:6] for line in everything(of(f"file://{prefix}9"))] == ["ODF307"]


@pytest.mark.parametrize("below", ["", "variables/variables", "variables/variables.index"])
def test_321_a_saved_model_beside_the_checkpoint(below: str, tmp_path: Path) -> None:
    prefix = zoo(tmp_path / "checkpoint")
    saved = tmp_path / "saved_model"
    zoo(saved / "variables", "variables")
    (saved / "saved_model.pb").write_bytes(b"")
    path = (saved / below).as_posix()
    found = [line for line in everything(of(path)) if line.startswith("ODF321")]
    assert found == [
        f"ODF321 error 2: fine_tune_checkpoint {path!r} leads to the variables of a SavedModel, "
        "which is for inference: its object paths are others, and the OD API finds nothing of the "
        f"model there; the checkpoint beside it is {prefix!r}"
    ]
    if "index" not in below:
        assert mended(of(path)) == prefix


def test_321_a_saved_model_alone(tmp_path: Path) -> None:
    zoo(tmp_path / "variables", "variables")
    (found,) = everything(of(tmp_path))
    assert found.startswith("ODF321 error 2: ")
    assert found.endswith("; give the checkpoint")
    assert mended(of(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("frozen_inference_graph.pb", "is a frozen graph, which holds constants and no variables"),
        ("model.h5", "is a Keras file"),
        ("zoo.tar.gz", "is an archive; unpack it first"),
        ("model.ckpt.meta", "is the graph of a TF1 checkpoint"),
    ],
)
def test_321_another_file(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"1234567890")
    (found,) = everything(of(tmp_path / name))
    assert found.startswith(f"ODF321 error 2: fine_tune_checkpoint: {tmp_path / name} {words}")


def test_321_the_state_file(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    state = write_state(tmp_path, "ckpt-0")
    assert everything(of(state)) == [
        f"ODF321 error 2: fine_tune_checkpoint {str(state)!r} is the file that names the latest "
        f"checkpoint; give that one's prefix: {prefix!r}"
    ]
    assert mended(of(state)) == prefix


def test_323_a_shortcut_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO", "/data/zoo")
    assert everything(of("$ZOO/ckpt-0")) == [
        "ODF323 error 2: fine_tune_checkpoint '$ZOO/ckpt-0' has a shortcut of the shell, which no "
        "shell sees here and TensorFlow takes as it is; write the whole path, here "
        "'/data/zoo/ckpt-0'"
    ]


@pytest.mark.parametrize("path", ["~/zoo/ckpt-0", "${NOWHERE_AT_ALL}/ckpt-0"])
def test_323_in_whatever_form(path: str) -> None:
    assert [line[:6] for line in everything(of(path))] == ["ODF323"]


# --- what is there -------------------------------------------------------------------


def test_308_a_missing_data_file(tmp_path: Path) -> None:
    prefix = zoo(tmp_path, shards=3)
    Path(f"{prefix}.data-00002-of-00003").unlink()
    assert everything(of(prefix)) == [
        "ODF308 error 2: 1 data file of 3 of the checkpoint is missing (ckpt-0.data-00002-of-00003)"
        ": its names may be listed, but nothing can be restored; copy all files of the checkpoint"
    ]


def test_308_several(tmp_path: Path) -> None:
    prefix = zoo(tmp_path, shards=4)
    for shard in range(4):
        Path(f"{prefix}.data-{shard:05}-of-00004").unlink()
    (found,) = everything(of(prefix))
    assert "4 data files of 4 of the checkpoint are missing (" in found
    assert "ckpt-0.data-00000-of-00004, ckpt-0.data-00001-of-00004, …)" in found


def test_308_of_the_real_checkpoint(corpus: Path) -> None:
    prefix = corpus / "checkpoints" / "efficientdet_d0_names_only" / "ckpt-0"
    assert [line[:6] for line in everything(of(prefix))] == ["ODF308"]


def test_322_a_damaged_index(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    index = Path(f"{prefix}.index")
    index.write_bytes(index.read_bytes()[:-3])
    (found,) = everything(of(prefix))
    assert found.startswith(f"ODF322 error 2: fine_tune_checkpoint: {prefix}.index ")


def test_322_a_damaged_object_graph(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    data = Path(f"{prefix}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-20] + bytes(20))
    (found,) = everything(of(prefix))
    assert found.startswith("ODF322 error 2: fine_tune_checkpoint: ")


def test_322_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    prefix = zoo(tmp_path)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    Path(f"{prefix}.index").write_bytes(pointer)
    (found,) = everything(of(prefix))
    assert found.endswith("is a pointer of Git LFS, `git lfs pull` brings what it stands for")


def test_324_a_data_file_that_ends_too_early(tmp_path: Path) -> None:
    prefix = zoo(tmp_path, shards=2)
    data = Path(f"{prefix}.data-00001-of-00002")
    size = data.stat().st_size
    data.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert everything(of(prefix)) == [
        f"ODF324 error 2: ckpt-0.data-00001-of-00002 has 43 bytes where the index speaks of "
        f"{size:,}: it was not copied or downloaded to its end; get it again (it is a pointer of "
        "Git LFS: `git lfs pull`)"
    ]


def test_324_one_byte_is_enough(tmp_path: Path) -> None:
    prefix = write_named_checkpoint(tmp_path / "c", {"w": ("float32", (4,), None)})
    os.truncate(f"{prefix}.data-00000-of-00001", 15)
    (found,) = everything(of(prefix))
    assert "has 15 bytes where the index speaks of 16: it was not copied" in found


def test_319_in_the_directory_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = zoo(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert everything(of(prefix, model_dir="run")) == [
        f"ODF319 error 2: fine_tune_checkpoint {prefix!r} lies in --model_dir 'run', which the OD "
        "API refuses: a run would take it for its own; choose another directory for the run"
    ]
    assert everything(of(prefix, model_dir=str(tmp_path))) == []
    assert everything(of(prefix)) == []


def test_a_chain_of_fixes_ends_at_the_checkpoint(tmp_path: Path) -> None:
    """Backslashes, then a SavedModel's file: one call of check --fix mends both."""
    prefix = zoo(tmp_path / "checkpoint")
    zoo(tmp_path / "saved_model" / "variables", "variables")
    path = f"{tmp_path.as_posix()}/saved_model\\\\variables\\\\variables.index"
    config = tmp_path / "a.config"
    config.write_text(f'train_config {{ fine_tune_checkpoint: "{path}" }}', encoding="utf-8")
    fixed = fix_config(config, select=["ODF30", "ODF32"])
    assert fixed.data.decode() == f'train_config {{ fine_tune_checkpoint: "{prefix}" }}'
    assert fixed.findings == ()
