"""The record of a training run: what was decided, and a digest of every value at its start.

The training child writes it to ``model_dir/odfreeze/record.json`` right after the
restore; ``verify`` holds the run's last checkpoint against it, and a resumed run
is held against it too. It is JSON, written at once and never changed afterwards.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from odfreeze.errors import RecordError
from odfreeze.files import refuse_remote, write_variables
from odfreeze.selection import STATES, FrozenBatchNorm, State
from odfreeze.stages.conduct import Conduct

if TYPE_CHECKING:
    from odfreeze.pipeline import PipelineConfig

__all__ = [
    "RECORD_VERSION",
    "RecordedVariable",
    "RunRecord",
    "differing_identity",
    "digest",
    "index_digest",
    "read_record",
    "record_path",
    "write_record",
]

#: Changes when a key of the file changes its meaning.
RECORD_VERSION = 1

_DIGEST = "sha256"
_DIGEST_CHARACTERS = 64
_COUNT_MOST = (1 << 63) - 1  # TensorFlow counts steps and elements in an int64
_BYTES_MOST = 256 << 20  # a model of 100,000 variables has a record of 30 MB


@dataclass(frozen=True, slots=True)
class RecordedVariable:
    """One variable of the model at the start of the run.

    Attributes:
      name: TensorFlow name without ``:0``, or None.
      object_path: As in the run's checkpoints.
      shape: Dimensions.
      dtype: Element type as TensorFlow names it.
      state: What was decided for it.
      trainable: Whether a gradient can reach it.
      statistic: Whether it is a moving statistic of a batch norm layer.
      digest: ``digest`` of its little-endian value bytes right after the restore.
    """

    name: str | None
    object_path: str
    shape: tuple[int, ...]
    dtype: str
    state: State
    trainable: bool
    statistic: bool
    digest: str

    @property
    def label(self) -> str:
        """The name, or the object path where there is no name."""
        return self.object_path if self.name is None else self.name


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a training run was started with.

    Attributes:
      config_path: The pipeline.config, as it was given.
      config_text: Its text; bytes that are not UTF-8 as surrogates.
      fine_tune_checkpoint: As in the config, or None.
      fine_tune_checkpoint_type: As it took effect, or None.
      freeze_variables: The config's patterns.
      update_trainable_variables: Likewise.
      frozen_batch_norm: ``hold`` or ``update``.
      num_steps: Steps at which the run ends.
      start_step: The step it began at; 0 for a new run.
      versions: Package to version, odfreeze and python among them.
      measures: What was done to make the installed OD API importable, for a person.
      created: Time of writing, ISO 8601 with its offset from UTC.
      variables: All of the model's, in the order of the live model.
      seed: What ``--seed`` was, or None; older records do not have it.
      conduct: What the config has no field for, as `Conduct.to_json` gives it; None in older
        records, which is nothing of it.
      start_digest: `index_digest` of the checkpoint that it started from, or None; older
        records do not have it.
    """

    config_path: str
    config_text: str
    fine_tune_checkpoint: str | None
    fine_tune_checkpoint_type: str | None
    freeze_variables: tuple[str, ...]
    update_trainable_variables: tuple[str, ...]
    frozen_batch_norm: FrozenBatchNorm
    num_steps: int
    start_step: int
    versions: Mapping[str, str]
    measures: tuple[str, ...]
    created: str
    variables: tuple[RecordedVariable, ...]
    seed: int | None = None
    conduct: Mapping[str, Any] | None = None
    start_digest: str | None = None


def digest(data: bytes | memoryview | Iterable[bytes]) -> str:
    """Returns the digest of a value: SHA-256 of its little-endian bytes, as 64 hex digits.

    Args:
      data: The bytes, whole or in pieces.

    >>> digest(b"ab") == digest([b"a", b"b"])
    True
    """
    import hashlib

    found = hashlib.sha256()
    for piece in (data,) if isinstance(data, (bytes, bytearray, memoryview)) else data:
        found.update(piece)
    return found.hexdigest()


