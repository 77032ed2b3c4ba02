"""What an account says in a few words: its headline, its metric, the states of its stages."""

from __future__ import annotations

from odfreeze.report.plots import number_text
from odfreeze.report.text import duration_text
from odfreeze.runs.account import Account, Stage
from odfreeze.runs.curves import Curves
from odfreeze.stages.conduct import TRAINING_LOSS

__all__ = [
    "STATE_WORDS", "architecture", "count_text", "final_value", "headline", "main_metric",
    "share_text", "stage_steps", "stage_time",
]  # fmt: skip

STATE_WORDS = {
    "waiting": "not begun",
    "unfinished": "not finished",
    "finished": "verified",
    "failed": "failed",
}
_PREFERRED = ("DetectionBoxes_Precision/mAP", "DetectionMasks_Precision/mAP")


def headline(account: Account) -> str:
    """Returns the one sentence that matters most."""
    count = len(account.stages)
    of = {1: "Trained", 2: "Both stages trained"}.get(count, f"All {count} stages trained")
    wrong = [one for one in account.failed if one.run.verdict is not None]
    if wrong:
        which = "The run" if account.kind == "run" else f"Stage {wrong[0].number}"
        return f"{which} did not pass its verification"
    if account.failed:
        which = "The run" if account.kind == "run" else f"Stage {account.failed[0].number}"
        return f"{which} failed"
    if account.is_finished:
        still = any(
            row.variables for one in account.stages if one.run.verdict
            for row in (one.run.verdict.row("frozen"), one.run.verdict.row("held"))
        )  # fmt: skip
        proof = "not one frozen value changed" if still else "nothing was frozen"
        return f"{of} and verified: {proof}"
    done = sum(one.run.state == "finished" for one in account.stages)
    if account.kind == "run":
        return "The run is not finished"
    return f"{done} of {count} stages trained and verified so far"


def architecture(account: Account) -> str:
    """Returns what kind of detector it is, as its config names it, or ""."""
    for stage in account.stages:
        config = stage.run.config
        name = None if config is None else config.meta_architecture
        if config is not None and name is not None:
            for field in ("feature_extractor.type", "backbone.type"):
                found = config.get(f"model.{name}.{field}")
                if isinstance(found, str):
                    return found
            return name
    return ""


def main_metric(curves: Curves) -> str | None:
    """Returns the metric of the evaluations that is shown, or None without evaluations."""
    names = curves.metric_names
    chosen = [*(name for name in _PREFERRED if name in names)]
    chosen += [name for name in names if not name.startswith("Loss/") and "loss" not in name]
    return chosen[0] if chosen else None


def final_value(account: Account) -> tuple[str, float, float] | None:
    """Returns name, first and last value of what tells how good it became.

    That is the metric of the evaluations where there were any, else the total loss.
    """
    name = next((n for s in account.stages if (n := main_metric(s.run.curves))), None)
    metric = [v for s in account.stages for _, v in s.run.curves.metric(name or "")]
    if name and metric:
        return name.rpartition("/")[2], metric[0], metric[-1]
    losses = [v for s in account.stages for _, v in s.run.curves.scalar(TRAINING_LOSS)]
    return ("Total loss", losses[0], losses[-1]) if losses else None


def stage_steps(stage: Stage) -> str:
    """Returns the steps of a stage: taken, and of how many where it took not all.

    A stage that a metric ended took as many as it needed.
    """
    taken, most = stage.run.step, stage.run.num_steps
    if taken is None:
        return f"0 of {most:,}" if most else "–"
    return f"{taken:,}" if taken == most or not most else f"{taken:,} of {most:,}"


def stage_time(stage: Stage) -> str:
    """Returns how long a stage took, or a dash."""
    return "–" if stage.run.seconds is None else duration_text(stage.run.seconds)


def count_text(count: int) -> str:
    """Returns a large count in short.

    >>> [count_text(n) for n in (950, 83760, 2559408, 41_200_000)]
    ['950', '83.8 k', '2.56 M', '41.2 M']
    """
    if count < 1000:
        return str(count)
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if count < 999.5 * size or unit == "G":
            return f"{number_text(count / size)} {unit}"
    return str(count)


def share_text(part: float, whole: float) -> str:
    """Returns a share in per cent.

    >>> share_text(1, 300), share_text(0, 3), share_text(2, 3), share_text(299, 300)
    ('<1 %', '0 %', '67 %', '>99 %')
    """
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1:
        return "<1 %"
    return ">99 %" if 99 < share < 100 else f"{share:.0f} %"
