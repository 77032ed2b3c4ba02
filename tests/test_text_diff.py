"""A diff that `patch` applies, whatever bytes the texts and the name hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.text_diff import unified_diff

#: As many lines as the context around a change: then a diff holds all of both texts.
FEW_LINES = st.lists(st.binary(max_size=4), max_size=3).map(b"\n".join)


def sides(diff: bytes) -> tuple[bytes, bytes]:
    """Returns both texts that a diff of a few lines was made of."""
    old, new = [], []
    for line in diff.split(b"\n")[3:-1]:
        if line.startswith(b"\\"):
            continue
        if line[:1] in {b" ", b"-"}:
            old.append(line[1:] + b"\n")
        if line[:1] in {b" ", b"+"}:
            new.append(line[1:] + b"\n")
    return b"".join(old), b"".join(new)


@given(FEW_LINES, FEW_LINES)
def test_it_holds_both_texts_byte_by_byte(old: bytes, new: bytes) -> None:
    ended = [text if not text or text.endswith(b"\n") else text + b"\n" for text in (old, new)]
    diff = unified_diff(old, new, "a.config")
    assert (diff == b"") == (old == new)
    if diff:
        assert sides(diff) == tuple(ended)
        assert diff.startswith(b"--- a.config\n+++ a.config\n@@ ")


@pytest.mark.parametrize(
    ("old", "new", "hunk"),
    [
        (b"", b"a\n", b"@@ -0,0 +1 @@\n+a\n"),
        (b"a\n", b"", b"@@ -1 +0,0 @@\n-a\n"),
        (b"a\r\n", b"a\n", b"@@ -1 +1 @@\n-a\r\n+a\n"),
        (b"a\x0cb\rc\n", b"a\x0cb\rd\n", b"@@ -1 +1 @@\n-a\x0cb\rc\n+a\x0cb\rd\n"),
        (b"\xff\n", b"\xfe\n", b"@@ -1 +1 @@\n-\xff\n+\xfe\n"),
        (b"a", b"a\n", b"@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"),
        (b"a\n", b"a", b"@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"),
    ],
    ids=["all new", "all gone", "CRLF", "only LF ends a line", "not UTF-8", "ended", "unended"],
)
def test_a_hunk(old: bytes, new: bytes, hunk: bytes) -> None:
    assert unified_diff(old, new, "f") == b"--- f\n+++ f\n" + hunk


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (r"C:\new\a.config", rb"C:\new\a.config"),
        ("my config", b"my config\t"),
        ("ü.config", "ü.config".encode()),
        ("a\udcff", b"a\xff"),
        ("a\n+++ b", rb'"a\012+++ b"'),
        ('"\t\\', rb'"\"\011\\"'),
    ],
    ids=["Windows", "a space", "beyond ASCII", "not UTF-8", "a line feed", "a tab and a quote"],
)
def test_a_name_ends_where_patch_looks_for_its_end(name: str, label: bytes) -> None:
    assert unified_diff(b"a\n", b"b\n", name).split(b"\n")[:2] == [b"--- " + label, b"+++ " + label]


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs patch")
@pytest.mark.parametrize("name", ["a.config", "my  a.config", "ü a.config", "a\tb\n.config"])
def test_patch_applies_it(tmp_path: Path, name: str) -> None:
    old, new = b"a\nb\r\nc \xff", b"a\nB\r\nc \xfe\n"
    try:
        (tmp_path / name).write_bytes(old)
    except OSError:
        pytest.skip("no such name on this system")
    subprocess.run(
        ["patch", "--binary", "-p0"],
        input=unified_diff(old, new, name), cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / name).read_bytes() == new