def index_digest(prefix: str | os.PathLike[str]) -> str | None:
    """Returns the digest of a checkpoint's index, which holds a checksum of each of its values.

    Returns:
      SHA-256 as 64 hex digits; None where no index can be read on this machine.
    """
    try:
        return digest(Path(f"{os.fspath(prefix)}.index").read_bytes())
    except (OSError, ValueError):
        return None


def record_path(model_dir: str | os.PathLike[str]) -> Path:
    """Returns where a run keeps its record, whether it is there or not."""
    return Path(model_dir) / "odfreeze" / "record.json"


def write_record(record: RunRecord, model_dir: str | os.PathLike[str]) -> Path:
    """Writes the record of a run; a reader finds the whole of it or nothing.

    Returns:
      Its path.

    Raises:
      RemotePathError: The directory is not on this machine.
      OutputError: It cannot be written.
    """
    refuse_remote(model_dir)
    path = record_path(model_dir)
    head = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    del head["variables"]
    head["versions"] = dict(record.versions)
    rows = map(dataclasses.asdict, record.variables)
    write_variables(path, {"version": RECORD_VERSION, "digest": _DIGEST, **head}, rows)
    return path


def read_record(path: str | os.PathLike[str]) -> RunRecord:
    """Returns the record of a run.

    Args:
      path: The run's ``model_dir``, or the record's file.

    Raises:
      RemotePathError: The path is not on this machine.
      RecordError: There is none, or it is not as ``write_record`` writes it.
    """
    import json

    refuse_remote(path)
    file = Path(path)
    if file.is_dir() or not file.name.endswith(".json"):
        file = record_path(path)
    name = str(file)
    try:
        if file.stat().st_size > _BYTES_MOST:
            raise RecordError(f"{name} is too large to be the record of a run", path=name)
        data = file.read_bytes()
    except OSError as error:
        raise RecordError(
            f"{name}: there is no record of a run here ({error.strerror}); `odfreeze train`"
            " writes one. Without it, compare two checkpoints: odfreeze verify BEFORE AFTER"
            " --pipeline_config_path CONFIG",
            path=name,
        ) from None
    try:
        return _record(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"{name} is not the record that `odfreeze train` wrote: {error}; it cannot be a"
            " baseline. Compare two checkpoints, or train again in another model_dir",
            path=name,
        ) from None


def differing_identity(
    record: RunRecord,
    config: PipelineConfig,
    frozen_batch_norm: FrozenBatchNorm,
    seed: int | None = None,
    conduct: Conduct | None = None,
) -> list[tuple[str, object, object]]:
    """Returns what tells a run from the one that a config asks for: label, before, now.

    Empty for the same run. The number of steps may differ, and what ends the run and which
    checkpoint it hands on: a run can be made longer.

    Args:
      record: Of the run.
      config: What is asked for.
      frozen_batch_norm: Likewise, as are the others.
      seed: None for a run that is not repeatable.
      conduct: None where it is not known, and tells nothing apart.
    """
    rows: list[tuple[str, object, object]] = [
        ("freeze_variables", record.freeze_variables, config.freeze_variables),
        (
            "update_trainable_variables",
            record.update_trainable_variables,
            config.update_trainable_variables,
        ),
        ("frozen_batch_norm", record.frozen_batch_norm, frozen_batch_norm),
        ("fine_tune_checkpoint", record.fine_tune_checkpoint, config.fine_tune_checkpoint),
        (
            "fine_tune_checkpoint_type",
            record.fine_tune_checkpoint_type,
            config.fine_tune_checkpoint_type,
        ),
        ("seed", record.seed, seed),
    ]
    if conduct is not None:
        began = Conduct() if record.conduct is None else Conduct.from_json(record.conduct)
        rows += [
            ("rate", _shares(began), _shares(conduct)),
            ("carry_optimizer", began.carry_optimizer, conduct.carry_optimizer),
        ]
    return [(what, before, now) for what, before, now in rows if before != now]


def _shares(conduct: Conduct) -> tuple[str, ...]:
    """Returns the shares of the learning rate as they are written on a command line."""
    return tuple(f"{rate.pattern}={rate.scale:g}" for rate in conduct.rates)


