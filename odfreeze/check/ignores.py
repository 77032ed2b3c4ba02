"""Comments that silence findings: ``# odfreeze: ignore[ODF301, ODF4]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odfreeze.findings import Finding
from odfreeze.textproto.tokens import tokenize
from odfreeze.textproto.tree import Source

__all__ = ["Ignore", "covers", "read_ignores"]

_COMMENT = re.compile(rb"#\s*odfreeze:\s*ignore\s*\[([^\]\n]*)\]")


@dataclass(frozen=True, slots=True)
class Ignore:
    """One comment that silences findings.

    Attributes:
      codes: Codes, or the beginnings of codes.
      line: Line that it speaks of, from 1; None for the whole file.
      start: Offset of the comment.
      file: The file that it is in.
    """

    codes: tuple[str, ...]
    line: int | None
    start: int
    file: str

    def silences(self, finding: Finding) -> bool:
        """Whether a finding is one of those that it speaks of."""
        if self.line is not None:
            here = (self.file, self.line)
            if finding.place is None or (finding.place.file, finding.place.line) != here:
                return False
        return covers(self.codes, finding.code)


def covers(codes: Sequence[str], code: str) -> bool:
    """Whether a code is among codes, or begins with one of them.

    >>> covers(["ODF3", "ODF205"], "ODF301"), covers(["ODF205"], "ODF206")
    (True, False)
    """
    return any(code.startswith(one) for one in codes)


def read_ignores(source: Source) -> Iterator[Ignore]:
    r"""Yields the comments that silence findings.

    One behind a field speaks of its line. One on a line of its own speaks of the next line
    with a field, and before the first field of the whole file.

    >>> text = Source(b"# odfreeze: ignore[ODF4]\na: 1\nb: 2 # odfreeze: ignore[ODF101]", "a")
    >>> [(one.codes, one.line) for one in read_ignores(text)]
    [(('ODF4',), None), (('ODF101',), 3)]
    """
    data = source.data
    if b"odfreeze" not in data:
        return
    line, written_on, waiting = 1, 0, []
    for token in tokenize(data):
        if token.kind == "comment":
            match = _COMMENT.search(data, token.start, token.end)
            if match is None:
                continue
            codes = tuple(code.strip().decode("utf-8", "replace") for code in match[1].split(b","))
            codes = tuple(code for code in codes if code)
            if written_on == line:
                yield Ignore(codes, line, token.start, source.file)
            elif not written_on:
                yield Ignore(codes, None, token.start, source.file)
            else:
                waiting.append((codes, token.start))
        elif token.kind == "space":
            line += data.count(b"\n", token.start, token.end)
        elif token.kind != "bom":
            written_on = line
            for codes, start in waiting:
                yield Ignore(codes, line, start, source.file)
            waiting.clear()
