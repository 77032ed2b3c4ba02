"""Comments that silence findings."""

from __future__ import annotations

import pytest

from odfreeze.check.ignores import Ignore, read_ignores
from odfreeze.errors import Place
from odfreeze.findings import Finding
from odfreeze.textproto.tree import Source


def ignores(text: str) -> list[tuple[tuple[str, ...], int | None]]:
    return [(one.codes, one.line) for one in read_ignores(Source(text.encode(), "a.config"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    (
        ("a: 1 # odfreeze: ignore[ODF101]\nb: 2", [(("ODF101",), 1)]),
        ("a: 1\n# odfreeze: ignore[ODF101]\nb: 2", [(("ODF101",), 3)]),
        ("a: 1\n# odfreeze: ignore[ODF101]\n\n# why\n\nb: 2\nc: 3", [(("ODF101",), 6)]),
        ("# of mine\n# odfreeze: ignore[ODF101]\na: 1", [(("ODF101",), None)]),
        ("\ufeff# odfreeze: ignore[ODF1]\r\na: 1", [(("ODF1",), None)]),
        ("a {\n  # odfreeze: ignore[ODF1]\n  # odfreeze: ignore[ODF2]\n  b: 1\n}",
         [(("ODF1",), 4), (("ODF2",), 4)]),
        ("a: 1 # odfreeze: ignore[ODF101, ODF4]", [(("ODF101", "ODF4"), 1)]),
        ("a: 1 # batch of 8 #  odfreeze:ignore [ ODF101 ]", [(("ODF101",), 1)]),
        ("a: 1 # odfreeze: ignore[]", [((), 1)]),
        ("a: '# odfreeze: ignore[ODF101]'", []),
        ("a: 1 # odfreeze ignores this", []),
        ("a: 1\n# odfreeze: ignore[ODF101]\n", []),
    ),
    ids=[
        "behind-a-field", "above-a-field", "above-a-field-with-lines-between", "of-the-file",
        "behind-a-byte-order-mark", "two-above-one-field", "two-codes", "behind-other-words",
        "without-a-code", "in-a-string", "another-comment", "above-nothing",
    ],
)  # fmt: skip
def test_what_a_comment_speaks_of(text: str, expected: list) -> None:
    assert ignores(text) == expected


@pytest.mark.parametrize(
    ("codes", "line", "silenced"),
    (
        (("ODF301",), 3, True),
        (("ODF3",), 3, True),
        (("ODF302", "ODF301"), 3, True),
        (("ODF302",), 3, False),
        (("ODF301",), 4, False),
        (("ODF301",), None, True),
    ),
    ids=["code", "group", "one-of-two", "other-code", "other-line", "whole-file"],
)
def test_what_is_silenced(codes: tuple[str, ...], line: int | None, silenced: bool) -> None:
    finding = Finding("ODF301", "warning", "noise", Place("a.config", 3, 1))
    assert Ignore(codes, line, 0, "a.config").silences(finding) is silenced


@pytest.mark.parametrize(("line", "silenced"), ((1, False), (None, True)))
def test_a_finding_without_a_place_is_silenced_for_the_whole_file_only(
    line: int | None, silenced: bool
) -> None:
    assert (
        Ignore(("ODF303",), line, 0, "a.config").silences(Finding("ODF303", "info", "m"))
        is silenced
    )


def test_a_finding_in_another_file_has_other_lines() -> None:
    finding = Finding("ODF504", "error", "id 0", Place("map.pbtxt", 3, 1))
    assert not Ignore(("ODF504",), 3, 0, "a.config").silences(finding)
    assert Ignore(("ODF504",), None, 0, "a.config").silences(finding)
