"""What training and staging refuse because its result would silently not be what was meant.

Preview only warns of these; :func:`refuse` raises, unless the flag that says "I mean it" was
given. The same function judges a preview and a live model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from odfreeze.errors import TrainingRefusedError, UsageError, suggest
from odfreeze.selection import Selection

if TYPE_CHECKING:
    from odfreeze.rates import RatedSelection

__all__ = ["ALLOWANCES", "check_allowances", "refuse", "refuse_rates"]

#: What is refused unless ``--allow_NAME`` is given, with what it means.
ALLOWANCES: dict[str, str] = {
    "unmatched_patterns": "patterns that match no variable",
    "all_frozen": "a selection in which nothing learns",
    "random_frozen": "frozen variables that no checkpoint gives a value",
    "used_model_dir": "a model_dir that holds a checkpoint of another run",
}


def check_allowances(allow: Collection[str]) -> None:
    """Raises for names that let nothing through.

    Raises:
      UsageError: A name is none of :data:`ALLOWANCES`, or they are given as one text.

    >>> check_allowances(["all_frozen"])
    """
    if isinstance(allow, str):
        raise UsageError(f"what to allow is a list of names: [{allow!r}]")
    for name in allow:
        if name not in ALLOWANCES:
            near = suggest(name, ALLOWANCES)
            raise UsageError(f"there is nothing to allow called {name!r}{near}")


def refuse(
    selection: Selection,
    restored: Sequence[bool] | None,
    allow: Collection[str] = (),
    *,
    flag: str = "--allow_{}",
) -> None:
    """Raises for a selection that would not do what its patterns were written for.

    Args:
      selection: What the patterns decide.
      restored: For each variable whether a checkpoint gives it its value; None when that does
        not matter, as in a resumed run.
      allow: Names of :data:`ALLOWANCES` that are let through.
      flag: How the caller lets one through, as a format of its name.

    Raises:
      TrainingRefusedError: With the flag that lets it through.
    """
    unmatched = [p for i, p in enumerate(selection.patterns) if not selection.matches(i)]
    if unmatched and "unmatched_patterns" not in allow:
        raise TrainingRefusedError(
            f"{unmatched[0].field} {unmatched[0].text!r} matches none of"
            f" {len(selection.variables)} variables; `odfreeze preview` shows their names"
            f" ({flag.format('unmatched_patterns')} goes on all the same)",
            place=unmatched[0].place,
        )
    if selection.patterns and "trainable" not in selection.states and "all_frozen" not in allow:
        raise TrainingRefusedError(
            "the patterns freeze everything: nothing would learn"
            f" ({flag.format('all_frozen')} goes on all the same)"
        )
    if restored is None or "random_frozen" in allow:
        return
    rows = zip(selection.variables, selection.states, restored, strict=True)
    noise = [variable.label for variable, state, given in rows if state == "frozen" and not given]
    if noise:
        raise TrainingRefusedError(
            f"{len(noise)} frozen variables get no value from fine_tune_checkpoint and would stay"
            f" at their random start, among them {noise[0]!r}; leave them out of the patterns, or"
            ' set fine_tune_checkpoint_type: "full" where the checkpoint holds them'
            f" ({flag.format('random_frozen')} goes on all the same)"
        )


def refuse_rates(
    rated: RatedSelection, allow: Collection[str] = (), *, flag: str = "--allow_{}"
) -> None:
    """Raises for a rate whose pattern matches nothing.

    Args:
      rated: A selection with its rates.
      allow: Names of :data:`ALLOWANCES` that are let through.
      flag: As for :func:`refuse`.

    Raises:
      TrainingRefusedError: With the flag that lets it through.
    """
    if "unmatched_patterns" in allow:
        return
    for rate, count in zip(rated.rates, rated.matches(), strict=True):
        if not count:
            raise TrainingRefusedError(
                f"rate {rate.pattern!r} matches none of {len(rated.selection.variables)}"
                " variables; `odfreeze preview` shows their names"
                f" ({flag.format('unmatched_patterns')} goes on all the same)",
                place=rate.place,
            )
