"""The training parent: checks, starts the child, watches it, verifies. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from odfreeze import errors
from odfreeze.errors import OdfreezeError, TrainingFailedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.selection import FrozenBatchNorm
from odfreeze.training.precheck import latest_step, precheck
from odfreeze.training.request import TrainingRequest, parse_event
from odfreeze.verify import Verification, verify

__all__ = ["TrainingResult", "run_stock", "train"]

#: Called with each event of a run, a dict with ``kind`` and more.
Watch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training run ended.

    Attributes:
      model_dir: The run's directory.
      step: Steps taken, those before a resume included.
      trained: Whether this call took any step; False where all were taken already.
      verification: What :func:`odfreeze.verify` found, or None where another worker verifies.
    """

    model_dir: Path
    step: int
    trained: bool
    verification: Verification | None


def train(
    config: str | os.PathLike[str],
    model_dir: str | os.PathLike[str],
    *,
    num_train_steps: int | None = None,
    checkpoint_every_n: int = 1000,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    allow: Collection[str] = (),
    flags: Sequence[str] = (),
    python: str = sys.executable,
    watch: Watch | None = None,
    verbose: bool = False,
) -> TrainingResult:
    """Trains with the real OD API, the config's freezing enforced, and verifies.

    The same call again resumes a run that was cut off.

    Args:
      config: The pipeline.config.
      model_dir: Directory of the run: checkpoints, summaries, and ``odfreeze/`` with the
        record, the log and the verification.
      num_train_steps: Steps to end at, in place of the config's ``num_steps``.
      checkpoint_every_n: Save every so many steps; the last step is always saved.
      frozen_batch_norm: ``hold`` keeps the statistics of frozen batch norm layers as they are,
        ``update`` lets them follow the new data.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      flags: More flags for ``model_main_tf2``.
      python: The Python of the environment that has TensorFlow and the OD API.
      watch: Called with each event: ``phase``, ``selection``, ``step``, ``block``, ``saved``,
        ``done``.
      verbose: Whether to repeat the child's log on standard error, besides its file.

    Returns:
      How the run ended.

    Raises:
      TrainingRefusedError: Before anything starts, for what would not be what was meant.
      SelectionMismatchError: When the live model's selection is not the previewed one.
      TrainingFailedError: When the child failed or was interrupted.
    """
    notify = watch or (lambda event: None)
    pipeline = PipelineConfig.read(config)
    checked = precheck(pipeline, model_dir, num_train_steps, frozen_batch_norm, allow)
    directory = Path(model_dir)
    if checked.steps_left > 0:
        request = TrainingRequest(
            config=os.fspath(config),
            model_dir=os.fspath(model_dir),
            num_steps=checked.num_steps,
            frozen_batch_norm=frozen_batch_norm,
            allow=tuple(allow),
            expected=checked.expected,
            flags=(
                f"--pipeline_config_path={os.fspath(config)}",
                f"--model_dir={os.fspath(model_dir)}",
                f"--checkpoint_every_n={checkpoint_every_n}",
                *flags,
            ),
        )
        notify({"kind": "start", "num_steps": checked.num_steps, "resume_at": checked.step})
        _run_child(request, directory / "odfreeze", python, notify, verbose)
    step = latest_step(directory)
    verification = None
    if _is_chief():
        verification = verify(directory)
        _write_json(directory / "odfreeze" / "verification.json", verification.to_json())
    return TrainingResult(directory, step or 0, checked.steps_left > 0, verification)


def run_stock(
    config: str | os.PathLike[str],
    model_dir: str | os.PathLike[str],
    *,
    flags: Sequence[str] = (),
    python: str = sys.executable,
    verbose: bool = False,
) -> None:
    """Runs ``model_main_tf2`` as it is: nothing is enforced, only the compatibility is supplied.

    With ``--checkpoint_dir`` among the flags it evaluates, as stock does; without, it trains as
    stock does.

    Args:
      config: The pipeline.config.
      model_dir: Directory of the run.
      flags: More flags for ``model_main_tf2``.
      python: The Python of the environment that has TensorFlow and the OD API.
      verbose: Whether to repeat the child's log on standard error, besides its file.

    Raises:
      TrainingFailedError: When the child failed or was interrupted.
    """
    request = TrainingRequest(
        config=os.fspath(config),
        model_dir=os.fspath(model_dir),
        num_steps=0,
        flags=(
            f"--pipeline_config_path={os.fspath(config)}",
            f"--model_dir={os.fspath(model_dir)}",
            *flags,
        ),
    )
    _run_child(request, Path(model_dir) / "odfreeze", python, lambda event: None, verbose)


