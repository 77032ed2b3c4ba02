"""What the OD API's evaluations of a run's checkpoints gave, kept beside the run.

``model_dir/odfreeze/evaluation.json`` has a result for each. One is found again by a key over
everything that could change it: the checkpoint, the config's ``model``, ``eval_config`` and
``eval_input_reader``, and the files of records and labels that these name.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from odfreeze.errors import CheckpointNotFoundError
from odfreeze.files import write_atomically
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.record import record_path
from odfreeze.textproto import Scalar, walk

__all__ = [
    "EVALUATION_VERSION",
    "Evaluation",
    "evaluation_key",
    "evaluation_path",
    "keep_evaluation",
    "kept_evaluation",
]

#: Changes when a key of the file changes its meaning.
EVALUATION_VERSION = 1

_SECTIONS = ("model.", "eval_config.", "eval_input_reader.")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the OD API's evaluation of one checkpoint gave.

    Attributes:
      checkpoint: The checkpoint's name, such as ``ckpt-300``.
      step: The step it was trained to, as it says itself.
      metrics: Every metric and loss by the name that the OD API gives it; None for one that is
        no finite number.
      key: See `evaluation_key`.
      seconds: How long the evaluation took, imports and building included.
      created: When, ISO 8601 with its offset from UTC.
    """

    checkpoint: str
    step: int
    metrics: Mapping[str, float | None]
    key: str
    seconds: float
    created: str


def evaluation_key(config: PipelineConfig, checkpoint: Path) -> str:
    """Returns 64 hexadecimal digits that change when an evaluation could give something else.

    They are of the checkpoint's index, which has a checksum of every value; of what the config
    says of model and evaluation, comments and layout aside; and of place, size and time of the
    files that it names there, those of the records among them.

    Args:
      config: The pipeline.config.
      checkpoint: The checkpoint's prefix.

    Raises:
      CheckpointNotFoundError: The checkpoint is not there.
    """
    found = hashlib.sha256()
    try:
        found.update(checkpoint.with_name(f"{checkpoint.name}.index").read_bytes())
    except OSError:
        raise CheckpointNotFoundError(
            f"there is no checkpoint {checkpoint}; a run that ended has one", path=str(checkpoint)
        ) from None
    for path, value in _fields(config):
        text = _text(value)
        facts = [_file_facts(file) for file in _files(text)] if value.kind == "string" else []
        found.update(json.dumps([path, text, facts]).encode())
    return found.hexdigest()


def kept_evaluation(config: PipelineConfig, checkpoint: Path, model_dir: Path) -> Evaluation | None:
    """Returns what an earlier evaluation of this very checkpoint on this very data gave.

    None where there was none, or the checkpoint is not there any more.
    """
    with contextlib.suppress(CheckpointNotFoundError):
        key = evaluation_key(config, checkpoint)
        return next((one for one in _kept(model_dir) if one.key == key), None)
    return None


def keep_evaluation(done: Evaluation, model_dir: str | os.PathLike[str]) -> None:
    """Adds a result to those that are kept beside a run; one with its key is replaced.

    Raises:
      OutputError: The file cannot be written.
    """
    directory = Path(model_dir)
    others = [one for one in _kept(directory) if one.key != done.key]
    content = {
        "version": EVALUATION_VERSION,
        "evaluations": [asdict(one) for one in (*others, done)],
    }
    path = evaluation_path(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode("utf-8"))


def evaluation_path(model_dir: str | os.PathLike[str]) -> Path:
    """Returns where a run keeps these results, whether there are any or not."""
    return record_path(model_dir).with_name("evaluation.json")


def _kept(model_dir: Path) -> list[Evaluation]:
    """Returns the results that are kept beside a run; none where the file is not ours."""
    try:
        data = json.loads(evaluation_path(model_dir).read_text(encoding="utf-8"))
        if data["version"] != EVALUATION_VERSION:
            return []
        return [Evaluation(**one) for one in data["evaluations"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _fields(config: PipelineConfig) -> Iterator[tuple[str, Scalar]]:
    for path, field in walk(config.document):
        if path.startswith(_SECTIONS):
            yield from ((path, value) for value in field.values if isinstance(value, Scalar))


def _text(value: Scalar) -> str:
    if value.kind != "string":
        return value.text
    return value.as_bytes().decode("utf-8", "surrogateescape")


def _files(text: str) -> list[str]:
    """Returns the files that a value names, wildcards and all; none for one that is no path."""
    try:
        if any(mark in text for mark in "*?["):
            return sorted(glob.glob(text))  # noqa: PTH207
        return [text] if os.path.isfile(text) else []  # noqa: PTH113
    except (OSError, ValueError):
        return []


def _file_facts(path: str) -> tuple[str, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return path, -1, -1
    return str(Path(path).resolve()), found.st_size, found.st_mtime_ns
