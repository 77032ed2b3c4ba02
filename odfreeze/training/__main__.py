"""The training child: ``python -m odfreeze.training REQUEST``."""

from __future__ import annotations

import sys
from pathlib import Path

from odfreeze.training.child import run_child
from odfreeze.training.request import TrainingRequest

if __name__ == "__main__":
    sys.exit(run_child(TrainingRequest.read(Path(sys.argv[1]))))
