"""Which variables ``fine_tune_checkpoint`` gives a value, by meta architecture and type.

The OD API asks its model for the objects to restore and restores exactly these, so in a
checkpoint whose keys are object paths the answer is a set of path prefixes. Facts from
object_detection 2.8:

- ssd, all types: meta_architectures/ssd_meta_arch.py:1324-1342
- faster_rcnn, all types: meta_architectures/faster_rcnn_meta_arch.py:2887-2903
- center_net, all types: meta_architectures/center_net_meta_arch.py:4823-4844
  (deepmac derives from it: meta_architectures/deepmac_meta_arch.py:1006)
- unset type: ``detection`` with ``from_detection_checkpoint``, else ``classification``:
  utils/config_util.py:167-171
- a name-based checkpoint is refused, and so is one that does not hold a
  value for each object asked for: model_lib_v2.py:392, 407
- a checkpoint with a root ``feature_extractor`` is refused for ``detection``:
  utils/variables_helper.py:41, 215
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from odfreeze.errors import suggest
from odfreeze.variables import Variable

__all__ = ["BACKBONE_ROOT", "CHECKPOINT_TYPES", "MODEL_ROOT", "Restore", "restore"]

#: The types that the OD API's TF2 models know.
CHECKPOINT_TYPES = ("classification", "detection", "full")
#: Where a checkpoint of a training run keeps the model.
MODEL_ROOT = "model/"
#: Where a checkpoint made for type ``classification`` keeps the backbone.
BACKBONE_ROOT = "feature_extractor/"

#: Under MODEL_ROOT, what type ``detection`` restores.
_DETECTION: dict[str, tuple[str, ...]] = {
    "ssd": ("_feature_extractor/",),
    "center_net": ("_feature_extractor/",),
    "faster_rcnn": (
        "_feature_extractor_for_box_classifier_features/",
        "_feature_extractor_for_proposal_features/",
    ),
}


class Restore(NamedTuple):
    """What a checkpoint gives a model.

    Attributes:
      restored: For each variable, whether it gets its value from the checkpoint.
      problem: Why the OD API refuses to restore anything at all, or "".
    """

    restored: tuple[bool, ...]
    problem: str = ""


def restore(
    variables: Sequence[Variable],
    checkpoint_type: str | None,
    meta_architecture: str | None,
    *,
    object_based: bool = True,
) -> Restore:
    """Returns which of a checkpoint's variables a model of the same architecture gets from it.

    Args:
      variables: Of the checkpoint.
      checkpoint_type: ``fine_tune_checkpoint_type``; None for an unset one, which
        counts as ``classification``.
      meta_architecture: Name of the field set under ``model``; one that is not
        known here is taken for an SSD.
      object_based: Whether the checkpoint's keys are object paths (TF2).
    """
    kind = checkpoint_type or "classification"
    prefixes = restored_prefixes(kind, meta_architecture)
    restored = tuple(v.object_path.startswith(prefixes) for v in variables)
    problem = _problem(variables, kind, object_based)
    if not problem and not any(restored):
        problem = (
            f"type {kind!r} asks for {_joined(prefixes)}, of which the checkpoint holds nothing"
        )
    return Restore((False,) * len(restored) if problem else restored, problem)


def restored_prefixes(checkpoint_type: str, meta_architecture: str | None) -> tuple[str, ...]:
    """Returns the object path prefixes that a type restores; () for a type that is not known.

    >>> restored_prefixes("detection", "ssd")
    ('model/_feature_extractor/',)
    """
    if checkpoint_type == "classification":
        return (BACKBONE_ROOT,)
    if checkpoint_type == "full":
        return (MODEL_ROOT,)
    if checkpoint_type == "detection":
        name = (meta_architecture or "").partition("_meta")[0]
        parts = _DETECTION.get(name, _DETECTION["ssd"])
        return tuple(MODEL_ROOT + part for part in parts)
    return ()


def _problem(variables: Sequence[Variable], kind: str, object_based: bool) -> str:
    if not object_based:
        return (
            "it is a TF1 checkpoint, keyed by name, and the TF2 OD API restores only those of TF2"
        )
    if kind == "fine_tune":
        return "type 'fine_tune' is no longer supported; 'detection' does the same"
    if kind not in CHECKPOINT_TYPES:
        return (
            f"type {kind!r} is none of {', '.join(map(repr, CHECKPOINT_TYPES))}"
            f"{suggest(kind, CHECKPOINT_TYPES)}"
        )
    if kind == "detection" and any(v.object_path.startswith(BACKBONE_ROOT) for v in variables):
        return f"type 'detection' refuses a checkpoint with {BACKBONE_ROOT!r} at its root"
    return ""


def _joined(prefixes: Sequence[str]) -> str:
    return " and ".join(f"{prefix.rstrip('/')!r}" for prefix in prefixes)
