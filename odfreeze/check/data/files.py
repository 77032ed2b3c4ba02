"""Rules about the files of records that a config's readers name.

References are to builders/dataset_builder.py of tf-models-research-object-detection
2.8.0.post1. What only evaluation reads is a warning: training never looks at it.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator

from odfreeze.check.data.readers import InputPath, Reader, is_checkable
from odfreeze.check.schedule.scheduling import trains
from odfreeze.check.subject import Subject
from odfreeze.errors import nearest
from odfreeze.findings import Finding, Severity

__all__ = ["RULES"]

#: Files of one input path that are asked for their size.
_MOST_FILES = 1000
_SHARDS = re.compile(r"-of-(\d+)")


def _severity(reader: Reader) -> Severity:
    return "error" if reader.trains else "warning"


def no_input_file(subject: Subject) -> Iterator[Finding]:
    """ODF501: an input path that matches no file, or none at all (lines 82, 218, 274)."""
    if subject.is_tf1:
        return
    if trains(subject) and not subject.has("train_input_reader"):
        message = "there is no train_input_reader, which stock refuses; write one"
        yield Finding("ODF501", "error", message, subject.place("train_config"))
    for reader in subject.readers:
        if not reader.input_paths and not subject.has(
            f"{reader.path}.tf_record_input_reader.input_path"
        ):
            message = (
                f"{reader.name} names no records, which stock refuses; write "
                'tf_record_input_reader { input_path: "…" }'
            )
            place = reader.at("tf_record_input_reader")
            yield Finding("ODF501", _severity(reader), message, place)
        for path in reader.input_paths:
            if path.text and (path.files or not is_checkable(path.text)):
                continue
            message = (
                f"input_path {_shown(path.text)} of {reader.name} matches no file"
                f"{_hint(subject, path.text)}"
            )
            yield Finding("ODF501", _severity(reader), message, path.place)


def _hint(subject: Subject, text: str) -> str:
    """Returns what is likely wrong with a path that matches nothing."""
    if not text:
        return "; write the path of the records"
    if text.startswith("~") or "$" in text:
        return "; TensorFlow expands neither ~ nor variables, write the whole path"
    if "," in text and all(map(_matches, text.split(","))):
        return "; it is one path: write several as a list of strings"
    if not os.path.isabs(text):  # noqa: PTH117
        beside = os.path.join(os.path.dirname(subject.config.file), text)  # noqa: PTH118, PTH120
        if _matches(beside):
            return (
                "; it does beside the config, but a path counts from where training is started: "
                "write the whole path"
            )
    folder, name = os.path.split(text)
    if folder and not any(mark in folder for mark in "*?[") and not os.path.isdir(folder):  # noqa: PTH112
        return f"; there is no directory {folder}"
    try:
        names = sorted(os.listdir(folder or "."))  # noqa: PTH208
    except OSError:
        names = []
    if (count := _SHARDS.search(name)) and "*" not in name:
        others = {m[1] for one in names if (m := _SHARDS.search(one))} - {count[1]}
        for other in sorted(others):
            if _matches(os.path.join(folder, name.replace(count[0], f"-of-{other}"))):  # noqa: PTH118
                return f"; there are files with -of-{other}"
    near = nearest(name, names)
    return f"; did you mean {near}?" if near else "; check the path"


def _matches(text: str) -> bool:
    try:
        return bool(glob.glob(text.strip()))  # noqa: PTH207
    except (OSError, ValueError):
        return False


def empty_or_broken_file(subject: Subject) -> Iterator[Finding]:
    """ODF502: files without a record, over which stock waits for ever; or of another kind."""
    if subject.is_tf1:
        return
    for reader in subject.readers:
        found = [(path, file) for path in reader.input_paths for file in path.files]
        empty = [(path, file) for path, file in found[:_MOST_FILES] if _is_empty(file)]
        if empty and len(empty) == len(found):
            path, file = empty[0]
            message = (
                f"{file} is empty: {reader.name} has no record, and stock waits for one for "
                "ever; write the records anew"
            )
            yield Finding("ODF502", _severity(reader), message, path.place)
        elif empty:
            path, file = empty[0]
            more = f" and {len(empty) - 1} more are" if len(empty) > 1 else " is"
            message = (
                f"{file}{more} empty; stock skips over it, but whatever wrote it broke off: "
                "write the records anew"
            )
            yield Finding("ODF502", "warning", message, path.place)
        for path, error in reader.faults:
            message = f"{error.message}; write the records anew, with tf.io.TFRecordWriter"
            yield Finding("ODF502", _severity(reader), message, path.place)


def _is_empty(file: str) -> bool:
    try:
        return os.path.getsize(file) == 0  # noqa: PTH202
    except OSError:
        return False


def directory_for_a_file(subject: Subject) -> Iterator[Finding]:
    """ODF510: an input path that leads to a directory."""
    if subject.is_tf1:
        return
    for reader in subject.readers:
        for path in reader.input_paths:
            folder = next((one for one in path.files[:_MOST_FILES] if os.path.isdir(one)), None)  # noqa: PTH112
            if folder is not None:
                wildcard = os.path.join(folder, "*.record")  # noqa: PTH118
                message = (
                    f"{folder} is a directory, and {reader.name} takes files; write {wildcard}, "
                    "or the name of a file in it"
                )
                yield Finding("ODF510", _severity(reader), message, path.place)


def shards_missing(subject: Subject) -> Iterator[Finding]:
    """ODF515: fewer files than ``-of-00010`` says there are."""
    if subject.is_tf1:
        return
    for reader in subject.readers:
        for path in reader.input_paths:
            count = _SHARDS.search(os.path.basename(path.text))  # noqa: PTH119
            if count is None or not path.files or not _takes_all_shards(path):
                continue
            there = len(path.files)
            if there < int(count[1]):
                message = (
                    f"input_path {_shown(path.text)} matches {there} of {int(count[1])} files: "
                    "stock trains on these alone; copy the others too"
                )
                yield Finding("ODF515", "warning", message, path.place)


def _takes_all_shards(path: InputPath) -> bool:
    """Whether a pattern is meant for every shard: nothing but wildcards before ``-of-``."""
    return re.search(r"(?:-|^)(?:\?+|\*)-of-\d+", path.text) is not None


def evaluates_on_training_data(subject: Subject) -> Iterator[Finding]:
    """ODF516: evaluation reads a file that training learns from."""
    if subject.is_tf1:
        return
    learnt: dict[str, str] = {}
    for reader in subject.readers:
        for path in reader.input_paths:
            files = path.files or ((path.text,) if is_checkable(path.text) else ())
            if reader.trains:
                learnt.update((os.path.normpath(file), path.text) for file in files)
                continue
            same = next((file for file in files if os.path.normpath(file) in learnt), None)
            if same is not None:
                message = (
                    f"evaluation reads {_shown(same)}, which training learns from: its figures "
                    "say nothing about other images; keep some records for evaluation"
                )
                yield Finding("ODF516", "info", message, path.place)


def weights_do_not_fit(subject: Subject) -> Iterator[Finding]:
    """ODF520: not one weight for every input path (line 127, which fails on its own message)."""
    if subject.is_tf1:
        return
    for reader in subject.readers:
        weights = len(subject.occurrences(f"{reader.path}.sample_from_datasets_weights"))
        paths = len(reader.input_paths)
        if weights and paths and weights != paths:
            message = (
                f"{reader.name} has {paths} input paths and {weights} "
                "sample_from_datasets_weights, which stock refuses; write one for each path"
            )
            place = reader.at("sample_from_datasets_weights")
            yield Finding("ODF520", _severity(reader), message, place)


def fewer_files_than_workers(subject: Subject) -> Iterator[Finding]:
    """ODF523: a worker that gets no file of records (line 173, which shares out whole files)."""
    workers = subject.flags.num_workers
    if subject.is_tf1 or workers < 2:
        return
    for reader in subject.readers:
        counts = [len(path.files) for path in reader.input_paths]
        if not reader.trains or not counts or 0 in counts:  # none: ODF501 says so
            continue
        if not subject.has(f"{reader.path}.sample_from_datasets_weights"):
            counts = [sum(counts)]  # else each path is shared out by itself
        if min(counts) < workers:
            message = (
                f"{workers} workers share the files of {reader.name}, and there "
                f"{'is' if min(counts) == 1 else 'are'} {min(counts)}: one would get none, which "
                f"ends training; write the records into {workers} files or more"
            )
            yield Finding("ODF523", "error", message, reader.input_paths[0].place)


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= 200 else f'"{text[:197]}…"'


RULES = (
    no_input_file, directory_for_a_file, empty_or_broken_file, shards_missing,
    evaluates_on_training_data, weights_do_not_fit, fewer_files_than_workers,
)  # fmt: skip
