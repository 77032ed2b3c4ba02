"""Fixtures and marks that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

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
