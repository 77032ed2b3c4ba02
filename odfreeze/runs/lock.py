"""One process at a time in the directory of a staged run.

The lock is the operating system's, on a file: it goes with the process that holds it, however that
ends, so that a file that is left behind keeps nobody out. What the file says is for people.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
from pathlib import Path
from types import TracebackType
from typing import IO

from odfreeze.errors import OutputError, TrainingRefusedError

__all__ = ["LOCK_NAME", "RunLock"]

#: The file in the run's directory.
LOCK_NAME = "run.lock"

#: On Windows a locked byte cannot be read by others: one far behind the text.
_WINDOWS_BYTE = 1 << 20
_TEXT_MOST = 1000


class RunLock:
    """Keeps other processes out of a run's directory for the time of a ``with`` block.

    Where a file system knows no locks, it keeps nobody out.

    Args:
      directory: The run's directory, made when it is missing.
      name: The file's name; workers of one run, who share a directory, have one each.
    """

    def __init__(self, directory: str | os.PathLike[str], name: str = LOCK_NAME) -> None:
        self._directory = Path(directory)
        self._path = self._directory / name
        self._stream: IO[bytes] | None = None
        self._made = False

    def __enter__(self) -> RunLock:
        """Takes the lock.

        Raises:
          TrainingRefusedError: Another process has it; the message tells which.
          OutputError: The directory cannot be written.
        """
        self._made = not self._directory.exists()
        while True:
            stream = self._opened()
            try:
                _lock(stream)
            except (BlockingIOError, PermissionError):
                stream.seek(0)
                holder = stream.read(_TEXT_MOST).decode("utf-8", "replace").strip()
                stream.close()
                raise TrainingRefusedError(
                    f"{self._directory} is being trained by another process"
                    f"{f' ({holder})' if holder else ''}: two would write the same checkpoints;"
                    " wait for it, or end it and give this command again"
                ) from None
            except OSError:  # no locks there, as on some network file systems
                break
            if self._is_still_there(stream):
                break
            stream.close()  # the one that had it has just removed it: nobody else would see ours
        self._stream = stream
        with contextlib.suppress(OSError):
            stream.truncate(0)
            stream.write(_holder().encode("utf-8"))
            stream.flush()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives it back; a directory that was made for it and stayed empty goes, too."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        if os.name == "nt":  # a file that is open cannot be removed there
            stream.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
        stream.close()
        if self._made:
            with contextlib.suppress(OSError):
                self._directory.rmdir()

    def _opened(self) -> IO[bytes]:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            return self._path.open("a+b")
        except OSError as error:
            raise OutputError(
                f"{self._directory} cannot be used: {error.strerror or error}; check the directory",
                path=str(self._directory),
            ) from None

    def _is_still_there(self, stream: IO[bytes]) -> bool:
        """Whether the file that is open is the one that others would open now."""
        try:
            return os.path.samestat(os.fstat(stream.fileno()), self._path.stat())
        except OSError:
            return False


def _holder() -> str:
    since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return f"pid {os.getpid()} on {platform.node() or 'this machine'}, since {since}"


def _lock(stream: IO[bytes]) -> None:
    """Locks a file, or raises at once where another process has locked it."""
    if os.name == "nt":
        import msvcrt

        stream.seek(_WINDOWS_BYTE)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
