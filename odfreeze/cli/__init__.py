"""The command line: ``odfreeze COMMAND …``.

Each command is a module of this package with ``add_arguments(parser)`` and
``run(args) -> int``. Only the module of the command that was asked for is imported.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from odfreeze.errors import OdfreezeError, UsageError, nearest, suggest

__all__ = ["COMMANDS", "build_parser", "main"]

#: Every command with its line in ``odfreeze --help``, in the order of the work.
COMMANDS: dict[str, str] = {
    "preview": "show which variables each pattern matches, from the checkpoint alone",
    "groups": "list a model's head, neck, backbone by blocks, batch norm, with their patterns",
    "set": "rewrite fields of a pipeline.config and not one byte else",
    "check": "find what is wrong in a config before anything runs; --fix mends it",
    "explain": "tell what a finding's code means: what stock does, why, the cure",
    "plan": "draft the stages for a model: head, neck, the backbone from its top",
    "stage": "write the configs of a staged fine-tuning",
    "train": "train with the real OD API, the freezing enforced, then verify",
    "verify": "prove that frozen values did not change by one bit",
    "report": "tell what became of a run, on a page: stages, curves, proofs, movement",
    "compare": "show runs side by side, or run plans and do so: metrics, time, parameters trained",
    "doctor": "tell whether training will work in this Python, and what is missing",
    "demo": "all of it on a small dataset made on the spot",
}


#: What arguments are called that are paths.
_PATHS = frozenset(("AFTER", "BEFORE", "CONFIG", "DIR", "FILE", "OUT", "PATH", "PLAN", "RUN"))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are :class:`UsageError`, with a suggestion for a misspelt flag."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError in place of argparse's usage text and exit."""
        hint = ""
        unknown = re.search(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            near = nearest(unknown.group(1), flags)
            hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{message}{hint} (see `{self.prog} --help`)")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as it is written; the width is given, since to ask the terminal takes an import."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=98)


def build_parser(command: str) -> argparse.ArgumentParser:
    """Returns the parser of one command, importing its module."""
    module = importlib.import_module(f"odfreeze.cli.{command}")
    parser = _Parser(
        prog=f"odfreeze {command}",
        description=module.__doc__,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
      argv: Arguments without the program's name; those of the process by default.

    Returns:
      Exit status: 0 fine, 1 a check, a verification or a run failed, 2 wrong usage or
      unreadable input, 130 interrupted.
    """
    arguments = _underscored(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name no terminal can show must not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has gone: not our failure
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return 0
    except OdfreezeError as error:
        return _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 2)
    except Exception as error:
        if os.environ.get("ODFREEZE_DEBUG"):
            raise
        return _fail(
            f"a fault of odfreeze itself: {type(error).__name__}: {error}"
            " (ODFREEZE_DEBUG=1 shows where; please report it)",
            1,
        )


def _fail(message: str, status: int) -> int:
    """Prints a message behind all output so far, wherever that goes; returns the status."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    print(f"odfreeze: {message}", file=sys.stderr)
    return status


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[0] in ("--version", "-V"):
        from odfreeze import __version__

        print(f"odfreeze {__version__}")
        return 0
    command, *rest = arguments
    if command not in COMMANDS:
        hint = suggest(command, COMMANDS)
        raise UsageError(f"there is no command {command!r}{hint} (see `odfreeze --help`)")
    parser = build_parser(command)
    try:
        args = parser.parse_args(rest)
    except SystemExit as exit_:  # argparse's own --help ends this way
        return int(exit_.code or 0)
    _refuse_empty(parser, args)
    status: int = args.run(args)
    return status


def _refuse_empty(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Raises UsageError for a path of no text: it would be the working directory."""
    for action in parser._actions:
        given = getattr(args, action.dest, None)
        if action.metavar in _PATHS and (given == "" or (isinstance(given, list) and "" in given)):
            what = (*action.option_strings, action.metavar)[0]
            raise UsageError(f"{what} is empty; give a path (a variable of the shell may be unset)")


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        "usage: odfreeze COMMAND [ARGUMENTS]",
        "",
        "Freezing for the TensorFlow Object Detection API.",
        "",
        *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
        "",
        "`odfreeze COMMAND --help` tells more about one; `odfreeze --version` tells the version.",
    ]
    return "\n".join(lines)


def _underscored(arguments: Sequence[str]) -> list[str]:
    """Returns arguments with their flags spelt as the OD API spells flags.

    >>> _underscored(["--model-dir=my-dir", "my-dir", "--", "--my-file"])
    ['--model_dir=my-dir', 'my-dir', '--', '--my-file']
    """
    found = list(arguments)
    for i, argument in enumerate(found):
        if argument == "--":
            break
        if argument.startswith("--"):
            flag, equals, value = argument.partition("=")
            found[i] = "--" + flag[2:].replace("-", "_") + equals + value
    return found
