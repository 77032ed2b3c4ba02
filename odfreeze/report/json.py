"""JSON that reads well line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["json_text"]


def json_text(document: Mapping[str, Any]) -> str:
    """Returns a document as JSON, with a line for each item of its lists.

    One variable a line suits ``grep`` and ``diff``, and leaves the work to the C encoder, which
    ``indent`` would do without.

    >>> print(json_text({"version": 1, "variables": [{"name": "a"}, {"name": "b"}], "none": []}))
    {
     "version": 1,
     "variables": [
      {"name": "a"},
      {"name": "b"}
     ],
     "none": []
    }
    <BLANKLINE>
    """
    fields = []
    for key, value in document.items():
        text = json.dumps(value)
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        fields.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"
