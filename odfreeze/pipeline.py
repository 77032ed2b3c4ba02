"""What odfreeze reads and rewrites in a pipeline.config, losslessly.

Facts about the fields are those of the Object Detection API's schema (proto2:
``pipeline.proto``, ``train.proto``, ``model.proto``, ``optimizer.proto``); file and line
references are to tf-models-research-object-detection 2.8.0.post1.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odfreeze import textproto
from odfreeze.errors import OutputError, UnknownFieldError, suggest
from odfreeze.files import read_text_file, refuse_remote, write_atomically
from odfreeze.held_statistics import HeldStatistics, held_statistics, statistic_rule
from odfreeze.textproto import (
    Document,
    Message,
    Occurrence,
    find,
    last,
    last_scalar,
    last_set,
    parse,
    walk,
)
from odfreeze.train_fields import (
    CHECKPOINT_TYPES,
    PATTERN_FIELDS,
    SHORT_NAMES,
    check_count,
    check_one_of,
    check_patterns,
    kin_of,
)

if TYPE_CHECKING:
    from odfreeze.selection import Pattern, PatternField
    from odfreeze.textproto import Edit, Value
    from odfreeze.variables import Variable

__all__ = ["CHECKPOINT_TYPES", "SHORT_NAMES", "PipelineConfig"]


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
        detection = last_scalar(self.document, "train_config.from_detection_checkpoint")
        is_detection = detection is not None and detection.as_bool()
        return "detection" if is_detection else "classification"

    @property
    def fine_tune_checkpoint_version(self) -> str:
        """``V1`` (the default, which TF2 refuses: model_lib_v2.py:396), ``V2`` or ``UNKNOWN``."""
        value = last_scalar(self.document, "train_config.fine_tune_checkpoint_version")
        if value is None:
            return "V1"
        if value.kind == "integer":
            return {0: "UNKNOWN", 1: "V1", 2: "V2"}.get(value.as_int(), value.text)
        return value.as_identifier()

    @property
    def num_steps(self) -> int:
        """Steps to train; 0, the default, is no limit (train.proto, 9)."""
        value = last_scalar(self.document, "train_config.num_steps")
        return 0 if value is None else value.as_int()

    @property
    def batch_size(self) -> int:
        """Images a step over all replicas; 32 by default (train.proto, 1)."""
        value = last_scalar(self.document, "train_config.batch_size")
        return 32 if value is None else value.as_int()

    @property
    def adds_regularization_loss(self) -> bool:
        """Whether the loss includes the regularization, as by default (train.proto, 18)."""
        value = last_scalar(self.document, "train_config.add_regularization_loss")
        return value is None or value.as_bool()

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
            (one.value.start, Pattern(field, one.scalar().as_str(), one.place))
            for field in PATTERN_FIELDS
            for one in find(self.document, f"train_config.{field}")
        ]
        return tuple(pattern for _, pattern in sorted(found, key=lambda pair: pair[0]))

    @property
    def learning_rate(self) -> float | None:
        """The base rate of the optimizer's schedule; None when no schedule is written."""
        from odfreeze.learning_rate import base_rate

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
    def holds_statistic(self) -> Callable[[Variable], bool] | None:
        """What tells of a batch norm statistic whether the config holds it; None: it holds none."""
        return statistic_rule(self.held_statistics)

    # --- editing ----------------------------------------------------------------

    def with_value(self, path: str, value: Value) -> PipelineConfig:
        """Returns the config with a singular field set; see ``textproto.set_field``."""
        return self._with(
            textproto.set_field(self.document, path, value, kin=kin_of(self.document, path))
        )

    def with_values(self, path: str, values: Sequence[Value]) -> PipelineConfig:
        """Returns the config with a repeated field set; see ``textproto.set_repeated``."""
        return self._with(
            textproto.set_repeated(self.document, path, values, kin=kin_of(self.document, path))
        )

    def with_added(self, path: str, value: Value) -> PipelineConfig:
        """Returns the config with a repeated field extended; see ``textproto.add_value``."""
        return self._with(
            textproto.add_value(self.document, path, value, kin=kin_of(self.document, path))
        )

    def without(self, path: str) -> PipelineConfig:
        """Returns the config without a field; see ``textproto.remove_field``.

        Raises:
          UnknownFieldError: The field is not there, and there is no such field.
        """
        edits = textproto.remove_field(self.document, path)
        if not edits and path not in SHORT_NAMES.values():
            from odfreeze.schema import names_beside

            names = names_beside(path)
            if path not in names:
                known = [*names, *(written for written, _ in walk(self.document))]
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
            check_one_of("fine_tune_checkpoint_type", fine_tune_checkpoint_type, CHECKPOINT_TYPES)
            config = config.with_value(
                "train_config.fine_tune_checkpoint_type", fine_tune_checkpoint_type
            )
        if fine_tune_checkpoint_version is not None:
            check_one_of("fine_tune_checkpoint_version", fine_tune_checkpoint_version, ("V1", "V2"))
            config = config.with_value(
                "train_config.fine_tune_checkpoint_version",
                textproto.Identifier(fine_tune_checkpoint_version),
            )
        chosen: tuple[tuple[PatternField, Sequence[str] | None], ...] = (
            ("update_trainable_variables", update_trainable_variables),
            ("freeze_variables", freeze_variables),
        )
        for field, patterns in chosen:
            if patterns is not None:
                check_patterns(field, patterns)
                config = config.with_values(f"train_config.{field}", patterns)
        check_patterns("freeze_variables", add_freeze_variables)
        for pattern in add_freeze_variables:
            if pattern not in config.freeze_variables:
                config = config.with_added("train_config.freeze_variables", pattern)
        for name, number, least in (("num_steps", num_steps, 0), ("batch_size", batch_size, 1)):
            if number is not None:
                check_count(name, number, least)
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
        from odfreeze.learning_rate import rate_changes

        config = self
        for path, value in rate_changes(self.document, rate):
            config = config.with_value(path, value)
        return config

    def diff(self, other: PipelineConfig) -> bytes:
        """Returns a unified diff from this config to another, b"" where they are equal."""
        from odfreeze.text_diff import unified_diff

        return unified_diff(self.data, other.data, self.file)

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
        data = textproto.apply_edits(self.data, edits)
        return PipelineConfig(parse(data, self.file), self.path, self.original)

    def _text(self, path: str) -> str | None:
        value = last_scalar(self.document, path)
        return None if value is None else value.as_str()

    def _texts(self, path: str) -> tuple[str, ...]:
        return tuple(one.scalar().as_str() for one in find(self.document, path))


def _value(found: Occurrence) -> str | int | float | bool | Message:
    value = found.value
    return value if isinstance(value, Message) else value.as_python()
