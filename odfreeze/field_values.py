"""Values of fields as people type them on a command line: ``PATH=VALUE``."""

from __future__ import annotations

import re

from odfreeze.errors import TextProtoError, UnknownFieldError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import Identifier, Message, Raw, Scalar, Value, fields_at, last, parse
from odfreeze.train_fields import PATTERN_FIELDS, SHORT_NAMES

__all__ = ["full_path", "split_assignment", "with_field"]

_NUMBER = (
    r"[-+]?(?:0[xX][0-9A-Fa-f]+|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
)
_INDEX = re.compile(r"\[[0-9]+\]")
# google.protobuf.FieldDescriptor.TYPE_STRING and TYPE_BYTES
_STRINGS = frozenset({9, 12})
_WORD = r"[A-Za-z_][A-Za-z0-9_]*|-(?:inf|nan)"


def full_path(field: str) -> str:
    """Returns the dotted path of a field; the best known go by their own name.

    >>> full_path("num_steps"), full_path("model.ssd.num_classes")
    ('train_config.num_steps', 'model.ssd.num_classes')
    """
    return SHORT_NAMES.get(field, field)


def split_assignment(assignment: str) -> tuple[str, str]:
    """Returns path and value of ``PATH=VALUE``.

    Raises:
      UsageError: One of them is missing.

    >>> split_assignment("model.ssd.num_classes=7")
    ('model.ssd.num_classes', '7')
    """
    path, equals, text = assignment.partition("=")
    if not (path.strip() and equals and text.strip()):
        raise UsageError(
            f"{assignment!r} is no PATH=VALUE; write for example model.ssd.num_classes=7, or "
            "--clear PATH to remove a field"
        )
    return full_path(path.strip()), text.strip()


def with_field(config: PipelineConfig, path: str, text: str) -> PipelineConfig:
    """Returns the config with the field at a dotted path set to a value as it was typed.

    A value in quotes is a string, one in braces a message, one in square brackets a
    list: all the values of a repeated field. Anything else takes the kind of the value
    that is there: a string takes it word for word, a number must stay a number, a name
    (true, V2) a name. Where nothing is there yet it takes the type of the schema's field.
    In a block of a fork, which no schema knows, what looks like a number or a name is one
    and the rest is a string.

    Raises:
      UsageError: The path is malformed, or the value is not of the kind that is there, or of
        its field's type.
      UnknownFieldError: The path has an index beyond what is written, or nothing is written
        there and the schema has no such field.
      TextProtoError: The value is malformed, or the path goes through a single value.
    """
    path = full_path(path)
    after = _with_field(config, path, text)
    if path.rpartition(".")[2] not in PATTERN_FIELDS and not _is_alike(config, after, path):
        _check_by_schema(config, after, path)
    return after


def _with_field(config: PipelineConfig, path: str, text: str) -> PipelineConfig:
    if text[0] == "[":
        return config.with_values(path, _list(path, text))
    found = fields_at(config.document, path)
    name = path.rpartition(".")[2]
    if name in PATTERN_FIELDS:
        return config.with_values(path, [_quoted(path, text) if text[0] in "\"'" else text])
    if not name.endswith("]") and (len(found) > 1 or any(field.is_list for _, field in found)):
        raise UsageError(
            f"{path} has several values; give all of them, as {path}='[{text}]', or pick one by "
            f"its index, as {path}[0]"
        )
    return config.with_value(path, _value(config, path, text))


def _value(config: PipelineConfig, path: str, text: str) -> Value:
    if text[0] in "\"'":
        return _quoted(path, text)
    if text[0] in "{<":
        return Raw(text.encode())
    found = last(config.document, path)
    there = found.value if found else None
    if isinstance(there, Message):
        raise UsageError(f"{path} is a message; write it in braces, such as '{{ name: 1 }}'")
    is_number, is_word = bool(re.fullmatch(_NUMBER, text)), bool(re.fullmatch(_WORD, text))
    if there is None:
        return _bare(text) if (is_number or is_word) and not _is_string(path) else text
    if there.kind == "string":
        return text
    if is_word and (there.kind == "identifier" or text.lstrip("-") in {"inf", "nan"}):
        return _bare(text)
    if is_number and (there.kind != "identifier" or _is_special(there)):
        return _bare(text)
    expected = "a name such as true or V2" if there.kind == "identifier" else "a number"
    raise UsageError(
        f"{path} is {there.text}; write {expected}, not {text!r} (in quotes it is a string)"
    )


def _is_alike(before: PipelineConfig, after: PipelineConfig, path: str) -> bool:
    """Whether a single value replaced one of its kind, so that no schema need be asked."""
    old, new = last(before.document, path), last(after.document, path)
    if old is None or new is None or not isinstance(old.value, Scalar):
        return False
    if not isinstance(new.value, Scalar) or new.value.kind != old.value.kind:
        return False
    return new.value.kind != "identifier" or new.value.text in {"true", "false", old.value.text}


def _is_string(path: str) -> bool:
    """Whether the schema says that a field holds strings."""
    from odfreeze.schema import field_at

    try:
        return bool(field_at(path).type in _STRINGS)
    except UnknownFieldError:
        return False


def _check_by_schema(before: PipelineConfig, after: PipelineConfig, path: str) -> None:
    """Raises where what was written at a path does not fit the schema.

    What a fork has, and so stands in the file already, is left alone.
    """
    from odfreeze.schema import PIPELINE, find_faults

    bare = _INDEX.sub("", path)
    for fault in find_faults(after.document, PIPELINE):
        at = _INDEX.sub("", fault.path)
        if fault.kind == "unknown_field" and f"{bare}.".startswith(f"{at}."):
            if not fields_at(before.document, at):
                raise UnknownFieldError(
                    f"{fault.message} (a field of a fork can be set where it stands in the file "
                    "already: write it there once)",
                    field=path,
                )
        elif fault.kind not in {"duplicate", "oneof"} and f"{at}.".startswith(f"{bare}."):
            is_told = fault.message.startswith(fault.path)
            raise UsageError(fault.message if is_told else f"{fault.path}: {fault.message}")


def _bare(text: str) -> Value:
    """Returns a number or a name, written as it was typed."""
    text = text.removeprefix("+")
    return Identifier(text) if text[0].isalpha() or text[0] == "_" else Raw(text.encode())


def _quoted(path: str, text: str) -> str:
    value = _typed(path, text.encode())[0]
    if not isinstance(value, Scalar) or value.kind != "string":
        raise UsageError(f"{path}: {text} is no string; close its quotes")
    return value.as_str()


def _list(path: str, text: str) -> list[Value]:
    data = text.encode()
    return [Raw(data[v.start - 7 : v.end - 7]) for v in _typed(path, data)]


def _typed(path: str, text: bytes) -> tuple[Scalar | Message, ...]:
    """Returns the values of a text, which must be one value or one list."""
    try:
        fields = parse(b"value: " + text, path).root.fields
    except TextProtoError as error:
        raise UsageError(f"{path}: malformed value {text.decode()}: {error.message}") from None
    if len(fields) != 1 or fields[0].full_end != len(text) + 7:
        raise UsageError(f"{path}: {text.decode()} is more than one value; quote it as one")
    return fields[0].values


def _is_special(value: Scalar) -> bool:
    return value.text.lower() in {"inf", "infinity", "nan"}
