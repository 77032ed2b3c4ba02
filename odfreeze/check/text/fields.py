"""Rules about field names: those that do not exist, and those that stand in the wrong block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odfreeze.check.subject import Subject
from odfreeze.check.text.braces import missing_brace
from odfreeze.check.text.wrong_names import WRONG_NAMES, wrong_name
from odfreeze.findings import Finding
from odfreeze.schema import LATER, Fault, homes_of, is_repeated, written_messages
from odfreeze.schema.scalars import Misfit, read_scalar
from odfreeze.textproto import (
    Document,
    Edit,
    Field,
    Message,
    Raw,
    Scalar,
    add_value,
    last,
    set_field,
)
from odfreeze.textproto.splice import cuts

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["RULES"]

#: A name so near to one of its message is a misspelling, whatever other message has it.
_SURE = 0.8
#: By so much a misspelt name must be nearer to one name than to the next to be mended.
_CLEAR = 0.05
#: So many names of fields are told when none is near.
_FEW = 12
_REFUSED = "and the OD API refuses the config"


def unknown_field(subject: Subject) -> Iterator[Finding]:
    """ODF101: a field that its message does not have, nor any other that it could belong to."""
    for fault in _unknown(subject):
        if _stray(subject, fault) is None:
            yield _misspelt(subject, fault)


def field_in_the_wrong_block(subject: Subject) -> Iterator[Finding]:
    """ODF102: a field that exists, and not where it stands; often the sign of a missing brace."""
    told: list[tuple[Message, tuple[str, ...]]] = []
    for fault in _unknown(subject):
        stray = _stray(subject, fault)
        if stray is None:
            continue
        # What follows in the same block and belongs to the same place says nothing new.
        if stray.is_above and (fault.above[-1][0], stray.paths) in told:
            continue
        told.append((fault.above[-1][0], stray.paths))
        yield Finding(
            "ODF102",
            "error",
            stray.message(subject, fault),
            fault.place,
            stray.edits(subject, fault),
        )


def later_field(subject: Subject) -> Iterator[Finding]:
    """ODF114: a field that only heads of tensorflow/models after the release 2.8.0.post1 have."""
    for path, message, descriptor in written_messages(subject.config.document):
        for written in message.fields:
            described = descriptor.fields_by_name.get(written.name)
            if described is not None and described.full_name in LATER:
                what = f"{path}.{written.name}" if path else written.name
                text = (
                    f"{what} is a field of later heads of tensorflow/models; the OD API of PyPI "
                    "(2.8.0.post1) refuses the config; remove it, or train with such a head"
                )
                yield Finding("ODF114", "warning", text, written.place)


RULES = (unknown_field, field_in_the_wrong_block, later_field)


def _unknown(subject: Subject) -> tuple[Fault, ...]:
    if subject.is_foreign:
        return ()
    return tuple(fault for fault in subject.faults if fault.kind == "unknown_field")


# --- misspelt ---------------------------------------------------------------------


def _misspelt(subject: Subject, fault: Fault) -> Finding:
    written = fault.written
    assert written is not None
    name, owner = written.name, fault.owner
    right = WRONG_NAMES.get(name)
    if right is not None:
        document = subject.config.document
        edits = (
            _renamed(written, owner, right)
            if right in owner.fields_by_name
            else _moved(document, written, "train_config", right)
        )
        return Finding("ODF101", "error", wrong_name(name, right), fault.place, edits)
    ranked = _ranked(name, owner)
    what = f"{_block(fault)} has no field {name!r}, {_REFUSED}"
    if not ranked:
        names = [field.name for field in owner.fields]
        those = f"it has {', '.join(names)}" if len(names) <= _FEW else "remove it"
        message = f"{what}; {those} (a field of a fork needs that fork, and an ignore comment)"
        return Finding("ODF101", "error", message, fault.place)
    edits = ()
    is_clear = len(ranked) == 1 or ranked[0][0] - ranked[1][0] >= _CLEAR
    if ranked[0][0] >= _SURE and is_clear:
        edits = _renamed(written, owner, ranked[0][1])
    message = f"{what}; did you mean {ranked[0][1]!r}?"
    return Finding("ODF101", "error", message, fault.place, edits)


def _ranked(name: str, owner: Descriptor) -> list[tuple[float, str]]:
    """Returns the names of a message that are near to a name, the nearest first."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=name.lower(), autojunk=False)
    ranked = []
    for field in owner.fields:
        matcher.set_seq1(field.name)
        if (ratio := matcher.ratio()) >= 0.6:  # the cutoff of errors.nearest
            ranked.append((ratio, field.name))
    return sorted(ranked, key=lambda pair: (-pair[0], pair[1]))


def _renamed(written: Field, owner: Descriptor, right: str) -> tuple[Edit, ...]:
    """Returns the edit that gives a field its right name, none where its value does not fit."""
    if not _fits(written, owner.fields_by_name[right]):
        return ()
    return (Edit(written.start, written.name_end, right.encode()),)


