"""Rules about the checkpoint that training starts from: where its path leads.

What stock does with a path: model_lib_v2.py:392 and utils/variables_helper.py:211 list the
checkpoint's variables with ``tf.train.list_variables``, then model_lib_v2.py:407 restores it. Both
hand the path to TensorFlow as it is written, which takes nothing but a prefix.
"""

# Importing pathlib would take a tenth of the time that a check has.
# ruff: noqa: PTH100, PTH109, PTH111, PTH112, PTH113, PTH117, PTH118, PTH119, PTH120, PTH123
# ruff: noqa: PTH202, PTH208

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from odfreeze import textproto
from odfreeze.check.case import few, quantity
from odfreeze.check.subject import Subject, is_placeholder
from odfreeze.errors import (
    CheckpointCorruptError,
    CheckpointNotFoundError,
    CheckpointUnsupportedError,
    OdfreezeError,
)
from odfreeze.findings import Finding

if TYPE_CHECKING:
    from odfreeze.checkpoint import Checkpoint
    from odfreeze.textproto import Edit

__all__ = [
    "FIELD",
    "RULES",
    "Situation",
    "is_of_saved_model",
    "shard_missing",
    "situation",
    "written_path",
]

#: Where the path is written.
FIELD = "train_config.fine_tune_checkpoint"

#: What a path is: the first that fits.
Situation = Literal[
    "remote", "directory", "prefix", "unexpanded", "backslashes", "one file", "other file", "none"
]

_ENDING = re.compile(r"\.index$|\.data-\d{5}-of-\d{5}$")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_VARIABLE = re.compile(r"\$\w|\$\{|%\w+%")
_LFS = b"version https://git-lfs"


def written_path(subject: Subject) -> str | None:
    """Returns the path of the checkpoint; None where these rules have nothing to say of it.

    That is where none is written, one is only to be filled in (ODF109), an escape of the text
    format ate a part of it (a rule about strings), or the model is one of TF1.
    """
    path = subject.text(FIELD)
    if not path or is_placeholder(path) or not path.isprintable() or subject.is_tf1:
        return None
    return path


def situation(path: str) -> Situation:
    """Returns what a path is, as it is written.

    >>> situation("gs://bucket/ckpt-0"), situation("~/ckpt-0"), situation("zoo/ckpt-0.index")
    ('remote', 'unexpanded', 'one file')
    """
    scheme = _SCHEME.match(path)
    if scheme and scheme[1].lower() != "file":
        return "remote"
    local = path[len(scheme[0]) :] if scheme else path
    if os.path.isdir(local):
        return "directory"
    if os.path.isfile(f"{local}.index") and ("\\" not in local or os.sep == "/"):
        return "prefix"
    if local.startswith("~") or _VARIABLE.search(local):
        return "unexpanded"
    if "\\" in local:
        return "backslashes"
    if _ENDING.search(local):
        return "one file"
    return "other file" if os.path.isfile(local) else "none"


# --- what the path is ----------------------------------------------------------------


def one_file_of_it(subject: Subject) -> Iterator[Finding]:
    """ODF305: the path of one of the checkpoint's files, in place of what they have in common."""
    path = _path_that_is(subject, "one file")
    if path is None:
        return
    ending = _ENDING.search(path)
    assert ending is not None
    prefix = path[: ending.start()]
    message = (
        f"fine_tune_checkpoint ends in {ending[0]!r}, one of the checkpoint's files; TensorFlow "
        f"takes what their names have in common: {prefix!r}"
    )
    yield _finding(subject, "ODF305", message, _path_edit(subject, prefix))


def is_directory(subject: Subject) -> Iterator[Finding]:
    """ODF306: the path of a directory."""
    path = _path_that_is(subject, "directory")
    if path is None:
        return
    found = subject.checkpoint
    if found is None:
        if isinstance(subject.checkpoint_error, CheckpointNotFoundError):
            message = f"fine_tune_checkpoint is a directory: {subject.checkpoint_error.message}"
            yield _finding(subject, "ODF306", message)
        return
    if is_of_saved_model(found.path):
        return
    message = (
        f"fine_tune_checkpoint {path!r} is a directory; TensorFlow takes the prefix of a "
        f"checkpoint's files: {_forward(found.path)!r} ({found.resolution})"
    )
    certain = _number_of_checkpoints(os.path.dirname(found.path)) == 1
    edits = _path_edit(subject, _forward(found.path)) if certain else ()
    yield _finding(subject, "ODF306", message, edits)


