"""Everything about running the real OD API: compatibility, enforcement, launch.

Importing this package, :mod:`odfreeze.training.launch` or :mod:`odfreeze.training.staged`
imports no TensorFlow; that happens in the child process only, and where :func:`freeze` or
:func:`enforced` is called by a program that has a model, or a training loop, of its own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odfreeze.training.freezing import freeze as freeze
    from odfreeze.training.stock_loop import enforced as enforced

__all__ = ["enforced", "freeze"]

_HOME_OF = {"enforced": "stock_loop", "freeze": "freezing"}


def __getattr__(name: str) -> object:
    """Returns a public function from the module it lives in, importing that module now."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
