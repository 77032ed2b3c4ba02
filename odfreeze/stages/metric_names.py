"""Whether the metric that ends a stage is one that training or evaluation will give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odfreeze.errors import suggest
from odfreeze.textproto import last

if TYPE_CHECKING:
    from odfreeze.pipeline import PipelineConfig
    from odfreeze.stages.conduct import Until

__all__ = ["known_metrics", "metric_problem"]

#: What the COCO evaluators give, after their prefix (metrics/coco_tools.py:146-157).
_COCO = (
    *("Precision/mAP" + more for more in ("", "@.50IOU", "@.75IOU")),
    *(f"Precision/mAP ({size})" for size in ("small", "medium", "large")),
    *(f"Recall/AR@{most}" for most in (1, 10, 100)),
    *(f"Recall/AR@100 ({size})" for size in ("small", "medium", "large")),
)
_PREFIXES = {"coco_detection_metrics": "DetectionBoxes_", "coco_mask_metrics": "DetectionMasks_"}
#: What stock evaluates where nothing is named (eval_util.py:79).
_DEFAULT = ("coco_detection_metrics",)


def known_metrics(config: PipelineConfig) -> tuple[str, ...] | None:
    """Returns the names of the metrics that an evaluation gives; None where that is not known.

    Those of single categories, and losses, come on top.
    """
    chosen = config.get_all("eval_config.metrics_set") or _DEFAULT
    if last(config.document, "eval_config.parameterized_metric") is not None:
        return None
    if not all(one in _PREFIXES for one in chosen):
        return None
    return tuple(f"{_PREFIXES[str(one)]}{name}" for one in chosen for name in _COCO)


def metric_problem(config: PipelineConfig, until: Until) -> str | None:
    """Returns why a run of a config cannot be ended by a metric; None where it can.

    Which losses a model has is known only when it is trained.
    """
    if not until.is_evaluated:
        return None
    metric = until.metric
    reader = last(config.document, "eval_input_reader")
    if reader is None:
        return f"metric {metric!r} is of an evaluation, and {config.file} has no eval_input_reader"
    known = known_metrics(config)
    if known is None or metric in known or "Category/" in metric:
        return None
    ends_so = next((f"; did you mean {name!r}?" for name in known if name.endswith(metric)), "")
    return (
        f"metric {metric!r} is none that the evaluation gives ({', '.join(known)}), and no loss"
        f" (Loss/…){suggest(metric, (*known, 'Loss/total_loss')) or ends_so}"
    )