def does_not_exist(subject: Subject) -> Iterator[Finding]:
    """ODF307: there is nothing at the path."""
    path = _path_that_is(subject, "none")
    if path is None or subject.checkpoint_error is None:
        return
    message = f"fine_tune_checkpoint: {subject.checkpoint_error.message}"
    if path != path.strip() and situation(path.strip()) == "prefix":
        message += f"; without the blank at its end or beginning it is there: {path.strip()!r}"
    elif not os.path.isabs(path) and not _SCHEME.match(path):
        message += f"; a relative path is taken from where training is started, here {os.getcwd()}"
        beside = os.path.join(os.path.dirname(os.path.abspath(subject.config.file)), path)
        if os.path.isfile(f"{beside}.index"):
            message += f"; beside the config there is one: {_forward(beside)!r}"
    yield _finding(subject, "ODF307", message)


def has_backslashes(subject: Subject) -> Iterator[Finding]:
    """ODF309: a path written with backslashes."""
    path = _path_that_is(subject, "backslashes")
    if path is None:
        return
    forward = path.replace("\\", "/")
    message = (
        f"fine_tune_checkpoint {path!r} has backslashes, which part a path on Windows alone, and "
        f"which the text format takes for escapes; write slashes: {forward!r}"
    )
    severity: Literal["error", "warning"] = "error" if os.sep == "/" else "warning"
    edits = _path_edit(subject, forward)
    yield Finding("ODF309", severity, message, subject.place(FIELD), edits)


def is_remote(subject: Subject) -> Iterator[Finding]:
    """ODF320: a path on another machine, which is not looked at."""
    path = _path_that_is(subject, "remote")
    if path is not None:
        message = (
            f"fine_tune_checkpoint {path!r} is not on this machine: nothing of it was checked; "
            "copy its .index and .data files here to have that done"
        )
        yield Finding("ODF320", "info", message, subject.place(FIELD))


def is_something_else(subject: Subject) -> Iterator[Finding]:
    """ODF321: a SavedModel, a frozen graph or another file that is no checkpoint."""
    path = written_path(subject)
    if path is None:
        return
    found, error = subject.checkpoint, subject.checkpoint_error
    if found is not None and is_of_saved_model(found.path):
        message = (
            f"fine_tune_checkpoint {path!r} leads to the variables of a SavedModel, which is for "
            "inference: its object paths are others, and the OD API finds nothing of the model "
            "there; "
        )
        beside = _beside_saved_model(found.path)
        cure = f"the checkpoint beside it is {beside!r}" if beside else "give the checkpoint"
        edits = _path_edit(subject, beside) if beside else ()
        yield _finding(subject, "ODF321", message + cure, edits)
    elif situation(path) == "other file":
        if found is not None:
            message = (
                f"fine_tune_checkpoint {path!r} is the file that names the latest checkpoint; "
                f"give that one's prefix: {_forward(found.path)!r}"
            )
            yield _finding(subject, "ODF321", message, _path_edit(subject, _forward(found.path)))
        elif error is not None:
            yield _finding(subject, "ODF321", f"fine_tune_checkpoint: {error.message}")


def is_not_expanded(subject: Subject) -> Iterator[Finding]:
    """ODF323: a path with ``~`` or a variable of the shell, which nobody expands."""
    path = _path_that_is(subject, "unexpanded")
    if path is None:
        return
    whole = os.path.expanduser(os.path.expandvars(path))
    cure = "write the whole path" + (f", here {_forward(whole)!r}" if whole != path else "")
    message = (
        f"fine_tune_checkpoint {path!r} has a shortcut of the shell, which no shell sees here and "
        f"TensorFlow takes as it is; {cure}"
    )
    yield _finding(subject, "ODF323", message)


# --- what is there -------------------------------------------------------------------


def shard_missing(subject: Subject) -> Iterator[Finding]:
    """ODF308: a data file of the checkpoint is not there."""
    found = subject.checkpoint
    if written_path(subject) is None or found is None:
        return
    missing = [path for path in found.data_files if not os.path.isfile(path)]
    if missing:
        names = few([os.path.basename(path) for path in missing])
        message = (
            f"{quantity(len(missing), 'data file')} of {len(found.data_files)} of the checkpoint "
            f"{'is' if len(missing) == 1 else 'are'} missing ({names}): its names may be listed, "
            "but nothing can be restored; copy all files of the checkpoint"
        )
        yield _finding(subject, "ODF308", message)


def index_damaged(subject: Subject) -> Iterator[Finding]:
    """ODF322: the index or the object graph cannot be read."""
    path = written_path(subject)
    if path is None or situation(path) == "other file":
        return
    error = subject.checkpoint_error or _error_of_variables(subject.checkpoint)
    if not isinstance(error, (CheckpointCorruptError, CheckpointUnsupportedError)):
        return
    message = f"fine_tune_checkpoint: {error.message}"
    if _is_lfs_pointer(error.path):
        message += "; the file is a pointer of Git LFS, `git lfs pull` brings what it stands for"
    yield _finding(subject, "ODF322", message)


def data_cut_off(subject: Subject) -> Iterator[Finding]:
    """ODF324: a data file is shorter than the index says."""
    found = subject.checkpoint
    if written_path(subject) is None or found is None:
        return
    try:
        if _has_room(found):
            return
        ends = _ends(found)
    except OdfreezeError:
        return  # the index is damaged: ODF322
    for path, end in zip(found.data_files, ends, strict=True):
        size = os.path.getsize(path) if os.path.isfile(path) else end
        if size < end:
            message = (
                f"{os.path.basename(path)} has {size:,} bytes where the index speaks of {end:,}: "
                "it was not copied or downloaded to its end; get it again"
            )
            if _is_lfs_pointer(path):
                message += " (it is a pointer of Git LFS: `git lfs pull`)"
            yield _finding(subject, "ODF324", message)


def inside_model_dir(subject: Subject) -> Iterator[Finding]:
    """ODF319: the checkpoint lies in the run's own directory."""
    path, model_dir = written_path(subject), subject.flags.model_dir
    if path is None or not model_dir:
        return
    # Just as utils/variables_helper.py:222 compares them.
    if os.path.abspath(os.path.dirname(path)) == os.path.abspath(model_dir):
        message = (
            f"fine_tune_checkpoint {path!r} lies in --model_dir {model_dir!r}, which the OD API "
            "refuses: a run would take it for its own; choose another directory for the run"
        )
        yield _finding(subject, "ODF319", message)


# --- helpers -------------------------------------------------------------------------


def _path_that_is(subject: Subject, wanted: Situation) -> str | None:
    path = written_path(subject)
    return path if path is not None and situation(path) == wanted else None


def _finding(subject: Subject, code: str, message: str, edits: tuple[Edit, ...] = ()) -> Finding:
    return Finding(code, "error", message, subject.place(FIELD), edits)


def _path_edit(subject: Subject, path: str) -> tuple[Edit, ...]:
    return textproto.set_field(subject.config.document, FIELD, path)


def _forward(path: str) -> str:
    return path.replace(os.sep, "/")


def is_of_saved_model(prefix: str) -> bool:
    """Whether a prefix is that of a SavedModel's variables."""
    folder, base = os.path.split(prefix)
    return base == "variables" and os.path.basename(folder) == "variables"


def _beside_saved_model(prefix: str) -> str | None:
    """Returns the checkpoint in the directory that holds a SavedModel, as exported ones have it."""
    folder = os.path.dirname(os.path.dirname(prefix))
    for root in (folder, os.path.dirname(folder)):
        inside = os.path.join(root, "checkpoint")
        if _number_of_checkpoints(inside) == 1:
            (name,) = (name for name in os.listdir(inside) if name.endswith(".index"))
            return _forward(os.path.join(inside, name.removesuffix(".index")))
    return None


def _number_of_checkpoints(folder: str) -> int:
    try:
        return sum(name.endswith(".index") for name in os.listdir(folder or os.curdir))
    except OSError:
        return 0


def _error_of_variables(found: Checkpoint | None) -> OdfreezeError | None:
    """Returns why the variables of a checkpoint with a readable index cannot be listed."""
    if found is None:
        return None
    try:
        _ = found.variables
    except OdfreezeError as error:
        return error
    return None


def _is_lfs_pointer(path: str) -> bool:
    for name in (path, f"{path}.index"):
        try:
            with open(name, "rb") as stream:
                return stream.read(len(_LFS)) == _LFS
        except OSError:
            continue
    return False


def _has_room(found: Checkpoint) -> bool:
    """Whether the data files together are as large as what they hold: quicker than `_ends`.

    Raises:
      CheckpointCorruptError: An entry cannot be decoded.
    """
    try:
        sizes = sum(os.path.getsize(path) for path in found.data_files)
    except OSError:
        return False
    return sizes >= found.data_bytes


def _ends(found: Checkpoint) -> list[int]:
    """Returns for each data file how many bytes it must have.

    Raises:
      CheckpointCorruptError: An entry cannot be decoded.
    """
    ends = [0] * len(found.data_files)
    for entry in found.entries.values():
        ends[entry.shard] = max(ends[entry.shard], entry.offset + entry.size)
    return ends


RULES = (
    one_file_of_it, is_directory, does_not_exist, has_backslashes, is_remote, is_something_else,
    is_not_expanded, shard_missing, index_damaged, data_cut_off, inside_model_dir,
)  # fmt: skip
