"""The descriptor sets in the package, and the pool they are loaded into."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from odfreeze.errors import UnknownFieldError
from odfreeze.schema import message_descriptor, serialized_files
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


def test_message_is_found_by_its_full_name() -> None:
    fields = [field.name for field in message_descriptor("odfreeze.Stage").fields]
    assert fields[:2] == ["name", "freeze_variables"]


def test_unknown_message_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownFieldError) as caught:
        message_descriptor("odfreeze.Plane")
    assert str(caught.value) == (
        "there is no message 'odfreeze.Plane' in the schemas; did you mean 'odfreeze.Plan'?"
    )


def test_protobuf_s_own_pool_stays_as_it_was() -> None:
    message_descriptor("odfreeze.Plan")
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("odfreeze.Plan")


def test_importing_the_package_loads_no_protobuf() -> None:
    script = "import odfreeze.schema, sys; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0
