"""Fixtures and marks that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

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


@pytest.hookimpl(tryfirst=True)  # before xdist reads off the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which training tests share a process with ``--dist loadgroup``, and which come first.

    Those of a file do, and those of all files with the same ``GROUP``, which share its models.
    """

    def group(item: pytest.Item) -> str:
        module = item.getparent(pytest.Module)
        return "" if module is None else getattr(module.obj, "GROUP", module.obj.__name__)

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: LONGEST.index(group(item)) if group(item) in LONGEST else 99)


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
