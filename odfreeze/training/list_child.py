"""The child that lists a live model: ``python -m odfreeze.training.list_child CONFIG ANSWER``.

CONFIG is a pipeline.config; ANSWER is written: the model's variables as JSON, or the error. What
TensorFlow and the OD API print goes where the parent sent it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from odfreeze.checkpoint.model import in_reading_order
from odfreeze.errors import ConfigError, OdfreezeError
from odfreeze.training.child import end_with_parent, summary_of
from odfreeze.training.fingerprint import fingerprint
from odfreeze.training.kept_lists import VariableList
from odfreeze.training.live import build_model, live_variables
from odfreeze.variables import Variable

__all__ = ["list_model"]


def list_model(config: Path) -> tuple[Variable, ...]:
    """Builds a config's model and lists its variables as a checkpoint of it is listed.

    Raises:
      ConfigError: The OD API refuses the model.
      MissingDependencyError: TensorFlow or the OD API is not installed.
    """
    try:
        records = [one.record for one in live_variables(build_model(config))]
    except OdfreezeError:
        raise
    except Exception as error:  # from anywhere below the OD API's builders
        traceback.print_exc()
        raise ConfigError(
            f"the OD API cannot build the model of {config}: {summary_of(error)}"
        ) from error
    by_path = {record.object_path: record for record in records}
    ordered = in_reading_order([(path, path) for path in by_path])
    return tuple(
        dataclasses.replace(by_path[path], order=order) for order, (path, _) in enumerate(ordered)
    )


def _main(config: Path, answer: Path) -> int:
    end_with_parent()
    told: dict[str, Any]
    try:
        told = VariableList(list_model(config), fingerprint()).to_json()
    except OdfreezeError as error:
        told = {"error": type(error).__name__, "message": str(error)}
    answer.write_text(json.dumps(told), encoding="utf-8")
    return 1 if "error" in told else 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), Path(sys.argv[2])))
