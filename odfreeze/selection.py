"""What patterns decide for a list of variables: the rules of freezing, as pure functions.

The same `select` is called on the variables of a checkpoint (preview), of a live
model (training) and of a baseline (verify), so that the three cannot disagree.

The rule is that of the Estimator path of the OD API, the last one that read
``freeze_variables`` and ``update_trainable_variables`` (object_detection/model_lib.py,
``slim.filter_variables(..., include_patterns, exclude_patterns)``): a
pattern matches where ``re.search`` finds it in the name, the update patterns include
(all variables when there are none), the freeze patterns exclude, and exclusion wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from odfreeze.errors import PatternError, PatternTimeoutError, Place
from odfreeze.regex_guard import LIMIT_SECONDS, compile_regex, search_all
from odfreeze.variables import Variable

__all__ = [
    "PATH_PREFIX", "STATES", "FrozenBatchNorm", "Pattern", "PatternField", "Selection", "State",
    "Totals", "match_columns", "select",
]  # fmt: skip

PatternField = Literal["freeze_variables", "update_trainable_variables"]
#: What a pattern is of: one of the fields, or a share of the learning rate (`odfreeze.rates`).
PatternSource = Literal["freeze_variables", "update_trainable_variables", "rate"]
FrozenBatchNorm = Literal["hold", "update"]
State = Literal["trainable", "frozen", "updating", "held"]

#: All states, in the order in which they are reported.
STATES: tuple[State, ...] = ("frozen", "trainable", "held", "updating")
#: A pattern that begins with this regex comment is matched against object paths.
PATH_PREFIX = "(?#path)"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One regular expression of a config.

    Attributes:
      field: The field of ``train_config`` that holds it, or ``rate``.
      text: The regular expression, its text-format escapes undone.
      place: Where its string starts in the config, or None when it was given
        on the command line or by a caller.
    """

    field: PatternSource
    text: str
    place: Place | None = None

    @property
    def by_path(self) -> bool:
        """Whether it is matched against the object path instead of the name."""
        return self.text.startswith(PATH_PREFIX)


@dataclass(frozen=True, slots=True)
class Totals:
    """How much is in one state: variables, parameters (elements) and bytes."""

    variables: int = 0
    parameters: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """What the patterns, together, decide for a list of variables.

    Attributes:
      variables: As they were given.
      patterns: As they were given.
      states: For each variable, ``trainable`` or ``frozen`` when a gradient can
        reach it, else ``updating`` or ``held``.
      matched_by: For each variable, the indexes of the patterns that match it.
    """

    variables: tuple[Variable, ...]
    patterns: tuple[Pattern, ...]
    states: tuple[State, ...]
    matched_by: tuple[tuple[int, ...], ...]

    def of(self, state: State) -> tuple[Variable, ...]:
        """Returns the variables in this state, in order."""
        return tuple(v for v, s in zip(self.variables, self.states, strict=True) if s == state)

    def matches(self, pattern: int) -> tuple[Variable, ...]:
        """Returns the variables that the pattern with this index matches, in order."""
        pairs = zip(self.variables, self.matched_by, strict=True)
        return tuple([v for v, by in pairs if pattern in by])

    def match_counts(self) -> tuple[int, ...]:
        """Returns for each pattern how many variables it matches."""
        counts = [0] * len(self.patterns)
        for by in self.matched_by:
            for pattern in by:
                counts[pattern] += 1
        return tuple(counts)

    def totals(self) -> dict[State, Totals]:
        """Returns variables, parameters and bytes of every state; zeros for an empty one."""
        sums = {state: [0, 0, 0] for state in STATES}
        for variable, state in zip(self.variables, self.states, strict=True):
            row = sums[state]
            row[0] += 1
            row[1] += variable.parameters
            row[2] += variable.bytes
        return {state: Totals(*row) for state, row in sums.items()}


