"""The variables of models that were built once, kept on disk: the second time takes no TensorFlow.

A file is one list. What is in it is checked when it is read; whatever is not as it was written
counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odfreeze.errors import OutputError
from odfreeze.files import write_atomically
from odfreeze.variables import Variable

__all__ = ["FORMAT", "VariableList", "cache_folder", "from_json", "keep", "kept", "kept_by_any"]

#: Changes when a list of another version of odfreeze is no more what this one would make.
FORMAT = 1
#: As many lists are kept; the one that was used longest ago makes room.
_MOST_LISTS = 64
#: A list of 100,000 variables is not as large, in bytes.
_LARGEST = 64 << 20
#: Names and paths are not as long.
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class VariableList:
    """The variables of a live model.

    Attributes:
      variables: In the order in which a checkpoint of the model is listed.
      versions: Version by module of what built the model.
    """

    variables: tuple[Variable, ...]
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain Python values."""
        return {
            "format": FORMAT,
            "versions": self.versions,
            "variables": [
                [v.name, v.object_path, list(v.shape), v.dtype, v.trainable, v.statistic]
                for v in self.variables
            ],
        }


def from_json(found: object) -> VariableList | None:
    """Returns the list that :meth:`VariableList.to_json` made; None for anything else."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return None
    versions, rows = found.get("versions"), found.get("variables")
    if not isinstance(versions, dict) or not isinstance(rows, list) or not rows:
        return None
    if not all(_is_text(text) for pair in versions.items() for text in pair):
        return None
    variables = [_variable(row, order) for order, row in enumerate(rows)]
    known = tuple(variable for variable in variables if variable is not None)
    paths = {variable.object_path for variable in known}
    return VariableList(known, versions) if len(paths) == len(rows) else None


def _variable(row: object, order: int) -> Variable | None:
    if not isinstance(row, list) or len(row) != 6:
        return None
    name, path, shape, dtype, trainable, statistic = row
    if not (_is_text(name) and _is_text(path) and _is_text(dtype) and isinstance(shape, list)):
        return None
    if not all(type(size) is int and 0 <= size < 1 << 62 for size in shape):
        return None
    if type(trainable) is not bool or type(statistic) is not bool:
        return None
    layer = path.rpartition("/")[0]
    return Variable(name, path, tuple(shape), dtype, trainable, statistic, layer, order)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST


def cache_folder() -> str:
    """Returns where lists are kept: ``ODFREEZE_CACHE_DIR``, or the system's place for caches."""
    environment = os.environ
    given = environment.get("ODFREEZE_CACHE_DIR")
    if given:
        return given
    if sys.platform == "win32":
        base = environment.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")  # noqa: PTH111
        return os.path.join(base, "odfreeze", "Cache")  # noqa: PTH118
    base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # as the XDG specification has it for a relative one  # noqa: PTH117
        base = os.path.expanduser(  # noqa: PTH111
            "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
        )
    return os.path.join(base, "odfreeze")  # noqa: PTH118


def kept(model: str, versions: Mapping[str, str]) -> VariableList | None:
    """Returns the list of a model as these versions build it, None where none is kept.

    Args:
      model: Digest of the model part.
      versions: Version by module.
    """
    path = _path(model, versions)
    found = _read(path)
    if found is None or found.versions != dict(versions):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # which list makes room is told by when it was last used
    return found


def kept_by_any(model: str) -> VariableList | None:
    """Returns the newest list of a model, whatever built it; None where none is kept."""
    paths = [path for path in _lists() if os.path.basename(path).startswith(model[:32])]  # noqa: PTH119
    return next(filter(None, map(_read, reversed(paths))), None)


def keep(model: str, found: VariableList) -> None:
    """Keeps a list. Where the folder cannot be written to, nothing is kept."""
    folder = cache_folder()
    data = json.dumps(found.to_json(), separators=(",", ":")).encode()
    with contextlib.suppress(OSError, OutputError):
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        write_atomically(_path(model, found.versions), data)
        for path in _lists()[:-_MOST_LISTS]:
            os.unlink(path)  # noqa: PTH108


def _path(model: str, versions: Mapping[str, str]) -> str:
    text = json.dumps([FORMAT, sorted(versions.items())])
    by = hashlib.sha256(text.encode()).hexdigest()
    return os.path.join(cache_folder(), f"{model[:32]}-{by[:16]}.json")  # noqa: PTH118


def _lists() -> list[str]:
    """Returns the files of all lists, the one used longest ago first."""
    aged = []
    with contextlib.suppress(OSError), os.scandir(cache_folder()) as entries:
        for entry in entries:
            name, _, ending = entry.name.partition(".")
            if ending == "json" and len(name) == 49 and name[32] == "-":
                aged.append((entry.stat().st_mtime_ns, entry.path))
    return [path for _, path in sorted(aged)]


def _read(path: str) -> VariableList | None:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            data = stream.read(_LARGEST + 1)
        return from_json(json.loads(data)) if len(data) <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return None
