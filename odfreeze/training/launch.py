"""The training parent: checks, starts the child, watches it, verifies. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import importlib
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
from odfreeze.check.subject import RunFlags
from odfreeze.errors import OdfreezeError, TrainingFailedError, UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.runs.curves import CurvesWriter
from odfreeze.runs.ending import how_ended
from odfreeze.runs.record import record_path
from odfreeze.runs.verify import Verification, verify
from odfreeze.selection import FrozenBatchNorm
from odfreeze.stages.conduct import Conduct, conduct_beside
from odfreeze.stages.plan_patterns import with_plain_rates
from odfreeze.training.cluster import read_cluster, refuse_taken_port
from odfreeze.training.determinism import check_seed
from odfreeze.training.handover import hand_over, withdraw
from odfreeze.training.precheck import (
    check_run,
    latest_step,
    local_directory,
    precheck,
    refuse_ending,
)
from odfreeze.training.request import TrainingRequest, parse_event
from odfreeze.training.run_report import RunFacts, keep_verification

__all__ = ["TrainingResult", "child_environment", "run_stock", "train"]

_LOG = "train.log"

#: Called with each event of a run, a dict with ``kind`` and more.
Watch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training run ended.

    Attributes:
      model_dir: The run's directory.
      step: Steps taken, those before a resume included.
      trained: Whether this call took any step; False where all were taken already.
      verification: What :func:`odfreeze.verify` found; on a worker that has neither record nor
        checkpoint on its machine, of its own values alone.
    """

    model_dir: Path
    step: int
    trained: bool
    verification: Verification


def train(
    config: str | os.PathLike[str],
    model_dir: str | os.PathLike[str],
    *,
    num_train_steps: int | None = None,
    checkpoint_every_n: int = 1000,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    seed: int | None = None,
    conduct: Conduct | None = None,
    allow: Collection[str] = (),
    ignore: Sequence[str] = (),
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
        record, the log, the verification and the report.
      num_train_steps: Steps to end at, in place of the config's ``num_steps``.
      checkpoint_every_n: Save every so many steps; the last step is always saved.
      frozen_batch_norm: ``hold`` keeps the statistics of frozen batch norm layers as they are,
        ``update`` lets them follow the new data.
      seed: Makes the run repeatable: with the same seed, versions and machine it ends with the
        same values, bit by bit, and with nothing frozen with those of ``model_main_tf2``
        under :func:`run_stock` with that seed. Costs speed. A run that was cut off and resumed
        draws its images in another order than one that was not.
      conduct: What the config has no field for: rates by part, when to end, what to hand on. None
        for what `odfreeze stage` wrote beside the config, if it did.
      allow: Names of :data:`odfreeze.refusal.ALLOWANCES` to go on in spite of.
      ignore: Codes, or beginnings of codes, of what a check finds, to go on in spite of.
      flags: More flags for ``model_main_tf2``.
      python: The Python of the environment that has TensorFlow and the OD API.
      watch: Called with each event: ``finding``, ``phase``, ``selection``, ``step``, ``block``,
        ``saved``, ``done``.
      verbose: Whether to repeat the child's log on standard error, besides its file.

    Returns:
      How the run ended.

    Raises:
      TrainingRefusedError: Before anything starts, for what would not be what was meant.
      SelectionMismatchError: When the live model's selection is not the previewed one.
      TrainingFailedError: When the child failed or was interrupted.
      UsageError, RemotePathError, ConfigError: For arguments that cannot be used.
    """
    facts = RunFacts()

    def notify(event: dict[str, Any]) -> None:
        facts(event)
        keep_curves(event)
        if watch is not None:
            watch(event)

    if checkpoint_every_n < 1:
        raise UsageError(f"--checkpoint_every_n is {checkpoint_every_n}; give 1 or more")
    cluster = read_cluster(flags, os.environ.get("TF_CONFIG"))
    keep_curves: Watch = CurvesWriter(model_dir) if cluster.is_chief else (lambda event: None)
    check_seed(seed)
    pipeline = PipelineConfig.read(config)
    run_flags = RunFlags(
        model_dir=os.fspath(local_directory(model_dir)),
        num_train_steps=num_train_steps,
        checkpoint_every_n=checkpoint_every_n,
        num_replicas=len(cluster.tasks) if len(cluster.tasks) > 1 else None,
        num_workers=len(cluster.tasks),
        use_tpu="--use_tpu=true" in flags,
        frozen_batch_norm=frozen_batch_norm,
        is_enforced=True,
    )
    given = conduct_beside(config) if conduct is None else conduct
    conduct = with_plain_rates(given, pipeline)
    refuse_ending(pipeline, conduct, workers=len(cluster.tasks), use_tpu=run_flags.use_tpu)
    findings = check_run(pipeline, run_flags, ignore)
    checked = precheck(
        pipeline, model_dir, num_train_steps, frozen_batch_norm, allow, seed, conduct
    )
    for finding in (*findings, *checked.findings):
        notify({"kind": "finding", "text": str(finding).partition("\n")[0]})
    directory = Path(model_dir)
    kept = directory / "odfreeze" / "verification.json"
    if checked.steps_left > 0:
        refuse_taken_port(cluster)
        if cluster.is_chief:
            kept.unlink(missing_ok=True)  # what it says is of values that are about to change
            withdraw(directory)
        request = TrainingRequest(
            config=os.fspath(config),
            model_dir=os.fspath(model_dir),
            num_steps=checked.num_steps,
            frozen_batch_norm=frozen_batch_norm,
            allow=tuple(allow),
            expected=checked.expected,
            expected_scales=checked.expected_scales,
            flags=(
                f"--pipeline_config_path={os.fspath(config)}",
                f"--model_dir={os.fspath(model_dir)}",
                f"--checkpoint_every_n={checkpoint_every_n}",
                *flags,
            ),
            seed=seed,
            conduct=conduct.to_json(),
        )
        notify({"kind": "start", "num_steps": checked.num_steps, "resume_at": checked.step})
        log = directory / "odfreeze" / cluster.log_name
        _run_child(request, log, python, notify, verbose)
    step = latest_step(directory) or 0
    ending = how_ended(directory, conduct, checked.num_steps, step)
    # A worker on a machine of its own has neither record nor checkpoint: only what it held.
    is_told = cluster.is_chief or record_path(directory).exists()
    if ending is None and step < checked.num_steps and is_told:
        raise TrainingFailedError(
            f"training ended without an error, but the last checkpoint is of step {step}, not"
            f" {checked.num_steps} (log: {directory / 'odfreeze' / cluster.log_name})",
            returncode=0,
        )
    if ending is not None and cluster.is_chief:
        hand_over(directory, ending.handed_on(conduct.handover))
    verification = verify(directory)
    if cluster.is_chief:
        told = facts if checked.steps_left > 0 else None
        how = None if ending is None else ending.summary(conduct)
        keep_verification(directory, verification, told, how)
    step = verification.after_step or 0
    return TrainingResult(directory, step, checked.steps_left > 0, verification)


def run_stock(
    config: str | os.PathLike[str],
    model_dir: str | os.PathLike[str],
    *,
    flags: Sequence[str] = (),
    seed: int | None = None,
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
      seed: Makes the run repeatable, see :func:`train`; stock itself has no such flag.
      python: The Python of the environment that has TensorFlow and the OD API.
      verbose: Whether to repeat the child's log on standard error, besides its file.

    Raises:
      TrainingFailedError: When the child failed or was interrupted.
      RemotePathError: The run's directory is not on this machine.
      UsageError: The seed is out of its range.
    """
    check_seed(seed)
    log = local_directory(model_dir) / "odfreeze" / _LOG
    request = TrainingRequest(
        config=os.fspath(config),
        model_dir=os.fspath(model_dir),
        num_steps=0,
        flags=(
            f"--pipeline_config_path={os.fspath(config)}",
            f"--model_dir={os.fspath(model_dir)}",
            *flags,
        ),
        seed=seed,
    )
    _run_child(request, log, python, lambda event: None, verbose)


def _run_child(
    request: TrainingRequest, log: Path, python: str, notify: Watch, verbose: bool
) -> None:
    """Runs the child to its end; raises for every end but a good one."""
    log.parent.mkdir(parents=True, exist_ok=True)
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
            env=child_environment(),
        )
        assert child.stdout and child.stderr and child.stdin
        drain = threading.Thread(
            target=_drain, args=(child.stderr, log_file, tail, verbose), daemon=True
        )
        drain.start()
        try:
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
        except BaseException:  # such as one of `notify`: nobody watches the child any more
            child.kill()
            child.wait()
            raise
        finally:
            drain.join(timeout=10)
            child.stdin.close()
            child.stdout.close()
    if returncode != 0:
        raise _failure(returncode, failure, log, list(tail))


