"""What a rule may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odfreeze.errors import Place
from odfreeze.keras_names import numbers_of
from odfreeze.restore import Restore
from odfreeze.selection import FrozenBatchNorm, Pattern, Selection
from odfreeze.variables import Variable

if TYPE_CHECKING:
    from odfreeze.rates import RatedSelection
    from odfreeze.textproto import Document

__all__ = ["Case", "few", "quantity", "quoted", "shortened"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A config and a checkpoint, and what the patterns make of them.

    Attributes:
      selection: States and matches.
      restore: What the checkpoint gives the model.
      meta_architecture: Name of the field set under ``model``, or None.
      checkpoint_type: ``fine_tune_checkpoint_type`` as it takes effect.
      type_place: Where the type, or else the checkpoint, is set in the config; None where neither.
      checkpoint_missing: Why there is no checkpoint that gives the model values, or "".
      names_missing: Why the checkpoint holds no names, or "".
      frozen_batch_norm: As given to `select`.
      document: The config, or None.
      is_live: Whether the variables are those of a live model, not of a checkpoint.
      names_elsewhere: Gives the names on the other side, by object path: those of the live model
        where these are of a checkpoint, and the other way round; None where nothing is known.
      rated: The selection with its shares of the learning rate; None without any.
    """

    selection: Selection
    restore: Restore
    meta_architecture: str | None = None
    checkpoint_type: str = "classification"
    type_place: Place | None = None
    checkpoint_missing: str = ""
    names_missing: str = ""
    frozen_batch_norm: FrozenBatchNorm = "hold"
    document: Document | None = None
    is_live: bool = False
    names_elsewhere: Callable[[], Mapping[str, str]] | None = None
    rated: RatedSelection | None = None
    _elsewhere: list[Mapping[str, str]] = field(default_factory=list, repr=False)
    _numbers: list[dict[str, set[int]]] = field(default_factory=list, repr=False)
    _made: dict[str | int, list[str]] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> list[str]:
        """The names of the variables that have one."""
        made = self._made.get("names")
        if made is None:
            variables = self.selection.variables
            made = self._made["names"] = [v.name for v in variables if v.name is not None]
        return made

    @property
    def object_paths(self) -> list[str]:
        """The object paths of all variables."""
        made = self._made.get("paths")
        if made is None:
            made = self._made["paths"] = [v.object_path for v in self.selection.variables]
        return made

    @property
    def other_names(self) -> Mapping[str, str]:
        """Name by object path on the other side, asked for once; {} where nothing is known."""
        if not self._elsewhere:
            self._elsewhere.append({} if self.names_elsewhere is None else self.names_elsewhere())
        return self._elsewhere[0]

    @property
    def keras_numbers(self) -> dict[str, set[int]]:
        """The numbers of names that Keras made up, by class of layers; see `numbers_of`."""
        if not self._numbers:
            self._numbers.append(numbers_of(self.selection.variables))
        return self._numbers[0]

    def subjects(self, pattern: Pattern) -> list[str]:
        """What a pattern is matched against."""
        return self.object_paths if pattern.by_path else self.names

    def matched(self, index: int) -> list[str]:
        """What the pattern with this index matches: names, or object paths."""
        made = self._made.get(index)
        if made is None:
            by_path = self.selection.patterns[index].by_path
            found = self.selection.matches(index)
            made = [v.object_path for v in found] if by_path else [v.label for v in found]
            self._made[index] = made
        return made


def quantity(count: int, noun: str) -> str:
    """Returns count and noun: ``1 variable``, ``1,234 variables``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def quoted(text: str) -> str:
    """Returns a pattern as messages show it: on one line, cut when it is long.

    Backslashes stand as they are in the regular expression, once.
    """
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"'{line if len(line) <= 60 else line[:57] + '...'}'"


def shortened(text: str, most: int = 80) -> str:
    """Returns a text, cut in the middle where it is longer than that.

    >>> shortened("a" * 9, 9), shortened('"PATH/TO/a/long/one"', 12)
    ('aaaaaaaaa', '"PATH…g/one"')
    """
    if len(text) <= most:
        return text
    tail = (most - 1) // 2 + 1
    return f"{text[: most - 1 - tail]}…{text[-tail:]}"


def few(variables: Sequence[Variable | str], most: int = 2) -> str:
    """Returns the first labels, with ``…`` where there are more."""
    labels = [v if isinstance(v, str) else v.label for v in variables[:most]]
    return ", ".join(labels) + (", …" if len(variables) > most else "")
