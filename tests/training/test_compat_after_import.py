"""Changes to a module right after its import."""

from __future__ import annotations

import importlib
import sys

import pytest

from odfreeze.training.compat.after_import import after_import


@pytest.fixture
def thing(tmp_path, monkeypatch) -> str:
    """The name of a module that can be imported, and is forgotten after the test."""
    (tmp_path / "odf_thing.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    importlib.invalidate_caches()
    return "odf_thing"


def add_one(module) -> None:
    module.VALUE += 1


def test_a_module_is_changed_when_it_is_imported(thing) -> None:
    after_import(thing, add_one)
    assert thing not in sys.modules
    assert importlib.import_module(thing).VALUE == 2


def test_a_module_that_was_imported_is_changed_now(thing) -> None:
    module = importlib.import_module(thing)
    after_import(thing, add_one)
    assert module.VALUE == 2


def test_the_same_change_is_made_once(thing) -> None:
    after_import(thing, add_one)
    after_import(thing, add_one)
    assert importlib.import_module(thing).VALUE == 2


def test_changes_are_made_in_order(thing) -> None:
    after_import(thing, add_one)
    after_import(thing, lambda module: setattr(module, "VALUE", module.VALUE * 10))
    assert importlib.import_module(thing).VALUE == 20


def test_other_modules_and_missing_ones_are_left_to_others(thing) -> None:
    after_import("odf_absent", add_one)
    assert importlib.import_module(thing).VALUE == 1
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("odf_absent")


def test_what_else_the_loader_can_do_stays_possible(thing) -> None:
    after_import(thing, add_one)
    module = importlib.import_module(thing)
    assert module.__spec__.loader.get_source(thing) == "VALUE = 1\n"
