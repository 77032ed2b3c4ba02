"""Rules about what is written twice, of which only the last counts."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.case import shortened
from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.schema import Fault
from odfreeze.textproto import Field, Message, Scalar

__all__ = ["RULES"]


def written_twice(subject: Subject) -> Iterator[Finding]:
    """ODF105: a field that holds one value and stands there twice.

    Of single values the last one counts, messages are merged (the OD API reads with
    ``text_format.Merge``: utils/config_util.py:139).
    """
    doubled = [fault for fault in subject.faults if fault.kind == "duplicate"]
    blocks = [fault for fault in doubled if _is_block(fault.written)]
    chosen = [fault for fault in subject.faults if fault.kind == "oneof"]
    for fault in blocks:
        if any(_crosses(fault, one) for one in chosen):
            continue  # the one drops what the other holds: ODF108
        if not any(_crosses(outer, fault) for outer in blocks):
            yield _merged(fault, [one for one in doubled if _crosses(fault, one)])
    for fault in doubled:
        if not _is_block(fault.written) and not any(_crosses(block, fault) for block in blocks):
            yield _overruled(fault)


def several_of_a_oneof(subject: Subject) -> Iterator[Finding]:
    """ODF108: more than one kind of a thing, such as two optimizers; the last one counts."""
    for fault in subject.faults:
        if fault.kind != "oneof" or fault.before is None or fault.written is None:
            continue
        block = fault.path.rpartition(".")[0]
        first, second = fault.before, fault.written
        message = (
            f"{block} has both {first.name} (line {first.place.line}) and {second.name}, and only "
            f"one counts: the OD API drops {first.name} without a word; remove one of them"
        )
        yield Finding("ODF108", "warning", message, fault.place)


RULES = (written_twice, several_of_a_oneof)


def _is_block(written: Field | None) -> bool:
    return written is not None and any(isinstance(value, Message) for value in written.values)


def _crosses(block: Fault, fault: Fault) -> bool:
    """Whether a repetition is one across the two pieces of a block that is there twice."""
    outer, inner, before = block.written, fault.written, fault.before
    assert outer is not None
    assert inner is not None
    assert before is not None
    if fault is block:
        return False
    return _holds(outer, inner) and not _holds(outer, before)


def _holds(outer: Field, inner: Field) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _merged(fault: Fault, inner: list[Fault]) -> Finding:
    assert fault.before is not None
    first = fault.before.place.line
    overruled = [one for one in inner if not _is_block(one.written) and not _is_same(one)]
    message = (
        f"{fault.path} is written a second time (first in line {first}); the OD API merges them"
    )
    if not overruled:
        return Finding("ODF105", "info", f"{message}; write one block", fault.place)
    names = [f"{one.path.removeprefix(fault.path + '.')} (line {_line(one)})" for one in overruled]
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    text = f"{message}, and its values here replace {shown}; write one block"
    return Finding("ODF105", "warning", text, fault.place)


def _line(fault: Fault) -> int:
    return fault.before.place.line if fault.before is not None else 0


def _overruled(fault: Fault) -> Finding:
    written, before = fault.written, fault.before
    assert written is not None
    assert before is not None
    path = fault.path
    if _is_same(fault):
        message = (
            f"{path} is written a second time with the same value (first in line {_line(fault)})"
        )
        return Finding("ODF105", "info", f"{message}; remove one of them", fault.place)
    message = (
        f"{path} is written a second time: {_shown(written)} counts, {_shown(before)} in line "
        f"{_line(fault)} has no effect; keep the one that is meant"
    )
    return Finding("ODF105", "warning", message, fault.place)


def _shown(field: Field) -> str:
    value = field.values[-1]
    return shortened(value.text, 40) if isinstance(value, Scalar) else "{ … }"


def _is_same(fault: Fault) -> bool:
    written, before = fault.written, fault.before
    if written is None or before is None or _is_block(written):
        return False
    one, two = written.values[-1], before.values[-1]
    return isinstance(one, Scalar) and isinstance(two, Scalar) and one.text == two.text
