"""Where a field of a given name belongs: in which messages, under which paths."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from odfreeze.errors import UnknownFieldError
from odfreeze.schema.paths import PIPELINE, field_at
from odfreeze.schema.pool import message_descriptor
from odfreeze.textproto import Document, Message

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["homes_of", "names_beside", "written_messages"]


@functools.cache
def homes_of(name: str) -> tuple[tuple[str, Descriptor], ...]:
    """Returns the messages under a pipeline.config that have a field, each with a path to it.

    Each kind of message counts once, with the shortest path, those nearest to the top first.

    >>> [path for path, _ in homes_of("num_classes")]
    ['model.faster_rcnn', 'model.ssd', 'model.center_net']
    """
    return tuple((path, one) for path, one in _messages() if name in one.fields_by_name)


def names_beside(path: str) -> tuple[str, ...]:
    """Returns the paths of all fields of the message that a dotted path leads into.

    None where no schema knows that message.

    >>> names_beside("model.sdd")
    ('model.faster_rcnn', 'model.ssd', 'model.experimental_model', 'model.center_net')
    """
    block = path.rpartition(".")[0]
    try:
        inner = field_at(block).message_type if block else message_descriptor(PIPELINE)
    except UnknownFieldError:
        return ()
    lead = f"{block}." if block else ""
    return () if inner is None else tuple(f"{lead}{field.name}" for field in inner.fields)


def written_messages(document: Document) -> tuple[tuple[str, Message, Descriptor], ...]:
    """Returns the messages that a pipeline.config holds and the schema knows, the root first.

    Each with its dotted path without indices ("" for the root) and its descriptor.

    >>> from odfreeze.textproto import parse
    >>> written = written_messages(parse(b"model { ssd { } } what { }"))
    >>> [(path, descriptor.name) for path, _, descriptor in written]
    [('', 'TrainEvalPipelineConfig'), ('model', 'DetectionModel'), ('model.ssd', 'Ssd')]
    """
    found = [("", document.root, message_descriptor(PIPELINE))]
    for path, message, descriptor in found:
        for field in message.fields:
            described = descriptor.fields_by_name.get(field.name)
            if described is not None and described.message_type is not None:
                inner = f"{path}.{field.name}" if path else field.name
                found += [
                    (inner, value, described.message_type)
                    for value in field.values
                    if isinstance(value, Message)
                ]
    return tuple(found)


@functools.cache
def _messages() -> tuple[tuple[str, Descriptor], ...]:
    """Returns every message under a pipeline.config once, with its shortest path."""
    root = message_descriptor(PIPELINE)
    found, seen = [("", root)], {root.full_name}
    for path, descriptor in found:
        for field in descriptor.fields:
            inner = field.message_type
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                found.append((f"{path}.{field.name}" if path else field.name, inner))
    return tuple(found)
