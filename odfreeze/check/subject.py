"""A pipeline.config under check, and what its paths lead to."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from odfreeze.errors import OdfreezeError, PatternError, Place, TextProtoError
from odfreeze.textproto import Message, Occurrence, find, last, last_set
from odfreeze.train_fields import PATTERN_FIELDS

if TYPE_CHECKING:
    from odfreeze.check.case import Case
    from odfreeze.check.data.readers import Reader
    from odfreeze.checkpoint import Checkpoint
    from odfreeze.pipeline import PipelineConfig
    from odfreeze.schema import Fault, Record
    from odfreeze.selection import FrozenBatchNorm, Pattern

__all__ = ["RunFlags", "Subject", "is_placeholder"]

Plain = str | int | float | bool
#: What stands in published configs, and in copies of them, where a path is to be filled in.
_PLACEHOLDER = (
    r"(?<![A-Za-z0-9])(?:PATH_TO|YOUR)_[A-Z]|TO_BE_CONFIGURED|(?i:^path_to_be_)"
    r"|(?<![A-Za-z0-9_])(?i:path[/\\]to)[/\\]|<[^<>/]*>"
)
#: Names as long as models have them, to find out whether a pattern comes to an end.
_TYPICAL_NAMES = (
    "WeightSharedConvolutionalBoxPredictor/BoxPredictionTower/conv2d_0/BatchNorm/feature_0/beta",
    "EfficientDet-D0/bifpn/node_02/1_dn_lvl_6/input_0_up_lvl_5/1x1_pre_sample/conv/kernel",
)
_Value = TypeVar("_Value", str, int, float, bool)


@dataclass(frozen=True, slots=True)
class RunFlags:
    """How a config is going to be run, as far as it is known: flags of ``model_main_tf2``.

    Attributes:
      model_dir: The run's directory, or None.
      num_train_steps: Steps in place of the config's, or None.
      checkpoint_every_n: Steps between checkpoints.
      num_replicas: Replicas that share a batch, or None when that is not known.
      num_workers: Workers that share the files of records.
      use_tpu: Whether it runs on a TPU.
      frozen_batch_norm: ``hold`` or ``update``, of ``odfreeze train``.
      is_enforced: Whether ``odfreeze train`` runs it, which honours the patterns.
    """

    model_dir: str | None = None
    num_train_steps: int | None = None
    checkpoint_every_n: int = 1000
    num_replicas: int | None = None
    num_workers: int = 1
    use_tpu: bool = False
    frozen_batch_norm: FrozenBatchNorm = "hold"
    is_enforced: bool = False


def is_placeholder(text: str | None) -> bool:
    """Whether a value is, or holds, what is there only to be filled in.

    Such a value is one finding (ODF109); rules about what a path leads to skip it.

    >>> is_placeholder("PATH_TO_BE_CONFIGURED/train.record"), is_placeholder("data/train.record")
    (True, False)
    """
    return bool(text) and re.search(_PLACEHOLDER, text or "") is not None


class Subject:
    """A config under check; what its paths lead to is read when it is first asked for.

    Reading never raises: a value of the wrong type, or a checkpoint that cannot be read, is
    None here, and a finding of the rule whose business it is.

    Attributes:
      config: The config.
      flags: How it is going to be run.
    """

    def __init__(self, config: PipelineConfig, flags: RunFlags | None = None) -> None:
        """Takes the config, and how it is going to be run."""
        self.config = config
        self.flags = flags or RunFlags()

    # --- the schema ---------------------------------------------------------------

    @functools.cached_property
    def _read_by_schema(self) -> tuple[Record, tuple[Fault, ...]]:
        from odfreeze.schema import PIPELINE, read_with_faults

        return read_with_faults(self.config.document, PIPELINE)

    @property
    def record(self) -> Record:
        """The config as a message of the schema, without what is at fault."""
        return self._read_by_schema[0]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What in the config does not fit the schema, in file order."""
        return self._read_by_schema[1]

    @property
    def is_foreign(self) -> bool:
        """Whether nothing in the file is of a pipeline.config: one finding (ODF110)."""
        unknown = {id(f.written) for f in self.faults if f.kind == "unknown_field"}
        return all(id(field) in unknown for field in self.config.document.root.fields)

    # --- values -----------------------------------------------------------------

    def occurrence(self, path: str) -> Occurrence | None:
        """Returns the value that counts at a dotted path with its place, None for none."""
        try:
            return last(self.config.document, path)
        except TextProtoError:
            return None

    def occurrences(self, path: str) -> tuple[Occurrence, ...]:
        """Returns every value at a dotted path in file order, () for none."""
        try:
            return find(self.config.document, path)
        except TextProtoError:
            return ()

    def member(self, path: str) -> Occurrence | None:
        """Returns the message that counts of those in the message at a path; None for none.

        That of a oneof, such as the optimizer's kind in ``train_config.optimizer``.
        """
        try:
            return last_set(self.config.document, path)
        except TextProtoError:
            return None

    def has(self, path: str) -> bool:
        """Whether something is written at a dotted path."""
        return self.occurrence(path) is not None

    def place(self, *paths: str) -> Place | None:
        """Returns where the first of these paths that is written stands: the field's name.

        Give the parents behind a path for a finding about what is not written.
        """
        for path in paths:
            found = self.occurrence(path)
            if found is not None:
                return found.field.place
        return None

    def text(self, path: str) -> str | None:
        """Returns the string, or the name of the enum value, written at a path; else None."""
        found = self.occurrence(path)
        if found is None or isinstance(found.value, Message):
            return None
        if found.value.kind == "identifier":
            return found.value.text
        return self._read(found.value.as_str)

    def integer(self, path: str, default: int | None = None) -> int | None:
        """Returns the integer written at a path, else the default."""
        found = self.occurrence(path)
        if found is None or isinstance(found.value, Message):
            return default
        return self._read(found.value.as_int)

    def number(self, path: str, default: float | None = None) -> float | None:
        """Returns the number written at a path, else the default."""
        found = self.occurrence(path)
        if found is None or isinstance(found.value, Message):
            return default
        return self._read(found.value.as_float)

    def flag(self, path: str, default: bool = False) -> bool:
        """Returns the bool written at a path, else the default."""
        found = self.occurrence(path)
        if found is None or isinstance(found.value, Message):
            return default
        value = self._read(found.value.as_bool)
        return default if value is None else value

    @staticmethod
    def _read(read: Callable[[], _Value]) -> _Value | None:
        try:
            return read()
        except TextProtoError:
            return None

    # --- the model ------------------------------------------------------------------

    @functools.cached_property
    def meta_architecture(self) -> str | None:
        """Name of the message that is set in ``model``; None where none is."""
        try:
            return self.config.meta_architecture
        except TextProtoError:
            return None

    @property
    def extractor_type(self) -> str | None:
        """The feature extractor's type as it is written; None where none is."""
        return self.text(f"model.{self.meta_architecture or 'ssd'}.feature_extractor.type")

    @property
    def is_tf1(self) -> bool:
        """Whether the model can only be built with TF1, which is one finding (ODF112)."""
        from odfreeze.check.architecture import is_tf1_extractor

        return is_tf1_extractor(self.extractor_type)

    # --- the data -------------------------------------------------------------------

    @functools.cached_property
    def readers(self) -> tuple[Reader, ...]:
        """The input readers: that of training, and the first one of evaluation."""
        from odfreeze.check.data.readers import readers_of

        return readers_of(self)

    # --- the checkpoint to start from ---------------------------------------------

    @functools.cached_property
    def _opened(self) -> tuple[Checkpoint | None, OdfreezeError | None]:
        path = self.text("train_config.fine_tune_checkpoint")
        if not path:
            return None, None
        from odfreeze.checkpoint import Checkpoint

        try:
            return Checkpoint.open(path), None
        except OdfreezeError as error:
            return None, error

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The fine_tune_checkpoint; None where there is none, or none that can be read."""
        return self._opened[0]

    @property
    def checkpoint_error(self) -> OdfreezeError | None:
        """Why the fine_tune_checkpoint cannot be read; None where it can, or none is named."""
        return self._opened[1]

    # --- the patterns ---------------------------------------------------------------

    @functools.cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns of both fields, ``freeze_variables`` first; none that is no string."""
        from odfreeze.selection import Pattern

        found: list[Pattern] = []
        for field in PATTERN_FIELDS:
            for one in self.occurrences(f"train_config.{field}"):
                text = None if isinstance(one.value, Message) else self._read(one.value.as_str)
                if text is not None:
                    found.append(Pattern(field, text, one.place))
        return tuple(found)

    @property
    def pattern_errors(self) -> tuple[PatternError, ...]:
        """Why patterns cannot be used: no regular expression, or one that takes too long."""
        return self._judged[1]

    @property
    def case(self) -> Case | None:
        """What the usable patterns make of the checkpoint; None where no checkpoint is read."""
        return self._judged[0]

    @functools.cached_property
    def _judged(self) -> tuple[Case | None, tuple[PatternError, ...]]:
        """Holds the patterns against the checkpoint, without those that cannot be used."""
        usable, errors = self.patterns, list[PatternError]()
        while True:
            try:
                return self._case_with(usable), tuple(errors)
            except PatternError as error:
                errors.append(error)
                usable = tuple(p for p in usable if p.text != error.pattern)
            except OdfreezeError:
                return None, tuple(errors)

    def _case_with(self, patterns: Sequence[Pattern]) -> Case | None:
        from odfreeze.preview import case_of
        from odfreeze.selection import match_columns
        from odfreeze.variables import Variable

        if self.checkpoint is not None:
            hold = self.flags.frozen_batch_norm
            return case_of(self.config, self.checkpoint, hold, patterns)
        typical = [Variable(name, f"model/{name}", (1,), "float32") for name in _TYPICAL_NAMES]
        match_columns(typical, patterns)
        return None

    # --- the run's directory --------------------------------------------------------

    @functools.cached_property
    def run_checkpoint(self) -> Checkpoint | None:
        """The checkpoint that a run in ``flags.model_dir`` would go on from; None for none.

        It is the one that the directory's state file names: stock asks
        ``tf.train.latest_checkpoint`` (model_lib_v2.py:624), which looks nowhere else.
        """
        if not self.flags.model_dir:
            return None
        from odfreeze.checkpoint import Checkpoint, named_in_state

        named = named_in_state(self.flags.model_dir)
        try:
            return None if named is None else Checkpoint.open(f"{named}.index")
        except OdfreezeError:
            return None

    # --- the end --------------------------------------------------------------------

    def close(self) -> None:
        """Closes the files that were opened."""
        for name in ("_opened", "run_checkpoint"):
            found = self.__dict__.pop(name, None)
            opened = found[0] if isinstance(found, tuple) else found
            if opened is not None:
                opened.close()