def _run_child(
    request: TrainingRequest, directory: Path, python: str, notify: Watch, verbose: bool
) -> None:
    """Runs the child to its end; raises for every end but a good one."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "train.log"
    tail: deque[str] = deque(maxlen=200)
    failure: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="odfreeze-") as scratch, log.open("ab") as log_file:
        request_file = Path(scratch) / "request.json"
        request.write(request_file)
        child = subprocess.Popen(
            [python, "-m", "odfreeze.training", str(request_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
        assert child.stdout and child.stderr and child.stdin
        drain = threading.Thread(
            target=_drain, args=(child.stderr, log_file, tail, verbose), daemon=True
        )
        drain.start()
        with _forwarded_signals(child):
            for raw in child.stdout:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                event = parse_event(line)
                if event is None:
                    _log_line(raw, log_file, tail, verbose)
                elif event["kind"] == "error":
                    failure = event
                else:
                    notify(event)
            returncode = child.wait()
        drain.join(timeout=10)
        child.stdin.close()
    if returncode != 0:
        raise _failure(returncode, failure, log, list(tail))


def _failure(
    returncode: int, event: dict[str, Any], log: Path, tail: Sequence[str]
) -> OdfreezeError:
    """Returns the error for a child that ended badly: its own, if it is one of ours."""
    if returncode < 0:
        name = signal.Signals(-returncode).name
        ended = TrainingFailedError(
            f"training was ended by {name}; the same command resumes it (log: {log})",
            returncode=returncode,
        )
        ended.exit_status = 128 - returncode
        return ended
    own = getattr(errors, event.get("error") or "", None)
    if own is not None:
        try:
            error = own(event["message"])
        except TypeError:  # a class that carries more than a message
            error = OdfreezeError(event["message"])
        error.exit_status = returncode
        return error  # type: ignore[no-any-return]
    what = event.get("message") or next((t for t in reversed(tail) if t.strip()), "no output")
    return TrainingFailedError(
        f"training failed with exit status {returncode}: {what} (log: {log})",
        returncode=returncode,
    )


def _drain(stream: IO[bytes], log: IO[bytes], tail: deque[str], verbose: bool) -> None:
    for raw in stream:
        _log_line(raw, log, tail, verbose)


def _log_line(raw: bytes, log: IO[bytes], tail: deque[str], verbose: bool) -> None:
    log.write(raw)
    log.flush()
    line = raw.decode("utf-8", "replace").rstrip("\r\n")
    tail.append(line)
    if verbose:
        print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _forwarded_signals(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Passes Ctrl-C and SIGTERM on to the child; the parent ends when the child has."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(number: int, frame: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            child.send_signal(number if os.name == "posix" else signal.SIGTERM)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment() -> dict[str, str]:
    """Returns the child's environment: this one, with odfreeze importable."""
    home = str(Path(importlib.import_module("odfreeze").__file__ or "").resolve().parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "PYTHONPATH": os.pathsep.join([home, path] if path else [home]),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }


def _is_chief() -> bool:
    """Whether ``TF_CONFIG`` makes this process's child the one that writes checkpoints."""
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        task, cluster = config.get("task", {}), config.get("cluster", {})
        kind, index = task.get("type", "chief"), int(task.get("index", 0))
    except (ValueError, AttributeError):
        return True  # TensorFlow itself says what is wrong with it
    return kind == "chief" or (kind == "worker" and index == 0 and "chief" not in cluster)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    """Writes JSON so that a reader finds the whole file or none."""
    scratch = path.with_name(path.name + ".partial")
    scratch.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(scratch, path)  # noqa: PTH105
