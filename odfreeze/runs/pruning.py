"""Removes checkpoints that nothing needs any more from the directory of a run that has ended.

TensorFlow's ``checkpoint`` file, which lists them, is rewritten first, so that at no moment it
names one that is half gone; a removal that was cut off is finished by the next.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from odfreeze.checkpoint import named_in_state
from odfreeze.errors import OdfreezeError
from odfreeze.files import write_atomically

if TYPE_CHECKING:
    from odfreeze.textproto import Occurrence

__all__ = ["prune_checkpoints"]

_NUMBERED = re.compile(r"(ckpt-[0-9]{1,18})\.(index|data-[0-9]{5}-of-[0-9]{5})")
_PATHS = "all_model_checkpoint_paths"
_STAMPS = "all_model_checkpoint_timestamps"


def prune_checkpoints(model_dir: str | os.PathLike[str], keep: Collection[str]) -> tuple[str, ...]:
    """Removes the numbered checkpoints of a run but some and the last one.

    Nothing is removed from a directory whose state file names no checkpoint that is there, or
    is none of TensorFlow's.

    Args:
      model_dir: The run's directory.
      keep: Names of those to keep, as ``ckpt-100``.

    Returns:
      The names of those that were removed, the earliest first.

    Raises:
      OutputError: The state file cannot be written.
    """
    directory = Path(model_dir)
    named = named_in_state(directory)
    if named is None or not Path(f"{named}.index").is_file():
        return ()
    kept = {_base(named), *keep}
    files: dict[str, list[Path]] = {}
    for path in directory.iterdir():
        found = _NUMBERED.fullmatch(path.name)
        if found and found[1] not in kept:
            files.setdefault(found[1], []).append(path)
    if not files or not _forget(directory / "checkpoint", files):
        return ()
    for paths in files.values():
        # The index first: without it, what is left is no checkpoint to anybody.
        for path in sorted(paths, key=lambda path: path.suffix != ".index"):
            with contextlib.suppress(OSError):  # open in another program: the next time, then
                path.unlink()
    return tuple(sorted(files, key=lambda name: int(name.removeprefix("ckpt-"))))


def _forget(state: Path, names: Collection[str]) -> bool:
    """Takes checkpoints off the list in a state file; False where it cannot be read."""
    from odfreeze.textproto import apply_edits, find, parse
    from odfreeze.textproto.splice import removal

    try:
        document = parse(state.read_bytes(), str(state))
        paths, stamps = find(document, _PATHS), find(document, _STAMPS)
        gone = [n for n, one in enumerate(paths) if _base(one.scalar().as_str()) in names]
    except (OSError, OdfreezeError, UnicodeError):
        return False
    lost: list[Occurrence] = [paths[n] for n in gone]
    if len(stamps) == len(paths):  # one for each, in their order
        lost += [stamps[n] for n in gone]
    if lost:
        write_atomically(state, apply_edits(document.data, removal(document, lost)))
    return True


def _base(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
