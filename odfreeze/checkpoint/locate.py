"""From what people have at hand to the prefix of a checkpoint."""

# Importing pathlib would take a tenth of the time that `preview` has.
# ruff: noqa: PTH112, PTH113, PTH118, PTH119, PTH120, PTH123, PTH208

from __future__ import annotations

import os
import re

from odfreeze.checkpoint.table import MAGIC
from odfreeze.errors import (
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
    RemotePathError,
)

__all__ = ["latest", "locate", "named_in_state"]

#: A scheme such as gs:// or hdfs://; two letters or more, so that C:/ is none.
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+://"
_DATA = r"\.data-\d{5}-of-\d{5}$"
_STATE = (
    rb"""(?m)^[ \t]*model_checkpoint_path[ \t]*:[ \t]*"""
    rb"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')"""
)
_ESCAPE = rb"(?s)\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|(.))"
_PLAIN = dict(zip(b"nrtabfv", b"\n\r\t\a\b\f\v", strict=True))
_STATE_BYTES_MOST = 1 << 20
_PLACEHOLDER = "PATH_TO_BE_CONFIGURED"  # what the OD API's shipped configs say


def locate(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Finds the checkpoint that a path means.

    Args:
      path: A prefix (``…/ckpt-0``), its ``.index`` or ``.data-…`` file, a directory
        with a ``checkpoint`` state file (or that file), a directory with index
        files, a model zoo directory (``checkpoint/ckpt-0`` below it), a SavedModel
        directory (``variables/variables`` below it).

    Returns:
      The prefix, and one sentence saying what was taken and why; "" where the
      path is the prefix or one of its files.

    Raises:
      RemotePathError: The path is not on this machine.
      CheckpointNotFoundError: There is no checkpoint; near candidates are named.
      CheckpointUnsupportedError: There is one of a kind that is not read.
    """
    text = os.fspath(path)
    if "://" in text and re.match(_SCHEME, text):
        if not text.lower().startswith("file://"):
            raise RemotePathError(
                f"{text} is not on this machine; checkpoints are read from local files."
                " Copy its .index and .data files here and give that path",
                path=text,
            )
        text = text[7:]
    if "\0" in text or not text.strip():
        raise CheckpointNotFoundError(f"{text!r} is no path of a checkpoint", path=text)
    found = _resolve(text)
    if found is None and "\\" in text and os.sep != "\\":  # written on Windows, read elsewhere
        found = _resolve(text.replace("\\", "/"))
    if found is None:
        raise _not_found(text)
    return found


def latest(directory: str | os.PathLike[str]) -> str | None:
    """Returns the prefix that a directory's state file names, or its highest numbered one.

    Returns:
      The prefix, or None when the directory holds no checkpoint.
    """
    found = _in_directory(os.fspath(directory))
    return found[0] if found else None


def named_in_state(directory: str | os.PathLike[str]) -> str | None:
    """Returns the prefix that a directory's state file names, where TensorFlow looks for it.

    A relative one is below the directory; nothing need be there.

    Returns:
      The prefix, or None where there is no state file, or none that names a checkpoint.
    """
    folder = os.fspath(directory)
    named = _state_path(os.path.join(folder, "checkpoint"))
    return os.path.join(folder, named) if named else None


def _resolve(text: str) -> tuple[str, str] | None:
    for prefix in (text, _without_ending(text)):
        if os.path.isfile(prefix + ".index"):
            return prefix, ""
    if os.path.isdir(text):
        return _below(text)
    if os.path.isfile(text):
        folder, name = os.path.split(text)
        if name == "checkpoint":
            return _in_directory(folder or os.curdir)
        if name in ("saved_model.pb", "saved_model.pbtxt"):
            return _below(folder or os.curdir)
        _refuse(text)
    return None


def _without_ending(name: str) -> str:
    """Returns the prefix of a file's name: without ``.index`` or ``.data-00000-of-00001``."""
    name = name.removesuffix(".index")
    return re.sub(_DATA, "", name) if ".data-" in name else name


def _below(folder: str) -> tuple[str, str] | None:
    """Finds the checkpoint in a directory or in the places below it where tools put one."""
    found = _in_directory(folder)
    if found:
        return found
    zoo = os.path.join(folder, "checkpoint")
    if os.path.isdir(zoo):
        found = _in_directory(zoo)
        if found:
            return found[0], f"{folder} is a model directory; {found[1]}"
    for inner in ("variables", os.path.join("saved_model", "variables")):
        prefix = os.path.join(folder, inner, "variables")
        if os.path.isfile(prefix + ".index"):
            return prefix, f"{folder} is a SavedModel; its variables are in {prefix}"
    return None


def _in_directory(folder: str) -> tuple[str, str] | None:
    """Finds the checkpoint that lies directly in a directory."""
    state = os.path.join(folder, "checkpoint")
    named = _state_path(state) if os.path.isfile(state) else None
    reason = ""
    if named is not None:
        base = re.split(r"[\\/]", named)[-1]
        for candidate in (os.path.join(folder, named), os.path.join(folder, base)):
            if base and os.path.isfile(candidate + ".index"):
                moved = (
                    " (the directory was moved)" if candidate != named and _rooted(named) else ""
                )
                return candidate, f"{state} names {base} as the latest{moved}"
        reason = f" ({state} names {base}, which is not there)"
    prefixes = _prefixes(folder)
    if not prefixes:
        return None
    taken = prefixes[-1]
    base = os.path.basename(taken)
    if len(prefixes) == 1:
        return taken, f"{base} is the only checkpoint in {folder}{reason}"
    return taken, f"{base} is the last of {len(prefixes)} checkpoints in {folder}{reason}"


def _rooted(path: str) -> bool:
    return path.startswith(("/", "\\")) or path[1:2] == ":" or bool(re.match(_SCHEME, path))


def _prefixes(folder: str) -> list[str]:
    """Returns the prefixes in a directory, the one with the highest number last.

    One without a number, such as what a stage hands on, is no step of a run: it comes first.
    """
    try:
        files = os.listdir(folder)
    except OSError:
        return []
    found = [name[: -len(".index")] for name in files if name.endswith(".index")]
    parts = {name: re.split(r"(\d+)", name) for name in found}
    found.sort(
        key=lambda name: (
            len(parts[name]) > 1,
            [int(part) if i % 2 else part for i, part in enumerate(parts[name])],
        )
    )
    return [os.path.join(folder, name) for name in found]


def _state_path(state: str) -> str | None:
    """Returns ``model_checkpoint_path`` of a state file (a ``CheckpointState`` text proto)."""
    try:
        with open(state, "rb") as stream:
            text = stream.read(_STATE_BYTES_MOST)
    except OSError:
        return None
    found = None
    for match in re.finditer(_STATE, text):
        found = match  # the last one counts, as for any singular field
    if found is None:
        return None
    raw = found.group(1) if found.group(1) is not None else found.group(2)
    return os.fsdecode(re.sub(_ESCAPE, _unescape, raw)).replace("\0", "")


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, other = match.groups()
    if octal or hexadecimal:
        return bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF])
    return bytes([_PLAIN.get(other[0], other[0])])


