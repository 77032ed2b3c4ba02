"""Names for sets of variables, such as ``@backbone/3..5``, where a pattern may stand.

=========================  =====================================================================
``@all``                   everything
``@head``, ``@neck``       a part; ``@head/box`` one kind of it
``@backbone``              the backbone
``@backbone/3..5``         blocks 3, 4 and 5, block 1 being next to the image; ``3..`` and ``..5``
                           leave an end open, ``stack_2`` and ``conv2..conv4`` go by what names say
``@batch_norm``            all batch norm layers; ``@backbone/batch_norm`` those of a part
=========================  =====================================================================

Nothing but the command line and plans knows these names: what is written into a pipeline.config
are the patterns that they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from odfreeze.errors import UsageError, suggest
from odfreeze.groups.grouping import Group, Groups, group
from odfreeze.groups.synthesis import patterns_for
from odfreeze.variables import Variable

__all__ = ["SIGN", "expanded", "group_names", "group_patterns", "resolve_group"]

#: What a name of a set begins with; no variable's name does.
SIGN = "@"
_NORM = "batch_norm"


def expanded(texts: Iterable[str], variables: Callable[[], Sequence[Variable]]) -> tuple[str, ...]:
    """Returns patterns with each name of a set replaced by patterns that match exactly the set.

    Args:
      texts: Patterns, and names of sets among them.
      variables: Gives all variables of the model; only called where there is a name.

    Raises:
      UsageError: There is no set of a name in this model.
    """
    given = tuple(texts)
    if not any(text.startswith(SIGN) for text in given):
        return given
    listed = variables()
    groups = group(listed)
    found: dict[str, None] = {}
    for text in given:
        named = text.startswith(SIGN)
        found.update(
            dict.fromkeys(patterns_for(resolve_group(text, groups), listed) if named else (text,))
        )
    return tuple(found)


def resolve_group(text: str, groups: Groups) -> tuple[Variable, ...]:
    """Returns the variables of the set that a name such as ``@backbone/3..5`` stands for.

    Args:
      text: The name.
      groups: Of all variables of the model.

    Raises:
      UsageError: There is no such set in this model; with what there is.
    """
    part, *rest = text.removeprefix(SIGN).split("/")
    inside = set(groups.batch_norm) if rest[-1:] == [_NORM] else None
    inner = "/".join(rest[:-1] if inside is not None else rest)
    if part in ("all", _NORM):
        if rest:
            raise _unknown(text, groups)
        return groups.variables if part == "all" else groups.batch_norm
    of_part = [one for one in groups.groups if one.part == part and part != "other"]
    if not of_part:
        raise _unknown(text, groups)
    if inner:
        of_part = _blocks(text, inner, groups) if part == "backbone" else _kinds(text, of_part)
    found = tuple(v for one in of_part for v in one.variables)
    if inside is not None:
        found = tuple(v for v in found if v in inside)
        if not found:
            raise UsageError(f"{text}: there is no batch norm layer in it")
    return found


def group_names(groups: Groups) -> tuple[str, ...]:
    """Returns the names of the sets that a model has, single blocks left out."""
    names: dict[str, None] = {}
    for one in groups.groups:
        if one.part != "other":
            names[SIGN + one.part] = None
            if not one.block and one.kind:
                names[SIGN + one.name] = None
    if groups.batch_norm:
        names[SIGN + _NORM] = None
    return (*names, f"{SIGN}all")


def group_patterns(groups: Groups) -> dict[str, tuple[str, ...]]:
    """Returns the patterns that match exactly each part, each group and all batch norm, by name."""
    listed = groups.variables
    sets: dict[str, Sequence[Variable]] = {}
    for one in groups.groups:
        sets.setdefault(
            one.part, [v for other in groups.in_part(one.part) for v in other.variables]
        )
        sets[one.name] = one.variables
    sets[_NORM] = groups.batch_norm
    return {name: patterns_for(variables, listed) for name, variables in sets.items()}


def _unknown(text: str, groups: Groups) -> UsageError:
    names = group_names(groups)
    problem = f"there is no {text} in this model"
    if text in ("@head", "@neck", "@backbone"):
        problem = f"this model has no {text[1:]}"
    known = f"{', '.join(names)} (`odfreeze groups` lists them)"
    return UsageError(f"{problem}; there is {known}{suggest(text, names)}")


def _kinds(text: str, groups: Sequence[Group]) -> list[Group]:
    inner = text.split("/")[1]
    found = [one for one in groups if one.kind == inner]
    if not found or len(text.split("/")) > 2 + text.endswith(f"/{_NORM}"):
        names = [f"{SIGN}{one.name}" for one in groups if one.kind]
        known = f"; there is {', '.join(names)}" if names else ""
        raise UsageError(f"there is no {text} in this model{known}{suggest(text, names)}")
    return found


def _blocks(text: str, inner: str, groups: Groups) -> list[Group]:
    blocks = groups.blocks
    first, dots, last = inner.partition("..")
    ends = [_number(end, blocks) for end in (first, last)]
    low = ends[0] if first else 1
    high = (ends[1] if last else len(blocks)) if dots else low
    if low is None or high is None or inner == "..":
        labels = [one.kind for one in blocks]
        wrong = (first if low is None else last) or inner
        raise UsageError(
            f"{text}: the backbone has no block {wrong}; it has blocks 1 to {len(blocks)}, "
            f"{labels[0]} to {labels[-1]} (`odfreeze groups` lists them){suggest(wrong, labels)}"
        )
    if low > high:
        raise UsageError(f"{text}: block {low} is not before block {high}; 1 is next to the image")
    return [one for one in blocks if low <= one.block <= high]


def _number(text: str, blocks: Sequence[Group]) -> int | None:
    """Returns the number of the block that a number or a name stands for, None for no block."""
    if text.isdecimal() and text.isascii():
        return int(text) if 1 <= int(text) <= len(blocks) else None
    return next((one.block for one in blocks if one.kind == text), None)
