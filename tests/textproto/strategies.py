"""Hypothesis strategies for text protos, and the schema that protobuf reads them with."""

from __future__ import annotations

import functools
import math
from typing import Any

from hypothesis import strategies as st

from odfreeze.textproto.strings import quote

# The names of Node's fields by what they hold.
SINGULAR = ("number", "real", "text", "flag", "kind", "raw")
REPEATED = ("words", "numbers")
REALS = (
    *("1", "-1", "1.", ".5", "-.5", "1e-3", "1E+3", "1.5f", "1F", "0.08", "1.e2", "25"),
    *("inf", "-inf", "Infinity", "nan"),
)
KINDS = ("V1", "V2", "UNKNOWN")


@functools.cache
def node_class() -> Any:
    """The class of a small message that holds every kind of value, and itself."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="node.proto", package="test", syntax="proto2")
    kind = file.enum_type.add(name="Kind")
    for number, name in enumerate(KINDS):
        kind.value.add(name=name, number=number)
    node = file.message_type.add(name="Node")
    node.extension_range.add(start=100, end=200)
    proto = descriptor_pb2.FieldDescriptorProto
    fields = [
        ("number", proto.TYPE_INT64, False), ("real", proto.TYPE_DOUBLE, False),
        ("text", proto.TYPE_STRING, False), ("flag", proto.TYPE_BOOL, False),
        ("kind", proto.TYPE_ENUM, False), ("raw", proto.TYPE_BYTES, False),
        ("words", proto.TYPE_STRING, True), ("numbers", proto.TYPE_INT64, True),
        ("nodes", proto.TYPE_MESSAGE, True), ("child", proto.TYPE_MESSAGE, False),
    ]  # fmt: skip
    for number, (name, type_, repeated) in enumerate(fields, 1):
        field = node.field.add(name=name, number=number, type=type_)
        field.label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
        if type_ == proto.TYPE_MESSAGE:
            field.type_name = ".test.Node"
        if type_ == proto.TYPE_ENUM:
            field.type_name = ".test.Kind"
    extra = file.extension.add(name="extra", number=100, type=proto.TYPE_INT64)
    extra.label, extra.extendee = proto.LABEL_OPTIONAL, ".test.Node"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Node"))


def read(data: bytes) -> Any:
    """What protobuf's own parser makes of the text, merging as the OD API does."""
    from google.protobuf import text_format

    return text_format.Merge(data.decode("utf-8"), node_class()())


