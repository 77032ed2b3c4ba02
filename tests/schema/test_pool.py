"""The descriptor sets in the package, and the pool they are loaded into."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from odfreeze.errors import UnknownFieldError
from odfreeze.schema import PIPELINE, message_descriptor, serialized_files
from odfreeze.schema.pool import DESCRIPTOR_SETS
from tests.conftest import ROOT

PROTOS = ROOT / "protos"
SOURCES = {
    name: sorted(path.relative_to(PROTOS).as_posix() for path in (PROTOS / package).glob("*.proto"))
    for name, package in (("plan", "odfreeze"), ("object_detection", "object_detection/protos"))
}


def test_every_descriptor_set_has_a_source() -> None:
    assert set(SOURCES) == set(DESCRIPTOR_SETS)
    for name, sources in SOURCES.items():
        assert sorted(serialized_files(name)) == sources


@pytest.mark.parametrize("name", DESCRIPTOR_SETS)
def test_descriptor_set_is_what_its_source_compiles_to(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("grpcio-tools is not installed")
    compiled = tmp_path / name
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={compiled}", *SOURCES[name]], check=True)
    shipped = resources.files("odfreeze.schema").joinpath(f"{name}.binpb").read_bytes()
    assert FileDescriptorSet.FromString(shipped) == FileDescriptorSet.FromString(
        compiled.read_bytes()
    ), "protos/ has changed: run `make protos`"


@pytest.mark.parametrize("name", DESCRIPTOR_SETS)
def test_files_stand_behind_what_they_import_and_carry_no_comments(name: str) -> None:
    before: set[str] = set()
    for file_name, data in serialized_files(name).items():
        file = FileDescriptorProto.FromString(data)
        assert (file.name, file.package) == (file_name, DESCRIPTOR_SETS[name])
        assert set(file.dependency) <= before and not file.HasField("source_code_info")
        before.add(file_name)


def test_unknown_set_is_no_set() -> None:
    with pytest.raises(KeyError):
        serialized_files("pipeline")


def test_od_api_s_schema_is_whole() -> None:
    files = [FileDescriptorProto.FromString(data) for data in
             serialized_files("object_detection").values()]  # fmt: skip

    def nested(message: DescriptorProto) -> Iterator[DescriptorProto]:
        yield message
        for one in message.nested_type:
            yield from nested(one)

    messages = [one for file in files for top in file.message_type for one in nested(top)]
    entries = [one for one in messages if one.options.map_entry]
    enums = [*(e for file in files for e in file.enum_type),
             *(e for message in messages for e in message.enum_type)]  # fmt: skip
    fields = sum(len(one.field) for one in messages)
    # 166 messages, 850 fields and 19 enums in 2.8.0.post1; the others are later ones.
    assert (len(files), len(messages), fields, len(enums), len(entries)) == (34, 166, 854, 21, 5)


@pytest.mark.parametrize(
    ("message", "fields"),
    (
        ("odfreeze.Stage", ["name", "freeze_variables"]),
        ("object_detection.protos.TrainConfig",
         ["freeze_variables", "update_trainable_variables"]),
        ("object_detection.protos.CenterNet.PredictionHeadParams", ["num_filters", "kernel_sizes"]),
    ),
    ids=("plan", "pipeline", "nested"),
)  # fmt: skip
def test_message_is_found_by_its_full_name(message: str, fields: list[str]) -> None:
    assert [field.name for field in message_descriptor(message).fields][:2] == fields


def test_one_set_is_not_loaded_for_a_message_of_another() -> None:
    script = (
        "from odfreeze.schema import message_descriptor as find\n"
        "pool = find('odfreeze.Plan').file.pool\n"
        "try:\n    pool.FindFileByName('object_detection/protos/train.proto')\n"
        "except KeyError:\n    pass\n"
        "else:\n    raise SystemExit('loaded')\n"
        "assert find('object_detection.protos.TrainConfig').file.pool is pool"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_another_schema_of_the_same_names_in_the_process_is_no_conflict() -> None:
    script = (
        "from google.protobuf import descriptor_pb2, descriptor_pool\n"
        "from odfreeze.schema import message_descriptor\n"
        "file = descriptor_pb2.FileDescriptorProto(name='object_detection/protos/train.proto',\n"
        "    package='object_detection.protos')\n"
        "file.message_type.add(name='TrainConfig')\n"
        "default = descriptor_pool.Default()\n"
        "default.AddSerializedFile(file.SerializeToString())\n"
        "name = 'object_detection.protos.TrainConfig'\n"
        "assert not default.FindMessageTypeByName(name).fields\n"
        "assert message_descriptor(name).fields\n"
        "assert not default.FindMessageTypeByName(name).fields"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("name", "nearest"),
    (
        ("odfreeze.Plane", "odfreeze.Plan"),
        ("object_detection.protos.TrainingConfig", "object_detection.protos.TrainConfig"),
        ("object_detection.TrainConfig", "object_detection.protos.TrainConfig"),
    ),
)
def test_unknown_message_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    with pytest.raises(UnknownFieldError) as caught:
        message_descriptor(name)
    assert str(caught.value) == (
        f"there is no message {name!r} in the schemas; did you mean {nearest!r}?"
    )


def test_protobuf_s_own_pool_stays_as_it_was() -> None:
    message_descriptor(PIPELINE)
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(PIPELINE)


def test_importing_the_package_loads_no_protobuf() -> None:
    script = "import odfreeze.schema, sys; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0
