"""Patterns written for a set of variables: what a person would write, proven on the list.

A pattern is for names where names can be depended on. Keras numbers layers that nobody named
(``conv2d_166``) in the order in which a process builds them, so that what is in such layers is
told by its object path, in a pattern that begins with ``(?#path)``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from odfreeze.errors import UsageError
from odfreeze.groups.word_sets import expressions_for
from odfreeze.selection import PATH_PREFIX, Pattern, match_columns
from odfreeze.variables import Variable

__all__ = ["is_automatic", "patterns_for"]

#: Layers that Keras names and numbers by itself, as far as the OD API leaves it to do so.
_KINDS = (
    r"(?:conv2d|conv2d_transpose|separable_conv2d|depthwise_conv2d|dense|batch_normalization"
    r"|sync_batch_normalization|freezable_batch_norm|layer_normalization|re_lu|layer)"
)
_AUTOMATIC = re.compile(rf"^{_KINDS}(?:_\d+)?(?=/)")
#: All layers of an hourglass are such, and inside one another (keras_models/hourglass_network.py).
_NESTED = re.compile(
    rf"(?:^hourglass_network|(?<=/)(?:{_KINDS}"
    r"|(?:residual|convolutional|encoder_decoder)_block|skip_convolution))(?:_\d+)?(?=/)"
)
_NESTING = ("center_net_", "hourglass_network")
#: What a pattern for paths costs at least (`_cost`).
_CHEAPEST_PATH = 75
#: Numbers that such a layer may get in another process: those that patterns are written for, and
#: those that they are proven with.
_NUMBERS = ("", "_0", "_7", "_4321")
_OTHER_NUMBERS = ("_3", "_58", "_609")


@lru_cache(maxsize=20_000)  # the groups of a model are of the same names
def is_automatic(name: str | None) -> bool:
    """Whether a name is missing or holds a number that Keras gave and may give anew.

    >>> is_automatic("conv2d_12/kernel"), is_automatic("conv2_block1_1_conv/kernel")
    (True, False)
    >>> is_automatic("hourglass_network_1/input_downsample_block/conv2d/kernel")
    True
    """
    return name is None or _numbering(name).search(name) is not None


def _numbering(name: str) -> re.Pattern[str]:
    return _NESTED if name.startswith(_NESTING) else _AUTOMATIC


@lru_cache(maxsize=20_000)
def _renumbered(name: str, number: str) -> str:
    """Returns a name with this number for each that Keras gave.

    >>> _renumbered("conv2d_12/kernel", "_7")
    'conv2d_7/kernel'
    """
    return _numbering(name).sub(lambda found: re.sub(r"_\d+$", "", found[0]) + number, name)


def patterns_for(wanted: Iterable[Variable], variables: Sequence[Variable]) -> tuple[str, ...]:
    r"""Returns patterns that match exactly some variables of a model, and nothing else in it.

    They are anchored and escaped, and as short as they can be read: beginnings
    (``^block_[0-9]+_``), endings (``/(gamma|beta)$``), alternations and ranges of numbers. That
    they match exactly is proven by searching them in all of the list.

    Args:
      wanted: What to match, all of it in the model; none for no patterns.
      variables: All of the model.

    Raises:
      UsageError: What is wanted is not in the model, or cannot be told from what is not.
    """
    existing = {v.object_path: v for v in variables}
    inside = {v.object_path: v.label for v in wanted}
    for path, label in inside.items():
        if path not in existing:
            raise UsageError(f"{label} is no variable of the model")
    chosen = [existing[path] for path in inside]  # alternatives are in their order
    if not chosen:
        return ()
    if len(chosen) == len(variables):
        return (".*",) if all(v.name is not None for v in variables) else (f"{PATH_PREFIX}.*",)
    others = [v for v in variables if v.object_path not in inside]
    kinds = {_renumbered(v.name, "") for v in others if v.name is not None}
    named = [v for v in chosen if not is_automatic(v.name) and v.name not in kinds]
    told = [v for v in chosen if v.name is not None and _renumbered(v.name, "") not in kinds]
    candidates = []
    for by_name in (named, told):
        if by_name:
            paths = {v.object_path for v in by_name}
            rest = [v for v in chosen if v.object_path not in paths]
            found = _of_names(by_name, others)
            candidates.append((*found, *_of_paths(rest, others)) if rest else found)
        if len(named) == len(told):
            break
    if not candidates or min(map(_cost, candidates)) > _CHEAPEST_PATH:
        candidates.append(_of_paths(chosen, others))
    for patterns in sorted(candidates, key=_cost):
        if _proven(patterns, inside, variables):
            return patterns
    exact = tuple(f"{PATH_PREFIX}^{re.escape(v.object_path)}\\Z" for v in chosen)
    if _proven(exact, inside, variables):
        return exact
    raise UsageError("variables with the same name and the same object path cannot be told apart")


def _of_names(chosen: Sequence[Variable], others: Sequence[Variable]) -> tuple[str, ...]:
    inside, outside = (
        [text for v in some if v.name is not None for text in _names_of(v.name)]
        for some in (chosen, others)
    )
    endings = expressions_for(inside, outside, backwards=True)
    if any(is_automatic(v.name) for v in chosen):
        return endings  # a beginning would be one that Keras gave
    return min(expressions_for(inside, outside), endings, key=_cost)


@lru_cache(maxsize=20_000)
def _names_of(name: str) -> tuple[str, ...]:
    """Returns a name, and those that the variable may have in another process."""
    if not is_automatic(name):
        return (name,)
    return tuple(dict.fromkeys((name, *(_renumbered(name, number) for number in _NUMBERS))))


def _of_paths(chosen: Sequence[Variable], others: Sequence[Variable]) -> tuple[str, ...]:
    inside, outside = [v.object_path for v in chosen], [v.object_path for v in others]
    found = min(
        expressions_for(inside, outside, stops="/"),
        expressions_for(inside, outside, stops="/", backwards=True),
        key=_cost,
    )
    return tuple(PATH_PREFIX + text for text in found)


def _cost(patterns: Sequence[str]) -> int:
    """What it takes to read patterns: letters, alternatives and ranges, and how many there are.

    Names are known better than paths, and beginnings are seen better than endings.
    """
    return sum(
        len(text)
        + 8
        + 4 * text.count("|")
        + 11 * text.count("[")
        + 8 * text.count(")?")
        + 23 * ("^" not in text)
        + 40 * text.startswith(PATH_PREFIX)
        for text in patterns
    )


def _proven(
    patterns: Sequence[str], inside: Collection[str], variables: Sequence[Variable]
) -> bool:
    """Whether patterns, together, match exactly some of the variables, however Keras counts."""
    written = [Pattern("freeze_variables", text) for text in patterns]
    wanted = [v.object_path in inside for v in variables]
    lists = [variables]
    if any(v.name is not None and is_automatic(v.name) for v in variables):
        lists += [
            [
                v if v.name is None else replace(v, name=_renumbered(v.name, number))
                for v in variables
            ]
            for number in _OTHER_NUMBERS
            if not all(pattern.by_path for pattern in written)
        ]
    return all(
        [any(row) for row in zip(*match_columns(some, written), strict=True)] == wanted
        for some in lists
    )