def select(
    variables: Sequence[Variable],
    patterns: Sequence[Pattern],
    *,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    config_holds: Callable[[Variable], bool] | None = None,
) -> Selection:
    """Returns the state of every variable under the patterns.

    - A variable that a gradient can reach is ``trainable`` when the update patterns
      include it (some one matches, or there are none) and no freeze pattern
      matches it; else ``frozen``.
    - The statistics of a batch norm layer follow the layer, whatever patterns match
      the statistics themselves: ``held`` when all of its gamma and beta are
      frozen, else ``updating``. A layer with neither follows the convolution that
      feeds it (`odfreeze.layers`); without one, the last rule applies to it.
    - Any other variable that no gradient reaches (the state of a random generator, as a
      DeepMAC has one) is ``updating``: whatever moves it, no pattern holds it.

    A variable without a name is matched only by patterns for object paths.

    Args:
      variables: Of one model, from any source.
      patterns: Both fields' patterns, in the order of their indexes in the result.
      frozen_batch_norm: ``update`` leaves the statistics of frozen batch norm layers updating.
      config_holds: Tells of a statistic whether the config itself holds it, whatever the
        patterns say (``freeze_batchnorm`` and its kin); None where it holds none.

    Raises:
      PatternError: A pattern is no regular expression; with its place.
      PatternTimeoutError: A pattern took longer than 1.5 seconds and was stopped.
    """
    columns = match_columns(variables, patterns)
    matched_by, allowed = _combine(columns, patterns, len(variables))
    holds = _Holding(variables, allowed, frozen_batch_norm, config_holds)
    states: list[State] = []
    for variable, learns in zip(variables, allowed, strict=True):
        if variable.trainable:
            states.append("trainable" if learns else "frozen")
        elif variable.statistic:
            states.append("held" if holds.statistic(variable, learns) else "updating")
        else:
            states.append("updating")
    return Selection(tuple(variables), tuple(patterns), tuple(states), matched_by)


def match_columns(variables: Sequence[Variable], patterns: Sequence[Pattern]) -> list[list[bool]]:
    """Returns for each pattern, for each variable, whether the pattern matches it.

    Raises:
      PatternError: As `select`.
      PatternTimeoutError: As `select`.
    """
    regexes = [_compiled(pattern) for pattern in patterns]  # all of them, before any is searched
    names = [v.name for v in variables if v.name is not None]
    paths: list[str] | None = None
    columns = []
    for pattern, regex in zip(patterns, regexes, strict=True):
        if pattern.by_path:
            paths = paths or [v.object_path for v in variables]
            columns.append(_searched(pattern, regex, paths))
            continue
        found = _searched(pattern, regex, names)
        if len(names) < len(variables):
            rest = iter(found)
            found = [v.name is not None and next(rest) for v in variables]
        columns.append(found)
    return columns


def _combine(
    columns: Sequence[Sequence[bool]], patterns: Sequence[Pattern], count: int
) -> tuple[tuple[tuple[int, ...], ...], list[bool]]:
    """Returns for each variable the patterns that match it, and whether they let it learn."""
    updates = {i for i, p in enumerate(patterns) if p.field == "update_trainable_variables"}
    freezes = set(range(len(patterns))) - updates
    if not columns:
        return ((),) * count, [True] * count
    # Few rows differ: each kind is decided once, however many variables there are.
    decided: dict[tuple[bool, ...], tuple[tuple[int, ...], bool]] = {}
    matched_by: list[tuple[int, ...]] = []
    allowed: list[bool] = []
    for row in zip(*columns, strict=True):
        decision = decided.get(row)
        if decision is None:
            by = tuple(i for i, matches in enumerate(row) if matches)
            included = not updates or not updates.isdisjoint(by)
            decision = decided[row] = (by, included and freezes.isdisjoint(by))
        matched_by.append(decision[0])
        allowed.append(decision[1])
    return tuple(matched_by), allowed


