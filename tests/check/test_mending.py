"""The way back from a mended text to the places of the text as it was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.mending import Mended
from odfreeze.findings import Finding
from odfreeze.textproto import Edit
from odfreeze.textproto.tree import Source

LETTERS = bytes(range(1, 256))


def mended(data: bytes, *rounds: list[Edit]) -> Mended:
    text = Mended(Source(data, "a.config"), data)
    for edits in rounds:
        text = text.edited(edits)
    return text


@st.composite
def rounds_of_edits(draw: st.DrawFn) -> Mended:
    """A text of bytes that all differ after one to three rounds of edits."""
    text = mended(LETTERS[: draw(st.integers(0, 40))])
    for _ in range(draw(st.integers(1, 3))):
        size = len(text.data)
        cuts = sorted(draw(st.lists(st.integers(0, size), max_size=6, unique=True)))
        edits = [
            Edit(start, end, draw(st.sampled_from([b"", b"\xff", b"\xff\xff\xff"])))
            for start, end in zip(cuts[::2], cuts[1::2], strict=False)
        ]
        text = text.edited(draw(st.permutations(edits)))
    return text


@given(rounds_of_edits())
def test_what_survives_is_found_where_it_was(text: Mended) -> None:
    for offset, byte in enumerate(text.data):
        back, is_there = text.offset_back(offset)
        assert is_there == (byte != 0xFF)
        if is_there:
            assert text.original.data[back] == byte
        else:
            assert 0 <= back <= len(text.original.data)


@given(rounds_of_edits())
def test_places_keep_the_order_of_the_text(text: Mended) -> None:
    offsets = [text.offset_back(offset)[0] for offset in range(len(text.data))]
    assert offsets == sorted(offsets)


def test_a_finding_behind_an_edit_on_its_line_is_told_in_the_original() -> None:
    data = "é: 1 freeze_vars: 'a' # b\nb: 2".encode()
    start = data.index(b"freeze_vars")
    text = mended(data, [Edit(start, start + 11, b"freeze_variables")])
    place = Source(text.data, "a.config").place(text.data.index(b"'a'"))
    found = text.back(Finding("ODF201", "warning", "so", place))
    assert found.place == Source(data, "a.config").place(data.index(b"'a'"))
    assert found.place and found.place.source == "é: 1 freeze_vars: 'a' # b"


def test_edits_come_back_where_nothing_else_was_edited() -> None:
    text = mended(b"one two three", [Edit(0, 3, b"first")])
    place = Source(text.data, "a").place(0)
    kept = text.back(Finding("ODF1", "info", "", place, (Edit(6, 9, b"2"),)))
    assert kept.edits == (Edit(4, 7, b"2"),)
    lost = text.back(Finding("ODF1", "info", "", place, (Edit(0, 5, b"1"), Edit(6, 9, b"2"))))
    assert lost.edits == ()


def test_without_edits_a_finding_is_what_it_is() -> None:
    finding = Finding("ODF1", "info", "so")
    assert mended(b"a").back(finding) is finding
