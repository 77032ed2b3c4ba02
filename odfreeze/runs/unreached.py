"""What training cannot reach in a model, though nothing freezes it.

Some variables get no gradient, such as those of layers behind the last one that a detector
uses (``top_conv`` and ``top_bn`` of EfficientDet's backbone); the statistics of a layer that
never runs do not move either. Both stay the same, and neither is frozen. The training child
sees it while the first step is traced and keeps it beside the record, which never changes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from odfreeze.files import write_atomically

__all__ = ["Unreached", "read_unreached", "write_unreached"]

_VERSION = 1
_FILE = "gradients.json"
_BYTES_MOST = 64 << 20


@dataclass(frozen=True, slots=True)
class Unreached:
    """Object paths of the variables that training does not reach.

    Attributes:
      without_gradient: Trainable ones on which the loss does not depend.
      never_run: Statistics of batch norm layers that a training step does not run.
    """

    without_gradient: frozenset[str] = frozenset()
    never_run: frozenset[str] = frozenset()


def write_unreached(found: Unreached, model_dir: str | os.PathLike[str], created: str) -> Path:
    """Writes ``model_dir/odfreeze/gradients.json``.

    Args:
      found: What is not reached.
      model_dir: The run's directory.
      created: When the run's record was written, which tells the run from an earlier one.

    Returns:
      The file's path.

    Raises:
      OutputError: It cannot be written.
    """
    import json

    path = Path(model_dir) / "odfreeze" / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": _VERSION,
        "created": created,
        "without_gradient": sorted(found.without_gradient),
        "never_run": sorted(found.never_run),
    }
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode("utf-8"))
    return path


def read_unreached(directory: str | os.PathLike[str], created: str) -> Unreached | None:
    """Returns what was kept beside a record; None where nothing (usable) of that run was.

    Whether a variable changed does not depend on it, so that a damaged file is no error.

    Args:
      directory: The folder of the record.
      created: When the record was written; what is of another run's is not taken.
    """
    import json

    path = Path(directory) / _FILE
    try:
        if path.stat().st_size > _BYTES_MOST:
            return None
        data = json.loads(path.read_bytes())
        if (data["version"], data["created"]) != (_VERSION, created):
            return None
        lists = data["without_gradient"], data["never_run"]
        if not all(isinstance(text, str) for paths in lists for text in paths):
            return None
        return Unreached(*map(frozenset, lists))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
