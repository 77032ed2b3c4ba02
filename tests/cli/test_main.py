"""The command line as a whole: help, version, usage, what no user may ever see."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import odfreeze
from odfreeze import cli
from odfreeze.cli import _PATHS, COMMANDS, build_parser, main
from odfreeze.errors import Place, UsageError
from tests.conftest import ROOT

HELP = """\
usage: odfreeze COMMAND [ARGUMENTS]

Freezing for the TensorFlow Object Detection API.

  preview  show which variables each pattern matches, from the checkpoint alone
  groups   list a model's head, neck, backbone by blocks, batch norm, with their patterns
  set      rewrite fields of a pipeline.config and not one byte else
  check    find what is wrong in a config before anything runs; --fix mends it
  explain  tell what a finding's code means: what stock does, why, the cure
  plan     draft the stages for a model: head, neck, the backbone from its top
  stage    write the configs of a staged fine-tuning
  train    train with the real OD API, the freezing enforced, then verify
  verify   prove that frozen values did not change by one bit
  report   tell what became of a run, on a page: stages, curves, proofs, movement
  compare  show runs side by side, or run plans and do so: metrics, time, parameters trained
  doctor   tell whether training will work in this Python, and what is missing
  demo     all of it on a small dataset made on the spot

`odfreeze COMMAND --help` tells more about one; `odfreeze --version` tells the version.
"""


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes every command raise."""

    def dispatch(arguments: list[str]) -> int:
        print("some output")
        raise error

    monkeypatch.setattr(cli, "_dispatch", dispatch)


