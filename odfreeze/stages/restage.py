"""A plan that was edited, laid out once more: what has not begun follows, what has begun stays.

Who changes a later stage while an earlier one trains means just that stage. So a stage that has
not begun takes the plan's new config, or goes with the plan's stage; one that has a checkpoint
is never changed unasked, since what is in it came from the config that it had.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from odfreeze.errors import OdfreezeError, OutputError, TrainingRefusedError
from odfreeze.files import write_atomically
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages.conduct import CONDUCT_NAME
from odfreeze.stages.judgement import judge_stages
from odfreeze.stages.plan import Plan
from odfreeze.stages.staging import (
    CONFIG_NAME,
    StagedConfig,
    must_write,
    plan_stages,
    write_stages,
)

__all__ = ["BEFORE_NAME", "Restaged", "config_digest", "restage"]

#: Beside a stage's config: the one that it had before, where a person may have edited that.
BEFORE_NAME = "pipeline.config.before"

_FOLDER = re.compile(r"[0-9]{2}_.+")
_LOGS = ("odfreeze", "train")  # what a training that never took a step leaves in a model_dir


@dataclass(frozen=True, slots=True)
class Restaged:
    """A plan's stages as they are on disk now.

    Attributes:
      stages: All of them, as `write_stages` gives them.
      changes: What became of stages that were there already, a sentence for each.
    """

    stages: tuple[StagedConfig, ...]
    changes: tuple[str, ...] = ()


def config_digest(directory: Path) -> str | None:
    """Returns what tells one config of a stage from another, ``stage.json`` included.

    Returns:
      A SHA-256, or None where the directory has no config.
    """
    config = _content(directory / CONFIG_NAME)
    return None if config is None else _digest(config, _content(directory / CONDUCT_NAME))


def restage(
    plan: Plan,
    output_dir: Path,
    written: Mapping[str, str | None],
    *,
    force: bool = False,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
) -> Restaged:
    """Writes the stages of a plan over those of an earlier version of it.

    Nothing is written or removed before everything has been checked; the same call again
    does nothing.

    Args:
      plan: The plan.
      output_dir: The run's directory; made when it is missing.
      written: What `config_digest` was of each folder when a plan was last written there: a
        config that differs from that was edited by a person.
      force: Whether to overwrite what a person edited.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      ignore: Codes, or beginnings of codes, of findings to go on in spite of.

    Raises:
      TrainingRefusedError: The plan changed for a stage that has begun; and all that
        :func:`write_stages` refuses.
      OutputError: A config was edited by hand; or what :func:`write_stages` says.
      PlanError, ConfigError, RemotePathError: See :func:`write_stages`.
    """
    planned = plan_stages(plan, output_dir)
    old = [one for one in planned if one.config_path.is_file() and not _is_current(one)]
    lost = _no_longer_planned(planned, output_dir)
    if not old and not lost:
        return Restaged(write_stages(plan, output_dir, allow=allow, ignore=ignore))
    judge_stages(planned, PipelineConfig.read(plan.base_config), allow=allow, ignore=ignore)
    changes = []
    for folder in lost:
        _refuse_to_remove(folder, plan.base_config)
        _refuse_edited(folder, written, force=force)
    for one in old:
        if _has_begun(one.directory) and "used_model_dir" not in allow:
            raise _begun_otherwise(one, len(planned))
        _refuse_edited(one.directory, written, force=force)
    for one in planned:
        must_write(one, plan, True, allow)
    for folder in lost:
        if written.get(folder.name) is None:
            _keep_config(folder)
        kept = _remove(folder)
        changes.append(
            f"{folder.name} is not in the plan any more and had not begun: removed{kept}"
        )
    for one in old:
        kept = ""
        if written.get(one.directory.name) is None:
            kept = f"; the one before is kept as {_keep_config(one.directory)}"
        begun = _has_begun(one.directory)
        which = "goes on" if begun else "has not begun"
        changes.append(f"{one.directory.name} {which}: its config is what the plan gives now{kept}")
    stages = write_stages(plan, output_dir, force=True, allow=allow, ignore=ignore)
    return Restaged(stages, tuple(changes))


def _is_current(one: StagedConfig) -> bool:
    return (_content(one.config_path), _content(one.conduct_path)) == (one.data, one.conduct_data)


def _no_longer_planned(planned: Sequence[StagedConfig], output_dir: Path) -> list[Path]:
    """Returns the folders of stages that the plan does not have, in their order."""
    expected = {one.directory.name for one in planned}
    if not output_dir.is_dir():
        return []
    return sorted(
        path
        for path in output_dir.iterdir()
        if _FOLDER.fullmatch(path.name)
        and path.name not in expected
        and (path / CONFIG_NAME).is_file()
    )


def _has_begun(directory: Path) -> bool:
    """Whether a stage's run has a checkpoint: what comes next would go on from that."""
    return (directory / "model" / "checkpoint").exists()


