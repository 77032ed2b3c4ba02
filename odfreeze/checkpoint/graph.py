"""The object graph of an object-based checkpoint: where objects hang and what variables are called.

Source: TensorFlow's ``core/protobuf/trackable_object_graph.proto`` (``TrackableObjectGraph``).
"""

from __future__ import annotations

from typing import NamedTuple

from odfreeze.checkpoint.wire import WireError, fields, signed, varint

__all__ = ["GRAPH_KEY", "GraphError", "Node", "names", "object_paths", "parse_graph"]

#: The key of the object graph, a scalar string tensor.
GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

_PATHS_MOST = 400  # characters of a path on average; real models have 60 to 150

#: How the attribute of nearly every variable begins: its own name, then the tag of full_name.
_USUAL = b"\x0a\x0eVARIABLE_VALUE\x12"


class GraphError(ValueError):
    """The bytes are no object graph."""


class Node(NamedTuple):
    """One object of the graph.

    Attributes:
      children: (name, number of the node) of each object it refers to.
      attributes: (full name, checkpoint key) of each value it saves.
      slots: (variable's node, slot name, slot variable's node) of an optimizer.
    """

    children: tuple[tuple[str, int], ...]
    attributes: tuple[tuple[str, str], ...]
    slots: tuple[tuple[int, str, int], ...]


def names(data: bytes) -> dict[str, str]:
    """Returns the variable names in the order of the graph's nodes.

    This is the quick way: it steps over everything but the attributes.

    Args:
      data: A serialized ``TrackableObjectGraph``.

    Returns:
      Checkpoint key to ``full_name``, which is "" where TensorFlow kept none.

    Raises:
      GraphError: The bytes are no such message.
    """
    found: dict[str, str] = {}
    position, end = 0, len(data)
    try:
        while position < end:
            tag = data[position]
            if tag < 0x80:
                position += 1
            else:
                tag, position = varint(data, position, end)
            if tag != 0x0A:  # not a node: nothing that TensorFlow writes today
                position = _skip(data, position, end, tag)
                continue
            size, position = varint(data, position, end)
            stop = position + size
            if stop > end:
                raise GraphError("a node runs past the end")
            while position < stop:
                tag = data[position]
                length = data[position + 1] if position + 1 < stop else 0x80
                if tag == 0x0A and length < 0x80:  # a child: nearly all that there is
                    position += 2 + length
                elif tag == 0x12:
                    length, start = varint(data, position + 1, stop)
                    position = start + length
                    if position > stop:
                        break
                    full_name, key = _attribute(data, start, position)
                    if key:
                        found[key] = full_name
                else:
                    tag, position = varint(data, position, stop)
                    position = _skip(data, position, stop, tag)
            if position != stop:
                raise GraphError("a field runs past the end of its node")
    except (WireError, UnicodeDecodeError) as error:
        raise GraphError(str(error)) from None
    return found


def parse_graph(data: bytes) -> tuple[Node, ...]:
    """Returns all nodes of the graph; the root is the first.

    Raises:
      GraphError: The bytes are no ``TrackableObjectGraph``, or a node refers to
        one that is not there.
    """
    try:
        nodes = tuple(
            _node(data, a, b)
            for number, kind, a, b in fields(data, 0, len(data))
            if number == 1 and kind == 2
        )
    except (WireError, UnicodeDecodeError) as error:
        raise GraphError(str(error)) from None
    for node in nodes:
        for _, child in node.children:
            if not 0 <= child < len(nodes):
                raise GraphError(f"a node refers to node {child} of {len(nodes)}")
        for variable, _, slot in node.slots:
            if not (0 <= variable < len(nodes) and 0 <= slot < len(nodes)):
                raise GraphError(f"a slot refers to node {max(variable, slot)} of {len(nodes)}")
    return nodes


def object_paths(nodes: tuple[Node, ...]) -> tuple[str | None, ...]:
    """Returns the shortest path of each node from the root, as TensorFlow names it.

    A slash in a child's name is written ``.S`` and a dot ``..``, as in a
    checkpoint's keys. The root has the path ""; a node that cannot be reached
    has None. Cycles are no trouble: each node is visited once.

    Raises:
      GraphError: The paths would take far more room than those of any model, as
        those of a chain of a million objects.
    """
    paths: list[str | None] = [None] * len(nodes)
    allowed = _PATHS_MOST * (len(nodes) + 1000)
    if not nodes:
        return ()
    paths[0] = ""
    queue = [0]
    for number in queue:
        base = paths[number]
        for name, child in nodes[number].children:
            if paths[child] is None:
                escaped = name.replace(".", "..").replace("/", ".S")
                path = paths[child] = f"{base}/{escaped}" if base else escaped
                allowed -= len(path)
                if allowed < 0:
                    raise GraphError("the paths of its objects are far larger than it is")
                queue.append(child)
    return tuple(paths)


def _skip(data: bytes, position: int, end: int, tag: int) -> int:
    """Returns the position behind the payload of a field with this tag."""
    kind = tag & 7
    if kind == 0:
        return varint(data, position, end)[1]
    if kind == 2:
        length, position = varint(data, position, end)
        position += length
    elif kind in (1, 5):
        position += 8 if kind == 1 else 4
    else:
        raise WireError(f"a field has the wire type {kind}")
    if position > end:
        raise WireError("a field runs past the end of its message")
    return position


def _attribute(data: bytes, start: int, end: int) -> tuple[str, str]:
    """Returns full name and checkpoint key of a serialized tensor."""
    if data.startswith(_USUAL, start):
        middle = start + len(_USUAL)
        if middle < end:
            stop = middle + 1 + data[middle]
            if data[middle] < 0x80 and stop + 1 < end and data[stop] == 0x1A:
                length = data[stop + 1]
                first = stop + 2
                if length > 0x7F and first < end:  # keys are often longer than 127 bytes
                    length += (data[first] - 1) << 7
                    first += 1
                if data[first - 1] < 0x80 and first + length == end:
                    return data[middle + 1 : stop].decode(), data[first:end].decode()
    full_name = key = ""
    for number, kind, a, b in fields(data, start, end):
        if kind == 2 and number == 2:
            full_name = data[a:b].decode()
        elif kind == 2 and number == 3:
            key = data[a:b].decode()
    return full_name, key


def _node(data: bytes, start: int, end: int) -> Node:
    children: list[tuple[str, int]] = []
    attributes: list[tuple[str, str]] = []
    slots: list[tuple[int, str, int]] = []
    for number, kind, a, b in fields(data, start, end):
        if kind != 2:
            continue
        if number == 1:
            node, name = _reference(data, a, b)
            children.append((name, node))
        elif number == 2:
            attributes.append(_attribute(data, a, b))
        elif number == 3:
            variable = slot = 0
            name = ""
            for inner, inner_kind, c, d in fields(data, a, b):
                if inner == 1 and inner_kind == 0:
                    variable = signed(c)
                elif inner == 2 and inner_kind == 2:
                    name = data[c:d].decode()
                elif inner == 3 and inner_kind == 0:
                    slot = signed(c)
            slots.append((variable, name, slot))
    return Node(tuple(children), tuple(attributes), tuple(slots))


def _reference(data: bytes, start: int, end: int) -> tuple[int, str]:
    node = 0
    name = ""
    for number, kind, a, b in fields(data, start, end):
        if number == 1 and kind == 0:
            node = signed(a)
        elif number == 2 and kind == 2:
            name = data[a:b].decode()
    return node, name
