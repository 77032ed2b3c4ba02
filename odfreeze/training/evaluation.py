"""One checkpoint evaluated by the OD API, in a process that ends when it is done."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from odfreeze.errors import TrainingFailedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.evaluations import (
    Evaluation,
    evaluation_key,
    evaluation_path,
    keep_evaluation,
    kept_evaluation,
)

__all__ = ["evaluate"]

_LOG = "evaluate.log"


def evaluate(
    config: PipelineConfig,
    checkpoint: str | os.PathLike[str],
    model_dir: str | os.PathLike[str],
    *,
    python: str = sys.executable,
) -> Evaluation:
    """Evaluates one checkpoint by the OD API's own evaluation, in a process of its own.

    Where that was done before, on the same data, its result is returned at once. The summaries
    go where those of `model_main_tf2 --checkpoint_dir` go, ``model_dir/eval``.

    Args:
      config: The pipeline.config, of which ``eval_config`` and the first ``eval_input_reader``
        count.
      checkpoint: The checkpoint's prefix.
      model_dir: The run's directory; the result is kept in its ``odfreeze/evaluation.json``.
      python: The Python of the environment that has TensorFlow and the OD API.

    Returns:
      Its metrics.

    Raises:
      CheckpointNotFoundError: The checkpoint is not there.
      TrainingFailedError: The evaluation failed, or gave no metric.
    """
    prefix, directory = Path(checkpoint), Path(model_dir)
    known = kept_evaluation(config, prefix, directory)
    if known is not None:
        return known
    key = evaluation_key(config, prefix)
    begun = time.monotonic()
    told = _run_child(config, prefix, directory, python)
    done = Evaluation(
        checkpoint=prefix.name,
        step=int(told["step"]),
        metrics={name: value if math.isfinite(value) else None for name, value in told["metrics"]},
        key=key,
        seconds=round(time.monotonic() - begun, 3),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )
    keep_evaluation(done, directory)
    return done


def _run_child(
    config: PipelineConfig,
    checkpoint: Path,
    model_dir: Path,
    python: str,
) -> dict[str, Any]:
    """Runs the child to its end and returns its answer; it ends with this process, too."""
    import subprocess
    import tempfile

    from odfreeze.training.launch import child_environment

    log = evaluation_path(model_dir).with_name(_LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="odfreeze-") as scratch, log.open("wb") as log_file:
        text, answer = Path(scratch) / "pipeline.config", Path(scratch) / "answer.json"
        text.write_bytes(config.data)
        module = "odfreeze.training.evaluation_child"
        child = subprocess.Popen(
            [python, "-m", module, *map(str, (text, checkpoint, model_dir, answer))],
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=log_file,
            env=child_environment(),
        )
        try:
            returncode = child.wait()
        finally:  # an interrupt, too
            if child.poll() is None:
                child.kill()
                child.wait()
            assert child.stdin
            child.stdin.close()
        told: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError):
            told = json.loads(answer.read_text(encoding="utf-8"))
    if returncode == 0 and told.get("metrics"):
        return told
    how = f"was ended by signal {-returncode}" if returncode < 0 else "failed"
    what = str(told.get("message") or "it gave no metric").replace(str(text), config.file)
    raise TrainingFailedError(
        f"the evaluation of {checkpoint} {how}: {what} (log: {log})", returncode=returncode
    )
