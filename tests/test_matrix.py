"""The table of `make matrix`, and that what it runs is locked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAD = """\
| TensorFlow | Python | tf-models-official | protobuf | NumPy | Keras | measures | result | time |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
RAN = """<testsuites><testsuite tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"
time="61.72"><testcase><properties>
<property name="tensorflow" value="2.21.0"/><property name="python" value="3.13.0"/>
<property name="protobuf" value="7.0.1"/><property name="numpy" value="2.5.5"/>
<property name="tf-models-official" value="2.20.0"/>
<property name="keras" value="3.15.1"/><property name="tf-keras" value="2.21.0"/>
<property name="measures" value="legacy-keras font-size"/>
</properties></testcase></testsuite></testsuites>"""


def table(directory: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tests" / "matrix.py"), str(directory), *names],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("failures", "skipped", "result", "status"),
    [(0, 0, "3 passed", 0), (2, 0, "2 of 3 failed", 1), (0, 1, "1 of 3 failed", 1)],
    ids=["passed", "failed", "skipped"],
)
def test_a_row_tells_what_ran_with_what(tmp_path, failures, skipped, result, status):
    text = RAN.format(tests=3, failures=failures, skipped=skipped)
    (tmp_path / "new.xml").write_text(text, encoding="utf-8")
    done = table(tmp_path, "new")
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout == HEAD + (
        "| 2.21.0 | 3.13.0 | 2.20.0 | 7.0.1 | 2.5.5 | tf_keras 2.21.0 | legacy-keras, font-size"
        f" | {result} | 62 s |\n"
    )
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == done.stdout


def test_an_environment_that_never_came_to_its_tests_has_failed(tmp_path):
    (tmp_path / "new.xml").write_text(RAN.format(tests=3, failures=0, skipped=0), encoding="utf-8")
    done = table(tmp_path, "old", "new")
    assert done.returncode == 1
    assert "| old |  |  |  |  |  |  | not run |  |\n" in done.stdout
    assert "| 3 passed |" in done.stdout


def test_a_run_without_a_test_has_failed(tmp_path):
    (tmp_path / "new.xml").write_text(RAN.format(tests=0, failures=0, skipped=0), encoding="utf-8")
    assert table(tmp_path, "new").returncode == 1
    assert table(tmp_path).returncode == 1


LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.stem for lock in LOCKS])
def test_a_lock_pins_every_package_and_names_no_place(lock):
    lines = lock.read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    pinned = re.compile(r'[\w.-]+==[\w.]+( ; python_version (<|>=) "3\.\d+")?')
    assert packages
    assert [line for line in packages if not pinned.fullmatch(line)] == []


def test_the_locks_cover_every_python_and_the_oldest_and_newest_tensorflow():
    names = [lock.stem for lock in LOCKS if lock.stem.startswith("train-")]
    found = [re.fullmatch(r"train-tf(2\.\d+)-py(3\.\d+)", name).groups() for name in names]
    assert {tensorflow for tensorflow, _ in found} >= {"2.12", "2.15", "2.17", "2.19", "2.21"}
    assert {python for _, python in found} == {"3.10", "3.11", "3.12", "3.13"}
    for tensorflow, _ in found:
        lock = next(lock for lock in LOCKS if f"tf{tensorflow}-" in lock.name)
        assert f"\ntensorflow=={tensorflow}." in lock.read_text(encoding="utf-8")
