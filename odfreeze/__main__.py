"""``python -m odfreeze``: the same as the ``odfreeze`` command."""

from __future__ import annotations

import sys

from odfreeze.cli import main

if __name__ == "__main__":
    sys.exit(main())
