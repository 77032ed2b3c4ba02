"""What is said of the files of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.data import files as data
from odfreeze.check.linter import check_config
from tests.check.planted import said, subject_of
from tests.support.records import detection, framed, write_records

TF1 = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v1" } } }'


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Paths count from where training is started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reader(*paths: str, name: str = "train_input_reader", fields: str = "") -> str:
    listed = ", ".join(f'"{path}"' for path in paths)
    return (
        f"{name} {{ {fields}\n  tf_record_input_reader {{\n    input_path: [{listed}]\n  }}\n}}\n"
    )


def evaluation(*paths: str) -> str:
    return reader(*paths, name="eval_input_reader")


def found(rule: Any, text: str) -> list[str]:
    return said(rule(subject_of(text)))


def make(*names: str) -> None:
    for name in names:
        write_records(Path(name), detection())


@pytest.mark.parametrize("rule", data.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "text",
    [
        "",
        reader("train.record") + evaluation("validation.record"),
        reader("shards/train.record-?????-of-00002"),
        reader("PATH_TO_BE_CONFIGURED/train.record"),
        reader("PATH/TO/train.record"),
        reader("gs://bucket/train.record"),
        'train_input_reader { tf_record_input_reader { input_path: 3 } }',
        reader("nowhere.record") + TF1,
    ],
    ids=["empty", "fine", "shards", "to-be-configured", "path-to", "remote", "no-text", "of-TF1"],
)  # fmt: skip
def test_nothing_is_said_of_what_is_fine_or_cannot_be_known(rule: Any, text: str) -> None:
    make("train.record", "validation.record")
    make("shards/train.record-00000-of-00002", "shards/train.record-00001-of-00002")
    assert found(rule, text) == []


# --- ODF501 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("nowhere/train.record", "; there is no directory nowhere"),
        ("data/trian.record", "; did you mean train.record?"),
        ("data/zzz.tfrecord", "; check the path"),
        ("data/train-?????-of-00010", "; there are files with -of-00002"),
        ("data/*.tfrecord", "; did you mean train.record?"),
        ("~/train.record", "; TensorFlow expands neither ~ nor variables, write the whole path"),
        ("$HOME/a.record", "; TensorFlow expands neither ~ nor variables, write the whole path"),
        ("data/train.record,data/train.record",
         "; it is one path: write several as a list of strings"),
        ("", "; write the path of the records"),
        ("*/nowhere", "; check the path"),
    ],
    ids=["directory", "misspelt", "unknown", "count", "wildcard", "home", "variable", "several",
         "empty", "wildcard-directory"],
)  # fmt: skip
def test_an_input_path_that_matches_nothing(path: str, hint: str) -> None:
    make("data/train.record", "data/train-00000-of-00002")
    assert found(data.no_input_file, reader(path)) == [
        f'ODF501 error 3: input_path "{path}" of train_input_reader matches no file{hint}'
    ]


def test_of_several_paths_the_one_that_matches_nothing_is_marked() -> None:
    make("a.record")
    (finding,) = data.no_input_file(subject_of(reader("a.record", "b.record")))
    assert finding.place is not None
    assert finding.place.source[finding.place.column - 1 :].startswith('"b.record"')


def test_a_path_that_counts_from_the_config(directory: Path) -> None:
    make("configs/data/a.record")
    config = directory / "configs" / "pipeline.config"
    config.write_text(reader("data/a.record"), encoding="utf-8")
    checked = check_config(config, select=["ODF501"])
    assert [one.message for one in checked.findings] == [
        'input_path "data/a.record" of train_input_reader matches no file; it does beside the '
        "config, but a path counts from where training is started: write the whole path"
    ]


def test_what_only_evaluation_reads_is_a_warning() -> None:
    assert found(data.no_input_file, evaluation("nowhere.record")) == [
        'ODF501 warning 3: input_path "nowhere.record" of eval_input_reader matches no file; '
        "check the path"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train_config { }", "ODF501 error 1: there is no train_input_reader, which stock "
         "refuses; write one"),
        ("train_input_reader {\n  label_map_path: 'a'\n}", "ODF501 error 1: train_input_reader "
         "names no records, which stock refuses; write tf_record_input_reader { input_path: \"…\" "
         "}"),
        ("train_input_reader {\n  tf_record_input_reader { }\n}", "ODF501 error 2: "
         "train_input_reader names no records, which stock refuses; write tf_record_input_reader "
         "{ input_path: \"…\" }"),
        ("eval_input_reader { }", "ODF501 warning 1: eval_input_reader names no records, which "
         "stock refuses; write tf_record_input_reader { input_path: \"…\" }"),
    ],
    ids=["no-reader", "no-kind", "no-path", "evaluation"],
)  # fmt: skip
def test_a_reader_without_records(text: str, message: str) -> None:
    assert found(data.no_input_file, text) == [message]


# --- ODF502, ODF510 ---------------------------------------------------------------


def test_an_empty_file_is_waited_over_for_ever() -> None:
    Path("train.record").write_bytes(b"")
    assert found(data.empty_or_broken_file, reader("train.record")) == [
        "ODF502 error 3: train.record is empty: train_input_reader has no record, and stock waits "
        "for one for ever; write the records anew"
    ]
    assert found(data.empty_or_broken_file, evaluation("train.record"))[0].startswith(
        "ODF502 warning 3: train.record is empty: eval_input_reader has no record"
    )


@pytest.mark.parametrize(
    ("empty", "words"),
    [
        (["b.record"], "b.record is empty"),
        (["b.record", "c.record"], "b.record and 1 more are empty"),
    ],
)
def test_some_empty_files_among_others(empty: list[str], words: str) -> None:
    make("a.record")
    for name in empty:
        Path(name).write_bytes(b"")
    assert found(data.empty_or_broken_file, reader("*.record")) == [
        f"ODF502 warning 3: {words}; stock skips over it, but whatever wrote it broke off: write "
        "the records anew"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"this is a text and not a record", "a.record is no TFRecord file: no length of a record "
         "at byte 0"),
        (framed(detection())[:-9], "a.record is no TFRecord file: a record is cut off at byte 0"),
        (framed(b"hello world"), "a.record holds a record that is no tf.train.Example: a field "
         "has the wire type 4"),
    ],
    ids=["text", "cut-off", "no-example"],
)  # fmt: skip
def test_a_file_of_another_kind(content: bytes, words: str) -> None:
    Path("a.record").write_bytes(content)
    (message,) = found(data.empty_or_broken_file, reader("a.record"))
    assert message.startswith(f"ODF502 error 3: {words}")
    assert message.endswith("; write the records anew, with tf.io.TFRecordWriter")


def test_records_of_another_type_are_not_looked_into() -> None:
    Path("a.record").write_bytes(framed(b"hello world"))
    text = reader("a.record", fields="input_type: TF_SEQUENCE_EXAMPLE")
    assert found(data.empty_or_broken_file, text) == []


def test_a_directory() -> None:
    make("data/a.record")
    expected = str(Path("data") / "*.record")
    assert found(data.directory_for_a_file, reader("data")) == [
        "ODF510 error 3: data is a directory, and train_input_reader takes files; write "
        f"{expected}, or the name of a file in it"
    ]
    assert found(data.empty_or_broken_file, reader("data")) == []
    assert found(data.no_input_file, reader("data")) == []


# --- ODF515, ODF516, ODF520 -------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("train.record-?????-of-00003", True),
        ("train.record-*-of-00003", True),
        ("train.record-0000[01]-of-00003", False),
        ("train.record-00000-of-00003", False),
        ("train.record-*", False),
    ],
    ids=["marks", "star", "chosen", "one", "no-count"],
)
def test_shards_missing(path: str, there: bool) -> None:
    make("train.record-00000-of-00003", "train.record-00001-of-00003")
    expected = [
        f'ODF515 warning 3: input_path "{path}" matches 2 of 3 files: stock trains on these '
        "alone; copy the others too"
    ]
    assert found(data.shards_missing, reader(path)) == (expected if there else [])


@pytest.mark.parametrize(
    ("train", "eval_"),
    [("a.record", "a.record"), ("*.record", "./a.record"), ("nowhere.record", "nowhere.record")],
    ids=["same", "one-of-them", "not-there"],
)
def test_evaluation_on_the_data_of_training(train: str, eval_: str) -> None:
    make("a.record", "b.record")
    assert found(data.evaluates_on_training_data, reader(train) + evaluation(eval_)) == [
        f'ODF516 info 8: evaluation reads "{eval_}", which training learns from: its figures say '
        "nothing about other images; keep some records for evaluation"
    ]


def test_one_weight_for_each_path() -> None:
    make("a.record", "b.record")
    text = reader("a.record", "b.record", fields="sample_from_datasets_weights: [1.0]")
    assert found(data.weights_do_not_fit, text) == [
        "ODF520 error 1: train_input_reader has 2 input paths and 1 sample_from_datasets_weights, "
        "which stock refuses; write one for each path"
    ]
    assert found(data.weights_do_not_fit, text.replace("[1.0]", "[1.0, 2.0]")) == []


# --- ODF523 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "fields", "workers", "count"),
    [
        (["a.record"], "", 2, "there is 1"),
        (["a.record", "b.record"], "", 3, "there are 2"),
        (["*.record"], "sample_from_datasets_weights: [1]", 3, "there are 2"),
        (["a.record", "*.record"], "sample_from_datasets_weights: [1, 1]", 2, "there is 1"),
    ],
    ids=["one-file", "one-short", "weighed", "one-of-the-weighed"],
)
def test_a_worker_without_a_file(paths: list[str], fields: str, workers: int, count: str) -> None:
    make("a.record", "b.record")
    subject = subject_of(reader(*paths, fields=fields), num_workers=workers)
    assert said(data.fewer_files_than_workers(subject)) == [
        f"ODF523 error 3: {workers} workers share the files of train_input_reader, and {count}: "
        f"one would get none, which ends training; write the records into {workers} files or more"
    ]


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        (reader("a.record"), 1),
        (reader("a.record", "b.record"), 2),
        (reader("*.record", fields="sample_from_datasets_weights: [1]"), 2),
        (reader("gs://bucket/a.record"), 2),
        (reader("nowhere.record"), 2),
        (evaluation("a.record"), 2),
        (reader("a.record") + TF1, 2),
    ],
    ids=["one-worker", "as-many", "weighed", "remote", "none-there", "evaluation", "TF1"],
)
def test_enough_files_or_not_known(text: str, workers: int) -> None:
    make("a.record", "b.record")
    subject = subject_of(text, num_workers=workers)
    assert said(data.fewer_files_than_workers(subject)) == []
