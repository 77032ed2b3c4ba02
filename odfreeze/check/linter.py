"""``odfreeze check`` as a function: every rule on a config, and the fixes that are safe."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from odfreeze.check.ignores import covers, read_ignores
from odfreeze.check.pages import check_codes
from odfreeze.check.subject import RunFlags, Subject
from odfreeze.errors import OutputError, TextProtoError, UsageError
from odfreeze.files import read_text_file, write_atomically
from odfreeze.findings import Finding
from odfreeze.pipeline import PipelineConfig
from odfreeze.text_diff import unified_diff
from odfreeze.textproto import apply_edits
from odfreeze.textproto.tree import Source

__all__ = ["Checked", "check_config", "check_files", "find_configs", "fix_config"]

#: Modules of this package whose ``RULES`` look at a whole config, in the order in which they run.
_MODULES: tuple[str, ...] = (
    "selecting",
    "pattern_texts",
    "coverage",
    "starting",
    "checkpoint_type",
    "fitting",
    "scheduling",
    "rates",
    "unread",
    "run_directory",
)
#: A fix may bring another to light; no config needs more rounds than this.
_MOST_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of one config found.

    Attributes:
      file: The config, as it was given.
      findings: What was found, by line; what is about no line comes first.
      silenced: How many findings comments or ``ignore`` silenced.
      fixed: The findings that `fix_config` mended; their places are in the original, or for what
        a fix brought to light in the text with that fix.
      data: The text as it was checked: with the fixes, after `fix_config`.
      original: The text as it was read.
    """

    file: str
    findings: tuple[Finding, ...]
    silenced: int
    data: bytes
    original: bytes
    fixed: tuple[Finding, ...] = ()

    def count(self, severity: str) -> int:
        """Returns how many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def diff(self) -> bytes:
        """Returns what the fixes change as a unified diff, b"" where they change nothing."""
        return unified_diff(self.original, self.data, self.file)

    def write(self) -> None:
        """Writes the text with the fixes, atomically, where there are any.

        Raises:
          OutputError: The file has changed since it was read, or cannot be written.
        """
        if self.data == self.original:
            return
        if read_text_file(self.file) != self.original:
            raise OutputError(
                f"{self.file} has changed while it was checked; check it again", path=self.file
            )
        write_atomically(self.file, self.data)


def check_config(
    config: PipelineConfig | str | os.PathLike[str],
    *,
    flags: RunFlags | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Checked:
    """Returns what is wrong, or likely not meant, in a pipeline.config.

    Args:
      config: A pipeline.config, or its path.
      flags: How it is going to be run, as far as that is known.
      select: Codes, or beginnings of codes, of the findings to report; none for all.
      ignore: Codes, or beginnings of codes, of the findings to leave out.

    Raises:
      ConfigError: The file cannot be read.
      RemotePathError: The file is not on this machine.
      UsageError: No finding has a code that begins like one of these.
    """
    check_codes((*select, *ignore))
    if isinstance(config, PipelineConfig):
        return _checked(config.file, config.data, flags, select, ignore)
    return _checked(str(config), read_text_file(config), flags, select, ignore)


def fix_config(
    path: str | os.PathLike[str],
    *,
    flags: RunFlags | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Checked:
    """Returns a config with what can be mended safely mended, and what is left to say.

    Nothing is written: ``write`` of the result does that. Fixes are
    splices, so that every byte outside of them stays; one that overlaps another waits
    for the next round.

    Raises:
      ConfigError, RemotePathError, UsageError: As `check_config`.
    """
    check_codes((*select, *ignore))
    original = read_text_file(path)
    checked = _checked(str(path), original, flags, select, ignore)
    data, fixed = original, []
    for _ in range(_MOST_ROUNDS):
        chosen = _disjoint(checked.findings)
        if not chosen:
            break
        data = apply_edits(data, [edit for finding in chosen for edit in finding.edits])
        fixed += chosen
        checked = _checked(str(path), data, flags, select, ignore)
    return replace(checked, original=original, fixed=tuple(fixed))


def check_files(
    paths: Iterable[str | os.PathLike[str]],
    *,
    flags: RunFlags | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fix: bool = False,
) -> tuple[Checked, ...]:
    """Returns what is found in configs; as `check_config` and `fix_config`, for many of them.

    Args:
      paths: Configs, and directories to search for them.
      flags: How they are going to be run.
      select: As for `check_config`.
      ignore: As for `check_config`.
      fix: Whether to mend what can be mended safely; writes nothing.

    Raises:
      ConfigError: A file cannot be read.
      RemotePathError: A file is not on this machine.
      UsageError: There is no config in a directory, or no such code.
    """
    work = fix_config if fix else check_config
    return tuple(
        work(file, flags=flags, select=select, ignore=ignore) for file in find_configs(paths)
    )


def find_configs(paths: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Returns the configs that paths stand for: files as they are, directories searched.

    In a directory every ``*.config`` counts, at any depth; hidden directories are left out and
    links to directories not followed.

    Raises:
      UsageError: There is no config in a directory.
    """
    found: dict[str, None] = {}
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112
            found[os.fspath(path)] = None
            continue
        inside = sorted(
            os.path.join(folder, name)  # noqa: PTH118
            for folder, name in _files_below(os.fspath(path))
            if name.endswith(".config")
        )
        if not inside:
            raise UsageError(f"{path} holds no file *.config; name the files to check")
        found.update(dict.fromkeys(inside))
    return tuple(found)


def _files_below(directory: str) -> Iterable[tuple[str, str]]:
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from ((folder, name) for name in names)


def _checked(
    file: str, data: bytes, flags: RunFlags | None, select: Sequence[str], ignore: Sequence[str]
) -> Checked:
    try:
        config = PipelineConfig.parse(data, file)
    except TextProtoError as error:
        from odfreeze.check.grammar import findings_of_text

        found = list(findings_of_text(data, file, error))
    else:
        found = _found(Subject(config, flags))
    return _sifted(file, data, found, select, ignore)


def _found(subject: Subject) -> list[Finding]:
    """Returns what all rules find."""
    try:
        return [
            finding
            for module in _MODULES
            for rule in importlib.import_module(f"odfreeze.check.{module}").RULES
            for finding in rule(subject)
        ]
    finally:
        subject.close()


def _sifted(
    file: str,
    data: bytes,
    found: list[Finding],
    select: Sequence[str],
    ignore: Sequence[str],
) -> Checked:
    """Returns the findings that were asked for and that no comment silences, by line."""
    source = Source(data, file)
    ignores = tuple(read_ignores(source))
    for comment in ignores:
        try:
            check_codes(comment.codes, needed=True)
        except UsageError as error:
            place = source.place(comment.start)
            found.append(Finding("ODF190", "warning", f"this comment: {error.message}", place))
    asked = [f for f in found if not select or covers(select, f.code)]
    kept = [
        f
        for f in asked
        if not covers(ignore, f.code) and not any(comment.silences(f) for comment in ignores)
    ]
    kept.sort(key=lambda f: (f.place.line, f.place.column, f.code) if f.place else (0, 0, f.code))
    return Checked(file, tuple(kept), len(asked) - len(kept), data, data)


def _disjoint(findings: Iterable[Finding]) -> list[Finding]:
    """Returns the findings whose edits can be made together, the first ones first."""
    chosen: list[Finding] = []
    taken: list[tuple[int, int]] = []
    for finding in findings:
        spans = [(edit.start, edit.end) for edit in finding.edits]
        if spans and not any(
            start <= stop and begin <= end for start, end in spans for begin, stop in taken
        ):
            chosen.append(finding)
            taken += spans
    return chosen
