"""Freezing for the TensorFlow Object Detection API: edit, preview, stage, train, verify.

Names are loaded on first use: importing ``odfreeze`` imports neither TensorFlow
nor protobuf.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "errors": (
        "CheckpointCorruptError", "CheckpointError", "CheckpointNotFoundError",
        "CheckpointUnsupportedError", "ConfigError", "MissingDependencyError", "OdfreezeError",
        "OutputError", "PatternError", "PatternTimeoutError", "Place", "PlanError",
        "RemotePathError", "SelectionMismatchError", "TextProtoError", "TrainingFailedError",
        "TrainingRefusedError", "UnknownFieldError", "UsageError",
    ),
    "variables": ("Variable",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from odfreeze.errors import OdfreezeError as OdfreezeError
    from odfreeze.variables import Variable as Variable

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Returns a public name from the module it lives in, importing that module now."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Returns the public names, loaded or not."""
    return sorted({*globals(), *__all__})
