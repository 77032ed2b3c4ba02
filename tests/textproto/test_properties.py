"""What holds for any text proto: nothing is lost, and protobuf reads what was meant."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from odfreeze.errors import TextProtoError
from odfreeze.textproto import (
    Edit,
    Identifier,
    Message,
    Scalar,
    add_value,
    apply_edits,
    find,
    parse,
    remove_field,
    render,
    set_field,
    set_repeated,
    walk,
)
from tests import conftest
from tests.textproto.strategies import KINDS, integers, node_class, read, reals, texts, tidy, weird

pytest.importorskip("google.protobuf")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def examples(count: int) -> settings:
    return settings(
        max_examples=conftest.examples(count), deadline=None, suppress_health_check=SLOW
    )


@given(weird())
@examples(40)
def test_rendering_gives_the_bytes_back(text: str) -> None:
    data = text.encode()
    assert render(parse(data)) == data


@given(weird(), st.binary(max_size=6), st.booleans())
@examples(40)
def test_bytes_that_are_no_text_pass_through_comments(text: str, junk: bytes, bom: bool) -> None:
    junk = junk.replace(b"\n", b"")
    data = (b"\xef\xbb\xbf" if bom else b"") + b"#" + junk + b"\n" + text.encode() + b"#" + junk
    assert render(parse(data)) == data


@given(
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            [
                *rb"a : { } < > [ ] , ; - . / 1 0x e+ ' \ \x \u12 # inf %".split(),
                *(b" ", b"\n", b'"', b"\xff"),
            ]
        ),
        max_size=24,
    ).map(b"".join)
)
@examples(300)
def test_any_bytes_parse_or_raise_a_text_proto_error_with_a_place(data: bytes) -> None:
    try:
        document = parse(data)
    except TextProtoError as error:
        assert error.place is not None
        assert 1 <= error.place.line <= data.count(b"\n") + 1
        assert error.place.column >= 1
        assert str(error)
        return
    assert render(document) == data
    for _, field in walk(document):
        assert data[field.start : field.name_end]
        for value in field.values:
            assert 0 <= field.start < value.start < value.end <= field.end <= len(data)


@given(weird())
@examples(40)
def test_values_read_as_protobuf_reads_them(text: str) -> None:
    document, message = parse(text.encode()), read(text.encode())
    for name in ("words", "numbers"):
        ours = [one.value for one in find(document, name) if isinstance(one.value, Scalar)]
        values = [v.as_str() if name == "words" else v.as_int() for v in ours]
        assert values == list(getattr(message, name))
    assert len(find(document, "nodes")) == len(message.nodes)
    for name in ("number", "real", "text", "flag", "raw"):
        found = find(document, name)
        assert bool(found) == message.HasField(name)
        if found:
            value = found[-1].value
            assert isinstance(value, Scalar)
            method = {
                "number": "int",
                "real": "float",
                "text": "str",
                "flag": "bool",
                "raw": "bytes",
            }
            assert_same(getattr(value, f"as_{method[name]}")(), getattr(message, name))


# --- edits ----------------------------------------------------------------------

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": integers,
    "real": reals,
    "text": texts,
    "flag": st.booleans(),
    "kind": st.sampled_from(KINDS).map(Identifier),
    "raw": st.binary(max_size=6),
    "words": texts,
    "numbers": integers,
}
PARENTS = st.sampled_from(["", "", "child.", "child.child.", "nodes[0].", "nodes[1].child."])


@st.composite
def changes(draw: Any) -> tuple[str, str, str, Any]:
    """An operation, the path of a message, the name of a field in it, and a value."""
    operation = draw(st.sampled_from(["set", "add", "repeat", "remove"]))
    parent = draw(PARENTS)
    if operation == "set":
        name = draw(st.sampled_from(["number", "real", "text", "flag", "kind", "raw"]))
        return operation, parent, name, draw(VALUES[name])
    if operation == "remove":
        return operation, parent, draw(st.sampled_from([*VALUES, "child", "nodes"])), None
    name = draw(st.sampled_from(["words", "numbers"]))
    if operation == "add":
        return operation, parent, name, draw(VALUES[name])
    return operation, parent, name, draw(st.lists(VALUES[name], max_size=4))


def edits_of(data: bytes, change: tuple[str, str, str, Any]) -> tuple[Edit, ...]:
    operation, parent, name, value = change
    document, path = parse(data), parent + name
    if operation == "remove":
        return remove_field(document, path)
    function = {"set": set_field, "add": add_value, "repeat": set_repeated}[operation]
    return function(document, path, value)  # type: ignore[operator, no-any-return]


def change_message(message: Any, change: tuple[str, str, str, Any]) -> None:
    """Makes on the message the change that the edits make on the text."""
    operation, parent, name, value = change
    removes = operation == "remove" or value == []
    for step in parent.rstrip(".").split(".") if parent else ():
        if step.startswith("nodes"):
            message = message.nodes[int(step[6:-1])]
        elif removes and not message.HasField(step):
            return
        else:
            message = getattr(message, step)
    if removes:
        message.ClearField(name)
    elif operation == "set":
        if name == "kind":
            value = KINDS.index(value)
        setattr(message, name, value)
    else:
        if operation == "repeat":
            message.ClearField(name)
        getattr(message, name).extend(value if operation == "repeat" else [value])


def is_reachable(data: bytes, change: tuple[str, str, str, Any]) -> bool:
    """Whether the nodes that the path picks by index are there."""
    parent = change[1].rstrip(".").removesuffix(".child")
    return not parent.startswith("nodes") or bool(find(parse(data), parent))


@given(st.one_of(weird(), tidy()), changes())
@examples(150)
def test_an_edit_reads_like_the_same_change_of_the_message(
    text: str, change: tuple[str, str, str, Any]
) -> None:
    data = text.encode()
    if not is_reachable(data, change):
        return
    message = read(data)
    change_message(message, change)
    edited = apply_edits(data, edits_of(data, change))
    assert_equal(read(edited), message, edited)


@given(st.one_of(weird(), tidy()), st.lists(changes(), max_size=4))
@examples(30)
def test_edits_of_edited_text_read_like_the_changes(
    text: str, several: list[tuple[str, str, str, Any]]
) -> None:
    data = text.encode()
    message = read(data)
    for change in several:
        if is_reachable(data, change):
            change_message(message, change)
            data = apply_edits(data, edits_of(data, change))
    assert_equal(read(data), message, data)


@given(st.one_of(weird(), tidy()), changes())
@examples(40)
def test_bytes_outside_of_the_edits_stay(text: str, change: tuple[str, str, str, Any]) -> None:
    data = text.encode()
    if not is_reachable(data, change):
        return
    edits = edits_of(data, change)
    edited = apply_edits(data, edits)
    position = shift = 0
    for edit in [*edits, Edit(len(data), len(data), b"")]:
        assert position <= edit.start
        assert data[position : edit.start] == edited[position + shift : edit.start + shift]
        position = edit.end
        shift += len(edit.replacement) - (edit.end - edit.start)
    assert len(edited) == len(data) + shift


@given(st.one_of(weird(), tidy()), changes())
@examples(40)
def test_the_same_edit_again_is_no_edit(text: str, change: tuple[str, str, str, Any]) -> None:
    data = text.encode()
    if not is_reachable(data, change) or change[0] == "add":
        return
    edited = apply_edits(data, edits_of(data, change))
    assert edits_of(edited, change) == ()


@given(tidy(), changes())
@examples(60)
def test_comments_on_lines_of_their_own_stay(text: str, change: tuple[str, str, str, Any]) -> None:
    data = text.encode()
    if not is_reachable(data, change) or change[2] in {"child", "nodes"}:
        return
    edited = apply_edits(data, edits_of(data, change))
    lost = own_comments(data) - own_comments(edited)
    assert lost <= comments_within(data, change[1] + change[2])
    assert own_comments(edited) <= own_comments(data)


def test_a_comment_between_the_parts_of_a_string_goes_with_it() -> None:
    data = b"raw: ''\n# inside\n''\n# outside\n"
    edited = apply_edits(data, remove_field(parse(data), "raw"))
    assert edited == b"# outside\n"


@given(tidy(newline="\r\n"), changes())
@examples(40)
def test_added_lines_end_as_their_neighbours_do(
    text: str, change: tuple[str, str, str, Any]
) -> None:
    data = text.encode()
    assume(is_reachable(data, change) and data.count(b"\n") == data.count(b"\r\n") > 0)
    edited = apply_edits(data, edits_of(data, change))
    assert edited.count(b"\n") == edited.count(b"\r\n")


@given(tidy(), texts)
@examples(40)
def test_a_pattern_comes_back_as_it_was_typed(text: str, pattern: str) -> None:
    edited = apply_edits(text.encode(), set_field(parse(text.encode()), "text", pattern))
    found = find(parse(edited), "text")[-1].value
    assert isinstance(found, Scalar)
    assert found.as_str() == pattern
    assert read(edited).text == pattern


def own_comments(data: bytes) -> Counter[bytes]:
    lines = (line.strip() for line in data.split(b"\n"))
    return Counter(line for line in lines if line.startswith(b"#"))


def comments_within(data: bytes, path: str) -> Counter[bytes]:
    """Returns the comments between the parts of the values at a path."""
    values = (found.value for found in find(parse(data), path))
    return sum((own_comments(data[v.start : v.end]) for v in values), Counter[bytes]())


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, float) and math.isnan(theirs):
        assert math.isnan(ours)
    else:
        assert ours == theirs


def assert_equal(ours: Any, theirs: Any, text: bytes) -> None:
    # As bytes: a message that holds a NaN is not equal to itself.
    ours_bytes, theirs_bytes = (m.SerializeToString(deterministic=True) for m in (ours, theirs))
    assert ours_bytes == theirs_bytes, f"{text!r}\nreads\n{ours}\nnot\n{theirs}"


def test_the_schema_holds_every_kind_of_value() -> None:
    assert {*VALUES, "nodes", "child"} == set(node_class().DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("kind", ["tf1", "tf2"])
def test_every_config_of_the_corpus_comes_back(corpus: Any, kind: str) -> None:
    files = sorted((corpus / "configs" / kind).glob("*.config"))
    assert files
    for file in files:
        document = parse(file.read_bytes(), str(file))
        assert render(document) == document.data
        assert isinstance(document.root, Message)
        assert find(document, "train_config.batch_size")
