"""The fields of ``train_config`` that odfreeze rewrites by name: what they may be, where they go.

References are to tf-models-research-object-detection 2.8.0.post1.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from odfreeze.errors import UsageError, suggest
from odfreeze.textproto import Document, Message, find

if TYPE_CHECKING:
    from odfreeze.selection import PatternField

__all__ = [
    "CHECKPOINT_TYPES",
    "PATTERN_FIELDS",
    "SHORT_NAMES",
    "check_count",
    "check_one_of",
    "check_patterns",
    "kin_of",
]

#: What ``fine_tune_checkpoint_type`` may be: SSD restores these three
#: (meta_architectures/ssd_meta_arch.py:1326-1341), Faster R-CNN too
#: (faster_rcnn_meta_arch.py:2887-2903), CenterNet too (center_net_meta_arch.py:4823-4844).
CHECKPOINT_TYPES = ("classification", "detection", "full")

#: Fields that go by their own name wherever odfreeze asks for a field.
SHORT_NAMES = {
    name: f"train_config.{name}"
    for name in (
        "fine_tune_checkpoint",
        "fine_tune_checkpoint_type",
        "fine_tune_checkpoint_version",
        "freeze_variables",
        "update_trainable_variables",
        "num_steps",
        "batch_size",
    )
}

_CHECKPOINT_FAMILY = (
    "fine_tune_checkpoint",
    "fine_tune_checkpoint_type",
    "fine_tune_checkpoint_version",
)
PATTERN_FIELDS: tuple[PatternField, ...] = ("freeze_variables", "update_trainable_variables")
#: What is longer is left to the selection, which knows how long a pattern may be.
_LONG = 10_000


def kin_of(document: Document, path: str) -> tuple[str, ...]:
    """Returns behind which siblings a field of train_config goes that is not there yet.

    The fields about the checkpoint and its patterns stay together: behind the other
    patterns, else behind ``fine_tune_checkpoint`` and those of its family that follow it.
    """
    scope, _, name = path.rpartition(".")
    if scope != "train_config" or name not in (*_CHECKPOINT_FAMILY, *PATTERN_FIELDS):
        return ()
    anchor = ""
    siblings = (one.value.fields for one in find(document, scope) if isinstance(one.value, Message))
    for field in (field for fields in siblings for field in fields):
        if field.name == _CHECKPOINT_FAMILY[0] or (anchor and field.name in _CHECKPOINT_FAMILY):
            anchor = field.name
        elif anchor:
            break
    family = (anchor, *_CHECKPOINT_FAMILY) if anchor else _CHECKPOINT_FAMILY
    others = tuple(other for other in PATTERN_FIELDS if other != name)
    return others + family if name in PATTERN_FIELDS else family


def check_one_of(field: str, value: str, known: Sequence[str]) -> None:
    """Raises UsageError for a value that is none of the known ones."""
    if value not in known:
        raise UsageError(
            f"{field} must be one of {', '.join(known)}, not {value!r}{suggest(value, known)}"
        )


def check_count(field: str, number: int, least: int) -> None:
    """Raises UsageError for a number that does not fit a uint32 field or is below ``least``."""
    if not least <= number < 1 << 32:
        raise UsageError(f"{field} must be a number from {least} to {(1 << 32) - 1}, not {number}")


def check_patterns(field: PatternField, patterns: Sequence[str]) -> None:
    """Raises PatternError for a pattern that is no regular expression, or far too long."""
    for text in patterns:
        if not _compiles(text):
            from odfreeze.selection import Pattern, match_columns  # 10 ms, for its message only

            match_columns((), [Pattern(field, text)])


def _compiles(text: str) -> bool:
    """Whether a text is certainly a regular expression that can be matched."""
    if len(text) > _LONG:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "[[" warns of a future that is not here yet
            re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
