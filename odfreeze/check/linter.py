"""``odfreeze check`` as a function: every rule on a config, and the fixes that are safe."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from odfreeze.check.ignores import covers, read_ignores
from odfreeze.check.mending import Mended
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

#: Modules of this package whose ``RULES`` look at the text and at its schema.
_TEXT_MODULES: tuple[str, ...] = (
    "text.encoding",
    "text.fields",
    "text.values",
    "text.strings",
)
#: Those whose ``RULES`` look at a config that is as these leave it, in the order in which they run.
_MODULES: tuple[str, ...] = (
    "text.blocks",
    "text.repeats",
    "selection.selecting",
    "selection.pattern_texts",
    "selection.coverage",
    "start.starting",
    "start.checkpoint_type",
    "start.fitting",
    "start.widths",
    "schedule.scheduling",
    "schedule.rates",
    "schedule.unread",
    "data.files",
    "data.labels",
    "data.examples",
    "data.image_size",
    "data.evaluation",
    "run_directory",
)
#: The one that says of a file that it is no pipeline.config.
_OF_ANY_FILE: tuple[str, ...] = ("text.blocks",)
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
    source = Source(data, file)
    ignores = tuple(read_ignores(source))

    def is_silenced(finding: Finding) -> bool:
        return covers(ignore, finding.code) or any(one.silences(finding) for one in ignores)

    found = _found(source, flags, is_silenced)
    for comment in ignores:
        try:
            check_codes(comment.codes, needed=True)
        except UsageError as error:
            place = source.place(comment.start)
            found.append(Finding("ODF190", "warning", f"this comment: {error.message}", place))
    asked = [f for f in found if not select or covers(select, f.code)]
    kept = [finding for finding in asked if not is_silenced(finding)]
    kept.sort(key=lambda f: (f.place.line, f.place.column, f.code) if f.place else (0, 0, f.code))
    return Checked(file, tuple(kept), len(asked) - len(kept), data, data)


def _found(
    source: Source, flags: RunFlags | None, is_silenced: Callable[[Finding], bool]
) -> list[Finding]:
    """Returns what all rules find.

    Rules of the text and its schema come first, and what they mend is mended, in memory, before
    the others look: patterns under a misspelt name are held against the checkpoint as well.
    """
    found: list[Finding] = []
    told: set[tuple[str, str]] = set()
    mended = Mended(source, source.data)
    for _ in range(_MOST_ROUNDS):
        subject, here = _of_text(Source(mended.data, source.file), flags)
        new = [mended.back(finding) for finding in here]
        found += [one for one in new if (one.code, one.message) not in told or not mended.rounds]
        told |= {(finding.code, finding.message) for finding in new}
        chosen = _disjoint(
            before for before, after in zip(here, new, strict=True) if not is_silenced(after)
        )
        if not chosen:
            break
        mended = mended.edited([edit for finding in chosen for edit in finding.edits])
    if subject is not None:
        found += [mended.back(finding) for finding in _of_config(subject)]
    return found


def _of_text(source: Source, flags: RunFlags | None) -> tuple[Subject | None, list[Finding]]:
    """Returns the config, None where the text is none, and what is wrong with its text."""
    try:
        config = PipelineConfig.parse(source.data, source.file)
    except TextProtoError as error:
        from odfreeze.check.text.grammar import findings_of_text

        return None, list(findings_of_text(source.data, source.file, error))
    subject = Subject(config, flags)
    return subject, _run(_TEXT_MODULES, subject)


def _of_config(subject: Subject) -> list[Finding]:
    """Returns what the rules find that take the text as it is."""
    try:
        # Of a label map, or of an empty file, nothing is to be said but that.
        return _run(_OF_ANY_FILE if subject.is_foreign else _MODULES, subject)
    finally:
        subject.close()


def _run(modules: Iterable[str], subject: Subject) -> list[Finding]:
    return [
        finding
        for module in modules
        for rule in importlib.import_module(f"odfreeze.check.{module}").RULES
        for finding in rule(subject)
    ]


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
