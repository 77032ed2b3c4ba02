"""``python -m odfreeze.training.compat``: a program runs as Python itself would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROGRAM = """\
import sys
print("ran", __name__, sys.argv, sys.modules["__main__"].__dict__ is globals())
def fail():
    raise RuntimeError("of the program")
if sys.argv[1:] == ["fail"]:
    fail()
if sys.argv[1:]:
    sys.exit(int(sys.argv[1]))
"""

#: Starts without TensorFlow, which the tests of this file do not need.
START = (
    "import sys; from odfreeze.training.compat import program;"
    "program.prepare = lambda: print('prepared'); sys.exit(program.run_program(sys.argv[1:]))"
)


@pytest.fixture
def folder(tmp_path) -> Path:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tool.py").write_text(PROGRAM)
    (package / "beside.py").write_text("WORD = 'found'\n")
    (package / "script.py").write_text("import beside; print(beside.WORD)\n" + PROGRAM)
    (package / "broken.py").write_text("import no_such_dependency\n")
    return tmp_path


def run(
    folder: Path, *arguments: str, real: bool = False, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    start = ("-m", "odfreeze.training.compat") if real else ("-c", START)
    return subprocess.run(
        [sys.executable, *options, *start, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_module_runs_as_the_main_program_with_its_arguments(folder) -> None:
    done = run(folder, "-m", "pkg.tool")
    argv = [str(folder / "pkg" / "tool.py")]
    assert done.stdout == f"prepared\nran __main__ {argv} True\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_finds_the_modules_beside_it(folder) -> None:
    script = str(Path("pkg", "script.py"))
    done = run(folder, script)
    assert done.stdout == f"prepared\nfound\nran __main__ {[script]} True\n"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought it")
def test_a_safe_path_is_respected(folder) -> None:
    done = run(folder, str(Path("pkg", "script.py")), options=("-P",))
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'beside'\n")


@pytest.mark.parametrize("program", (("-m", "pkg.tool"), ("pkg/script.py",)), ids=("-m", "script"))
@pytest.mark.parametrize("status", (0, 1, 3))
def test_the_program_s_exit_status_is_passed_on(folder, program, status) -> None:
    assert run(folder, *program, str(status)).returncode == status


@pytest.mark.parametrize("program", (("-m", "pkg.tool"), ("pkg/script.py",)), ids=("-m", "script"))
def test_the_program_s_own_traceback_is_shown(folder, program) -> None:
    done = run(folder, *program, "fail")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "in fail\n" in done.stderr
    assert done.stderr.endswith("RuntimeError: of the program\n")


def test_flags_behind_the_program_are_the_program_s(folder) -> None:
    (folder / "pkg" / "flags.py").write_text("import sys; print(sys.argv[1:])\n")
    done = run(folder, "-m", "pkg.flags", "--help", "-m", "x")
    assert done.stdout == "prepared\n['--help', '-m', 'x']\n"


NOWHERE = f"in {sys.prefix} or on PYTHONPATH"
SEE = "(see `python -m odfreeze.training.compat --help`)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ((), f"give the program to run: -m MODULE, or a script's path {SEE}"),
        (("-m",), f"-m needs the name of a module {SEE}"),
        (("--verbose", "x"), f"--verbose is no option here; arguments follow the program {SEE}"),
        (("absent.py",), f"there is no script absent.py {SEE}"),
        (("-m", "pkg.absent"), f"there is no module 'pkg.absent' {NOWHERE}"),
        (("-m", "nothing.here"), f"there is no module 'nothing.here' {NOWHERE}"),
        (("-m", ".tool"), f"there is no module '.tool' {NOWHERE}"),
    ),
    ids=("nothing", "no name", "an option", "no script", "no module", "no package", "relative"),
)
def test_what_cannot_be_started_is_told_without_a_traceback(folder, arguments, message) -> None:
    done = run(folder, *arguments)
    assert (done.returncode, done.stderr) == (2, f"odfreeze: {message}\n")


def test_a_dependency_that_the_program_lacks_is_its_own_error(folder) -> None:
    done = run(folder, "-m", "pkg.broken")
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'no_such_dependency'\n")


def test_help_is_shown_without_anything_installed(folder) -> None:
    done = run(folder, "--help", real=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: python -m odfreeze.training.compat -m MODULE")


def test_a_missing_tensorflow_is_told_as_doctor_does(folder) -> None:
    blocked = folder / "blocked"
    blocked.mkdir()
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'tensorflow' else find(name, *a);"
        "from odfreeze.training.compat.program import run_program;"
        "sys.exit(run_program(['-m', 'pkg.tool']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    # The extra pins a TensorFlow that has no wheel for Python 3.13.
    package = "tensorflow" if sys.version_info >= (3, 13) else "'odfreeze[train]'"
    assert done.stderr == (
        f"odfreeze: training needs tensorflow, which is not installed in {sys.prefix}; install it"
        f" with: pip install {package}\n"
    )
