"""Fixtures and marks that all tests share."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

#: Training tests that take minutes: begun first, so that no process is left alone with one.
LONGEST = (
    "tests.test_readme",
    "tests.training.test_every_architecture",
    "samples",
    "tests.training.test_stock_equality",
    "tests.training.test_optimizers",
    "tests.training.test_strategies",
    "tests.training.test_staged_run",
    "tests.training.test_resume",
    "tests.training.test_compat_symptoms",
    "tests.training.test_compat_checkout",
)

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def examples(count: int) -> int:
    """How many examples to try where these many are usual: ODFREEZE_EXAMPLES=20 tries 20 times."""
    return max(1, int(count * float(os.environ.get("ODFREEZE_EXAMPLES", "1"))))


# A change is judged by the same examples every time; at a desk they are new in every run.
# No example is timed: on a busy machine each can take long.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=examples(100))
settings.register_profile("desk", deadline=None, max_examples=examples(100))
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@functools.cache
def group_of(file: str) -> str:
    """Returns what a test file shares a process under: its ``GROUP``, or its own name."""
    named = re.search(r'^GROUP = "(\w+)"$', (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return named[1] if named else file.removesuffix(".py").replace("/", ".")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests that take longest first."""

    def place(item: pytest.Item) -> int:
        group = group_of(item.nodeid.partition("::")[0])
        return LONGEST.index(group) if group in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Lets the files of a group share a process, and so its models, with ``--dist loadfile``.

    The marks of ``--dist loadgroup`` are lost on pytest 9.2, which keeps no ``_nodeid``.
    """
    from xdist.scheduler import LoadFileScheduling

    if config.getoption("dist") != "loadfile":
        return None

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid.partition("::")[0])

    return ByGroup(config, log)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real configs and checkpoints beside the project."""
    path = ROOT.parent / "shared" / "corpus"
    if not path.is_dir():
        pytest.skip("the corpus is not beside this checkout")
    return path


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule of `odfreeze check` runs: configs can be cut down to what a test is about."""
    monkeypatch.setattr("odfreeze.check.linter._MODULES", ())
    monkeypatch.setattr("odfreeze.check.linter._TEXT_MODULES", ())
    monkeypatch.setattr("odfreeze.check.linter._OF_ANY_FILE", ())
