"""The training child: the stock ``model_main_tf2`` with the freezing enforced.

It talks to its parent by events on standard output (:mod:`odfreeze.training.request`); what
TensorFlow and the OD API log goes to standard error as always. It ends when its parent does.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from odfreeze.errors import OdfreezeError
from odfreeze.training import compat
from odfreeze.training.cluster import read_cluster
from odfreeze.training.determinism import explain_missing_kernel, make_deterministic
from odfreeze.training.hooks import EnforcingHooks
from odfreeze.training.loop import RunState, train_loop_with_hooks
from odfreeze.training.request import TrainingRequest, format_event
from odfreeze.training.run_report import peak_memory_bytes

__all__ = ["end_with_parent", "run_child", "summary_of"]


def run_child(request: TrainingRequest) -> int:
    """Trains as requested, in this process.

    Returns:
      Exit status: 0 when the run took all its steps, else that of the error, which is also
      sent to the parent as an event.
    """
    end_with_parent()
    # A block of steps is one long call into TensorFlow: only the default action interrupts it.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _emit("phase", phase="import")
        applied = compat.prepare()
        if request.seed is not None:
            make_deterministic(request.seed)
        from absl import app
        from object_detection import model_lib_v2, model_main_tf2

        if request.num_steps:
            if len(read_cluster(request.flags, os.environ.get("TF_CONFIG")).tasks) > 1:
                _emit("phase", phase="connect")
            model_lib_v2.train_loop = _enforcing(model_lib_v2.train_loop, request, applied)
        app.run(model_main_tf2.main, argv=["model_main_tf2", *request.flags])
    except SystemExit as ended:  # so ends app.run, after a good run with None
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except OdfreezeError as error:
        details = {
            key: value
            for key, value in vars(error).items()
            if key not in ("message", "place", "exit_status") and isinstance(value, (str, int))
        }
        _emit("error", message=str(error), error=type(error).__name__, details=details)
        return error.exit_status
    except Exception as error:
        traceback.print_exc()
        _emit("error", message=explain_missing_kernel(error) or summary_of(error), error="")
        return 1
    return 0


def _enforcing(
    stock: Callable[..., None], request: TrainingRequest, applied: tuple[str, ...]
) -> Callable[..., None]:
    """Returns what ``model_main_tf2`` shall find under the name ``train_loop``."""

    def train_loop(**kwargs: Any) -> None:
        _emit("phase", phase="build")
        hooks = _Hooks(request, applied, _emit)
        run = train_loop_with_hooks(hooks, request.num_steps, stock=stock, **kwargs)
        _emit(
            "done",
            step=run.step,
            checkpoint=run.manager.latest_checkpoint,
            peak_memory_bytes=peak_memory_bytes(),
        )

    return train_loop


class _Hooks(EnforcingHooks):
    """Reports the steps too, from the moment when training begins."""

    def after_restore(self, run: RunState) -> None:
        """Enforces, then reports the step from a thread of its own."""
        super().after_restore(run)
        threading.Thread(target=_report_steps, args=(run,), daemon=True).start()


def _emit(kind: str, **data: Any) -> None:
    # One write: two threads tell of events, and what one prints must stay one line.
    sys.stdout.write(format_event(kind, **data) + "\n")
    sys.stdout.flush()


def _report_steps(run: RunState) -> None:
    """Tells the step about once a second, changed or not: a block of steps can take minutes.

    The last time at which no step was taken yet is where the speed is counted from.
    """
    while True:
        time.sleep(1.0)
        _emit("step", step=run.step)


def summary_of(error: Exception) -> str:
    r"""Returns the one line of a foreign error that says what is wrong; the log has all of it.

    Keras and AutoGraph put tracebacks into messages; the cause is the last error they name.

    >>> summary_of(ValueError("in user code:\n  File x\n  KeyError: no such class\n  Call: …"))
    'KeyError: no such class'
    >>> summary_of(OSError("disk full"))
    'OSError: disk full'
    >>> summary_of(OSError("{{node a}} Collective ops is aborted by: Error from /job:b"))
    'another worker ended or cannot be reached, and its own log tells why: Error from /job:b'
    """
    aborted = str(error).partition("Collective ops is aborted by: ")[2]
    if aborted:
        cause = aborted.splitlines()[0].rstrip(": ")
        return f"another worker ended or cannot be reached, and its own log tells why: {cause}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"\w+(Error|Exception): \S", line)]
    return named[-1] if named else f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def end_with_parent() -> None:
    """Ends this process when the parent closes the pipe on standard input, killed or not."""

    def watch() -> None:
        # Not through sys.stdin: its lock, held by this thread, would abort a normal exit.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os._exit(1)  # a second run in the same model_dir must not find a writer in it

    if not os.isatty(0):
        threading.Thread(target=watch, daemon=True).start()
