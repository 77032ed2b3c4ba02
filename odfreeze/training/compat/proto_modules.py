"""The modules that protoc generates from the OD API's schema, whoever ran which protoc, or nobody.

An installed ``object_detection/protos/ssd_pb2.py`` holds its file's descriptor in serialized
form, which never went out of date; what did is the code around it. So the classes are made
here from that descriptor by the installed protobuf runtime, and the module's own code is not
executed. Where there is no such module, as in a checkout on which protoc was never run, the
descriptor of odfreeze's own schema takes its place. A module that the runtime accepts is left
alone: it may have fields that only its own project knows.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import re
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from odfreeze.schema import serialized_files
from odfreeze.training.compat.measure import Need, needed, not_needed
from odfreeze.training.environment import Environment

__all__ = [
    "Fault",
    "ProtoModuleFinder",
    "fault_of",
    "hook_proto_modules",
    "judge_absent",
    "judge_newer",
    "judge_old",
    "serialized_file",
    "unknown_fields",
]

_PACKAGE = "object_detection.protos"
_FOLDER = "object_detection/protos/"

#: What is wrong with a generated module: made by a protoc before 3.19, or after the runtime.
Fault = Literal["old", "newer"]


def fault_of(source: str, runtime: tuple[int, ...]) -> Fault | None:
    """Returns what keeps a generated module from being imported, None when nothing does.

    Args:
      source: The module's text.
      runtime: Version of the protobuf runtime, () when it is unknown.
    """
    if "serialized_pb=" in source:  # protoc up to 3.18; refused by every runtime from 4 on
        return "old" if not runtime or runtime >= (4,) else None
    # protoc 26 and later: the runtime may not be older. Runtimes before 5.26 know no such check.
    stamp = re.search(
        r"ValidateProtobufRuntimeVersion\(\s*[\w.]+,\s*(\d+),\s*(\d+),\s*(\d+),", source
    )
    if stamp and runtime and runtime < tuple(map(int, stamp.groups())):
        return "newer"
    return None


def serialized_file(source: str) -> bytes | None:
    """Returns the file descriptor that a generated module carries, None when it has none.

    Args:
      source: The module's text, of any protoc: the descriptor is the value of ``serialized_pb``
        or the argument of ``AddSerializedFile``.
    """
    if "serialized_pb=" not in source and "AddSerializedFile(" not in source:
        return None
    for node in ast.walk(ast.parse(source)):
        value: ast.expr | None = None
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            value = node.value
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            value = next(iter(node.args), None)
        if isinstance(value, ast.Constant) and isinstance(value.value, bytes):
            return value.value
    return None


def hook_proto_modules() -> None:
    """Puts the finder in front of all others; does nothing when it is there."""
    if not any(isinstance(finder, ProtoModuleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ProtoModuleFinder())


class ProtoModuleFinder(importlib.abc.MetaPathFinder):
    """Finds ``object_detection.protos.*_pb2`` modules that cannot be imported as they are."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns a spec for such a module; None for every other, which others then find."""
        package, _, name = fullname.rpartition(".")
        if package != _PACKAGE or not name.endswith("_pb2"):
            return None
        stock = importlib.machinery.PathFinder.find_spec(fullname, path)
        serialized: bytes | None
        if stock is None or stock.origin is None:
            origin = f"{_FOLDER}{name.removesuffix('_pb2')}.proto"
            serialized = serialized_files("object_detection").get(origin)
        elif not stock.origin.endswith(".py"):  # compiled: there is no text to judge
            return None
        else:
            origin = stock.origin
            source = Path(origin).read_text(encoding="utf-8", errors="replace")
            serialized = serialized_file(source) if fault_of(source, _runtime()) else None
        if serialized is None:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, _ProtoModuleLoader(serialized), origin=origin
        )


class _ProtoModuleLoader(importlib.abc.Loader):
    """Fills a module with the classes of one serialized file descriptor."""

    def __init__(self, serialized: bytes) -> None:
        self._serialized = serialized

    def exec_module(self, module: types.ModuleType) -> None:
        """Imports what the file depends on, then builds its descriptors and classes."""
        from google.protobuf import descriptor_pb2, descriptor_pool
        from google.protobuf.internal import builder

        file = descriptor_pb2.FileDescriptorProto.FromString(self._serialized)
        for dependency in file.dependency:
            importlib.import_module(
                dependency.removesuffix(".proto").replace("/", ".").replace("-", "_") + "_pb2"
            )
        descriptor = descriptor_pool.Default().AddSerializedFile(self._serialized)
        names = vars(module)
        if descriptor is None:  # as the runtimes written in Python, up to 3.20
            descriptor = descriptor_pool.Default().FindFileByName(file.name)
        names["DESCRIPTOR"] = descriptor
        builder.BuildMessageAndEnumDescriptors(descriptor, names)
        builder.BuildTopDescriptorsAndMessages(descriptor, module.__name__, names)


