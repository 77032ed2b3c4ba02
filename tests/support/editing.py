"""Edits of texts, for the tests of what is written where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from odfreeze.textproto import Edit, apply_edits, parse


def edited(text: str, function: Callable[..., Iterable[Edit]], *args: Any, **kwargs: Any) -> str:
    """Returns the text after the edits of a function; it is one that can be read back."""
    document = parse(text.encode())
    result = apply_edits(document.data, function(document, *args, **kwargs))
    parse(result)
    return result.decode()
