"""Changes to a module of an installed package, made right after its import."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["after_import"]

Change = Callable[[types.ModuleType], None]


def after_import(name: str, change: Change) -> None:
    """Makes a change to a module: now when it is imported already, else when it will be.

    Args:
      name: The module's full name; it need never be imported, nor exist.
      change: Takes the module. It is called once for each import, so it may be called again for
        a module that it has changed; asking for the same change twice is asking once.
    """
    module = sys.modules.get(name)
    if module is not None:
        change(module)
    finder = next((one for one in sys.meta_path if isinstance(one, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    changes = finder.changes.setdefault(name, [])
    if change not in changes:
        changes.append(change)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are to be changed where all others would find them."""

    def __init__(self) -> None:
        self.changes: dict[str, list[Change]] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the spec of such a module with a loader that changes it, else None."""
        changes = self.changes.get(fullname)
        if not changes:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, changes)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """Loads as another loader does, then makes the changes."""

    def __init__(self, stock: Any, changes: list[Change]) -> None:
        self._stock = stock
        self._changes = changes

    def __getattr__(self, name: str) -> Any:
        """Returns what only the other loader has, such as ``get_code`` and ``get_source``."""
        return getattr(self._stock, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """Creates the module as the other loader does."""
        module: types.ModuleType | None = self._stock.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Executes the module, then changes it."""
        self._stock.exec_module(module)
        for change in self._changes:
            change(module)