def _fits(written: Field, described: FieldDescriptor) -> bool:
    """Whether the values of a field are of a described field's type."""
    if not is_repeated(described) and (written.is_list or len(written.values) != 1):
        return False
    return all(_is_a(value, described) for value in written.values)


def _is_a(value: Scalar | Message, described: FieldDescriptor) -> bool:
    if isinstance(value, Message) or described.message_type is not None:
        return isinstance(value, Message) and described.message_type is not None
    try:
        read_scalar(value, described, "")
    except Misfit:
        return False
    return True


def _block(fault: Fault) -> str:
    """Returns what a message is called where it stands: its path, or the top level."""
    return fault.path.rpartition(".")[0] or "the top level of a pipeline.config"


# --- in the wrong block -------------------------------------------------------------

#: A name that more kinds of message have says nothing of where it was meant to be.
_MOST_HOMES = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Stray:
    """A field that exists elsewhere.

    Attributes:
      paths: Paths of the messages that have it, the likeliest first; "" for the top level.
      is_above: Whether it is a message around the field's own.
      is_nested: Whether it is a block within a block of the same name.
    """

    paths: tuple[str, ...]
    is_above: bool = False
    is_nested: bool = False

    def message(self, subject: Subject, fault: Fault) -> str:
        """Returns what is wrong."""
        name, block = fault.path.rpartition(".")[2], _block(fault)
        if self.is_nested:
            return (
                f"{name} stands inside {name}, {_REFUSED}; take out the inner '{name} {{' and its "
                "'}'"
            )
        where = " or ".join(path or "the top level" for path in self.paths)
        if not self.is_above:
            return f"{name!r} is no field of {block}, {_REFUSED}; it belongs in {where}"
        guess = missing_brace(subject.config.document.source, fault.place.line)
        before = guess.line if guess else fault.place.line
        return (
            f"{name!r} is no field of {block} but of {where}, {_REFUSED}; a '}}' is probably "
            f"missing before line {before}: close {block.rpartition('.')[2]} there"
        )

    def edits(self, subject: Subject, fault: Fault) -> tuple[Edit, ...]:
        """Returns what mends it, where only one thing can be meant."""
        written = fault.written
        assert written is not None
        if self.is_nested:
            return _unwrapped(subject.config.document, written)
        if self.is_above or len(self.paths) > 1 or len(homes_of(written.name)) > 1:
            return ()
        return _moved(subject.config.document, written, self.paths[0], written.name)


def _stray(subject: Subject, fault: Fault) -> _Stray | None:
    """Returns where a field that is unknown where it stands belongs; None for nowhere."""
    written, segments = fault.written, fault.path.split(".")
    assert written is not None
    name = written.name
    if name in WRONG_NAMES:
        return None
    for depth in range(len(fault.above) - 2, -1, -1):
        described = fault.above[depth][1].fields_by_name.get(name)
        if described is not None and _fits(written, described):
            is_nested = depth == len(fault.above) - 2 and _plain(segments[-2]) == name
            path = ".".join(_plain(one) for one in segments[:depth])
            return _Stray((path,), is_above=True, is_nested=is_nested)
    ranked = _ranked(name, fault.owner)
    if ranked and ranked[0][0] >= _SURE:
        return None
    paths = [
        path
        for path, _, descriptor in written_messages(subject.config.document)
        if (described := descriptor.fields_by_name.get(name)) and _fits(written, described)
    ]
    if not paths:
        paths = [
            path
            for path, descriptor in homes_of(name)
            if _fits(written, descriptor.fields_by_name[name])
        ]
    different = tuple(dict.fromkeys(paths))
    return _Stray(different) if 0 < len(different) <= _MOST_HOMES else None


def _plain(segment: str) -> str:
    """Returns a segment of a path without its index."""
    return segment.partition("[")[0]


def _unwrapped(document: Document, written: Field) -> tuple[Edit, ...]:
    """Returns the edits that leave of a block what is in it."""
    (inner,) = written.values
    assert isinstance(inner, Message)
    closing = inner.content_end, written.full_end
    return tuple(cuts(document.data, [(written.start, inner.content_start), closing]))


def _moved(document: Document, written: Field, path: str, name: str) -> tuple[Edit, ...]:
    """Returns the edits that move a field to another message under a name, none where unsure.

    That message must be written once, and not hold the field if it holds one value.
    """
    target = [one for one in written_messages(document) if one[0] == path]
    if not path or len(target) != 1 or any(isinstance(one, Message) for one in written.values):
        return ()
    described, full = target[0][2].fields_by_name[name], f"{path}.{name}"
    if not _fits(written, described):
        return ()
    texts = [Raw(document.data[value.start : value.end]) for value in written.values]
    if not is_repeated(described):
        added = () if last(document, full) else set_field(document, full, texts[0])
    else:
        added = add_value(document, full, texts[0]) if len(texts) == 1 else ()
    removed = cuts(document.data, [(written.start, written.full_end)])
    gap = {(cut.start, cut.end) for cut in removed}
    if not added or any(s <= one.end and one.start <= e for s, e in gap for one in added):
        return ()
    return (*removed, *added)
