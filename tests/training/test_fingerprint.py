"""Versions of what builds a model, found in folders and nothing imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.training import fingerprint as module
from odfreeze.training.fingerprint import fingerprint


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that hides all others."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[-1:])
    for name in module.MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def install(site: Path, name: str, distribution: str = "") -> None:
    (site / name).mkdir()
    (site / name / "__init__.py").write_text("raise ImportError")
    if distribution:
        (site / f"{distribution}.dist-info").mkdir()


def test_versions_are_those_of_the_installed_distributions(site: Path) -> None:
    install(site, "tensorflow", "tensorflow_cpu-2.15.1")
    install(site, "object_detection", "tf_models_research_object_detection-2.8.0.post1")
    install(site, "official", "tf-models-official-2.15.0")
    (site / "tensorflow_datasets-9.9.9.dist-info").mkdir()
    assert fingerprint() == {
        "tensorflow": "2.15.1",
        "object_detection": "2.8.0.post1",
        "official": "2.15.0",
    }


@pytest.mark.parametrize("missing", ["tensorflow", "object_detection"])
def test_without_tensorflow_or_the_od_api_there_is_nothing_to_tell(
    site: Path, missing: str
) -> None:
    for name in {"tensorflow", "object_detection", "keras"} - {missing}:
        install(site, name)
    (site / missing).mkdir()  # as an uninstall leaves it
    assert fingerprint() == {}


def test_a_checkout_is_told_by_its_latest_change(site: Path) -> None:
    install(site, "tensorflow", "tensorflow-2.15.1")
    install(site, "object_detection")
    builders = site / "object_detection" / "builders"
    builders.mkdir()
    (builders / "model_builder.py").write_text("")
    before = fingerprint()["object_detection"]
    assert before.startswith(f"{site / 'object_detection'}@")
    assert fingerprint()["object_detection"] == before
    os.utime(builders / "model_builder.py", (4_000_000_000, 4_000_000_000))
    assert fingerprint()["object_detection"] != before


def test_it_imports_neither_what_it_asks_for_nor_what_is_slow() -> None:
    code = (
        "import sys; from odfreeze.training.fingerprint import fingerprint; fingerprint();"
        "heavy = {'tensorflow', 'keras', 'importlib.metadata', 'email'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
