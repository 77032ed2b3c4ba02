"""Rules about the bytes of a text that can be read, and that stock stumbles over all the same."""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.subject import Subject
from odfreeze.findings import Finding
from odfreeze.textproto import Edit
from odfreeze.textproto.tokens import BOM

__all__ = ["RULES"]


def not_plain_utf8(subject: Subject) -> Iterator[Finding]:
    """ODF111: a byte order mark, or bytes that are no UTF-8, even in a comment.

    The OD API reads the file as text without looking for a mark (utils/config_util.py:138).
    """
    data, source = subject.config.data, subject.config.document.source
    if data.startswith(BOM):
        message = (
            "the file begins with a byte order mark, and the OD API refuses the config; save it as "
            "UTF-8 without it (Notepad: UTF-8, not UTF-8-BOM)"
        )
        yield Finding("ODF111", "error", message, source.place(0), (Edit(0, len(BOM), b""),))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = (
            f"byte 0x{data[error.start]:02x} is no UTF-8, and the OD API cannot read the file; "
            "save it as UTF-8"
        )
        yield Finding("ODF111", "error", message, source.place(error.start))


RULES = (not_plain_utf8,)