def _record(data: object) -> RunRecord:
    """Makes a record of parsed JSON; ValueError says what is wrong with it."""
    top = _object(data, "it")
    if top.get("version") != RECORD_VERSION:
        raise ValueError(f"its version is {top.get('version')!r}, not {RECORD_VERSION}")
    if top.get("digest") != _DIGEST:
        raise ValueError(f"its digest is {top.get('digest')!r}, not {_DIGEST!r}")
    rows = top.get("variables")
    if not isinstance(rows, list):
        raise ValueError("'variables' is no list")
    variables = tuple(_variable(row, f"variable {n}") for n, row in enumerate(rows))
    seen: set[str] = set()
    for variable in variables:
        if variable.object_path in seen:
            raise ValueError(f"{variable.object_path!r} is in it twice")
        seen.add(variable.object_path)
    versions = _object(top.get("versions"), "'versions'")
    holding = _text(top, "frozen_batch_norm")
    if holding not in ("hold", "update"):
        raise ValueError(f"'frozen_batch_norm' is {holding!r}")
    return RunRecord(
        config_path=_text(top, "config_path"),
        config_text=_text(top, "config_text"),
        fine_tune_checkpoint=_text_or_none(top, "fine_tune_checkpoint"),
        fine_tune_checkpoint_type=_text_or_none(top, "fine_tune_checkpoint_type"),
        freeze_variables=_texts(top, "freeze_variables"),
        update_trainable_variables=_texts(top, "update_trainable_variables"),
        frozen_batch_norm=cast("FrozenBatchNorm", holding),
        num_steps=_count(top.get("num_steps"), "'num_steps'"),
        start_step=_count(top.get("start_step"), "'start_step'"),
        versions={key: _text(versions, key) for key in versions},
        measures=_texts(top, "measures"),
        created=_text(top, "created"),
        variables=variables,
        seed=None if top.get("seed") is None else _count(top["seed"], "'seed'"),
        conduct=_conduct(top.get("conduct")),
        start_digest=_text_or_none(top, "start_digest") if "start_digest" in top else None,
    )


def _conduct(data: object) -> dict[str, Any] | None:
    return None if data is None else Conduct.from_json(data).to_json()


def _variable(data: object, what: str) -> RecordedVariable:
    row = _object(data, what)
    shape = row.get("shape")
    if not isinstance(shape, list):
        raise ValueError(f"the shape of {what} is no list")
    state = _text(row, "state", what)
    if state not in STATES:
        raise ValueError(f"the state of {what} is {state!r}")
    sizes = tuple(_count(size, f"a dimension of {what}") for size in shape)
    _count(prod(sizes), f"the size of {what}")
    hexadecimal = _text(row, "digest", what)
    if len(hexadecimal) != _DIGEST_CHARACTERS or set(hexadecimal) - set("0123456789abcdef"):
        raise ValueError(f"the digest of {what} is {hexadecimal!r}")
    flags = row.get("trainable"), row.get("statistic")
    if not all(isinstance(flag, bool) for flag in flags):
        raise ValueError(f"'trainable' or 'statistic' of {what} is neither true nor false")
    return RecordedVariable(
        name=_text_or_none(row, "name", what),
        object_path=_text(row, "object_path", what),
        shape=sizes,
        dtype=_text(row, "dtype", what),
        state=state,
        trainable=cast("bool", flags[0]),
        statistic=cast("bool", flags[1]),
        digest=hexadecimal,
    )


def _object(data: object, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{what} is no JSON object")
    return data


def _text(data: dict[str, Any], key: str, what: str = "it") -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} of {what} is no text")
    return value


def _text_or_none(data: dict[str, Any], key: str, what: str = "it") -> str | None:
    return None if key in data and data[key] is None else _text(data, key, what)


def _texts(data: dict[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key!r} is no list of texts")
    return tuple(value)


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{what} is {value!r}, no count")
    if value > _COUNT_MOST:
        raise ValueError(f"{what} is too large")
    return value
