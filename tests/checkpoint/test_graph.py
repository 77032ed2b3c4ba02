"""The object graph: names, paths, slots, and bytes that are none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.checkpoint.graph import GraphError, Node, names, object_paths, parse_graph
from tests.support.bundle_writer import object_graph, varint

END = "/.ATTRIBUTES/VARIABLE_VALUE"


def message(*fields: tuple[int, int | bytes | str]) -> bytes:
    """Returns a message of varints and bytes."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def child(name: str, node: int) -> tuple[int, bytes]:
    return 1, message((1, node), (2, name))


def test_names_by_key_in_the_order_of_the_nodes() -> None:
    data = object_graph({"model/b": "B", "model/a": "A", "step": "global_step"})
    assert list(names(data).items()) == [
        (f"model/b{END}", "B"),
        (f"model/a{END}", "A"),
        (f"step{END}", "global_step"),
    ]


@given(
    st.dictionaries(st.text("abc/é", min_size=1, max_size=400), st.text(max_size=300), max_size=8)
)
def test_names_of_any_length(wanted: dict[str, str]) -> None:
    data = b"".join(
        message((1, message((2, message((1, "VARIABLE_VALUE"), (2, name), (3, key))))))
        for key, name in wanted.items()
    )
    assert names(data) == wanted


ATTRIBUTES = {
    "without a name": (message((1, "VARIABLE_VALUE"), (3, "k")), {"k": ""}),
    "of another kind": (message((1, "OBJECT_CONFIG_JSON"), (2, "n"), (3, "k")), {"k": "n"}),
    "in another order": (message((3, "k"), (2, "n"), (1, "VARIABLE_VALUE")), {"k": "n"}),
    "with fields to come": (
        message((1, "VARIABLE_VALUE"), (2, "n"), (3, "k"), (4, 1), (9, "new")),
        {"k": "n"},
    ),
    "without a key": (message((1, "VARIABLE_VALUE"), (2, "n")), {}),
}


@pytest.mark.parametrize(("attribute", "found"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_an_attribute(attribute: bytes, found: dict[str, str]) -> None:
    data = message((1, message(child("x", 0), (2, attribute), (4, "saver"), (5, "\x08\x01"))))
    assert names(data) == found
    assert {k: n for n, k in parse_graph(data)[0].attributes if k} == found


def test_nodes_have_children_and_slots() -> None:
    data = object_graph(
        {
            "model/w": "w",
            "optimizer/lr": "lr",
            "model/w/.OPTIMIZER_SLOT/optimizer/momentum": "w/Momentum",
        }
    )
    nodes = parse_graph(data)
    paths = object_paths(nodes)
    assert paths[:5] == ("", "model", "model/w", "optimizer", "optimizer/lr")
    assert nodes[3].slots == ((2, "momentum", 5),)
    assert nodes[5] == Node(
        (), (("w/Momentum", f"model/w/.OPTIMIZER_SLOT/optimizer/momentum{END}"),), ()
    )


def test_the_shortest_path_counts() -> None:
    root = message((1, message(child("long", 1), child("short", 2))))
    data = root + message((1, message(child("way", 2)))) + message((1, b""))
    assert object_paths(parse_graph(data)) == ("", "long", "short")


def test_cycles_end() -> None:
    root = message((1, message(child("self", 0), child("a", 1))))
    data = root + message((1, message(child("up", 0), child("again", 1))))
    assert object_paths(parse_graph(data)) == ("", "a")


def test_a_node_without_a_way_to_it_has_no_path() -> None:
    assert object_paths(parse_graph(message((1, b""), (1, b"")))) == ("", None)


def chain(length: int) -> tuple[Node, ...]:
    data = b"".join(message((1, message(child("x", n + 1)))) for n in range(length))
    return parse_graph(data + message((1, b"")))


def test_a_deep_chain_is_no_recursion() -> None:
    assert object_paths(chain(800))[-1] == "/".join("x" * 800)


def test_a_chain_whose_paths_would_fill_the_memory_is_an_error() -> None:
    with pytest.raises(GraphError, match="paths of its objects are far larger"):
        object_paths(chain(20_000))


BROKEN = {
    "cut off": message((1, message(child("a", 0))))[:-1],
    "a child past its node": b"\x0a\x02\x0a\x05",
    "an attribute past its node": b"\x0a\x02\x12\x05abcde",
    "an attribute past the end": b"\x0a\x02\x12\x05",
    "a slot past its node": b"\x0a\x02\x1a\x05abcde",
    "a group": b"\x0a\x01\x0b",
    "a group beside the nodes": b"\x0b",
    "a name that is not UTF-8": message((1, message((2, message((2, b"\xff"), (3, "k")))))),
    "a usual name that is not UTF-8": message(
        (1, message((2, message((1, "VARIABLE_VALUE"), (2, b"\xff"), (3, "k")))))
    ),
    "half a tag": b"\x0a\x01\x12",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_graph_is_an_error(data: bytes) -> None:
    for read in (names, parse_graph):
        with pytest.raises(GraphError):
            read(data)


@pytest.mark.parametrize("node", [2, -1, 2**31])
def test_a_reference_to_no_node_is_an_error(node: int) -> None:
    with pytest.raises(GraphError, match=f"refers to node {node} of 1"):
        parse_graph(message((1, message(child("a", node)))))
    slot = message((1, 0), (2, "momentum"), (3, node))
    with pytest.raises(GraphError, match="slot refers to node"):
        parse_graph(message((1, message((3, slot)))))


def test_no_bytes_are_no_nodes() -> None:
    assert names(b"") == {}
    assert object_paths(parse_graph(b"")) == ()


@given(st.data())
def test_both_readers_agree_on_damaged_graphs(data: st.DataObject) -> None:
    good = bytearray(object_graph({"model/a": "A", f"model/{'b' * 130}": "B", "step": "s"}))
    for _ in range(data.draw(st.integers(0, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    raw = bytes(good[: data.draw(st.integers(0, len(good)))])
    try:
        nodes = parse_graph(raw)
    except GraphError:
        with contextlib.suppress(GraphError):
            names(raw)  # may still find the names: it does not look at children
        return
    whole = {key: name for node in nodes for name, key in node.attributes if key}
    assert names(raw) == whole
    assert len(object_paths(nodes)) == len(nodes)
