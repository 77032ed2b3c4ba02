"""What a person sees while a model is built."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["building_shown"]


@contextmanager
def building_shown(is_shown: bool) -> Iterator[Callable[[float], None] | None]:
    """Gives what keeps one line on the terminal that tells what takes its time.

    Args:
      is_shown: Whether a model may be built at all; nothing is shown where standard error is no
        terminal either, and None is given.
    """
    if not (is_shown and sys.stderr.isatty()):
        yield None
        return

    def show(seconds: float) -> None:
        line = f"building the model, nothing is computed: {seconds:.0f} s"
        print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
