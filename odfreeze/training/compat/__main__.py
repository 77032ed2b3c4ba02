"""Any program of the OD API under the measures: ``python -m odfreeze.training.compat -m …``."""

from __future__ import annotations

import sys

from odfreeze.training.compat.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(sys.argv[1:]))