def _refuse_to_remove(folder: Path, base: Path) -> None:
    """Raises where the folder of a stage that the plan lost holds anything of worth."""
    if folder.is_symlink():
        raise _in_the_way(folder, "is a link; remove the link")
    if base.resolve().is_relative_to(folder.resolve()):
        raise _in_the_way(folder, "holds the plan's base config; put that elsewhere")
    if _has_begun(folder):
        raise TrainingRefusedError(
            f"{folder} has been trained, and the plan has no such stage any more: give it back its"
            " name and its place there, remove the folder, or give another --output_dir"
        )
    ours = {CONFIG_NAME, CONDUCT_NAME, BEFORE_NAME, "model"}
    for path in sorted(folder.iterdir()):
        if path.name not in ours and not path.name.endswith(".tmp"):
            raise _stranger_in(folder, path)
    model = folder / "model"
    for path in sorted(model.iterdir()) if model.is_dir() else ():
        if path.name not in _LOGS:
            raise _stranger_in(folder, path)


def _stranger_in(folder: Path, path: Path) -> OutputError:
    what = f"holds {path.name}, which is no file of odfreeze; remove the folder"
    return _in_the_way(folder, what, path)


def _in_the_way(folder: Path, what: str, path: Path | None = None) -> OutputError:
    return OutputError(
        f"{folder} is a stage that the plan does not have any more, and {what}, or give another"
        " --output_dir",
        path=str(path or folder),
    )


def _keep_config(directory: Path) -> Path:
    """Keeps a copy of a config that a person may have edited; returns its path."""
    kept = directory / BEFORE_NAME
    write_atomically(kept, (directory / CONFIG_NAME).read_bytes())
    return kept


def _remove(folder: Path) -> str:
    """Removes the folder of a stage but for a config that was kept; returns what to say of that.

    The config goes first: without it, what a kill may leave is no stage.
    """
    kept = folder / BEFORE_NAME
    try:
        (folder / CONFIG_NAME).unlink()
        if not kept.exists():
            shutil.rmtree(folder)
            return ""
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != kept:
                path.unlink()
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be removed: {error.strerror or error}; remove it, or give another"
            " --output_dir",
            path=str(folder),
        ) from None
    return f"; a config that it had is kept as {kept}"


def _refuse_edited(directory: Path, written: Mapping[str, str | None], *, force: bool) -> None:
    """Raises where a person edited a stage's config since a plan was written there."""
    digest = written.get(directory.name)
    if digest is not None and not force and digest != config_digest(directory):
        path = directory / CONFIG_NAME
        raise OutputError(
            f"{path} was edited since the plan was written there, and differs from what the plan"
            " gives; put the edit into the plan, or give --force to overwrite it",
            path=str(path),
        )


def _begun_otherwise(one: StagedConfig, count: int) -> TrainingRefusedError:
    model, was_in = one.model_dir, _moved_from(one)
    if was_in:
        return TrainingRefusedError(
            f"stage {one.number} of {count}, {one.directory.name}, has been trained from a"
            f" checkpoint in {was_in}, and the run is in {one.directory.parent} now: moved or"
            " copied, it can be read (`odfreeze report`), but its configs name whole paths; move it"
            " back to go on, or give another --output_dir",
            place=one.stage.places.get("name"),
        )
    return TrainingRefusedError(
        f"stage {one.number} of {count}, {one.directory.name}, has been trained with another config"
        f" than the plan gives now ({_difference(one)}); undo that in the plan, or remove {model}"
        " and those of the stages after it, to train them anew (--allow_used_model_dir goes on from"
        " its checkpoint with the new config)",
        place=one.stage.places.get("name"),
    )


def _moved_from(one: StagedConfig) -> str:
    """Returns where the run was when a stage's config was written; "" where that is here.

    Only where nothing but that tells the config from what the plan gives.
    """
    start, old = one.starts_from, _content(one.config_path)
    if start is None or old is None or _content(one.conduct_path) != one.conduct_data:
        return ""
    here = Path(os.path.abspath(one.directory.parent)).as_posix()  # noqa: PTH100
    try:
        was = PipelineConfig.parse(old, str(one.config_path)).fine_tune_checkpoint or ""
    except OdfreezeError:
        return ""
    inside = start.removeprefix(here)
    root = was.removesuffix(inside)
    if inside == start or root in (was, here):
        return ""
    return root if old.replace(was.encode(), start.encode()) == one.data else ""


def _difference(one: StagedConfig) -> str:
    """Returns the first line that differs between a stage's files and what the plan gives."""
    for path, new in ((one.config_path, one.data), (one.conduct_path, one.conduct_data)):
        old = _content(path)
        if old == new:
            continue
        if old is None or new is None:
            return f"{path.name} is {'new' if old is None else 'gone'}"
        lines = old.decode("utf-8", "replace").splitlines()
        news = new.decode("utf-8", "replace").splitlines()
        gone, came = _first(lines, news), _first(news, lines)
        if gone and came:
            return f"{gone!r} became {came!r}"
        return f"{came!r} is new" if came else f"{gone!r} is gone" if gone else "its layout"
    return ""


def _first(lines: Sequence[str], others: Sequence[str]) -> str:
    """Returns the first line that is not among others, without its indentation."""
    known = set(others)
    return next((line.strip() for line in lines if line not in known), "")


def _digest(config: bytes, conduct: bytes | None) -> str:
    return hashlib.sha256(config + b"\0" + (conduct or b"")).hexdigest()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
