"""Reads TensorFlow checkpoints without TensorFlow: names, shapes, dtypes and values.

    from odfreeze.checkpoint import Checkpoint
    with Checkpoint.open("ssd_mobilenet_v2") as checkpoint:
        for variable in checkpoint.variables:
            print(variable.name, variable.shape)

Knows nothing of the text format, of patterns or of training.
"""

from __future__ import annotations

from odfreeze.checkpoint.bundle import Entry
from odfreeze.checkpoint.locate import latest, locate, named_in_state
from odfreeze.checkpoint.reader import Checkpoint

__all__ = ["Checkpoint", "Entry", "latest", "locate", "named_in_state"]
