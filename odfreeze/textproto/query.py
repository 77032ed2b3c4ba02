"""Reading a text proto by dotted path.

A path is field names joined by dots: ``train_config.optimizer.momentum_optimizer``.
``name[1]`` picks the second value of a repeated field, ``[package.extension]`` is the
name of an extension. A message that is written several times is one message to a
parser (the pieces are merged), so a path goes through all the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odfreeze.errors import Place, TextProtoError, UsageError
from odfreeze.textproto.tree import Document, Field, Message, Scalar

__all__ = [
    "Occurrence",
    "duplicates",
    "fields_at",
    "find",
    "last",
    "last_scalar",
    "last_set",
    "messages_at",
    "split_path",
    "walk",
]

_SEGMENT = re.compile(r"(\[[^\[\]]+\]|[A-Za-z_][A-Za-z0-9_]*)(?:\[([0-9]{1,18})\])?")


@dataclass(frozen=True, slots=True, eq=False)
class Occurrence:
    """One value at a path.

    Attributes:
      path: The path that was asked for.
      value: The value.
      field: The field it is written in; a list holds several occurrences.
      parent: The message that holds the field.
    """

    path: str
    value: Scalar | Message
    field: Field
    parent: Message

    @property
    def place(self) -> Place:
        """Where the value begins."""
        return self.value.place

    def scalar(self) -> Scalar:
        """Returns the value where it is a single one.

        Raises:
          TextProtoError: It is a message.
        """
        if isinstance(self.value, Message):
            raise TextProtoError(
                f"{self.path} is a message here; write a single value", place=self.place
            )
        return self.value


def split_path(path: str) -> tuple[tuple[str, int | None], ...]:
    """Returns the names of a dotted path, each with its index or None.

    Raises:
      UsageError: The path is malformed.

    >>> split_path("train_config.data_augmentation_options[1]")
    (('train_config', None), ('data_augmentation_options', 1))
    """
    segments = []
    position = 0
    while match := _SEGMENT.match(path, position):
        segments.append((match[1], None if match[2] is None else int(match[2])))
        position = match.end()
        if position == len(path):
            return tuple(segments)
        if path[position] != ".":
            break
        position += 1
    raise UsageError(
        f"malformed field path {path!r} at character {position + 1}; write field names joined "
        "by dots, such as train_config.num_steps or data_augmentation_options[1]"
    )


def find(document: Document, path: str) -> tuple[Occurrence, ...]:
    """Returns every value at a path, in file order.

    Raises:
      UsageError: The path is malformed.
      TextProtoError: The path goes through a field that holds no message.

    >>> from odfreeze.textproto.parser import parse
    >>> [one.value.as_int() for one in find(parse(b"a { b: 1 } a { b: [2, 3] }"), "a.b")]
    [1, 2, 3]
    """
    *leading, (name, index) = split_path(path)
    found = tuple(
        Occurrence(path, value, field, parent)
        for parent in messages_at(document, path, leading)
        for field in parent.fields
        if field.name == name
        for value in field.values
    )
    return found if index is None else found[index : index + 1]


def last(document: Document, path: str) -> Occurrence | None:
    """Returns the value that counts for a singular field, or None where it is not written.

    protobuf's merge lets the last one win, also over several pieces of its message.

    Raises:
      UsageError: The path is malformed.
      TextProtoError: The path goes through a field that holds no message.
    """
    found = find(document, path)
    return found[-1] if found else None


def last_scalar(document: Document, path: str) -> Scalar | None:
    """Returns the single value that counts at a path, or None where it is not written.

    Raises:
      UsageError: The path is malformed.
      TextProtoError: A message stands there, or the path goes through a single value.
    """
    found = last(document, path)
    return None if found is None else found.scalar()


def last_set(document: Document, path: str) -> Occurrence | None:
    """Returns the last message-valued field in the message at a path: what counts of a oneof.

    Raises:
      UsageError: The path is malformed.
      TextProtoError: The path goes through a field that holds no message.

    >>> from odfreeze.textproto.parser import parse
    >>> last_set(parse(b"model { ssd { } }"), "model").path
    'model.ssd'
    """
    chosen = None
    for parent in messages_at(document, path, split_path(path)):
        for field in parent.fields:
            for value in field.values:
                if isinstance(value, Message):
                    chosen = Occurrence(f"{path}.{field.name}", value, field, parent)
    return chosen


def duplicates(document: Document, path: str) -> tuple[Occurrence, ...]:
    """Returns all values of a singular field that is written more than once, else ().

    Raises:
      UsageError: The path is malformed.
      TextProtoError: The path goes through a field that holds no message.
    """
    found = find(document, path)
    return found if len(found) > 1 else ()


def fields_at(document: Document, path: str) -> tuple[tuple[Message, Field], ...]:
    """Returns every field at a path with its message, empty lists too; an index is ignored.

    Raises:
      UsageError: The path is malformed.
      TextProtoError: The path goes through a field that holds no message.
    """
    *leading, (name, _) = split_path(path)
    return tuple(
        (parent, field)
        for parent in messages_at(document, path, leading)
        for field in parent.fields
        if field.name == name
    )


def walk(document: Document) -> Iterator[tuple[str, Field]]:
    """Yields every field of the document with its dotted path, in file order.

    >>> from odfreeze.textproto.parser import parse
    >>> [path for path, _ in walk(parse(b"a { b: 1 } c: 2"))]
    ['a', 'a.b', 'c']
    """
    waiting: list[tuple[str, Field]] = [(f.name, f) for f in reversed(document.root.fields)]
    while waiting:
        path, field = waiting.pop()
        yield path, field
        for value in reversed(field.values):
            if isinstance(value, Message):
                waiting += [(f"{path}.{f.name}", f) for f in reversed(value.fields)]


def messages_at(
    document: Document, path: str, segments: Sequence[tuple[str, int | None]]
) -> tuple[Message, ...]:
    """Returns the messages that segments lead to; without segments, the document's root.

    Args:
      document: Where to look.
      path: The whole path, for messages.
      segments: The leading segments of that path, as ``split_path`` gives them.

    Raises:
      TextProtoError: A segment is a field that holds no message.
    """
    messages: tuple[Message, ...] = (document.root,)
    for name, index in segments:
        found = [
            value
            for message in messages
            for field in message.fields
            if field.name == name
            for value in field.values
        ]
        if index is not None:
            found = found[index : index + 1]
        for value in found:
            if isinstance(value, Scalar):
                raise TextProtoError(
                    f"{path} goes through {name}, which is {value.text} and no message; "
                    "shorten the path",
                    place=value.place,
                )
        messages = tuple(value for value in found if isinstance(value, Message))
    return messages
