"""Runs another program of the OD API under the measures, as Python itself would run it."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from odfreeze.errors import OdfreezeError, UsageError
from odfreeze.training.compat import prepare

__all__ = ["run_program"]

_USAGE = """\
usage: python -m odfreeze.training.compat -m MODULE [ARGUMENTS]
       python -m odfreeze.training.compat SCRIPT [ARGUMENTS]

Runs a program of the Object Detection API, or one that uses it, under odfreeze's measures of
compatibility (`odfreeze doctor` lists them). Nothing else about the program is changed.
"""


def run_program(argv: Sequence[str]) -> int:
    """Runs the program that the arguments name, in this process.

    What the program raises is raised, ``SystemExit`` included; its arguments are ``sys.argv``.

    Args:
      argv: ``-m MODULE ARGUMENTS…`` or ``SCRIPT ARGUMENTS…``.

    Returns:
      Exit status: 0 when the program came to its end, 2 when it could not be started.
    """
    try:
        if list(argv[:1]) in (["-h"], ["--help"]):
            sys.stdout.write(_USAGE)
            return 0
        module, arguments = _parse(argv)
        prepare()
        if module is not None:
            _require_module(module)
    except OdfreezeError as error:
        print(f"odfreeze: {error}", file=sys.stderr)
        return error.exit_status
    if module is not None:
        sys.argv = [module, *arguments]  # runpy puts the module's file in the first place
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        # A script finds the modules beside it, not those of the working directory.
        if not getattr(sys.flags, "safe_path", False):  # then Python itself adds neither
            sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")
    return 0


def _parse(argv: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Returns the module and its arguments, or None and a script with its arguments."""
    hint = "(see `python -m odfreeze.training.compat --help`)"
    if not argv:
        raise UsageError(f"give the program to run: -m MODULE, or a script's path {hint}")
    if argv[0] == "-m":
        if len(argv) < 2:
            raise UsageError(f"-m needs the name of a module {hint}")
        return argv[1], argv[2:]
    if argv[0].startswith("-"):
        raise UsageError(f"{argv[0]} is no option here; arguments follow the program {hint}")
    if not Path(argv[0]).exists():
        raise UsageError(f"there is no script {argv[0]} {hint}")
    return None, argv


def _require_module(name: str) -> None:
    """Raises UsageError for a module that is not there, as no traceback need tell."""
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # one that the parent package looks for in vain
        found = None
    except (ImportError, ValueError):  # a relative name; a module without a spec
        found = None
    if found is None:
        raise UsageError(f"there is no module {name!r} in {sys.prefix} or on PYTHONPATH")
