"""What the parent asks of the training child, and what the child tells while it works."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from odfreeze.selection import FrozenBatchNorm
from odfreeze.stages.conduct import Conduct

__all__ = ["EVENT_PREFIX", "TrainingRequest", "format_event", "parse_event"]

#: What begins a line of the child's standard output that is an event for the parent.
EVENT_PREFIX = "@odfreeze "


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """Everything the child needs, as the parent decided it.

    Attributes:
      config: Path of the pipeline.config.
      model_dir: Where checkpoints and the record go.
      num_steps: Steps at which the run ends; 0 runs stock as it is, nothing enforced.
      frozen_batch_norm: ``hold`` or ``update``.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` that were given.
      expected: State by object path from the preview; empty when there was none.
      expected_scales: Share of the learning rate by object path, likewise.
      flags: The flags of ``model_main_tf2``, as they were given.
      seed: What makes the run repeatable, or None, see :mod:`odfreeze.training.determinism`.
      conduct: What the config has no field for, as `Conduct.to_json` gives it.
    """

    config: str
    model_dir: str
    num_steps: int
    frozen_batch_norm: FrozenBatchNorm = "hold"
    allow: tuple[str, ...] = ()
    expected: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    seed: int | None = None
    expected_scales: dict[str, float] = field(default_factory=dict)
    conduct: dict[str, Any] = field(default_factory=lambda: Conduct().to_json())

    def write(self, path: Path) -> None:
        """Writes the request as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TrainingRequest:
        """Returns the request that :meth:`write` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        data["allow"], data["flags"] = tuple(data["allow"]), tuple(data["flags"])
        return cls(**data)


def format_event(kind: str, **data: Any) -> str:
    """Returns one event as a line.

    >>> format_event("step", step=3)
    '@odfreeze {"kind": "step", "step": 3}'
    """
    return EVENT_PREFIX + json.dumps({"kind": kind, **data})


def parse_event(line: str) -> dict[str, Any] | None:
    """Returns the event in a line, None when the line is none.

    >>> parse_event('@odfreeze {"kind": "step", "step": 3}')
    {'kind': 'step', 'step': 3}
    >>> parse_event("I1122 model_lib_v2.py:705] Step 100")
    """
    if not line.startswith(EVENT_PREFIX):
        return None
    try:
        event = json.loads(line[len(EVENT_PREFIX) :])
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None
