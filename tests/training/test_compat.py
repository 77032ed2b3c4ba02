"""Each measure of compatibility: when it is needed, and what it does, without TensorFlow."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.errors import MissingDependencyError
from odfreeze.training import compat
from odfreeze.training.compat import MEASURES, Measure, prepare
from tests.conftest import ROOT

NAMES = [measure.name for measure in MEASURES]
NEWEST = set(NAMES) - {"tensorflow-io", "font-size"}


def install(monkeypatch: pytest.MonkeyPatch, modules: set[str] = frozenset(), **versions: str):
    """Pretends that just these distributions and modules are installed."""

    def version(name: str) -> str:
        if name.replace("-", "_") not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name.replace("-", "_")]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in modules else None)


def needed() -> set[str]:
    return {measure.name for measure in MEASURES if measure.needed()}


@pytest.mark.parametrize(
    ("versions", "names"),
    (
        ({"tensorflow": "2.8.0", "protobuf": "3.20.3"}, set()),
        ({"tensorflow": "2.11.1", "protobuf": "3.20.3"}, set()),
        ({"tensorflow": "2.12.0", "protobuf": "3.20.3"}, {"control-flow-names"}),
        ({"tensorflow": "2.15.1", "protobuf": "4.25.3"}, {"control-flow-names", "proto-modules"}),
        ({"tensorflow_cpu": "2.15.1", "protobuf": "3.20.3"}, {"control-flow-names"}),
        ({"tf_nightly": "2.22.0.dev20260101", "protobuf": "7.0.0"}, NEWEST),
        ({"tensorflow": "2.21.0rc1", "protobuf": "7.0.0"}, NEWEST),
        ({"tensorflow": "2.11.0", "protobuf": "3.20.3", "pillow": "9.5.0"}, set()),
        ({"tensorflow": "2.11.0", "protobuf": "3.20.3", "pillow": "10.0.0"}, {"font-size"}),
    ),
    ids=(
        "2.8",
        "2.11",
        "2.12",
        "2.15",
        "2.15 cpu",
        "nightly",
        "2.21 candidate",
        "pillow 9",
        "pillow 10",
    ),
)
def test_which_measures_an_installation_needs(monkeypatch, versions, names) -> None:
    install(monkeypatch, {"tensorflow_io"}, **versions)
    assert needed() == names


def test_tensorflow_io_is_supplied_once_where_it_is_missing(monkeypatch) -> None:
    monkeypatch.setattr(sys, "modules", {k: v for k, v in sys.modules.items() if "_io" not in k})
    with monkeypatch.context() as nothing:
        nothing.setattr(importlib.util, "find_spec", lambda name: None)
        assert compat._tensorflow_io_needed()
    compat._supply_tensorflow_io()
    assert not compat._tensorflow_io_needed()


def test_legacy_keras_is_chosen_before_anything_else(monkeypatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert NAMES[0] == "legacy-keras"
    MEASURES[0].apply()
    assert os.environ == {"TF_USE_LEGACY_KERAS": "1"}


def test_only_what_is_needed_is_applied_in_order(monkeypatch) -> None:
    applied: list[str] = []
    measures = tuple(
        Measure(name, "", lambda name=name: name != "b", lambda name=name: applied.append(name))
        for name in "cab"
    )
    monkeypatch.setattr(compat, "MEASURES", measures)
    install(monkeypatch, {"tensorflow", "object_detection"})
    assert prepare() == ("c", "a")
    assert applied == ["c", "a"]


@pytest.mark.parametrize(
    ("modules", "package"),
    (
        ({"object_detection"}, "tensorflow"),
        ({"tensorflow"}, "tf-models-research-object-detection"),
    ),
    ids=("no TensorFlow", "no OD API"),
)
def test_what_is_not_installed_is_named_with_the_cure(monkeypatch, modules, package) -> None:
    install(monkeypatch, modules)
    with pytest.raises(MissingDependencyError) as caught:
        prepare()
    assert str(caught.value) == (
        f"training needs {package}, which is not installed in {sys.prefix}; install it with: pip"
        " install 'odfreeze[train]'"
    )
    assert caught.value.exit_status == 2


# --- generated modules of an old protoc ---

_MAKE = """
import pathlib, sys
from google.protobuf import descriptor_pb2
file = descriptor_pb2.FileDescriptorProto(
    name="object_detection/protos/NAME.proto", package="odtest", syntax="proto2",
)
FILL
text = '''
from google.protobuf import descriptor as _descriptor
raise TypeError("Descriptors cannot be created directly.")
DESCRIPTOR = _descriptor.FileDescriptor(
  name='NAME', package='odtest', serialized_pb=%r, dependencies=[])
''' % file.SerializeToString()
pathlib.Path("object_detection/protos/NAME_pb2.py").write_text(text)
"""

_INNER = """
message = file.message_type.add(name="Inner")
message.field.add(name="size", number=1, type=5, label=1)
value = file.enum_type.add(name="Kind")
value.value.add(name="ROUND", number=0)
value.value.add(name="SQUARE", number=3)
"""

_OUTER = """
file.dependency.append("object_detection/protos/inner.proto")
message = file.message_type.add(name="Outer")
message.field.add(name="inner", number=1, type=11, type_name=".odtest.Inner", label=1)
message.field.add(name="kind", number=2, type=14, type_name=".odtest.Kind", label=1)
"""

_USE = """
import sys
from odfreeze.training import compat
compat._hook_proto_modules()
compat._hook_proto_modules()
hooks = [f for f in sys.meta_path if isinstance(f, compat.ProtoModuleFinder)]
assert len(hooks) == 1, hooks
from object_detection.protos import outer_pb2, plain_pb2
from google.protobuf import text_format
outer = text_format.Parse("inner { size: 7 } kind: SQUARE", outer_pb2.Outer())
inner_pb2 = sys.modules["object_detection.protos.inner_pb2"]
assert isinstance(outer.inner, inner_pb2.Inner)
assert (outer.inner.size, outer.kind) == (7, inner_pb2.SQUARE) == (7, 3)
assert outer_pb2.Outer.FromString(outer.SerializeToString()) == outer
assert plain_pb2.VALUE == "as it is"
try:
    import object_detection.protos.absent_pb2
except ModuleNotFoundError as error:
    print(error)
"""


def test_modules_of_an_old_protoc_are_made_from_their_descriptors(tmp_path: Path) -> None:
    protos = tmp_path / "object_detection" / "protos"
    protos.mkdir(parents=True)
    (protos / "plain_pb2.py").write_text("VALUE = 'as it is'\n")
    parts = [_MAKE.replace("NAME", n).replace("FILL", f) for n, f in (("inner", _INNER), ("outer", _OUTER))]  # noqa: E501  # fmt: skip
    code = "\n".join([f"import sys; sys.path[:0] = [{str(ROOT)!r}, '.']", *parts, _USE])
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "No module named 'object_detection.protos.absent_pb2'\n"


@pytest.mark.parametrize(
    ("source", "found"),
    (
        ("F = f(serialized_pb=b'\\n\\x01x')", b"\n\x01x"),
        ("F = f(serialized_pb=_b('x'))", None),
        ("F = f(serialized_pb='text')", None),
        ("DESCRIPTOR = pool.AddSerializedFile(b'x')", None),
        ("# serialized_pb= is what older ones have", None),
    ),
    ids=("bytes", "a call", "text", "a newer module", "a comment"),
)
def test_only_a_literal_descriptor_is_taken(source: str, found: bytes | None) -> None:
    assert compat._serialized_file(source) == found


def test_the_finder_minds_its_own_modules(monkeypatch) -> None:
    finder = compat.ProtoModuleFinder()
    assert finder.find_spec("object_detection.core.losses", []) is None
    assert finder.find_spec("object_detection.protos.builder", []) is None
    assert finder.find_spec("other.protos.model_pb2", []) is None
