"""What lets the installed, unmodified OD API be imported and run: one small measure a symptom.

Each :class:`Measure` is applied only where its symptom would occur, in this process and at
run time; nothing in the installed packages is touched. :func:`prepare` applies all of them
and must run before the first import of TensorFlow or ``object_detection``.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odfreeze.errors import MissingDependencyError

__all__ = ["MEASURES", "Measure", "prepare"]

_PROTOS = "object_detection.protos."


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of compatibility.

    Attributes:
      name: Short name, as logs and ``odfreeze doctor`` show it.
      symptom: Text of the error that occurs without it.
      needed: Tells whether the symptom would occur here; imports nothing heavy.
      apply: Cures it in this process.
    """

    name: str
    symptom: str
    needed: Callable[[], bool]
    apply: Callable[[], None]


def prepare() -> tuple[str, ...]:
    """Applies every measure that is needed here.

    Returns:
      The names of the measures that were applied.

    Raises:
      MissingDependencyError: If TensorFlow or the OD API is not installed.
    """
    for module, package in (
        ("tensorflow", "tensorflow"),
        ("object_detection", "tf-models-research-object-detection"),
    ):
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError(
                f"training needs {package}, which is not installed in {sys.prefix};"
                " install it with: pip install 'odfreeze[train]'"
            )
    applied = []
    for measure in MEASURES:
        if measure.needed():
            measure.apply()
            applied.append(measure.name)
    return tuple(applied)


#: Distributions that install a package of this name.
_DISTRIBUTIONS = {
    "tensorflow": (
        "tensorflow",
        "tensorflow-cpu",
        "tensorflow-intel",
        "tensorflow-macos",
        "tensorflow-rocm",
        "tf-nightly",
    )
}


def _version(package: str) -> tuple[int, ...]:
    """Returns the leading numbers of an installed package's version, () when it is absent."""
    text = ""
    for distribution in _DISTRIBUTIONS.get(package, (package,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            text = importlib.metadata.version(distribution)
            break
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


# --- generated protobuf modules -----------------------------------------------------------


def _proto_modules_needed() -> bool:
    return _version("protobuf") >= (4,)


def _hook_proto_modules() -> None:
    if not any(isinstance(finder, ProtoModuleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ProtoModuleFinder())


class ProtoModuleFinder(importlib.abc.MetaPathFinder):
    """Finds ``object_detection.protos.*_pb2`` modules written by a protoc before 3.19.

    Such a module carries its file descriptor serialized; the classes are made from that
    by the installed protobuf runtime, and the module's own code is not executed.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns a spec for an old generated module, None for every other module."""
        if not (fullname.startswith(_PROTOS) and fullname.endswith("_pb2")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return None
        serialized = _serialized_file(Path(spec.origin).read_text(encoding="utf-8"))
        if serialized is None:
            return None
        loader = _ProtoModuleLoader(serialized)
        return importlib.machinery.ModuleSpec(fullname, loader, origin=spec.origin)


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
        names["DESCRIPTOR"] = descriptor
        builder.BuildMessageAndEnumDescriptors(descriptor, names)
        builder.BuildTopDescriptorsAndMessages(descriptor, module.__name__, names)


def _serialized_file(source: str) -> bytes | None:
    """Returns the file descriptor that an old generated module carries, None for a newer one."""
    if "serialized_pb=" not in source:
        return None
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                return None
            return value if isinstance(value, bytes) else None
    return None


# --- names that newer TensorFlow has no more ----------------------------------------------


def _control_flow_needed() -> bool:
    return _version("tensorflow") >= (2, 12)


def _restore_control_flow_names() -> None:
    from tensorflow.python.ops import cond, control_flow_case, control_flow_ops, while_loop

    for name, value in (
        ("case", control_flow_case.case),
        ("cond", cond.cond),
        ("while_loop", while_loop.while_loop),
    ):
        if not hasattr(control_flow_ops, name):
            setattr(control_flow_ops, name, value)


def _legacy_keras_needed() -> bool:
    return _version("tensorflow") >= (2, 16)


def _choose_legacy_keras() -> None:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"


def _estimator_needed() -> bool:
    return _version("tensorflow") >= (2, 16)


def _supply_estimator_names() -> None:
    import tensorflow as tf

    if hasattr(tf.compat.v1, "estimator"):
        return
    # The TF2 path only names these classes, in signatures and constants of the TF1 path.
    estimator = types.ModuleType("tensorflow.compat.v1.estimator")
    estimator.__dict__.update(
        ModeKeys=types.SimpleNamespace(TRAIN="train", EVAL="eval", PREDICT="infer"),
        Estimator=object,
        EstimatorSpec=object,
        tpu=types.SimpleNamespace(TPUEstimator=object, TPUEstimatorSpec=object),
        export=types.SimpleNamespace(
            ServingInputReceiver=object, TensorServingInputReceiver=object, PredictOutput=object
        ),
    )
    for home in (tf.compat.v1, tf):
        vars(home)["estimator"] = estimator


def _tensorflow_io_needed() -> bool:
    if "tensorflow_io" in sys.modules:  # perhaps ours, of which find_spec cannot judge
        return False
    return importlib.util.find_spec("tensorflow_io") is None


def _supply_tensorflow_io() -> None:
    sys.modules["tensorflow_io"] = types.ModuleType("tensorflow_io")


def _font_size_needed() -> bool:
    return _version("pillow") >= (10,)


def _restore_font_size() -> None:
    from PIL import ImageFont

    def getsize(font: Any, text: str) -> tuple[int, int]:
        """Returns width and height in pixels, as Pillow's own did up to its version 9."""
        right, bottom = font.getbbox(text)[2:]
        return round(right), round(bottom)

    for kind in (ImageFont.FreeTypeFont, ImageFont.ImageFont):
        if not hasattr(kind, "getsize"):
            kind.getsize = getsize


#: All measures, in the order in which they must be applied.
MEASURES: tuple[Measure, ...] = (
    Measure(
        "legacy-keras",
        "AttributeError: module 'keras._tf_keras.keras' has no attribute 'legacy_tf_layers'",
        _legacy_keras_needed,
        _choose_legacy_keras,
    ),
    Measure(
        "proto-modules",
        "TypeError: Descriptors cannot be created directly.",
        _proto_modules_needed,
        _hook_proto_modules,
    ),
    Measure(
        "tensorflow-io",
        "ModuleNotFoundError: No module named 'tensorflow_io'",
        _tensorflow_io_needed,
        _supply_tensorflow_io,
    ),
    Measure(
        "estimator-names",
        "AttributeError: module 'tensorflow.compat.v1' has no attribute 'estimator'",
        _estimator_needed,
        _supply_estimator_names,
    ),
    Measure(
        "control-flow-names",
        "AttributeError: module 'tensorflow.python.ops.control_flow_ops' has no attribute 'case'",
        _control_flow_needed,
        _restore_control_flow_names,
    ),
    Measure(
        "font-size",
        "AttributeError: 'FreeTypeFont' object has no attribute 'getsize'",
        _font_size_needed,
        _restore_font_size,
    ),
)
