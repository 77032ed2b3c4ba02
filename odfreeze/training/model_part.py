"""The model part of a config by itself: all that decides which variables a model has."""

from __future__ import annotations

import hashlib
import os

from odfreeze.files import LARGEST_TEXT
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import Message, Scalar

__all__ = ["digest_of_model", "model_text"]


def model_text(config: PipelineConfig) -> bytes:
    r"""Returns the config with everything but its ``model`` blanked, each thing at its place.

    Lines stay lines and columns columns, so that an error of another parser names the place in
    the config.

    >>> model_text(PipelineConfig.parse(b"train_config { }\nmodel { ssd { } }  # note"))
    b'                \nmodel { ssd { } }        '
    """
    pieces, done = [], 0
    for field in config.document.root.named("model"):
        pieces += [
            _blank(config.data[done : field.start]),
            config.data[field.start : field.full_end],
        ]
        done = field.full_end
    return b"".join([*pieces, _blank(config.data[done:])])


def _blank(data: bytes) -> bytes:
    """Returns white space that takes as many lines, and as many columns."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    return "".join(letter if letter in "\r\n" else " " for letter in text).encode()


def digest_of_model(config: PipelineConfig) -> str:
    r"""Returns 64 hexadecimal digits that change when the ``model`` of a config does.

    They are of what is written there, fields that no schema knows among it, and of the files
    that it names: the keypoints of a CenterNet are those of its label map. Comments, white space,
    brackets, quotes and separators do not count, nor does any other part of the config.

    >>> one, other = b"model { ssd { num_classes: 3 } }", b"model<ssd:<num_classes : 3;>> # same"
    >>> len({digest_of_model(PipelineConfig.parse(text)) for text in (one, other)})
    1
    """
    parts: list[bytes] = []
    for field in config.document.root.named("model"):
        for value in field.values:
            _write(value, parts)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _write(value: Message | Scalar, parts: list[bytes]) -> None:
    """Appends a value; whatever has a length of its own says it, so that no two are alike."""
    if isinstance(value, Scalar):
        data = value.as_bytes() if value.kind == "string" else value.text.encode()
        parts.append(b"%s %d:%s" % (value.kind.encode(), len(data), data))
        if value.kind == "string":
            parts.append(_digest_of_file(data))
        return
    parts.append(b"{")
    for field in value.fields:
        for one in field.values:  # a list is the field several times
            parts.append(b"%s " % field.name.encode())
            _write(one, parts)
    parts.append(b"}")


def _digest_of_file(path: bytes) -> bytes:
    """Returns the digest of the file that a string names, b"" where it names none."""
    try:
        if not os.path.isfile(path):  # a pipe would never end  # noqa: PTH113
            return b""
        with open(path, "rb") as stream:  # noqa: PTH123
            return hashlib.sha256(stream.read(LARGEST_TEXT)).digest()
    except (OSError, ValueError):  # ValueError: a zero byte in it
        return b""