def _failure(
    returncode: int, event: dict[str, Any], log: Path, tail: Sequence[str]
) -> OdfreezeError:
    """Returns the error for a child that ended badly: its own, if it is one of ours."""
    if returncode < 0:
        try:
            name = signal.Signals(-returncode).name
        except ValueError:  # a real-time signal has a number only
            name = f"signal {-returncode}"
        ended = TrainingFailedError(
            f"training was ended by {name}; the same command resumes it (log: {log})",
            returncode=returncode,
        )
        ended.exit_status = 128 - returncode
        return ended
    message = event.get("message")
    own = getattr(errors, str(event.get("error")), None)
    if message and isinstance(own, type) and issubclass(own, OdfreezeError):
        try:
            error = own(message, **event.get("details", {}))
        except TypeError:
            error = OdfreezeError(message)
        error.exit_status = returncode
        return error
    what = message or next((t for t in reversed(tail) if t.strip()), "no output")
    return TrainingFailedError(
        f"training failed with exit status {returncode}: {what} (log: {log})",
        returncode=returncode,
    )


def _drain(stream: IO[bytes], log: IO[bytes], tail: deque[str], verbose: bool) -> None:
    with stream:
        for raw in stream:
            _log_line(raw, log, tail, verbose)


def _log_line(raw: bytes, log: IO[bytes], tail: deque[str], verbose: bool) -> None:
    line = raw.decode("utf-8", "replace").rstrip("\r\n")
    tail.append(line)
    # A full disk or a closed terminal loses lines; a child that nobody reads would hang.
    with contextlib.suppress(OSError, ValueError):
        log.write(raw)
        log.flush()
    if verbose:
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _forwarded_signals(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Passes Ctrl-C and SIGTERM on to the child; the parent ends when the child has."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def forward(number: int, frame: object) -> None:
        received.append(number)
        with contextlib.suppress(OSError, ValueError):
            child.send_signal(number if os.name == "posix" else signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as for a job in the background of a script
            signal.signal(number, forward)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if received and child.returncode == 0:  # it came when the child had ended: for us, then
        signal.raise_signal(received[-1])


def child_environment() -> dict[str, str]:
    """Returns the child's environment: this one, with a source tree of odfreeze importable.

    The folder of an installed odfreeze is not passed on: it holds all packages of this
    environment, and the child's Python may be another one's.
    """
    home = Path(importlib.import_module("odfreeze").__file__ or "").resolve().parent.parent
    installed = home.name in ("site-packages", "dist-packages")
    paths = [*([] if installed else [str(home)]), os.environ.get("PYTHONPATH", "")]
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }
