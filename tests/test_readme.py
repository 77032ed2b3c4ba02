"""The README's commands, run on what `make demo` leaves, give what the README shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training.runs import odfreeze

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Fences of tildes are around what holds fences of backticks itself.
CONSOLE = [
    (command, shown)
    for _, command, shown in re.findall(
        r"^(```|~~~)console\n\$ (.*?)\n(.*?)^\1$", README, flags=re.DOTALL | re.MULTILINE
    )
]
LIBRARY, *OWN_LOOPS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str]:
    """A folder in which the demo was run, and what it printed."""
    folder = tmp_path_factory.mktemp("readme")
    done = subprocess.run(odfreeze("demo"), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def without_measurements(text: str, folder: Path) -> str:
    """Takes out what differs from machine to machine: where it ran, and which values round away."""
    text = text.replace(f"{folder.resolve()}/", "")
    return re.sub(r"(trainable +)\d+( of \d+ changed)", r"\1N\2", text)


def expected_pattern(shown: str) -> str:
    """Returns a regex for a transcript in which a line of … stands for any lines."""
    any_lines = r"(?:.*\n)*?"
    lines = shown.splitlines()
    return "".join(any_lines if line == "…" else re.escape(line) + "\n" for line in lines)


@pytest.mark.train
@pytest.mark.parametrize(("command", "shown"), CONSOLE, ids=[c.split(" --")[0] for c, _ in CONSOLE])
def test_a_command_of_the_readme_prints_what_it_shows(demo, command, shown):
    folder, _ = demo
    arguments = shlex.split(command)
    assert arguments[0] == "odfreeze"
    done = subprocess.run(
        odfreeze(*arguments[1:]), cwd=folder, capture_output=True, text=True, check=False
    )
    status = int(" error ODF" in shown)
    assert (done.returncode, done.stderr) == (status, "")
    printed = without_measurements(done.stdout, folder)
    assert re.fullmatch(expected_pattern(without_measurements(shown, folder)), printed), printed


@pytest.mark.train
def test_the_library_examples_run(demo):
    folder, _ = demo
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["40 True", "True 0"]


@pytest.mark.train
@pytest.mark.parametrize(
    ("code", "printed"),
    list(zip(OWN_LOOPS, (["88 learn"], ["True"]), strict=True)),
    ids=["freeze", "enforced"],
)
def test_the_examples_for_training_loops_run(demo, code, printed):
    folder, _ = demo
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == printed


@pytest.mark.train
def test_the_demo_contrasts_odfreeze_with_stock(demo):
    _, printed = demo
    table = printed[printed.rindex("frozen values changed  held") :].splitlines()
    assert re.fullmatch(r"odfreeze train, 01_head +0 of 178 +0 of 112", table[1])
    assert re.fullmatch(r"odfreeze train, 02_head_and_neck +0 of 156 +0 of 104", table[2])
    changed, _, frozen, moved, _, held = table[3].removeprefix("plain model_main_tf2").split()
    assert (frozen, held, moved) == ("178", "112", "112")
    assert int(changed) > 160


def test_the_readme_has_a_section_for_every_command():
    from odfreeze.cli import COMMANDS

    assert re.findall(r"^## `odfreeze (\w+)`$", README, flags=re.MULTILINE) == list(COMMANDS)
