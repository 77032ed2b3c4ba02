"""A call in a process that is killed before one of its changes to the disk; POSIX only."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any


def killed_at(number: int, call: Callable[[], Any]) -> bool:
    """Calls in a process that is killed before its so-manieth change; whether it came to that."""
    process = os.fork()
    if process == 0:
        os.setsid()
        left = number

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*args: Any, **options: Any) -> Any:
                nonlocal left
                if not left:
                    os.killpg(0, signal.SIGKILL)
                left -= 1
                return real(*args, **options)

            return counted

        for name in ("replace", "fsync", "unlink", "rmdir", "mkdir"):
            setattr(os, name, dying(getattr(os, name)))
        subprocess.Popen = dying(subprocess.Popen)  # type: ignore[assignment,misc]
        status = 1
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False
