"""A finding: what a check has to say, with a code, a severity and a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from odfreeze.errors import Place

if TYPE_CHECKING:
    from odfreeze.textproto import Edit

__all__ = ["Finding", "Severity", "in_order"]

Severity = Literal["error", "warning", "info"]

_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
      code: ``ODF`` and three digits, stable between versions: 1xx the config's text, 2xx the
        patterns and what they select, 3xx the checkpoint, 4xx the schedule, 5xx the data, 6xx the
        run's directory, 7xx the environment.
      severity: ``error`` is refused by training, ``warning`` is likely not what was
        meant, ``info`` is good to know.
      message: What is so, why it matters, and what to do.
      place: Where in the config, or None when it is about no place in it.
      edits: What mends it in the config's bytes, where that is safe; else empty.
    """

    code: str
    severity: Severity
    message: str
    place: Place | None = None
    edits: tuple[Edit, ...] = ()

    def to_json(self) -> dict[str, str | int | None]:
        """Returns code, severity, message, line and column (null without a place)."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "line": self.place.line if self.place else None,
            "column": self.place.column if self.place else None,
        }

    def __str__(self) -> str:
        """Returns ``file:line:column: severity CODE: message``.

        >>> print(Finding("ODF202", "warning", "everything is frozen", Place("a.config", 3, 5)))
        a.config:3:5: warning ODF202: everything is frozen
        """
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.severity} {self.code}: {self.message}"


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Returns findings by severity, then as they came."""
    return tuple(sorted(findings, key=lambda finding: _RANK[finding.severity]))
