"""The variables of a config's model without a checkpoint: built once in a child, then kept.

The parent imports no TensorFlow; where the list is kept already, nothing of TensorFlow runs.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from odfreeze.errors import (
    ConfigError,
    MissingDependencyError,
    OdfreezeError,
    TrainingFailedError,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import Scalar, walk
from odfreeze.training.fingerprint import fingerprint
from odfreeze.training.kept_lists import VariableList, from_json, keep, kept, kept_by_any
from odfreeze.training.model_part import digest_of_model, model_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Watch", "kept_live_variables", "list_live_variables"]

#: Called about once a second while a model is built, with the seconds since.
Watch = Callable[[float], None]


def list_live_variables(
    config: PipelineConfig, *, python: str = sys.executable, watch: Watch | None = None
) -> VariableList:
    """Returns the variables of the model that a config describes.

    They are those of a process that builds this model alone, as ``odfreeze train`` does. Where
    TensorFlow or the OD API is not installed, a list that was made elsewhere and is kept here
    serves, too; its versions say what made it.

    Args:
      config: The config, of which only ``model`` counts.
      python: The Python that builds the model, of this environment.
      watch: Called while that takes its time: 10 to 30 s.

    Raises:
      ConfigError: The config has no model, or the OD API refuses it.
      MissingDependencyError: TensorFlow or the OD API is needed and not installed.
    """
    if not config.document.root.named("model"):
        raise ConfigError(f"{config.file} has no model; add the model block of its architecture")
    known = kept_live_variables(config)
    if known is None:
        _check_environment()
        known = _build(config, python, watch)
        keep(digest_of_model(config), known)
    return known


def kept_live_variables(config: PipelineConfig) -> VariableList | None:
    """Returns the same where it is kept, at the cost of reading a file; else None."""
    model, versions = digest_of_model(config), fingerprint()
    return kept(model, versions) if versions else kept_by_any(model)


def _check_environment() -> None:
    """Raises for what keeps the OD API from working, before a process is started for nothing."""
    from odfreeze.training.doctor import obstacles
    from odfreeze.training.environment import inspect_environment

    for finding in obstacles(inspect_environment()):
        raise MissingDependencyError(f"--live builds the model: {finding.message}")


def _build(config: PipelineConfig, python: str, watch: Watch | None) -> VariableList:
    """Runs the child to its end and returns its answer; it ends with this process, too."""
    import subprocess
    import tempfile
    from pathlib import Path

    from odfreeze.training.launch import child_environment

    with tempfile.TemporaryDirectory(prefix="odfreeze-") as scratch:
        text, answer, log = (Path(scratch) / name for name in ("model.config", "answer", "log"))
        text.write_bytes(model_text(config))
        with log.open("wb") as log_file:
            child = subprocess.Popen(
                [python, "-m", "odfreeze.training.list_child", str(text), str(answer)],
                stdin=subprocess.PIPE,
                stdout=log_file,
                stderr=log_file,
                env={**child_environment(), "CUDA_VISIBLE_DEVICES": "-1"},
            )
            started = time.monotonic()
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        returncode = child.wait(timeout=1.0)
                        break
                    if watch is not None:
                        watch(time.monotonic() - started)
            finally:  # an interrupt, too
                if child.poll() is None:
                    child.kill()
                    child.wait()
                assert child.stdin
                child.stdin.close()
        told = _read_answer(answer)
        found = from_json(told)
        if found is not None and returncode == 0:
            return found
        raise _failure(told, returncode, log, str(text), config)


def _read_answer(path: Path) -> Any:
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _failure(
    told: Any, returncode: int, log: Path, text: str, config: PipelineConfig
) -> OdfreezeError:
    """Returns the child's own error; else one with the last that it said."""
    file = config.file
    if isinstance(told, dict) and isinstance(told.get("message"), str):
        own = {"ConfigError": ConfigError, "MissingDependencyError": MissingDependencyError}
        message = told["message"].replace(text, file) + _where(told["message"], config)
        return own.get(str(told.get("error")), ConfigError)(message)
    said = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(said) if line.strip()), "no output")
    how = f"was ended by signal {-returncode}" if returncode < 0 else f"ended with {returncode}"
    return TrainingFailedError(
        f"the process that builds the model of {file} {how}: {last}",
        returncode=returncode,
    )


def _where(message: str, config: PipelineConfig) -> str:
    """Returns which field of the model holds a path that an error is about, or ""."""
    for path, field in walk(config.document):
        value = field.values[-1] if field.values else None
        if path.startswith("model.") and isinstance(value, Scalar) and value.kind == "string":
            text = value.text.strip("'\"")
            if path.endswith("_path") and text in message:
                return f" ({path} is {value.text})"
    return ""
