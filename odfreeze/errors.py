"""The errors of odfreeze: one base class, and one class for each thing that can be wrong.

Every class also derives from the builtin exception that fits, so that
``except ValueError`` or ``except FileNotFoundError`` work as people expect, and
carries as attributes the data its message was made from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "CheckpointCorruptError",
    "CheckpointError",
    "CheckpointNotFoundError",
    "CheckpointUnsupportedError",
    "ConfigError",
    "DataError",
    "MissingDependencyError",
    "OdfreezeError",
    "OutputError",
    "PatternError",
    "PatternTimeoutError",
    "Place",
    "PlanError",
    "RecordError",
    "RemotePathError",
    "SelectionMismatchError",
    "TextProtoError",
    "TrainingFailedError",
    "TrainingRefusedError",
    "UnknownFieldError",
    "UsageError",
    "nearest",
    "suggest",
]


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text file.

    Attributes:
      file: The file as its reader was given it.
      line: Line number, from 1.
      column: Column number in characters, from 1.
      source: The text of that line without its ending, or "" when unknown.
    """

    file: str
    line: int
    column: int
    source: str = ""

    def __str__(self) -> str:
        """Returns ``file:line:column``."""
        return f"{self.file}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """Returns the source line with a caret below the column, or "".

        >>> print(Place("a.config", 2, 3, "  num_step: 5").excerpt())
          num_step: 5
          ^
        """
        if not self.source.strip():
            return ""
        lead = "".join("\t" if c == "\t" else " " for c in self.source[: self.column - 1])
        return f"{self.source}\n{lead}^"


class OdfreezeError(Exception):
    """Base of all errors that odfreeze raises on purpose.

    Attributes:
      message: What is wrong (the subject, the rule, the value) and what to do.
      place: Where, or None.
      exit_status: Status the command line ends with: 2 for wrong usage or
        unreadable input, 1 for a run that failed.
    """

    exit_status = 2

    def __init__(self, message: str, *, place: Place | None = None) -> None:
        """Takes the message and, where there is one, the place."""
        super().__init__(message)
        self.message = message
        self.place = place

    def __str__(self) -> str:
        """Returns ``file:line:column: message`` with the line and a caret below."""
        if self.place is None:
            return self.message
        excerpt = self.place.excerpt()
        return f"{self.place}: {self.message}" + (f"\n{excerpt}" if excerpt else "")


class UsageError(OdfreezeError, ValueError):
    """The command line or a function was called with arguments that do not go together."""


class RemotePathError(OdfreezeError, ValueError):
    """A path such as ``gs://bucket/x`` was given where only local files are read."""

    def __init__(self, message: str, *, path: str, place: Place | None = None) -> None:
        """Takes the remote path besides the message."""
        super().__init__(message, place=place)
        self.path = path


class OutputError(OdfreezeError, OSError):
    """An output would overwrite what must be kept, or leave its directory, or cannot be written."""

    def __init__(self, message: str, *, path: str, place: Place | None = None) -> None:
        """Takes the output path besides the message."""
        super().__init__(message, place=place)
        self.path = path


class TextProtoError(OdfreezeError, ValueError):
    """A text proto breaks the text format's grammar."""


class ConfigError(OdfreezeError, ValueError):
    """A pipeline.config cannot be read, or a value in it has the wrong form."""


class UnknownFieldError(ConfigError, LookupError):
    """A field was asked for that is not there or not known.

    Attributes:
      field: The dotted path that was asked for.
    """

    def __init__(self, message: str, *, field: str, place: Place | None = None) -> None:
        """Takes the dotted path besides the message."""
        super().__init__(message, place=place)
        self.field = field


class PlanError(ConfigError):
    """A plan of stages cannot be read or carried out."""


class PatternError(OdfreezeError, ValueError):
    """A pattern is no valid regular expression.

    Attributes:
      pattern: The pattern's text.
    """

    def __init__(self, message: str, *, pattern: str, place: Place | None = None) -> None:
        """Takes the pattern besides the message."""
        super().__init__(message, place=place)
        self.pattern = pattern


class PatternTimeoutError(PatternError, TimeoutError):
    """A pattern took too long to match and was stopped."""


class CheckpointError(OdfreezeError, ValueError):
    """A checkpoint cannot be used.

    Attributes:
      path: The file or prefix that is meant.
    """

    def __init__(self, message: str, *, path: str, place: Place | None = None) -> None:
        """Takes the checkpoint's path besides the message."""
        super().__init__(message, place=place)
        self.path = path


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """No checkpoint, or a file of it is missing."""


class CheckpointCorruptError(CheckpointError):
    """The bytes of a checkpoint contradict themselves or their checksums."""


class CheckpointUnsupportedError(CheckpointError, NotImplementedError):
    """The checkpoint is whole but of a kind that odfreeze does not read."""


class RecordError(OdfreezeError, ValueError):
    """The record of a run is missing, or what is in it is not what was written.

    Attributes:
      path: The record's file.
    """

    def __init__(self, message: str, *, path: str, place: Place | None = None) -> None:
        """Takes the record's path besides the message."""
        super().__init__(message, place=place)
        self.path = path


class DataError(OdfreezeError, ValueError):
    """A file of training data is not what it is read as.

    Attributes:
      path: The file.
    """

    def __init__(self, message: str, *, path: str, place: Place | None = None) -> None:
        """Takes the file's path besides the message."""
        super().__init__(message, place=place)
        self.path = path


class SelectionMismatchError(OdfreezeError, RuntimeError):
    """The live model's selection differs from the preview's; nothing was trained."""


class MissingDependencyError(OdfreezeError, ImportError):
    """A package that the called function needs is not installed."""


class TrainingRefusedError(OdfreezeError, RuntimeError):
    """Training or staging was refused because its result would not be what was meant."""


class TrainingFailedError(OdfreezeError, RuntimeError):
    """The training process failed.

    Attributes:
      returncode: Exit status of the child process; negative for a signal.
    """

    exit_status = 1

    def __init__(self, message: str, *, returncode: int, place: Place | None = None) -> None:
        """Takes the child's exit status besides the message."""
        super().__init__(message, place=place)
        self.returncode = returncode


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that a misspelt one was probably meant to be, None for no such word.

    >>> nearest("num_step", ["num_steps", "batch_size"])
    'num_steps'
    """
    import difflib  # only where something is wrong: its import takes a good part of an edit

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def suggest(word: str, known: Iterable[str]) -> str:
    """Returns ``; did you mean 'x'?`` for the known word nearest to ``word``, or "".

    >>> suggest("num_step", ["num_steps", "batch_size"])
    "; did you mean 'num_steps'?"
    >>> suggest("zzz", ["num_steps"])
    ''
    """
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""