@pytest.mark.parametrize("arguments", ([], ["--help"], ["-h"], ["help"]), ids=str)
def test_help(capsys, arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr() == (HELP, "")


@pytest.mark.parametrize("argument", ("--version", "-V"))
def test_version(capsys, argument: str) -> None:
    assert main([argument]) == 0
    assert capsys.readouterr() == (f"odfreeze {odfreeze.__version__}\n", "")


@pytest.mark.parametrize(
    ("command", "hint"),
    (
        ("previw", "; did you mean 'preview'?"),
        ("stages", "; did you mean 'stage'?"),
        ("freeze", ""),
        ("--verbose", ""),
        ("../cli", ""),
    ),
)
def test_an_unknown_command_is_wrong_usage(capsys, command: str, hint: str) -> None:
    assert main([command]) == 2
    assert capsys.readouterr() == (
        "",
        f"odfreeze: there is no command {command!r}{hint} (see `odfreeze --help`)\n",
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(capsys, command: str) -> None:
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: odfreeze {command} ")
    assert err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_flag_of_any_command_has_a_hyphen_inside(command: str) -> None:
    flags = [flag for action in build_parser(command)._actions for flag in action.option_strings]
    assert [flag for flag in flags if "-" in flag.lstrip("-")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_misspelt_flag_gets_a_suggestion(command: str) -> None:
    parser = build_parser(command)
    with pytest.raises(UsageError) as caught:
        parser.error("unrecognized arguments: --hlep")
    assert str(caught.value) == (
        f"unrecognized arguments: --hlep; did you mean --help? (see `odfreeze {command} --help`)"
    )


@pytest.mark.parametrize(
    ("arguments", "what"),
    (
        (["stage", "a.plan", "--output_dir="], "--output_dir"),
        (["stage", "", "--output_dir=x"], "PLAN"),
        (["train", "--stages_dir", ""], "--stages_dir"),
        (["train", "--plan=", "--output_dir=x"], "--plan"),
        (["report", ""], "DIR"),
        (["compare", "a", ""], "RUN"),
        (["groups", "a.config", "--checkpoint="], "--checkpoint"),
    ),
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_path_of_no_text_is_not_the_working_directory(capsys, arguments, what: str) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr() == (
        "",
        f"odfreeze: {what} is empty; give a path (a variable of the shell may be unset)\n",
    )


#: What arguments are called that are no paths.
NO_PATHS = frozenset((
    "BOOL", "CODE", "CODES", "FIELD", "N", "NAME", "PATH=VALUE", "PATTERN", "PATTERN=SCALE",
    "PREFIX", "RATE", "STAGE", "TYPE", "VALUE", "VERSION", None,
))  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_of_every_argument_it_is_known_whether_it_is_a_path(command: str) -> None:
    named = {action.metavar for action in build_parser(command)._actions}
    assert named - NO_PATHS <= _PATHS


def test_hyphens_in_flags_only_are_underscores() -> None:
    given = ["--a-b=c-d", "e-f", "-g-h", "--i-j", "--", "--k-l", "m-n"]
    assert cli._underscored(given) == ["--a_b=c-d", "e-f", "-g-h", "--i_j", "--", "--k-l", "m-n"]
    assert given[0] == "--a-b=c-d"


def test_an_error_is_told_with_its_place_and_its_status(monkeypatch, capsys) -> None:
    error = UsageError("no", place=Place("a.config", 1, 3, "a b"))
    error.exit_status = 7
    raising(monkeypatch, error)
    assert main([]) == 7
    assert capsys.readouterr() == ("some output\n", "odfreeze: a.config:1:3: no\na b\n  ^\n")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    (
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "a.config"), 2, "a.config: Permission denied"),
        (OSError("all is lost"), 2, "all is lost"),
        (
            ZeroDivisionError("by zero"),
            1,
            "a fault of odfreeze itself: ZeroDivisionError: by zero (ODFREEZE_DEBUG=1 shows where;"
            " please report it)",
        ),
    ),
    ids=("interrupt", "file", "other system error", "fault"),
)
def test_no_traceback_reaches_a_user(
    monkeypatch, capsys, error: BaseException, status: int, message: str
) -> None:
    monkeypatch.delenv("ODFREEZE_DEBUG", raising=False)
    raising(monkeypatch, error)
    assert main([]) == status
    assert capsys.readouterr() == ("some output\n", f"odfreeze: {message}\n")


def test_debug_shows_where_a_fault_is(monkeypatch) -> None:
    monkeypatch.setenv("ODFREEZE_DEBUG", "1")
    raising(monkeypatch, ZeroDivisionError("by zero"))
    with pytest.raises(ZeroDivisionError):
        main([])


def test_debug_changes_nothing_for_an_error_of_the_user(monkeypatch, capsys) -> None:
    monkeypatch.setenv("ODFREEZE_DEBUG", "1")
    raising(monkeypatch, UsageError("no"))
    assert main([]) == 2


# --- as a process ---


def odfreeze_process(*arguments: str, code: str = "", **options) -> subprocess.CompletedProcess:
    command = [sys.executable, *(["-c", code] if code else ["-m", "odfreeze", *arguments])]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    options = {"stdout": subprocess.PIPE, "env": environment, **options}
    return subprocess.run(command, check=False, stderr=subprocess.PIPE, cwd=ROOT, **options)


def test_the_module_is_the_command() -> None:
    done = odfreeze_process("--version")
    assert (done.returncode, done.stdout.decode().split()[0]) == (0, "odfreeze")
    done = odfreeze_process("nonsense")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("odfreeze: there is no command 'nonsense'")


_FAILING = """
import sys
from odfreeze import cli
from odfreeze.errors import UsageError
def dispatch(arguments):
    print("x" * COUNT)
    raise UsageError("no")
cli._dispatch = dispatch
sys.exit(cli.main([]))
"""


@pytest.mark.skipif(os.name != "posix", reason="a pipe that is closed is another error there")
@pytest.mark.parametrize(
    ("arguments", "code", "status", "error"),
    (
        (["--help"], "", 0, b""),
        (["train", "--help"], "", 0, b""),
        ([], _FAILING.replace("COUNT", "9"), 2, b"odfreeze: no\n"),
        ([], _FAILING.replace("COUNT", "99999"), 0, b""),
    ),
    ids=("help", "help of a command", "error behind output", "much output"),
)
def test_a_reader_that_has_gone_is_no_failure(
    arguments: list[str], code: str, status: int, error: bytes
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = odfreeze_process(*arguments, code=code, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (status, error)


def test_names_that_the_terminal_cannot_show_do_not_end_a_run() -> None:
    done = odfreeze_process(
        code=r"from odfreeze import cli; cli._dispatch = lambda args: print('a\u00e9\ud800') or 3;"
        "import sys; sys.exit(cli.main([]))",
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (3, [rb"a\xe9\ud800"], b"")
