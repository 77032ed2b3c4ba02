"""``report.json``: a finished run in one file, what it did, what it cost and what was proven."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odfreeze.files import write_atomically
from odfreeze.runs.curves import finite_or_none
from odfreeze.runs.movement import measure_movement
from odfreeze.runs.record import read_record, record_path

if TYPE_CHECKING:
    from odfreeze.runs.verification import Verification

__all__ = ["REPORT_VERSION", "RunFacts", "keep_verification", "peak_memory_bytes"]

#: Changes when a key of the file changes its meaning.
REPORT_VERSION = 1


class RunFacts:
    """Gathers from the events of a run what its report says of it.

    Args:
      clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._ended: float | None = None
        self._started = _now()
        self._resumed_at = 0
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None
        self._selection: dict[str, Any] = {}
        self._rates: list[dict[str, Any]] = []
        self._carried: dict[str, Any] | None = None
        self._scalars: dict[str, float | None] = {}
        self._memory: int | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes one event of the run."""
        kind = event["kind"]
        if kind == "selection":
            left_out = ("kind", "resumed_at", "rates", "carried")
            self._selection = {key: value for key, value in event.items() if key not in left_out}
            self._rates = event.get("rates", [])
            self._carried = event.get("carried")
            self._resumed_at = event.get("resumed_at") or 0
        elif kind in ("step", "block"):
            self._mark(event["step"])
            if "scalars" in event:
                self._scalars = finite_or_none(event["scalars"])
        elif kind == "done":
            self._memory = event.get("peak_memory_bytes")
            self._ended = self._clock()

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as plain values; None for what no event told."""
        first, last, speed = self._first, self._last, None
        if first is not None and last is not None and last[1] > first[1] and last[0] > first[0]:
            speed = (last[1] - first[1]) / (last[0] - first[0])
        tracing = None if first is None or first[1] > self._resumed_at else first[0] - self._begun
        ended = self._clock() if self._ended is None else self._ended
        return {
            "started": self._started,
            "ended": _now(),
            "started_at_step": self._resumed_at,
            "seconds": round(ended - self._begun, 3),
            "seconds_to_first_step": None if tracing is None else round(tracing, 3),
            "steps_per_second": None if speed is None else round(speed, 4),
            "peak_memory_bytes": self._memory,
            "scalars": self._scalars,
            "selection": self._selection,
            "rates": self._rates,
            "carried": self._carried,
        }

    def _mark(self, step: int) -> None:
        now = self._clock()
        if self._first is None or step <= self._first[1]:
            self._first = (now, step)  # the time before the first step is tracing
        if self._last is None or step > self._last[1]:
            self._last = (now, step)


def keep_verification(
    model_dir: Path,
    found: Verification,
    facts: RunFacts | None,
    ending: Mapping[str, Any] | None = None,
) -> None:
    """Writes ``odfreeze/verification.json`` and ``odfreeze/report.json`` of a run.

    Args:
      model_dir: The run's directory.
      found: Its verification.
      facts: Of the training; None where all steps had been taken before, so that those of the
        report that is there are kept.
      ending: How a metric ended it, as `Ending.summary` gives it; None where none does.

    Raises:
      RecordError: The run has no record.
      OutputError: A file cannot be written.
    """
    folder = record_path(model_dir).parent
    path = folder / "report.json"
    told = _kept_facts(path) if facts is None else facts.to_json()
    record = read_record(model_dir)
    report = {
        "version": REPORT_VERSION,
        "config": record.config_path,
        "model_dir": str(model_dir),
        "num_steps": record.num_steps,
        "step": found.after_step,
        "frozen_batch_norm": record.frozen_batch_norm,
        **told,
        "measures": list(record.measures),
        "versions": dict(record.versions),
        "checkpoints": _checkpoints(model_dir),
        "movement": [one.to_json() for one in measure_movement(model_dir)],
        "ending": None if ending is None else dict(ending),
        "verification": found.to_json(),
    }
    write_atomically(path, _text(report))
    # The last of all: it says that the run is finished and verified.
    write_atomically(folder / "verification.json", _text(report["verification"]))


def _kept_facts(path: Path) -> dict[str, Any]:
    """Returns the facts in an earlier report, or none."""
    empty = dict.fromkeys(RunFacts().to_json())
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and kept.get("version") == REPORT_VERSION:
            return {key: kept.get(key) for key in empty}
    return empty


def _checkpoints(model_dir: Path) -> list[dict[str, Any]]:
    """Returns name and size of the checkpoints in a run's directory, the earliest first."""
    found = []
    for index in model_dir.glob("ckpt-*.index"):
        name = index.name.removesuffix(".index")
        number = re.fullmatch(r"ckpt-(\d{1,18})", name)
        if number is not None:
            files = [index, *model_dir.glob(f"{name}.data-*")]
            found.append((int(number[1]), name, sum(file.stat().st_size for file in files)))
    return [{"name": name, "bytes": size} for _, name, size in sorted(found)]


def _text(content: object) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode("utf-8")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def peak_memory_bytes() -> int | None:
    """Returns the most memory that this process has held so far; None where nothing tells.

    Not of ``getrusage`` where Linux has better: there it begins with what the parent held.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    with contextlib.suppress(ImportError):
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS
    return None