def _runtime() -> tuple[int, ...]:
    """Returns the version of the protobuf runtime in this process."""
    from google.protobuf import __version__

    return tuple(int(n) for n in re.findall(r"\d+", __version__)[:3])


# --- which of it an environment needs -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folder:
    """What lies in ``object_detection/protos``: names without ending, sorted."""

    old: list[str]
    newer: list[str]
    absent: list[str]


def _look(environment: Environment) -> _Folder:
    folder = _protos_folder(environment)
    found = _Folder([], [], [])
    if folder is None:
        return found
    protobuf = environment.packages.get("google.protobuf")
    runtime = protobuf.numbers if protobuf else ()
    made = {path.stem.removesuffix("_pb2") for path in folder.glob("*_pb2.py")}
    ours = {Path(name).stem for name in serialized_files("object_detection")}
    wanted = {path.stem for path in folder.glob("*.proto")} & ours
    for name in sorted(made | (wanted if made or wanted else ours)):
        path = folder / f"{name}_pb2.py"
        if not path.is_file():
            found.absent.append(name)
            continue
        fault = fault_of(path.read_text(encoding="utf-8", errors="replace"), runtime)
        if fault is not None:
            getattr(found, fault).append(name)
    return found


def _protos_folder(environment: Environment) -> Path | None:
    package = environment.packages.get("object_detection")
    if package is None or package.location is None:
        return None
    folder = package.location / "protos"
    return folder if folder.is_dir() else None


def _no_protobuf(environment: Environment) -> Need | None:
    if not environment.has("object_detection"):
        return not_needed("there is no OD API")
    return None if environment.has("google.protobuf") else not_needed("there is no protobuf")


def judge_old(environment: Environment) -> Need:
    """Judges modules of a protoc before 3.19 under a runtime that refuses them."""
    nothing = _no_protobuf(environment)
    if nothing:
        return nothing
    found = _look(environment).old
    runtime = environment.named("google.protobuf")
    if found:
        return needed(f"{_count(found)} made by a protoc before 3.19, which {runtime} refuses")
    return not_needed(f"{runtime} takes the generated modules as they are")


def judge_newer(environment: Environment) -> Need:
    """Judges modules of a protoc that is newer than the runtime."""
    nothing = _no_protobuf(environment)
    if nothing:
        return nothing
    found = _look(environment).newer
    runtime = environment.named("google.protobuf")
    if found:
        return needed(f"{_count(found)} made by a protoc that is newer than {runtime}")
    return not_needed(f"no generated module is newer than {runtime}")


def judge_absent(environment: Environment) -> Need:
    """Judges an OD API on which protoc was never run, such as a plain checkout."""
    nothing = _no_protobuf(environment)
    if nothing:
        return nothing
    found = _look(environment).absent
    if found:
        return needed(f"protoc was not run: {_count(found)} missing")
    return not_needed("all generated modules are there")


def _count(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"object_detection/protos/{names[0]}_pb2.py is"
    return f"{len(names)} modules of object_detection/protos are"


def unknown_fields(environment: Environment) -> tuple[str, ...]:
    """Returns what a checkout's ``.proto`` files have that odfreeze's schema has not.

    Only files without a generated module matter: of the others the module itself is used.

    Returns:
      ``file.proto`` for a file that the schema has not, ``file.proto: name`` for a field or an
      enum value, sorted.
    """
    folder = _protos_folder(environment)
    if folder is None:
        return ()
    ours = serialized_files("object_detection")
    found = set()
    for path in folder.glob("*.proto"):
        if (folder / f"{path.stem}_pb2.py").exists():
            continue
        serialized = ours.get(f"{_FOLDER}{path.name}")
        if serialized is None:
            found.add(path.name)
            continue
        known = set(_numbered(serialized))
        text = re.sub(
            r"//[^\n]*|/\*.*?\*/", "", path.read_text(encoding="utf-8", errors="replace"),
            flags=re.DOTALL,
        )  # fmt: skip
        for name, number in re.findall(r"\b([A-Za-z_]\w*)\s*=\s*(-?\d+)\s*[;\[]", text):
            if (name, int(number)) not in known:
                found.add(f"{path.name}: {name}")
    return tuple(sorted(found))


def _numbered(serialized: bytes) -> Iterator[tuple[str, int]]:
    """Yields name and number of every field and enum value of a file."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    def of(scope: Any, nested: str) -> Iterator[tuple[str, int]]:
        for enum in scope.enum_type:
            yield from ((value.name, value.number) for value in enum.value)
        yield from ((field.name, field.number) for field in scope.extension)
        for message in getattr(scope, nested):
            yield from ((field.name, field.number) for field in message.field)
            yield from of(message, "nested_type")

    yield from of(FileDescriptorProto.FromString(serialized), "message_type")
