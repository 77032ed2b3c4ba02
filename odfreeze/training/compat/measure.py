"""What a measure of compatibility is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from odfreeze.training.environment import Environment

__all__ = ["Measure", "Need", "needed", "not_needed"]


@dataclass(frozen=True, slots=True)
class Need:
    """Whether an environment needs a measure.

    Attributes:
      needed: Whether the symptom would occur there.
      why: The fact that decides it, as a clause without a full stop.
    """

    needed: bool
    why: str


def needed(why: str) -> Need:
    """Returns that a measure is needed."""
    return Need(True, why)


def not_needed(why: str) -> Need:
    """Returns that a measure is not needed."""
    return Need(False, why)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of compatibility.

    Attributes:
      name: Short name, as logs and ``odfreeze doctor`` show it.
      symptom: Text of the error that occurs without it.
      cure: What it does, as a clause that follows "odfreeze".
      judge: Tells whether the symptom would occur in an environment; imports nothing heavy.
      apply: Cures it in this process; may be called more than once.
    """

    name: str
    symptom: str
    cure: str
    judge: Callable[[Environment], Need]
    apply: Callable[[], None]
