"""Values of fields as people type them on a command line: ``PATH=VALUE``."""

from __future__ import annotations

import re

from odfreeze.errors import TextProtoError, UnknownFieldError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import Identifier, Message, Raw, Scalar, Value, fields_at, last, parse
from odfreeze.train_fields import PATTERN_FIELDS, SHORT_NAMES, check_patterns

__all__ = ["full_path", "split_assignment", "with_field"]

_NUMBER = (
    r"[-+]?(?:0[xX][0-9A-Fa-f]+|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
)
_QUOTES = ('"', "'")
_INDEX = re.compile(r"\[[0-9]+\]")
# google.protobuf.FieldDescriptor.TYPE_STRING and TYPE_BYTES
_STRINGS = frozenset({9, 12})
_BOOLEANS = frozenset({"true", "false"})
# What every type of number holds, an int32 too; a single digit may stand for a bool or an enum
_HIGHEST = 2**31 - 1
_HIGHEST_DIGIT = 9
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
      UsageError: The path or the value is malformed, or the value is not of the kind that is
        there, or of its field's type.
      PatternError: The field holds patterns and one of them is no regular expression.
      UnknownFieldError: The path has an index beyond what is written, or nothing is written
        there and the schema has no such field.
      TextProtoError: The path goes through a single value.
    """
    path = full_path(path)
    _check_unicode(path, text)
    after = _with_field(config, path, text)
    if path.rpartition(".")[2] not in PATTERN_FIELDS and not _is_alike(config, after, path):
        _check_by_schema(config, after, path)
    return after


def _with_field(config: PipelineConfig, path: str, text: str) -> PipelineConfig:
    name = path.rpartition(".")[2]
    if name in PATTERN_FIELDS:
        patterns = _patterns(path, text)
        check_patterns(name, patterns)
        return config.with_values(path, patterns)
    if text.startswith("["):
        values = [Raw(written) for written in _written(path, text)]
        return config.with_values(path, values)
    found = fields_at(config.document, path)
    if not name.endswith("]") and (len(found) > 1 or any(field.is_list for _, field in found)):
        raise UsageError(
            f"{path} has several values; give all of them, as {path}='[{text}]', or pick one by "
            f"its index, as {path}[0]"
        )
    value = _value(config, path, text)
    if (field := name.partition("[")[0]) in PATTERN_FIELDS and isinstance(value, str):
        check_patterns(field, [value])
    return config.with_value(path, value)


def _value(config: PipelineConfig, path: str, text: str) -> Value:
    if text.startswith(_QUOTES):
        return _quoted(path, text)
    if text.startswith(("{", "<")):
        return Raw(_written(path, text)[0])
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
    """Whether a single value replaced one of its kind, so that no schema need be asked.

    Asking it takes as long as the rest of an edit.
    """
    old, new = last(before.document, path), last(after.document, path)
    if old is None or new is None or not isinstance(old.value, Scalar):
        return False
    if not isinstance(new.value, Scalar) or new.value.kind != old.value.kind:
        return False
    if new.value.kind == "identifier":
        return new.value.text == old.value.text or {old.value.text, new.value.text} <= _BOOLEANS
    if new.value.kind == "integer":
        return _is_count(new.value) and old.value.as_int() > _HIGHEST_DIGIT
    return True


def _is_count(value: Scalar) -> bool:
    """Whether an integer is one that a field of any number type can hold."""
    is_decimal = value.text == "0" or value.text[0] in "123456789"
    return is_decimal and value.as_int() <= _HIGHEST


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
    value = _typed(path, text)[0]
    if not isinstance(value, Scalar) or value.kind != "string":
        raise UsageError(f"{path}: {text} is no string; close its quotes")
    return value.as_str()


def _patterns(path: str, text: str) -> list[str]:
    """Returns the patterns of a pattern field: one as it is, one in quotes, or a list of them."""
    if text.startswith(_QUOTES):
        return [_quoted(path, text)]
    if not text.startswith("["):
        return [text]
    try:
        return [_string(value) for value in _typed(path, text)]
    except (TextProtoError, UsageError):
        raise UsageError(
            f"{path}: {text} is no list of strings; put quotes around each pattern of a list, and "
            "around a pattern that begins with '['"
        ) from None


def _string(value: Scalar | Message) -> str:
    if isinstance(value, Message):
        raise UsageError("a message is no string")
    return value.as_str()


def _written(path: str, text: str) -> list[bytes]:
    """Returns the values of a text, each as it is written."""
    values = _typed(path, text)
    return [value.source.data[value.start : value.end] for value in values]


def _typed(path: str, text: str) -> tuple[Scalar | Message, ...]:
    """Returns the values of a text, which must be one value or one list."""
    lead, data = b"value: ", text.encode()
    try:
        fields = parse(lead + data, path).root.fields
    except TextProtoError as error:
        raise UsageError(f"{path}: malformed value {text}: {error.message}") from None
    if len(fields) != 1 or fields[0].full_end != len(lead) + len(data):
        raise UsageError(f"{path}: {text} is more than one value; quote it as one")
    return fields[0].values


def _check_unicode(path: str, text: str) -> None:
    """Raises UsageError for bytes of the command line that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path}: {text!r} is not valid Unicode; give text") from None


def _is_special(value: Scalar) -> bool:
    return value.text.lower() in {"inf", "infinity", "nan"}
