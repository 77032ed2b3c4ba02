"""What is found of an installation, without importing it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.training.environment import (
    REQUIREMENTS,
    Environment,
    Package,
    Requirement,
    inspect_environment,
)
from tests.conftest import ROOT

THING = (Requirement("thing", ("thing-gpu", "thing"), "a test"),)


def install(site: Path, distribution: str, version: str, module: str = "thing") -> None:
    """Writes a package with its metadata, as pip does."""
    (site / module).mkdir(parents=True, exist_ok=True)
    (site / module / "__init__.py").write_text("raise SystemExit('imported')\n")
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")


def looked_up(*folders: Path, requirements=THING) -> Environment:
    """Inspects with folders in front of the path."""
    before = sys.path[:]
    sys.path[:0] = map(str, folders)
    try:
        return inspect_environment(requirements)
    finally:
        sys.path[:] = before


def test_a_package_is_found_with_its_version_and_not_imported(tmp_path) -> None:
    install(tmp_path, "thing", "1.2.3")
    found = looked_up(tmp_path).packages["thing"]
    assert found == Package("thing", "thing", "1.2.3", tmp_path / "thing")
    assert "thing" not in sys.modules


def test_a_package_is_found_under_another_distribution(tmp_path) -> None:
    install(tmp_path, "thing-gpu", "4.5")
    assert looked_up(tmp_path).packages["thing"].distribution == "thing-gpu"


def test_a_checkout_on_the_path_has_no_version(tmp_path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "__init__.py").write_text("")
    assert looked_up(tmp_path).packages["thing"] == Package("thing", None, None, tmp_path / "thing")


def test_a_checkout_hides_what_is_installed(tmp_path) -> None:
    site, checkout = tmp_path / "site", tmp_path / "checkout"
    install(site, "thing", "1.2.3")
    (checkout / "thing").mkdir(parents=True)
    (checkout / "thing" / "__init__.py").write_text("")
    found = looked_up(checkout, site).packages["thing"]
    assert (found.version, found.location) == (None, checkout / "thing")


def test_an_editable_install_keeps_its_version(tmp_path) -> None:
    site, checkout = tmp_path / "site", tmp_path / "checkout"
    install(site, "thing", "0.1")
    (site / "thing").rename(checkout)
    (checkout / "thing").mkdir()
    (checkout / "thing" / "__init__.py").write_text("")
    found = looked_up(checkout, site).packages["thing"]
    assert (found.version, found.location) == ("0.1", checkout / "thing")


@pytest.mark.parametrize("leave", ((), ("data.txt",)), ids=("empty", "with data"))
def test_a_folder_without_modules_is_no_package(tmp_path, leave) -> None:
    (tmp_path / "thing").mkdir()
    for name in leave:
        (tmp_path / "thing" / name).write_text("")
    assert not looked_up(tmp_path).has("thing")


def test_a_stand_in_without_a_spec_counts_as_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "thing", type(sys)("thing"))
    assert not looked_up().has("thing")


def test_a_single_module_is_found(tmp_path) -> None:
    (tmp_path / "thing.py").write_text("")
    assert looked_up(tmp_path).packages["thing"].location == tmp_path / "thing.py"


def test_this_python_is_described(monkeypatch) -> None:
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    found = inspect_environment()
    assert found.python == sys.version_info[:3]
    assert found.prefix == sys.prefix
    assert found.variables["TF_USE_LEGACY_KERAS"] == "1"
    assert found.packages["google.protobuf"].distribution == "protobuf"
    assert found.protobuf_implementation in ("upb", "cpp", "python")


def test_looking_imports_nothing_heavy() -> None:
    code = (
        "from odfreeze.training.environment import inspect_environment as look; import sys; look();"
        "heavy = {'tensorflow', 'numpy', 'object_detection', 'keras'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("version", "numbers"),
    (
        ("2.15.1", (2, 15, 1)),
        ("2.21.0rc1", (2, 21, 0)),
        ("2.8.0.post1", (2, 8, 0)),
        ("2.22.0.dev20260101", (2, 22, 0)),
        ("unknown", ()),
        (None, ()),
    ),
)
def test_the_leading_numbers_of_a_version_count(version, numbers) -> None:
    assert Package("thing", "thing", version, None).numbers == numbers


def test_an_unknown_version_counts_as_the_newest() -> None:
    known = Environment((3, 11, 0), packages={"a": Package("a", "a", "1.5", None)})
    unknown = Environment((3, 11, 0), packages={"a": Package("a", None, None, None)})
    assert known.at_least("a", 1, 5) and not known.at_least("a", 1, 6)
    assert unknown.at_least("a", 99)
    assert not unknown.at_least("b", 0)


def test_a_package_is_named_with_its_version() -> None:
    packages = {
        "a": Package("a", "dist-a", "1.5", None),
        "b": Package("b", None, None, None),
    }
    found = Environment((3, 11, 0), packages=packages)
    assert found.named("a") == "dist-a 1.5"
    assert found.named("b") == "b (version unknown)"
    assert found.named("PIL") == "no pillow"


def test_no_requirement_is_listed_twice() -> None:
    modules = [one.module for one in REQUIREMENTS]
    names = [name for one in REQUIREMENTS for name in one.distributions]
    assert len(set(modules)) == len(modules)
    assert len(set(names)) == len(names)
