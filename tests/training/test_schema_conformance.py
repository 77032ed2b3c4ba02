"""The schema held against the installed Object Detection API, message by message and byte by byte.

What is installed is read from its generated modules as they lie there, not imported: under
odfreeze's own import hook the classes could come from the schema that is on trial here. Its
descriptors live in a pool of their own beside odfreeze's.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from odfreeze.schema import LATER, PIPELINE, message_descriptor, serialized_files
from tests.conftest import ROOT
from tests.support.protobuf import class_of

CORPUS = ROOT.parent / "shared" / "corpus" / "configs"
CONFIGS = sorted([*ROOT.glob("sample_configs/*.config"), *CORPUS.glob("*/*.config")])

#: All that the schema has and 2.8.0.post1 has not; the values of an enum go with it.
LATER_THAN_2_8_0 = {
    "object_detection.protos.BidirectionalFeaturePyramidNetworks.use_native_resize_op",
    "object_detection.protos.CenterNet.DeepMACMaskEstimation.feature_consistency_comparison",
    "object_detection.protos.CenterNet.DeepMACMaskEstimation.feature_consistency_type",
    "object_detection.protos.FeatureConsistencyComparison",
    "object_detection.protos.FeatureConsistencyType",
    "object_detection.protos.SsdFeatureExtractor.use_hardswish",
}


def serialized(module: Path) -> bytes:
    """The file descriptor in a module that protoc generated."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            return ast.literal_eval(node.value)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return ast.literal_eval(node.args[0])
    raise AssertionError(f"{module} holds no descriptor")


@functools.cache
def installed_files() -> dict[str, bytes]:
    spec = importlib.util.find_spec("object_detection")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    modules = [one for folder in folders for one in Path(folder, "protos").glob("*_pb2.py")]
    return {FileDescriptorProto.FromString(s).name: s for s in map(serialized, modules)}


@functools.cache
def installed_pool() -> DescriptorPool:
    pool, added = DescriptorPool(), set()

    def add(name: str) -> None:
        if name not in added:
            added.add(name)
            for dependency in FileDescriptorProto.FromString(installed_files()[name]).dependency:
                add(dependency)
            pool.AddSerializedFile(installed_files()[name])

    for name in installed_files():
        add(name)
    return pool


Described = DescriptorProto | EnumDescriptorProto


def described(files: dict[str, bytes]) -> dict[str, tuple[str, Described]]:
    """Every message and enum by its full name, with the file that it is in."""
    found: dict[str, tuple[str, Described]] = {}

    def within(file: str, scope: str, message: DescriptorProto) -> None:
        found[f"{scope}.{message.name}"] = (file, message)
        for nested in message.nested_type:
            within(file, f"{scope}.{message.name}", nested)
        for enum in message.enum_type:
            found[f"{scope}.{message.name}.{enum.name}"] = (file, enum)

    for data in files.values():
        file = FileDescriptorProto.FromString(data)
        for message in file.message_type:
            within(file.name, file.package, message)
        for enum in file.enum_type:
            found[f"{file.package}.{enum.name}"] = (file.name, enum)
    return found


OURS = described(serialized_files("object_detection"))
THEIRS = described(installed_files())

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(not THEIRS, reason="no generated modules of the OD API are installed"),
]


def facts(field: FieldDescriptorProto, owner: DescriptorProto) -> dict[str, Any]:
    """What counts of a field: everything but its place among the others."""
    oneof = field.HasField("oneof_index") and owner.oneof_decl[field.oneof_index].name
    kept = FieldDescriptorProto()
    kept.CopyFrom(field)
    kept.ClearField("oneof_index")
    kept.ClearField("json_name")  # follows from the name; old modules leave it out
    return {"field": kept, "oneof": oneof}


def numbers(ranges: Any) -> Iterator[int]:
    for one in ranges:
        yield from range(one.start, one.end)


def test_modules_are_the_same() -> None:
    assert installed_files().keys() == serialized_files("object_detection").keys()


def test_imports_are_the_same() -> None:
    for name, data in installed_files().items():
        ours = FileDescriptorProto.FromString(serialized_files("object_detection")[name])
        theirs = FileDescriptorProto.FromString(data)
        assert sorted(ours.dependency) == sorted(theirs.dependency), name
        assert (ours.package, ours.options) == (theirs.package, theirs.options), name


def test_nothing_is_missing_and_what_is_more_is_listed() -> None:
    more = {
        *(OURS.keys() - THEIRS.keys()),
        *(
            f"{name}.{field.name}"
            for name, (_, message) in OURS.items()
            if name in THEIRS and isinstance(message, DescriptorProto)
            for field in message.field
            if field.name not in {one.name for one in THEIRS[name][1].field}
        ),
    }
    assert THEIRS.keys() <= OURS.keys()
    assert more == LATER_THAN_2_8_0 == LATER


@pytest.mark.parametrize("name", [n for n, (_, m) in THEIRS.items() if hasattr(m, "field")])
def test_message_has_the_same_fields(name: str) -> None:
    (our_file, ours), (their_file, theirs) = OURS[name], THEIRS[name]
    assert our_file == their_file
    assert {
        field.name: facts(field, ours)
        for field in ours.field
        if f"{name}.{field.name}" not in LATER_THAN_2_8_0
    } == {field.name: facts(field, theirs) for field in theirs.field}
    assert [one.name for one in ours.oneof_decl] == [one.name for one in theirs.oneof_decl]
    assert ours.options == theirs.options
    assert list(ours.extension_range) == list(theirs.extension_range)
    assert set(numbers(ours.reserved_range)) == set(numbers(theirs.reserved_range))
    assert sorted(ours.reserved_name) == sorted(theirs.reserved_name)
    assert list(ours.extension) == list(theirs.extension) == []


@pytest.mark.parametrize("name", [n for n, (_, e) in THEIRS.items() if hasattr(e, "value")])
def test_enum_has_the_same_values(name: str) -> None:
    (our_file, ours), (their_file, theirs) = OURS[name], THEIRS[name]
    assert (our_file, ours.options) == (their_file, theirs.options)
    assert {one.name: one.number for one in ours.value} == {
        one.name: one.number for one in theirs.value
    }


@functools.cache
def classes() -> tuple[Any, Any]:
    """The root message: odfreeze's class and the installed one's."""
    installed = installed_pool().FindMessageTypeByName(PIPELINE)
    return class_of(message_descriptor(PIPELINE)), class_of(installed)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_config_parses_to_the_same_bytes(path: Path) -> None:
    text = path.read_bytes()
    ours, theirs = (text_format.Merge(text, one()) for one in classes())
    assert type(ours) is not type(theirs)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(
        deterministic=True
    )
    assert text_format.MessageToString(ours) == text_format.MessageToString(theirs)


REFUSED = {
    "unknown field": "train_config { freeze_vars: 'a' }",
    "unknown value": "train_config { fine_tune_checkpoint_version: v2 }",
    "wrong type": "train_config { num_steps: 1e4 }",
    "field of another block": "train_config { freeze_batchnorm: true }",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_the_od_api_refuses_is_refused(text: str) -> None:
    for one in classes():
        with pytest.raises(text_format.ParseError):
            text_format.Merge(text, one())


def test_what_is_later_is_refused_by_the_od_api_alone() -> None:
    text = "model { ssd { feature_extractor { use_hardswish: true } } }"
    ours, theirs = classes()
    assert text_format.Merge(text, ours()).model.ssd.feature_extractor.use_hardswish
    with pytest.raises(text_format.ParseError):
        text_format.Merge(text, theirs())
