"""What a verification found: what changed, by state, and whether that is as it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from odfreeze.runs.workers import WorkerCheck
from odfreeze.selection import State

__all__ = ["AverageCheck", "Change", "Group", "Verification", "reasons_of"]

_FEW = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A variable that is not what it was.

    Attributes:
      name: Its name, or its object path where it has none.
      object_path: Where it hangs.
      kind: ``value``, ``shape`` or ``dtype``.
      max_abs_difference: The largest difference of an element; 0.0 when only bits
        differ (0.0 and -0.0); None when it is no finite number, or not known since
        the values of before are not at hand, or for another shape or dtype.
      detail: What is different about shape or dtype, or "".
    """

    name: str
    object_path: str
    kind: Literal["value", "shape", "dtype"]
    max_abs_difference: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The variables of one state.

    Attributes:
      state: The state.
      variables: How many there are, before or after.
      changed: Those that are in both and changed. Of frozen and held ones with the
        difference.
      unchanged: Names of those that are in both and the same, bit by bit.
      missing: Names of those that are only before.
      new: Names of those that are only after.
      unreached: Names of the unchanged ones that training does not reach: trainable ones
        without gradient, statistics of layers that never run. None where that is not known.
    """

    state: State
    variables: int
    changed: tuple[Change, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]
    unreached: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AverageCheck:
    """The moving averages of what was not to change, held against its values.

    Attributes:
      variables: How many frozen or held variables have an average.
      differing: Those whose average is not their value, by the bit.
      missing: Names of those that could have one, as others have, and have none.
    """

    variables: int
    differing: tuple[Change, ...]
    missing: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why evaluating with averages would not evaluate what was frozen; () when it would."""
        found = []
        if self.differing:
            found.append(
                f"{len(self.differing)} of {self.variables} frozen variables have a moving average"
                " that is not their value: evaluation with use_moving_averages runs that"
            )
        if self.missing:
            found.append(
                f"{len(self.missing)} frozen variables have no moving average, as others have:"
                f" evaluation with use_moving_averages runs zeros: {_few(self.missing)}"
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain Python values."""
        return {
            "variables": self.variables,
            "differing": [_change_json(change) for change in self.differing],
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What the comparison found.

    Attributes:
      before: Prefix of the first checkpoint, or path of the record.
      after: Prefix of the second.
      config: The config that decided, or the record's.
      before_step: Global step of before, or None.
      after_step: Global step of after, or None.
      frozen: The variables that were not to learn.
      held: The statistics that were not to move.
      trainable: The variables that could learn.
      updating: The statistics that could move.
      reasons: Why it is not ok; empty when it is.
      workers: What the copies on each worker were found to be; () for a run of one replica.
      averages: What the moving averages were found to be; None where there are none.
    """

    before: str
    after: str
    config: str
    before_step: int | None
    after_step: int | None
    frozen: Group
    held: Group
    trainable: Group
    updating: Group
    reasons: tuple[str, ...]
    workers: tuple[WorkerCheck, ...] = ()
    averages: AverageCheck | None = None

    @property
    def ok(self) -> bool:
        """Whether all that had to stand still did, and something that could learn changed."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Returns what ``odfreeze verify --format=json`` prints, as plain Python values."""
        out: dict[str, Any] = {
            "version": 1,
            "ok": self.ok,
            "before": self.before,
            "after": self.after,
            "config": self.config,
            "before_step": self.before_step,
            "after_step": self.after_step,
        }
        for group in (self.frozen, self.held):
            out[group.state] = {
                "variables": group.variables,
                "changed": [_change_json(change) for change in group.changed],
                "missing": list(group.missing),
                "new": list(group.new),
            }
        for group, why in ((self.trainable, "without_gradient"), (self.updating, "never_run")):
            out[group.state] = {
                "variables": group.variables,
                "unchanged": list(group.unchanged),
                why: None if group.unreached is None else list(group.unreached),
                "missing": list(group.missing),
                "new": list(group.new),
            }
        if self.averages is not None:
            out["averages"] = self.averages.to_json()
        if self.workers:
            out["workers"] = [worker.to_json() for worker in self.workers]
        out["reasons"] = list(self.reasons)
        return out


def reasons_of(groups: Mapping[State, Group]) -> tuple[str, ...]:
    """Returns why the verification of these groups fails; () when it does not."""
    return tuple(_reasons(groups))


def _reasons(groups: Mapping[State, Group]) -> Iterator[str]:
    if not any(group.changed or group.unchanged for group in groups.values()):
        yield "the two have no variable in common, so that nothing could be compared"
        return
    for state in ("frozen", "held"):
        group = groups[state]
        if group.changed:
            yield f"{len(group.changed)} of {group.variables} {state} variables changed"
        if group.missing:
            yield f"{len(group.missing)} {state} variables are only before: {_few(group.missing)}"
        if group.new:
            yield (
                f"{len(group.new)} {state} variables are only after, so that nothing proves they"
                f" stood still: {_few(group.new)}"
            )
    trainable = groups["trainable"]
    if not any(change.kind == "value" for change in trainable.changed):
        compared = len(trainable.changed) + len(trainable.unchanged)
        which = f"none of {compared} trainable variables" if compared else "no trainable variable"
        yield f"{which} changed its value: a run that trained nothing proves nothing"


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "object_path": change.object_path,
        "change": change.kind,
        "max_abs_difference": change.max_abs_difference,
    }


def _few(names: Sequence[str]) -> str:
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
