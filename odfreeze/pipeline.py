"""What odfreeze reads and rewrites in a pipeline.config, losslessly.

Facts about the fields are those of the Object Detection API's schema (proto2:
``pipeline.proto``, ``train.proto``, ``model.proto``, ``optimizer.proto``); file and line
references are to tf-models-research-object-detection 2.8.0.post1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odfreeze.errors import (
    ConfigError,
    OutputError,
    UnknownFieldError,
    UsageError,
    suggest,
)
from odfreeze.files import read_text_file, refuse_remote, write_atomically
from odfreeze.held_statistics import HeldStatistics, held_statistics
from odfreeze.learning_rate import base_rate, rate_changes
from odfreeze.textproto import (
    Document,
    Edit,
    Identifier,
    Message,
    Occurrence,
    Scalar,
    Value,
    add_value,
    apply_edits,
    find,
    last,
    last_set,
    parse,
    remove_field,
    set_field,
    set_repeated,
    walk,
)

if TYPE_CHECKING:
    from odfreeze.selection import Pattern, PatternField

__all__ = [
    "CHECKPOINT_TYPES",
    "SHORT_NAMES",
    "PipelineConfig",
]

#: What ``fine_tune_checkpoint_type`` may be: SSD restores these three
#: (meta_architectures/ssd_meta_arch.py:1326-1341), Faster R-CNN too
#: (faster_rcnn_meta_arch.py:2887-2903), CenterNet too (center_net_meta_arch.py:4823-4844).
CHECKPOINT_TYPES = ("classification", "detection", "full")

#: Fields that go by their own name wherever odfreeze asks for a field.
SHORT_NAMES = {
    name: f"train_config.{name}"
    for name in (
        "fine_tune_checkpoint",
        "fine_tune_checkpoint_type",
        "fine_tune_checkpoint_version",
        "freeze_variables",
        "update_trainable_variables",
        "num_steps",
        "batch_size",
    )
}

_NO_NEWLINE = b"\n\\ No newline at end of file\n"

_CHECKPOINT_FAMILY = (
    "fine_tune_checkpoint",
    "fine_tune_checkpoint_type",
    "fine_tune_checkpoint_version",
)
_PATTERN_FIELDS: tuple[PatternField, ...] = ("freeze_variables", "update_trainable_variables")


@dataclass(frozen=True, slots=True, eq=False)
class PipelineConfig:
    r"""A pipeline.config: its values as the Object Detection API reads them, and edits of it.

    It never changes; an edit gives another one.

    Attributes:
      document: Its text with the tree of its fields.
      path: The file it was read from, or None.
      original: The bytes of that file when it was read.

    >>> config = PipelineConfig.parse(b'train_config { batch_size: 8 }  # small')
    >>> print(config.with_changes(freeze_variables=[r"/conv_\d+/"]).data.decode())
    train_config { batch_size: 8 freeze_variables: "/conv_\\d+/" }  # small
    """

    document: Document
    path: str | None = None
    original: bytes | None = None

    # --- reading ----------------------------------------------------------------

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> PipelineConfig:
        """Returns the config in a file.

        Raises:
          RemotePathError: The path is not local (``gs://…``).
          ConfigError: The file is not there, or not readable, or far too large.
          TextProtoError: The file is no text proto.
        """
        data = read_text_file(path)
        return cls(parse(data, str(path)), os.fspath(path), data)

    @classmethod
    def parse(cls, data: bytes, file: str = "<text>") -> PipelineConfig:
        """Returns the config that a text is.

        Raises:
          TextProtoError: It is no text proto.
        """
        return cls(parse(data, file))

    @property
    def file(self) -> str:
        """The name it is known by."""
        return self.document.file

    @property
    def data(self) -> bytes:
        """Its text."""
        return self.document.data

    def get(self, path: str) -> str | int | float | bool | Message | None:
        """Returns the value that counts at a dotted path, or None where none is written.

        ``true`` and ``false`` are bools; other identifiers (enum values) are strings.

        Raises:
          UsageError: The path is malformed.
          TextProtoError: The path goes through a field that holds no message.
        """
        found = last(self.document, path)
        return None if found is None else _value(found)

    def get_all(self, path: str) -> tuple[str | int | float | bool | Message, ...]:
        """Returns every value at a dotted path in file order; values and errors as ``get``."""
        return tuple(_value(one) for one in find(self.document, path))

    # --- train_config -----------------------------------------------------------

    @property
    def fine_tune_checkpoint(self) -> str | None:
        """Prefix of the checkpoint to start from; None when unset or empty (train.proto, 7)."""
        return self._text("train_config.fine_tune_checkpoint") or None

    @property
    def fine_tune_checkpoint_type(self) -> str:
        """The type that takes effect.

        What is written; else ``detection`` with ``from_detection_checkpoint``, else
        ``classification`` (utils/config_util.py:167-171).
        """
        written = self._text("train_config.fine_tune_checkpoint_type")
        if written:
            return written
        detection = last(self.document, "train_config.from_detection_checkpoint")
        is_detection = detection is not None and _scalar(detection).as_bool()
        return "detection" if is_detection else "classification"

    @property
    def fine_tune_checkpoint_version(self) -> str:
        """``V1`` (the default, which TF2 refuses: model_lib_v2.py:396), ``V2`` or ``UNKNOWN``."""
        found = last(self.document, "train_config.fine_tune_checkpoint_version")
        if found is None:
            return "V1"
        value = _scalar(found)
        if value.kind == "integer":
            return {0: "UNKNOWN", 1: "V1", 2: "V2"}.get(value.as_int(), value.text)
        return value.as_identifier()

    @property
    def num_steps(self) -> int:
        """Steps to train; 0, the default, is no limit (train.proto, 9)."""
        found = last(self.document, "train_config.num_steps")
        return 0 if found is None else _scalar(found).as_int()

    @property
    def batch_size(self) -> int:
        """Images a step over all replicas; 32 by default (train.proto, 1)."""
        found = last(self.document, "train_config.batch_size")
        return 32 if found is None else _scalar(found).as_int()

    @property
    def freeze_variables(self) -> tuple[str, ...]:
        """The patterns of ``freeze_variables``, escapes undone."""
        return self._texts("train_config.freeze_variables")

    @property
    def update_trainable_variables(self) -> tuple[str, ...]:
        """The patterns of ``update_trainable_variables``, escapes undone."""
        return self._texts("train_config.update_trainable_variables")

    def patterns(self) -> tuple[Pattern, ...]:
        """Returns the patterns of both fields in file order, with their places."""
        from odfreeze.selection import Pattern

        found = [
            (one.value.start, Pattern(field, _scalar(one).as_str(), one.place))
            for field in _PATTERN_FIELDS
            for one in find(self.document, f"train_config.{field}")
        ]
        return tuple(pattern for _, pattern in sorted(found, key=lambda pair: pair[0]))

    @property
    def learning_rate(self) -> float | None:
        """The base rate of the optimizer's schedule; None when no schedule is written."""
        return base_rate(self.document)

    # --- model ------------------------------------------------------------------

    @property
    def meta_architecture(self) -> str | None:
        """``ssd``, ``faster_rcnn``, ``center_net``, …: the message set in ``model``, or None.

        The fields are a oneof (model.proto), of which the last one written counts.
        """
        chosen = last_set(self.document, "model")
        return None if chosen is None else chosen.field.name

    @property
    def held_statistics(self) -> HeldStatistics:
        """Which batch norm statistics the config holds, whatever the patterns say."""
        return held_statistics(self.document)

    @property
    def holds_all_statistics(self) -> bool:
        """Whether the config itself holds every batch norm statistic of the model."""
        return self.held_statistics == "all"

    # --- editing ----------------------------------------------------------------

    def with_value(self, path: str, value: Value) -> PipelineConfig:
        """Returns the config with a singular field set; see ``textproto.set_field``."""
        return self._with(set_field(self.document, path, value, kin=_kin(self.document, path)))

    def with_values(self, path: str, values: Sequence[Value]) -> PipelineConfig:
        """Returns the config with a repeated field set; see ``textproto.set_repeated``."""
        return self._with(set_repeated(self.document, path, values, kin=_kin(self.document, path)))

    def with_added(self, path: str, value: Value) -> PipelineConfig:
        """Returns the config with a repeated field extended; see ``textproto.add_value``."""
        return self._with(add_value(self.document, path, value, kin=_kin(self.document, path)))

    def without(self, path: str) -> PipelineConfig:
        """Returns the config without a field; see ``textproto.remove_field``.

        Raises:
          UnknownFieldError: The field is not there and no field that odfreeze knows.
        """
        edits = remove_field(self.document, path)
        if not edits and path not in SHORT_NAMES.values():
            known = [written for written, _ in walk(self.document)]
            raise UnknownFieldError(
                f"{self.file} has no field {path}{suggest(path, known)}", field=path
            )
        return self._with(edits)

    def with_changes(
        self,
        *,
        fine_tune_checkpoint: str | None = None,
        fine_tune_checkpoint_type: str | None = None,
        fine_tune_checkpoint_version: str | None = None,
        freeze_variables: Sequence[str] | None = None,
        update_trainable_variables: Sequence[str] | None = None,
        num_steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        add_freeze_variables: Sequence[str] = (),
    ) -> PipelineConfig:
        """Returns the config with some fields rewritten; None leaves a field as it is.

        Args:
          fine_tune_checkpoint: Checkpoint prefix to start from.
          fine_tune_checkpoint_type: One of ``CHECKPOINT_TYPES``.
          fine_tune_checkpoint_version: ``V1`` or ``V2``.
          freeze_variables: All the patterns, in place of those there; none clears the field.
          update_trainable_variables: As ``freeze_variables``.
          num_steps: Steps to train, from 0.
          batch_size: Images a step, from 1.
          learning_rate: Base rate of the optimizer's schedule; see ``with_learning_rate``.
          add_freeze_variables: Patterns to have besides those there; one that is there
            already is not added again.

        Raises:
          UsageError: A value is out of range.
          PatternError: A pattern is no regular expression.
          ConfigError: A learning rate is given and the config has no schedule.
        """
        config = self
        if fine_tune_checkpoint is not None:
            config = config.with_value("train_config.fine_tune_checkpoint", fine_tune_checkpoint)
        if fine_tune_checkpoint_type is not None:
            _one_of("fine_tune_checkpoint_type", fine_tune_checkpoint_type, CHECKPOINT_TYPES)
            config = config.with_value(
                "train_config.fine_tune_checkpoint_type", fine_tune_checkpoint_type
            )
        if fine_tune_checkpoint_version is not None:
            _one_of("fine_tune_checkpoint_version", fine_tune_checkpoint_version, ("V1", "V2"))
            config = config.with_value(
                "train_config.fine_tune_checkpoint_version",
                Identifier(fine_tune_checkpoint_version),
            )
        chosen: tuple[tuple[PatternField, Sequence[str] | None], ...] = (
            ("update_trainable_variables", update_trainable_variables),
            ("freeze_variables", freeze_variables),
        )
        for field, patterns in chosen:
            if patterns is not None:
                _check_patterns(field, patterns)
                config = config.with_values(f"train_config.{field}", patterns)
        _check_patterns("freeze_variables", add_freeze_variables)
        for pattern in add_freeze_variables:
            if pattern not in config.freeze_variables:
                config = config.with_added("train_config.freeze_variables", pattern)
        for name, number, least in (("num_steps", num_steps, 0), ("batch_size", batch_size, 1)):
            if number is not None:
                if not least <= number < 1 << 32:
                    raise UsageError(
                        f"{name} must be a number from {least} to {(1 << 32) - 1}, not {number}"
                    )
                config = config.with_value(f"train_config.{name}", number)
        if learning_rate is not None:
            config = config.with_learning_rate(learning_rate)
        return config

    def with_learning_rate(self, rate: float) -> PipelineConfig:
        """Returns the config with the base rate of its optimizer's schedule rewritten.

        The rate of a warm-up (or burn-in) stays, unless it would be above the new base
        rate, which the Object Detection API refuses (utils/learning_schedules.py:197): then
        it becomes the base rate. The later rates of a stepped schedule are scaled with
        its first, so that the schedule keeps its shape.

        Args:
          rate: The new base rate, above 0.

        Raises:
          UsageError: The rate is not above 0 or not finite.
          ConfigError: The config has no optimizer with a schedule.
        """
        config = self
        for path, value in rate_changes(self.document, rate):
            config = config.with_value(path, value)
        return config

    def diff(self, other: PipelineConfig) -> bytes:
        """Returns a unified diff from this config to another, b"" where they are equal."""
        from difflib import diff_bytes, unified_diff

        old, new = _lines(self.data), _lines(other.data)
        name = self.file.encode("utf-8", "surrogateescape")
        return b"".join(
            line if line.endswith(b"\n") else line + _NO_NEWLINE
            for line in diff_bytes(unified_diff, old, new, name, name)
        )

    def write(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes the config atomically: the file is the old one or the whole new one.

        Args:
          path: Where to; the file it was read from may be replaced, and keeps its mode.
          force: Whether another file may be overwritten.

        Raises:
          RemotePathError: The path is not local.
          OutputError: Another file is there, the file has changed since it was read, or
            it cannot be written.
        """
        refuse_remote(path)
        if not force and os.path.exists(path):  # noqa: PTH110
            try:
                is_own = self.path is not None and os.path.samefile(path, self.path)  # noqa: PTH121
            except OSError:
                is_own = False
            if not is_own:
                raise OutputError(
                    f"{path} exists and is not the config that was read; give another name, or "
                    "--force to overwrite it",
                    path=str(path),
                )
            if read_text_file(path) != self.original:
                raise OutputError(
                    f"{path} has changed since it was read; read it again, or give --force to "
                    "overwrite it",
                    path=str(path),
                )
        write_atomically(path, self.data)

    # --- helpers ----------------------------------------------------------------

    def _with(self, edits: Sequence[Edit]) -> PipelineConfig:
        if not edits:
            return self
        data = apply_edits(self.data, edits)
        return PipelineConfig(parse(data, self.file), self.path, self.original)

    def _text(self, path: str) -> str | None:
        found = last(self.document, path)
        return None if found is None else _scalar(found).as_str()

    def _texts(self, path: str) -> tuple[str, ...]:
        return tuple(_scalar(one).as_str() for one in find(self.document, path))


def _kin(document: Document, path: str) -> tuple[str, ...]:
    """Returns behind which siblings a field of train_config goes that is not there yet.

    The fields about the checkpoint and its patterns stay together: behind the other
    patterns, else behind ``fine_tune_checkpoint`` and those of its family that follow it.
    """
    scope, _, name = path.rpartition(".")
    if scope != "train_config" or name not in (*_CHECKPOINT_FAMILY, *_PATTERN_FIELDS):
        return ()
    anchor = ""
    siblings = (one.value.fields for one in find(document, scope) if isinstance(one.value, Message))
    for field in (field for fields in siblings for field in fields):
        if field.name == _CHECKPOINT_FAMILY[0] or (anchor and field.name in _CHECKPOINT_FAMILY):
            anchor = field.name
        elif anchor:
            break
    family = (anchor, *_CHECKPOINT_FAMILY) if anchor else _CHECKPOINT_FAMILY
    others = tuple(other for other in _PATTERN_FIELDS if other != name)
    return others + family if name in _PATTERN_FIELDS else family


def _value(found: Occurrence) -> str | int | float | bool | Message:
    value = found.value
    return value if isinstance(value, Message) else value.as_python()


def _lines(data: bytes) -> list[bytes]:
    """Returns the lines with their endings; only a line feed ends one."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _scalar(found: Occurrence) -> Scalar:
    if isinstance(found.value, Message):
        raise ConfigError(
            f"{found.path} is a message here; write a single value", place=found.place
        )
    return found.value


def _one_of(field: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(
            f"{field} must be one of {', '.join(known)}, not {value!r}{suggest(value, known)}"
        )


def _check_patterns(field: PatternField, patterns: Sequence[str]) -> None:
    """Raises PatternError for a pattern that is no regular expression."""
    for text in patterns:
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError):
            from odfreeze.selection import Pattern, match_columns  # 10 ms, for its message only

            match_columns((), [Pattern(field, text)])