#: Text as people type it into a pattern, and anything else.
texts = st.one_of(
    st.sampled_from(
        [
            r"block_\d+",
            r"a\.b",
            r"\bconv\b",
            "it's",
            'say "so"',
            "back\\",
            "\n\t\r",
            "",
            "é中🦊",
            "#",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
#: One NaN will do: in text it has neither a sign nor a payload.
reals = st.floats(allow_nan=False, allow_infinity=True) | st.just(math.nan)
comments = st.sampled_from(["#", "# why", "# } ] > \" ' \\", "#\u00e9", "# freeze_variables: 'x'"])
newlines = st.sampled_from(["\n", "\n", "\r\n"])


@st.composite
def gaps(draw: Any, least: int = 0) -> str:
    """White space and comments as the grammar lets them stand between any two tokens."""
    pieces = draw(
        st.lists(
            st.sampled_from([" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "# c\n", "#'\"\r\n"]),
            min_size=least,
            max_size=2,
        )
    )
    return "".join(pieces)


def _escaped(character: str) -> str:
    """A character as an escape by number."""
    if character == "\\":  # protobuf's Python parser unescapes \\u005c twice
        return "\\\\"
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@st.composite
def literals(draw: Any, value: str | bytes) -> str:
    """One value as one or two string literals in some quotes, with some escapes."""
    whole = value if isinstance(value, bytes) else None
    cut = draw(st.integers(0, len(value)))
    parts = [value] if draw(st.booleans()) else [value[:cut], value[cut:]]
    written = []
    for part in parts:
        form = draw(st.sampled_from(["plain", "octal", "hex", "unicode"]))
        mark = draw(st.sampled_from("'\""))
        if form == "plain" or (form == "unicode" and whole is not None):
            written.append(quote(part, mark).decode())
        elif form == "unicode":
            codes = (_escaped(c) for c in part)
            written.append(mark + "".join(codes) + mark)
        else:
            raw = part.encode() if isinstance(part, str) else part
            shape = "\\{:03o}" if form == "octal" else "\\x{:02x}"
            written.append(mark + "".join(shape.format(byte) for byte in raw) + mark)
    return draw(gaps()).join(written)


@st.composite
def scalars(draw: Any, name: str) -> str:
    """A value for the field ``name`` in one of the ways that both parsers know."""
    if name in {"number", "numbers"}:
        value = draw(integers)
        sign, size = ("-", -value) if value < 0 else ("", value)
        return sign + draw(st.sampled_from([f"{size}", f"0x{size:x}", f"0X{size:X}", f"0{size:o}"]))
    if name == "real":
        return str(draw(st.sampled_from(REALS)))
    if name == "flag":
        return str(draw(st.sampled_from(["true", "True", "t", "1", "false", "False", "f", "0"])))
    if name == "kind":
        return str(draw(st.sampled_from([*KINDS, "1", "2"])))
    value = draw(st.binary(max_size=6)) if name == "raw" else draw(texts)
    return str(draw(literals(value)))


@st.composite
def weird(draw: Any, depth: int = 3) -> str:
    """The fields of a Node written in every way that the grammar allows."""
    names = [*SINGULAR, *REPEATED, "[test.extra]"] + (["child", "nodes"] if depth else [])
    out = [draw(gaps())]
    for name in draw(st.lists(st.sampled_from(names), max_size=4)):
        field = "[" + draw(gaps()) + "test.extra" + draw(gaps()) + "]" if name[0] == "[" else name
        out += [field, draw(gaps())]
        if name in {"child", "nodes"}:
            out.append(draw(st.sampled_from(["", ":"])) + draw(gaps()))
            count = draw(st.integers(0, 2)) if name == "nodes" and draw(st.booleans()) else None
            bodies = []
            for _ in range(1 if count is None else count):
                opening, closing = draw(st.sampled_from(["{}", "<>"]))
                bodies.append(opening + draw(weird(depth - 1)) + closing)
            comma = draw(gaps()) + "," + draw(gaps())
            out.append(bodies[0] if count is None else f"[{draw(gaps())}{comma.join(bodies)}]")
        else:
            out.append(":" + draw(gaps()))
            kind = "number" if name[0] == "[" else name
            if name in REPEATED and draw(st.booleans()):
                values = draw(st.lists(scalars(kind), max_size=3))
                comma = draw(gaps()) + "," + draw(gaps())
                out.append(f"[{draw(gaps())}{comma.join(values)}{draw(gaps())}]")
            else:
                out.append(draw(scalars(kind)))
        ending = draw(gaps())
        out.append(ending + draw(st.sampled_from([",", ";", " ", "\n"])) + draw(gaps()))
    return "".join(out)


@st.composite
def tidy(draw: Any, depth: int = 2, indent: str = "", newline: str = "") -> str:
    """The fields of a Node one a line, with comments behind and between them."""
    newline = newline or draw(newlines)
    unit = draw(st.sampled_from(["  ", "\t", "    "]))
    names = [*SINGULAR, *REPEATED] + (["child", "nodes"] if depth else [])
    out = []
    for name in draw(st.lists(st.sampled_from(names), max_size=5)):
        if draw(st.booleans()):
            out.append(f"{indent}{draw(comments)}{newline}")
        if name in {"child", "nodes"}:
            inner = draw(tidy(depth - 1, indent + unit, newline))
            text = f"{name} {{{newline}{inner}{indent}}}"
        elif name in REPEATED and draw(st.booleans()):
            text = f"{name}: [{', '.join(draw(st.lists(scalars(name), max_size=3)))}]"
        else:
            text = f"{name}: {draw(scalars(name))}"
        tail = f"  {draw(comments)}" if draw(st.booleans()) else ""
        out.append(f"{indent}{text}{tail}{newline}")
    return "".join(out)