def _refuse(path: str) -> None:
    """Raises the error that fits a file which is no part of a checkpoint of this kind."""
    name = path.lower()
    if name.endswith((".h5", ".hdf5", ".keras")):
        what = "a Keras file"
    elif name.endswith((".pb", ".pbtxt")):
        what = "a frozen graph, which holds constants and no variables"
    elif name.endswith(".meta"):
        what = (
            "the graph of a TF1 checkpoint; its variables are listed in the .index file beside it"
        )
    elif name.endswith((".tar.gz", ".tgz", ".tar", ".zip")):
        what = "an archive; unpack it first"
    elif _tail(path) == MAGIC:
        what = "a checkpoint in the V1 format, that of TensorFlow before 1.0"
    else:
        what = "no part of a checkpoint"
    raise CheckpointUnsupportedError(
        f"{path} is {what}; what is read are checkpoints of an .index and .data files."
        " Give their prefix, such as checkpoint/ckpt-0",
        path=path,
    )


def _tail(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            stream.seek(-8, os.SEEK_END)
            return stream.read(8)
    except OSError:
        return b""


def _not_found(text: str) -> CheckpointNotFoundError:
    """Makes the error for a path that leads nowhere, with what is near."""
    import difflib

    if _PLACEHOLDER in text:
        return CheckpointNotFoundError(
            f"{text} is still the placeholder of the sample config; put in the path of the"
            " downloaded checkpoint, such as …/checkpoint/ckpt-0",
            path=text,
        )
    if os.path.isdir(text):
        return CheckpointNotFoundError(
            f"there is no checkpoint in the directory {text}: no 'checkpoint' file, no .index file,"
            " no checkpoint or variables directory with one",
            path=text,
        )
    folder, base = os.path.split(text)
    folder = folder or os.curdir
    prefix = _without_ending(base)
    if not os.path.isdir(folder):
        there = folder
        while there and not os.path.isdir(there):
            parent = os.path.dirname(there)
            there = "" if parent == there else parent
        hint = f"the directory {folder} does not exist"
        hint += f" ({there} does)" if os.path.dirname(there) != there else ""
    elif any(re.sub(_DATA, "", name) == prefix != name for name in os.listdir(folder)):
        hint = f"its data is there, but {prefix}.index is missing; copy that file too"
    else:
        names = [os.path.basename(found) for found in _prefixes(folder)]
        near = difflib.get_close_matches(prefix, names, n=3, cutoff=0.4) or names[-3:]
        hint = f"in {folder} there is {', '.join(near)}" if near else f"{folder} holds none"
    return CheckpointNotFoundError(f"there is no checkpoint {text}: {hint}", path=text)
