"""What a run that a metric ends hands on: its last or its best checkpoint, under a fixed name.

At which step such a run ends is not known when the next stage's config is written, so that its
checkpoint is called ``model_dir/handover`` whichever it is. It is another name for the same files
(hard links), or a copy where the file system has no such thing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointError, OutputError, TrainingRefusedError
from odfreeze.stages.conduct import HANDOVER_NAME

__all__ = ["hand_over", "handed_on_step", "handover_prefix", "withdraw"]

_INDEX = ".index"


def handover_prefix(model_dir: str | os.PathLike[str]) -> Path:
    """Returns the prefix of what a run hands on, whether it is there or not."""
    return Path(model_dir) / HANDOVER_NAME


def handed_on_step(model_dir: str | os.PathLike[str]) -> int | None:
    """Returns the step of the checkpoint that a run hands on; None where there is none, whole."""
    try:
        with Checkpoint.open(handover_prefix(model_dir)) as checkpoint:
            return checkpoint.step
    except CheckpointError:
        return None


def hand_over(model_dir: str | os.PathLike[str], step: int) -> Path:
    """Puts a checkpoint of a run under the name of what it hands on.

    It is there as a whole or not at all, whenever the call is cut off; the same call again
    completes it.

    Args:
      model_dir: The run's directory.
      step: Which one.

    Returns:
      Its prefix.

    Raises:
      TrainingRefusedError: The checkpoint of that step is not there any more.
      OutputError: It cannot be written.
    """
    directory = Path(model_dir)
    source = directory / f"ckpt-{step}"
    target = handover_prefix(directory)
    files = _files(source)
    if not files or files[-1].suffix != _INDEX:
        if handed_on_step(directory) == step:
            return target  # it was pruned since
        raise TrainingRefusedError(
            f"{source} was to be handed on, and is not there any more; it is kept only while"
            " handover is BEST and the metric as it is; train again in another directory, or stage"
            " the plan with handover: LAST"
        )
    names = {file: directory / f"{HANDOVER_NAME}{_ending(file)}" for file in files}
    try:
        if {*names.values()} == {*_files(target)} and all(map(_same, names, names.values())):
            return target
        withdraw(directory)
        for file, name in names.items():  # the index is the last
            temporary = name.with_name(f".{name.name}.tmp")
            temporary.unlink(missing_ok=True)
            _link_or_copy(file, temporary)
            temporary.replace(name)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}; check the directory",
            path=str(target),
        ) from None
    return target


def withdraw(model_dir: str | os.PathLike[str]) -> None:
    """Removes what a run hands on, so that no next stage starts from it."""
    for file in reversed(_files(handover_prefix(model_dir))):  # the index is the first
        file.unlink(missing_ok=True)


def _files(prefix: Path) -> list[Path]:
    """Returns the files of a checkpoint, the index last."""
    if not prefix.parent.is_dir():
        return []
    found = [
        path
        for path in prefix.parent.iterdir()
        if path.name == f"{prefix.name}{_INDEX}" or path.name.startswith(f"{prefix.name}.data-")
    ]
    return sorted(found, key=lambda path: (path.suffix == _INDEX, path.name))


def _ending(path: Path) -> str:
    """Returns what follows the prefix in the name of a checkpoint's file.

    >>> _ending(Path("run/ckpt-5.data-00000-of-00001")), _ending(Path("run/ckpt-5.index"))
    ('.data-00000-of-00001', '.index')
    """
    return "." + path.name.partition(".")[2]


def _same(one: Path, other: Path) -> bool:
    """Whether two names are of one file; of copies nobody knows, so that they are made again."""
    return other.exists() and one.samefile(other)


def _link_or_copy(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError):  # FAT, some network file systems
        os.link(source, target)
        return
    shutil.copyfile(source, target)
    with target.open("r+b") as stream:
        os.fsync(stream.fileno())
