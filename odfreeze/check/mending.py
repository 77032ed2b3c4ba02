"""A text as its fixes make it, and the way back from its places to those of the text itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.textproto import Edit, apply_edits
from odfreeze.textproto.tree import Source

__all__ = ["Mended"]


@dataclass(frozen=True, slots=True)
class Mended:
    """A text after none or some rounds of edits.

    What rules find in it is told at the places of the original: a config with a misspelt field
    is judged as it is meant, in the same run that tells of the misspelling.

    Attributes:
      original: The text as it was written.
      data: The text with the edits.
      rounds: The edits, round by round, each in order of their offsets.
    """

    original: Source
    data: bytes
    rounds: tuple[tuple[Edit, ...], ...] = ()

    def edited(self, edits: Sequence[Edit]) -> Mended:
        """Returns it after another round of edits, which must not overlap."""
        ordered = tuple(sorted(edits, key=lambda edit: (edit.start, edit.end)))
        return Mended(self.original, apply_edits(self.data, ordered), (*self.rounds, ordered))

    def offset_back(self, offset: int) -> tuple[int, bool]:
        """Returns where a byte of the text stands in the original, and whether it does.

        What an edit put there stands where the edit begins, and is not in the original.

        >>> text = Mended(Source(b"a: 1 b: 2", "x"), b"a: 1 b: 2").edited([Edit(0, 1, b"long")])
        >>> text.data, text.offset_back(8), text.offset_back(2)
        (b'long: 1 b: 2', (5, True), (0, False))
        """
        is_there = True
        for edits in reversed(self.rounds):
            shift = 0
            for edit in edits:
                start = edit.start + shift
                if offset < start:
                    break
                if offset < start + len(edit.replacement):
                    offset, shift, is_there = edit.start, 0, False
                    break
                shift += len(edit.replacement) - (edit.end - edit.start)
            offset -= shift
        return offset, is_there

    def back(self, finding: Finding) -> Finding:
        """Returns a finding in the text as one in the original.

        It keeps its edits where no other edit touches what they replace.
        """
        if not self.rounds:
            return finding
        place = finding.place and self._place_back(finding.place)
        return replace(finding, place=place, edits=self._edits_back(finding.edits))

    def _place_back(self, place: Place) -> Place:
        if place.file != self.original.file:
            return place  # in a label map, for instance
        offset, _ = self.offset_back(Source(self.data, self.original.file).offset(place))
        return self.original.place(min(offset, len(self.original.data)))

    def _edits_back(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        moved = []
        for edit in edits:
            (start, is_there), (end, ends_there) = map(self.offset_back, (edit.start, edit.end))
            old = self.data[edit.start : edit.end]
            if not (is_there and ends_there) or self.original.data[start:end] != old:
                return ()
            moved.append(Edit(start, end, edit.replacement))
        return tuple(moved)
