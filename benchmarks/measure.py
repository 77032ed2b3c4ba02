"""What the benchmarks share: one process measured from outside, two compared in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# As a user's Python: with its byte code kept from run to run.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Figures:
    """Medians over the runs of one command: wall time in seconds, peak memory in MB."""

    seconds: float
    megabytes: float


def run_once(command: list[str]) -> tuple[float, float]:
    """Returns wall time and peak memory of one process."""
    begun = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT, env=ENVIRONMENT
    ) as child:
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            assert child.stderr
            last = child.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
            raise SystemExit(f"{' '.join(command)} ended with {child.returncode}: {last}")
    return seconds, usage.ru_maxrss / 1024


def compare(ours: list[str], theirs: list[str], runs: int) -> tuple[Figures, Figures]:
    """Returns the medians of two commands that alternate, after a warm-up of each."""
    run_once(ours), run_once(theirs)
    pairs = [(run_once(ours), run_once(theirs)) for _ in range(runs)]
    return tuple(  # type: ignore[return-value]
        Figures(*(statistics.median(pair[side][what] for pair in pairs) for what in (0, 1)))
        for side in (0, 1)
    )
