"""The input readers of a config, and the files that they lead to, each read once.

How stock reads them is builders/dataset_builder.py and data_decoders/tf_example_decoder.py of
tf-models-research-object-detection 2.8.0.post1.
"""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odfreeze.check.subject import Subject, is_placeholder
from odfreeze.errors import DataError, OdfreezeError, Place, RemotePathError
from odfreeze.files import refuse_remote

if TYPE_CHECKING:
    from odfreeze.label_map import LabelMap
    from odfreeze.tfrecord import Feature

__all__ = ["InputPath", "Reader", "Sample", "is_checkable", "readers_of"]

#: Records that are looked at: so many of each of so many files of a reader.
_MOST_RECORDS, _MOST_FILES = 4, 3


def is_checkable(path: str | None) -> bool:
    """Whether a path is one that can be looked for here: written, filled in, and local."""
    if not path or is_placeholder(path):
        return False
    try:
        refuse_remote(path)
    except RemotePathError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Sample:
    """One record that was looked at.

    Attributes:
      file: The file that it is in.
      index: Which record of the file it is, from 0.
      features: Its features by name.
    """

    file: str
    index: int
    features: dict[str, Feature]


class InputPath:
    """One ``input_path`` of a reader.

    Attributes:
      text: The path as it is written, with its wildcards.
      place: Where it is written.
    """

    def __init__(self, text: str, place: Place) -> None:
        """Takes text and place; looks for nothing yet."""
        self.text = text
        self.place = place

    @functools.cached_property
    def files(self) -> tuple[str, ...]:
        """What the path matches, in order; a directory counts, as it does for stock."""
        if not is_checkable(self.text):
            return ()
        try:
            if not any(mark in self.text for mark in "*?["):
                return (self.text,) if os.path.exists(self.text) else ()  # noqa: PTH110
            return tuple(sorted(glob.glob(self.text)))  # noqa: PTH207
        except (OSError, ValueError):
            return ()


class Reader:
    """One input reader.

    Attributes:
      path: Its dotted path in the config.
      trains: Whether training reads it; else only evaluation does.
    """

    def __init__(self, subject: Subject, path: str, trains: bool) -> None:
        """Takes the config; opens nothing yet."""
        self._subject = subject
        self.path = path
        self.trains = trains

    @property
    def name(self) -> str:
        """The field's name."""
        return self.path.partition("[")[0]

    @property
    def place(self) -> Place | None:
        """Where it is written."""
        return self._subject.place(self.path)

    def at(self, field: str) -> Place | None:
        """Returns where one of its fields is written, else the reader itself."""
        return self._subject.place(f"{self.path}.{field}", self.path)

    @functools.cached_property
    def input_paths(self) -> tuple[InputPath, ...]:
        """Its input paths; what is no string is left out."""
        found = self._subject.occurrences(f"{self.path}.tf_record_input_reader.input_path")
        paths: list[InputPath] = []
        for one in found:
            try:
                paths.append(InputPath(one.scalar().as_str(), one.place))
            except OdfreezeError:
                continue
        return tuple(paths)

    @property
    def holds_examples(self) -> bool:
        """Whether its records are ``tf.train.Example``, which is the default."""
        kind = self._subject.text(f"{self.path}.input_type")
        return kind in (None, "TF_EXAMPLE", "1")

    @functools.cached_property
    def _read(self) -> tuple[tuple[Sample, ...], tuple[tuple[InputPath, DataError], ...]]:
        samples: list[Sample] = []
        faults: list[tuple[InputPath, DataError]] = []
        for path in self.input_paths:
            for file in path.files[:_MOST_FILES]:
                try:
                    samples += self._samples(file)
                except DataError as error:
                    faults.append((path, error))
        return tuple(samples), tuple(faults)

    def _samples(self, file: str) -> Iterator[Sample]:
        from odfreeze.tfrecord import parse_example, read_records

        if os.path.isdir(file):  # noqa: PTH112
            return
        for index, data in enumerate(read_records(file, _MOST_RECORDS)):
            if self.holds_examples:
                yield Sample(file, index, parse_example(data, file))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The first records of its first files; none of other kinds than Examples."""
        return self._read[0]

    @property
    def faults(self) -> tuple[tuple[InputPath, DataError], ...]:
        """Files of which these records cannot be read, each with its path and what is wrong."""
        return self._read[1]

    @functools.cached_property
    def _label_map(self) -> tuple[LabelMap | None, OdfreezeError | None]:
        path = self._subject.text(f"{self.path}.label_map_path")
        if not path or not is_checkable(path) or not os.path.exists(path):  # noqa: PTH110
            return None, None
        from odfreeze.label_map import read_label_map

        try:
            return read_label_map(path), None
        except OdfreezeError as error:
            return None, error

    @property
    def label_map(self) -> LabelMap | None:
        """Its label map; None where there is none, or none that can be read."""
        return self._label_map[0]

    @property
    def label_map_error(self) -> OdfreezeError | None:
        """Why its label map cannot be read; None where it can, or there is none."""
        return self._label_map[1]


def readers_of(subject: Subject) -> tuple[Reader, ...]:
    """Returns the readers that count: that of training, and the first one of evaluation.

    model_main_tf2 evaluates on the first one only (model_lib_v2.py:1035, 1116). Ask
    `Subject.readers`, which reads each file once.
    """
    found = []
    if subject.has("train_input_reader"):
        found.append(Reader(subject, "train_input_reader", True))
    if subject.has("eval_input_reader[0]"):
        found.append(Reader(subject, "eval_input_reader[0]", False))
    return tuple(found)
