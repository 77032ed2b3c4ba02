"""Findings about a text that is no text proto."""

from __future__ import annotations

from odfreeze.errors import TextProtoError
from odfreeze.findings import Finding

__all__ = ["findings_of_text"]


def findings_of_text(data: bytes, file: str, error: TextProtoError) -> tuple[Finding, ...]:
    """Returns what is wrong with a text that the parser refused.

    Args:
      data: The text.
      file: Its name for places.
      error: What the parser said.
    """
    return (Finding("ODF100", "error", error.message, error.place),)
