"""Where a brace is missing, or is one too many: judged by the schema and by the indentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from odfreeze.schema import PIPELINE, message_descriptor
from odfreeze.textproto import Edit
from odfreeze.textproto.tokens import significant
from odfreeze.textproto.tree import Source

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["Guess", "extra_brace", "missing_brace"]


@dataclass(frozen=True, slots=True)
class Guess:
    """Where a brace is probably missing or too many.

    Attributes:
      line: Line before which it is missing, or on which it is too many, from 1.
      block: Name of the block that it would close, or that it closes too early.
      edit: What mends it.
    """

    line: int
    block: str
    edit: Edit


@dataclass(slots=True)
class _Block:
    """A block that is open.

    ``line`` and ``indent`` are those of the line on which it was opened; ``is_closed_in_line``
    tells whether the line that closes it is indented as much. A block whose first line is
    indented no deeper ``is_flat``: its indentation tells nothing.
    """

    name: str
    line: int
    indent: int
    descriptor: Descriptor | None
    is_closed_in_line: bool = True
    is_flat: bool | None = None


@dataclass(slots=True)
class _Scan:
    """A walk over the tokens of a text that need not be well-formed.

    Attributes:
      missing: Where the first field stands that only a block further out can have, or a line
        that is less indented than its block; each before which a brace may be missing.
      extra: Where the first brace stands behind which fields follow of the block it closed.
      open: The blocks that are open at the end.
      stray: Offset of the first brace that closes nothing, or -1.
    """

    source: Source
    until: int
    missing_by_schema: tuple[int, _Block] | None = None
    missing_by_indent: list[tuple[int, _Block]] = field(default_factory=list)
    extra: tuple[int, _Block] | None = None
    stray: int = -1
    open: list[_Block] = field(default_factory=list)
    end: int = 0

    def run(self) -> _Scan:
        """Walks up to the first thing that the schema says is out of place."""
        data = self.source.data
        kinds, starts, ends = significant(data)
        root = _Block("", 0, -1, message_descriptor(PIPELINE))
        blocks, self.open = [root], []
        closed: list[tuple[int, _Block]] = []
        name, line, counted, before = "", 1, 0, ""
        for i, kind in enumerate(kinds):
            start = starts[i]
            line += data.count(b"\n", counted, start)
            counted = start
            if kind == "end" or line > self.until:
                break
            line_start = data.rfind(b"\n", 0, start) + 1
            lead = data[line_start:start]
            indent = len(lead.expandtabs(2)) if not lead.strip() else -1
            top = blocks[-1]
            if indent >= 0 and line > top.line and top.is_flat is None:
                top.is_flat = indent <= top.indent and kind == "identifier"
            is_later = indent >= 0 and line > top.line and not top.is_flat
            if kind == "identifier" and before != ":" and kinds[i + 1] in {":", "{", "<"}:
                name = data[start : ends[i]].decode()
                if is_later and top is not root and indent <= top.indent:
                    self.missing_by_indent.append((start, top))
                if self._is_out_of_place(name, blocks, closed, start):
                    break
                closed.clear()
            elif kind in {"{", "<"}:
                opened = lead if indent >= 0 else data[line_start:start]
                width = len(opened[: len(opened) - len(opened.lstrip())].expandtabs(2))
                inner = top.descriptor and top.descriptor.fields_by_name.get(name)
                blocks.append(_Block(name, line, width, inner.message_type if inner else None))
                closed.clear()
            elif kind in {"}", ">"}:
                if top is root:
                    self.stray = self._misfit(closed, start)
                    break
                if is_later and indent < top.indent:
                    self.missing_by_indent.append((start, top))
                top.is_closed_in_line = indent in {-1, top.indent}
                closed.append((start, blocks.pop()))
            before = kind
            self.end = ends[i]
        self.open = blocks[1:]
        return self

    def _is_out_of_place(
        self, name: str, blocks: list[_Block], closed: list[tuple[int, _Block]], start: int
    ) -> bool:
        top = blocks[-1]
        if top.descriptor is None or name in top.descriptor.fields_by_name:
            return False
        if any(one.descriptor and name in one.descriptor.fields_by_name for one in blocks[:-1]):
            self.missing_by_schema = start, top
            return True
        for brace, block in closed:
            if block.descriptor and name in block.descriptor.fields_by_name:
                self.extra = self._misfit(closed, brace), block
                return True
        return False

    @staticmethod
    def _misfit(closed: list[tuple[int, _Block]], brace: int) -> int:
        """Returns the first of a run of braces that is not indented as its block, else the last.

        Args:
          closed: Offset and block of each brace of the run.
          brace: Offset of the last brace that may be meant.
        """
        misfits = (at for at, block in closed if at <= brace and not block.is_closed_in_line)
        return next(misfits, brace)


def missing_brace(source: Source, until: int | None = None) -> Guess | None:
    """Returns where the first closing brace is probably missing, None where none is.

    Before the first field that its block cannot have but one further out can; earlier, where
    within that block a line is indented no deeper than the block itself.

    Args:
      source: The text, which need not be well-formed.
      until: Line to look up to; None for the end, where a block still open is missing its brace.
    """
    scan = _Scan(source, until or 1 << 60).run()
    if scan.missing_by_schema is not None:
        at, block = scan.missing_by_schema
        earlier = [pair for pair in scan.missing_by_indent if pair[1].line >= block.line]
        at, block = earlier[0] if earlier else (at, block)
    elif not scan.open and until is None:
        return None
    elif scan.missing_by_indent:
        at, block = scan.missing_by_indent[0]
    elif scan.open and until is None:
        at, block = scan.end, scan.open[-1]
    else:
        return None
    data = source.data
    if at == scan.end:
        line = data.count(b"\n", 0, at) + 2
        behind = at
    else:
        line = data.count(b"\n", 0, at) + 1
        behind = _end_before(data, at)
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    indent = b" " * block.indent
    return Guess(line, block.name, Edit(behind, behind, newline + indent + b"}"))


def extra_brace(source: Source) -> Guess | None:
    """Returns where a closing brace is probably too many, None where none is.

    The brace behind which fields follow that only the block has which it closed; else the
    first one that closes nothing.
    """
    scan = _Scan(source, 1 << 60).run()
    data = source.data
    if scan.extra is not None:
        at, block = scan.extra[0], scan.extra[1].name
    elif scan.stray >= 0:
        at, block = scan.stray, ""
    else:
        return None
    start = data.rfind(b"\n", 0, at) + 1
    stop = data.find(b"\n", at) + 1 or len(data)
    if data[start:stop].strip() != b"}":
        start, stop = at, at + 1
    return Guess(data.count(b"\n", 0, at) + 1, block, Edit(start, stop, b""))


def _end_before(data: bytes, offset: int) -> int:
    """Returns where the last line with something on it ends, above the line of an offset.

    On the line of the offset itself, what stands before it; comments alone on a line belong
    to what follows.
    """
    _, starts, ends = significant(data)
    last = max((e for s, e in zip(starts, ends, strict=True) if s < offset), default=0)
    stop = data.find(b"\n", last)
    stop = len(data) if stop < 0 else stop
    if stop < offset and data[last:stop].lstrip().startswith(b"#"):
        return stop - data[last:stop].endswith(b"\r")
    return last
