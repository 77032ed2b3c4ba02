"""What the schema has beyond release 2.8.0.post1, and what later heads call it."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from odfreeze.schema import LATER, RENAMED, serialized_files, with_later_names

DEEPMAC = "object_detection.protos.CenterNet.DeepMACMaskEstimation"


@pytest.fixture(scope="module")
def later_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in serialized_files("object_detection").values():
        pool.AddSerializedFile(with_later_names(file))
    return pool


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_is_later_is_in_the_schema(name: str, later_pool: DescriptorPool) -> None:
    if name.rpartition(".")[2][0].isupper():
        later_pool.FindEnumTypeByName(name)
    else:
        later_pool.FindFieldByName(name)


@pytest.mark.parametrize(("old", "new"), RENAMED.items(), ids=RENAMED.values())
def test_renamed_field_keeps_its_number(old: str, new: str, later_pool: DescriptorPool) -> None:
    before = DescriptorPool()
    for file in serialized_files("object_detection").values():
        before.AddSerializedFile(file)
    field = later_pool.FindFieldByName(f"{DEEPMAC}.{new}")
    assert field.number == before.FindFieldByName(old).number
    assert field.name not in before.FindMessageTypeByName(DEEPMAC).fields_by_name
    with pytest.raises(KeyError):
        later_pool.FindFieldByName(old)


def test_nothing_else_changes() -> None:
    changed = [
        name
        for name, file in serialized_files("object_detection").items()
        if with_later_names(file) != file
    ]
    assert changed == ["object_detection/protos/center_net.proto"]
    file = serialized_files("object_detection")[changed[0]]
    now = FileDescriptorProto.FromString(with_later_names(file))
    (center_net,) = [one for one in now.message_type if one.name == "CenterNet"]
    (deepmac,) = [one for one in center_net.nested_type if one.name == "DeepMACMaskEstimation"]
    old = {new: name.rpartition(".")[2] for name, new in RENAMED.items()}
    for field in deepmac.field:
        if field.name in old:
            field.name = old[field.name]
            parts = field.name.split("_")
            field.json_name = parts[0] + "".join(part.title() for part in parts[1:])
    assert now == FileDescriptorProto.FromString(file)
