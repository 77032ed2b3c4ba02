"""Bytes that odfreeze reads and stock does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import check_config, fix_config

TEXT = "model { }\ntrain_config { num_steps: 5 }  # é\ntrain_input_reader { }\n"


def write(directory: Path, data: bytes) -> Path:
    path = directory / "a.config"
    path.write_bytes(data)
    return path


def said(path: Path) -> list[str]:
    found = check_config(path, select=["ODF111"]).findings
    return [f"{f.severity} {f.place.line}:{f.place.column} {f.message}" for f in found if f.place]


def test_plain_utf8(tmp_path: Path) -> None:
    assert said(write(tmp_path, TEXT.encode())) == []


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT.encode("utf-8-sig"))
    assert said(path) == [
        "error 1:1 the file begins with a byte order mark, and the OD API refuses the config; "
        "save it as UTF-8 without it (Notepad: UTF-8, not UTF-8-BOM)"
    ]
    assert fix_config(path, select=["ODF111"]).data == TEXT.encode()


def test_another_encoding_even_in_a_comment(tmp_path: Path) -> None:
    assert said(write(tmp_path, TEXT.encode("latin-1"))) == [
        "error 2:34 byte 0xe9 is no UTF-8, and the OD API cannot read the file; save it as UTF-8"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    path = write(tmp_path, (mark + TEXT).encode(encoding))
    assert said(path) == [
        "error 1:1 the file is UTF-16, and the OD API cannot read it; save it as UTF-8"
    ]
    assert fix_config(path, select=["ODF111"]).data == TEXT.encode()
