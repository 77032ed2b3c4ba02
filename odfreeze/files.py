"""Local files: telling remote paths apart, and writing so that no file is ever half there.

It does without pathlib, whose import takes as long as parsing three configs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from odfreeze.errors import ConfigError, OutputError, RemotePathError

__all__ = [
    "LARGEST_TEXT",
    "read_text_file",
    "refuse_remote",
    "write_atomically",
    "write_variables",
]

#: No text that people write is near this size, in bytes.
LARGEST_TEXT = 16 << 20


def refuse_remote(path: str | os.PathLike[str]) -> None:
    """Raises RemotePathError for a path such as ``gs://bucket/x``.

    >>> refuse_remote("gs://bucket/x")
    Traceback (most recent call last):
    odfreeze.errors.RemotePathError: gs://bucket/x is not on this machine; copy it here first
    """
    text = str(path) if not isinstance(path, str) else path
    scheme, separator, _ = text.partition("://")
    if separator and scheme.isalnum() and len(scheme) > 1:
        raise RemotePathError(f"{text} is not on this machine; copy it here first", path=text)


def read_text_file(path: str | os.PathLike[str]) -> bytes:
    """Returns the bytes of a config, a plan or another text that people write.

    Raises:
      RemotePathError: The path is not local.
      ConfigError: The file is not there, not readable, or larger than any such text.
    """
    refuse_remote(path)
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            data = stream.read(LARGEST_TEXT + 1)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}; check the path") from None
    except OSError as error:
        if os.path.isdir(path):  # noqa: PTH112 Windows calls it a lack of permission.
            raise ConfigError(f"{path} is a directory; give the file in it") from None
        raise ConfigError(f"{path} cannot be read: {error.strerror}; check the path") from None
    if len(data) > LARGEST_TEXT:
        raise ConfigError(f"{path} is larger than any config; give a text file")
    return data


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file by way of a temporary one beside it, so that it is never half there.

    A file that is there keeps its mode; a symbolic link stays one.

    Raises:
      OutputError: It cannot be written.
    """
    target = os.path.realpath(path)
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.{os.urandom(4).hex()}.tmp")  # noqa: PTH118
    try:
        mode = os.stat(target).st_mode & 0o7777 if os.path.exists(target) else None  # noqa: PTH110, PTH116
        try:
            with open(temporary, "xb") as stream:  # noqa: PTH123
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if mode is not None:
                os.chmod(temporary, mode)  # noqa: PTH101
            os.replace(temporary, target)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}; check the directory", path=str(path)
        ) from None


def write_variables(
    path: str | os.PathLike[str], head: Mapping[str, Any], variables: Iterable[Mapping[str, Any]]
) -> None:
    """Writes JSON about variables, one a line: a person can read it, and compare two with diff.

    Args:
      path: Of the file; its directory is made.
      head: What there is but variables; not empty.
      variables: What there is of each.

    Raises:
      OutputError: It cannot be written.
    """
    import json

    text = json.dumps(head, indent=1).removesuffix("\n}")
    rows = ",\n  ".join(map(json.dumps, variables))
    text += f',\n "variables": [\n  {rows}\n ]\n}}\n'
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror}; check the directory", path=str(path)
        ) from None
    write_atomically(path, text.encode("utf-8"))
