"""The package as a whole: what it exports, what importing it costs, which room knows which."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import odfreeze

PACKAGE = Path(odfreeze.__file__).parent

#: Rooms that must not import one another or anything built on them (left knows nothing of right).
FOUNDATION = {"errors", "variables", "files"}
ALLOWED = {
    "errors": set(),
    "variables": set(),
    "files": FOUNDATION,
    "textproto": FOUNDATION,
    "checkpoint": FOUNDATION,
    "regex_guard": FOUNDATION,
    "layers": FOUNDATION,
    "selection": FOUNDATION | {"regex_guard", "layers"},
    "groups": FOUNDATION | {"selection"},
}
#: What a room must not know, though both lie in the middle of the house.
FORBIDDEN = {
    "pipeline": {"preview", "stages", "runs", "check", "report", "training"},
    "preview": {"stages", "runs", "report"},
    "stages": {"runs", "report"},
    "runs": {"preview", "check", "report", "training"},
}


@functools.cache
def imports_of(path: Path) -> tuple[tuple[ast.Import | ast.ImportFrom, bool], ...]:
    """Returns the imports of a module, and whether each is for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    return tuple(
        (node, id(node) in hidden)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    )


def imported_rooms(path: Path) -> set[str]:
    """Returns the parts of odfreeze that a module imports, type checking aside."""
    rooms = set()
    for node, hidden in imports_of(path):
        if hidden:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("odfreeze.")}
    return rooms


def modules_of(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


def modules_outside(room: str) -> list[Path]:
    modules = sorted(PACKAGE.rglob("*.py"))
    return [m for m in modules if PACKAGE / room not in m.parents and m.name != "__main__.py"]


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_of_the_core_imports_only_what_lies_below_it(room):
    for module in modules_of(room):
        assert imported_rooms(module) - {room} <= ALLOWED[room], module


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_above_the_core_does_not_look_up(room):
    for module in modules_of(room):
        assert not imported_rooms(module) & FORBIDDEN[room], module


@pytest.mark.parametrize("module", modules_outside("cli"), ids=lambda p: p.stem)
def test_nothing_but_the_command_line_imports_the_command_line(module):
    assert "cli" not in imported_rooms(module)


@pytest.mark.parametrize("module", modules_outside("training"), ids=lambda p: p.stem)
def test_only_the_training_room_imports_tensorflow(module):
    for node, _ in imports_of(module):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        heads = {name.split(".")[0] for name in names}
        assert not heads & {"tensorflow", "object_detection", "tf_keras", "keras", "numpy"}


@pytest.mark.parametrize("name", odfreeze.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(odfreeze, name) is not None


@pytest.mark.parametrize("name", ["preview"])
def test_a_function_is_not_hidden_by_the_module_of_its_name(name):
    code = f"import odfreeze.{name}, odfreeze; assert callable(odfreeze.{name})"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        _ = odfreeze.no_such_thing


def test_the_public_functions_of_training_are_there_by_name():
    from odfreeze import training

    assert {training.freeze.__name__, training.enforced.__name__} == set(training.__all__)
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        _ = training.no_such_thing


@pytest.mark.parametrize(
    "imported",
    [
        "odfreeze", "odfreeze.cli", "odfreeze.training.launch", "odfreeze.cli.train",
        "odfreeze.training.freezing", "odfreeze.training.stock_loop",
    ],
)  # fmt: skip
def test_importing_is_light(imported):
    code = (
        f"import {imported}, sys;"
        "heavy = {'tensorflow', 'numpy', 'google.protobuf', 'rich'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
