"""A verification as lines for a person."""

from __future__ import annotations

from collections.abc import Sequence

from odfreeze.runs.verification import AverageCheck, Change, Group, Verification
from odfreeze.runs.workers import WorkerCheck

__all__ = ["verification_lines"]

#: That a value which can learn stayed the same is no fault: a few of them are named in a line.
_FEW = 3

_SHOWN = 20


def verification_lines(found: Verification, shown: int = _SHOWN) -> list[str]:
    """Returns what the comparison found: the verdict, a line a state, what changed.

    Args:
      found: The verification.
      shown: How many changed variables of a state to name, those with the largest
        difference first.
    """
    lines = [_verdict(found)]
    lines += [f"  {reason}" for reason in found.reasons]
    lines.append("")
    for group in (found.frozen, found.held):
        lines.append(_count(group, len(group.unchanged), "unchanged"))
        lines += _changes(group.changed, shown)
    control = ""
    if found.ok:
        control = ": something did learn, so that the others stood still means something"
    lines.append(_count(found.trainable, len(found.trainable.changed), "changed") + control)
    lines += _unchanged(found.trainable, "without a gradient:", "with a gradient:", shown)
    lines.append(_count(found.updating, len(found.updating.changed), "changed"))
    lines += _unchanged(found.updating, "in layers that never run:", "in layers that run:", shown)
    for group in (found.trainable, found.updating):
        for what, names in (("only before", group.missing), ("only after", group.new)):
            if names:
                lines.append(f"  {len(names)} {group.state} {what}, not compared")
    if found.averages is not None:
        lines += _averages(found.averages, shown)
    lines += [_worker(worker) for worker in found.workers]
    lines.append("")
    lines.append(f"  before  {found.before}{_step(found.before_step)}")
    lines.append(f"  after   {found.after}{_step(found.after_step)}")
    lines.append(f"  config  {found.config}")
    return lines


def _verdict(found: Verification) -> str:
    if not found.ok:
        return "NOT OK"
    if not found.frozen.variables and not found.held.variables:
        return "OK: nothing was to stay frozen, and the trainable variables changed"
    return "OK: nothing that was to stay frozen changed by one bit"


def _count(group: Group, count: int, what: str) -> str:
    return f"  {group.state:<10}{count:>6} of {group.variables} {what}"


def _averages(averages: AverageCheck, shown: int) -> list[str]:
    equal = averages.variables - len(averages.differing)
    line = f"  averages  {equal:>6} of {averages.variables} equal the frozen values"
    return [line, *_changes(averages.differing, shown)]


def _worker(worker: WorkerCheck) -> str:
    if worker.step is None:
        return f"  {worker.task:<10}left nothing of its end: it was cut off, or still trains"
    copies = f"{worker.compared} copies on {worker.replicas} replicas"
    if worker.replicas == 1:
        copies = f"{worker.compared} values"
    verdict = "NOT as they have to be" if worker.reasons else "equal to the others' by the bit"
    return f"  {worker.task:<10}{copies} {verdict}"


def _unchanged(group: Group, unreached: str, reached: str, shown: int) -> list[str]:
    """Tells those that stayed the same because training does not reach them from the others."""
    if group.unreached is None:
        return []
    without = set(group.unreached)
    others = [name for name in group.unchanged if name not in without]
    return [
        f"    {len(names)} unchanged {why} {_named(names, min(shown, _FEW))}"
        for names, why in ((group.unreached, unreached), (others, reached))
        if names
    ]


def _named(names: Sequence[str], shown: int) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _changes(found: Sequence[Change], shown: int) -> list[str]:
    """Names what changed, the largest difference first, unknown ones ahead of all."""
    changes = sorted(found, key=lambda change: -_size(change))
    width = max((len(change.name) for change in changes[:shown]), default=0)
    lines = [f"    {change.name:<{width}}  {_what(change)}" for change in changes[:shown]]
    if len(changes) > shown:
        lines.append(f"    and {len(changes) - shown} more (--format=json has them all)")
    return lines


def _size(change: Change) -> float:
    return float("inf") if change.max_abs_difference is None else change.max_abs_difference


def _what(change: Change) -> str:
    if change.kind != "value":
        return f"{change.kind} {change.detail}"
    if change.max_abs_difference is None:
        return "changed, the difference is not known or not finite"
    if change.max_abs_difference == 0:
        return "changed in bits only"
    return f"largest difference {change.max_abs_difference:.3g}"


def _step(step: int | None) -> str:
    return "" if step is None else f" (step {step})"