class _Holding:
    """Decides which batch norm layers are held, each layer once."""

    def __init__(
        self,
        variables: Sequence[Variable],
        allowed: Sequence[bool],
        frozen_batch_norm: FrozenBatchNorm,
        config_holds: Callable[[Variable], bool] | None,
    ) -> None:
        self._config_holds = config_holds
        self._update = frozen_batch_norm == "update"
        self._variables = variables
        self._learns: dict[str, bool] = {}
        for variable, learns in zip(variables, allowed, strict=True):
            if variable.trainable:
                layer = variable.layer
                self._learns[layer] = learns or self._learns.get(layer, False)
        self._convolutions: dict[str, str] | None = None

    def statistic(self, variable: Variable, learns: bool) -> bool:
        """Whether the statistic is held; ``learns`` is what the patterns say of itself."""
        if self._config_holds is not None and self._config_holds(variable):
            return True
        if self._update:
            return False
        layer_learns = self._learns.get(variable.layer)
        if layer_learns is None:
            if self._convolutions is None:
                from odfreeze.layers import convolution_of

                self._convolutions = convolution_of(self._variables)
            convolution = self._convolutions.get(variable.layer)
            layer_learns = learns if convolution is None else self._learns[convolution]
        return not layer_learns


def _compiled(pattern: Pattern) -> re.Pattern[str]:
    try:
        return compile_regex(pattern.text)
    except re.error as error:
        cure = "correct the pattern, or escape with \\ what is meant as a plain character"
        if error.msg == "nothing to repeat":
            cure = "write '.*' where anything may stand"
        message = (
            f"{pattern.field}: {_shortened(pattern.text)} is no regular expression: "
            f"{error.msg}; {cure}"
        )
        raise PatternError(
            message, pattern=pattern.text, place=_place_of(pattern, error.pos or 0)
        ) from None


def _searched(pattern: Pattern, regex: re.Pattern[str], subjects: Sequence[str]) -> list[bool]:
    try:
        return search_all(regex, subjects)
    except TimeoutError:
        message = (
            f"{pattern.field}: matching {_shortened(pattern.text)} took longer than "
            f"{LIMIT_SECONDS} s and was stopped; a repeat inside a repeat, as in (a+)+, can be "
            "tried in endless ways: write it without the nesting"
        )
        raise PatternTimeoutError(
            message, pattern=pattern.text, place=_place_of(pattern, 0)
        ) from None
    except ChildProcessError as error:
        message = (
            f"{pattern.field}: {_shortened(pattern.text)} may take endless time and is "
            f"matched in a process of its own, which failed: {error}; "
            "write the pattern without nested repeats"
        )
        raise PatternError(message, pattern=pattern.text, place=_place_of(pattern, 0)) from error


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _place_of(pattern: Pattern, offset: int) -> Place:
    """The place of the pattern's character at ``offset``, or of its string when not found."""
    place = pattern.place
    if place is None:
        return Place(pattern.field, 1, offset + 1, pattern.text.split("\n")[0])
    columns = _columns_of(place.source[place.column - 1 :], pattern.text)
    if offset > len(pattern.text) or columns is None:
        return place
    return Place(place.file, place.line, place.column + columns[offset], place.source)


_ESCAPE = r"\\(?:[0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"


def _columns_of(source: str, text: str) -> list[int] | None:
    """The column of each character of ``text`` in the string literal at the start of ``source``.

    One more for the closing quote. None when the literal is not wholly here, as when it is
    concatenated from several, or an escape stands for a part of a character.
    """
    columns, at, quote = [], 1, source[:1]
    escape_at = re.compile(_ESCAPE).match
    if quote not in ("'", '"'):
        return None
    while at < len(source) and source[at] != quote:
        columns.append(at)
        escape = escape_at(source, at)
        at = at + 1 if escape is None else escape.end()
    columns.append(at)
    return columns if len(columns) == len(text) + 1 else None
