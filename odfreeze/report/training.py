"""How the results of training runs are shown: a paragraph a run, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odfreeze.runs.verify import Verification
    from odfreeze.training.launch import TrainingResult

__all__ = ["describe_verification", "render_results", "render_results_json"]


def describe_verification(verification: Verification) -> str:
    """Returns what a verification found, in one line."""
    frozen, held, trainable = verification.frozen, verification.held, verification.trainable
    parts = [
        f"{len(frozen.changed)} of {frozen.variables} frozen values changed",
        f"{len(held.changed)} of {held.variables} held statistics changed",
        f"{len(trainable.changed)} of {trainable.variables} trainable values changed",
    ]
    if trainable.unreached:
        parts.append(f"{len(trainable.unreached)} got no gradient")
    return ("verified: " if verification.ok else "NOT VERIFIED: ") + ", ".join(parts)


def render_results(results: Sequence[TrainingResult], *, is_whole: bool = True) -> str:
    """Returns the results of runs as text, the last line without its ending.

    Args:
      results: Of the stages that were run; none where those that were asked for are finished.
      is_whole: Whether all stages of the run are, not only those that were asked for.
    """
    if not results:
        which = "every stage" if is_whole else "what was asked for"
        return f"{which} is finished and verified: nothing to do"
    lines = []
    for result in results:
        done = "trained to step" if result.trained else "was already at step"
        lines.append(f"{result.model_dir} {done} {result.step}")
        lines.append("  " + describe_verification(result.verification))
        lines += [f"  {reason}" for reason in result.verification.reasons]
    return "\n".join(lines)


def render_results_json(
    results: Sequence[TrainingResult], stages: Sequence[dict[str, Any]] | None = None
) -> str:
    """Returns the results of runs as JSON; with the stages as ``run.json`` has them, if any."""
    runs = [
        {
            "model_dir": str(result.model_dir),
            "step": result.step,
            "trained": result.trained,
            "verification": result.verification.to_json(),
        }
        for result in results
    ]
    staged = {} if stages is None else {"stages": list(stages)}
    return json.dumps({"version": 1, "runs": runs, **staged}, indent=1)
