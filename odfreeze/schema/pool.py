"""The package's own descriptor pool, filled set by set when a message of a set is asked for."""

from __future__ import annotations

import functools
import pkgutil  # importlib.resources takes ten times as long to import
from typing import TYPE_CHECKING, Any

from odfreeze.errors import UnknownFieldError, suggest

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["DESCRIPTOR_SETS", "message_descriptor", "serialized_files"]

#: The descriptor sets of this folder (``NAME.binpb``), each with the package of its messages.
DESCRIPTOR_SETS = {"plan": "odfreeze", "object_detection": "object_detection.protos"}


def message_descriptor(name: str) -> Descriptor:
    """Returns the descriptor of a message of the package's schemas.

    Args:
      name: Full name with its package.

    Raises:
      UnknownFieldError: No schema has a message of that name.

    >>> message_descriptor("odfreeze.Plan").fields[0].name
    'base_config'
    >>> message_descriptor("object_detection.protos.TrainConfig").fields_by_name["num_steps"].number
    9
    """
    for set_name, package in DESCRIPTOR_SETS.items():
        if name.startswith(f"{package}."):
            try:
                return _loaded(set_name).FindMessageTypeByName(name)
            except KeyError:
                break
    names = [known for set_name in DESCRIPTOR_SETS for known in _names(set_name)]
    raise UnknownFieldError(
        f"there is no message {name!r} in the schemas{suggest(name, names)}", field=name
    )


@functools.cache
def serialized_files(set_name: str) -> dict[str, bytes]:
    """Returns the files of a descriptor set, each behind those that it imports.

    Args:
      set_name: A key of DESCRIPTOR_SETS.

    Returns:
      Of each file its name, such as ``object_detection/protos/ssd.proto``, and its serialized
      FileDescriptorProto, which every protobuf runtime's ``AddSerializedFile`` takes.

    Raises:
      KeyError: There is no such set.

    >>> list(serialized_files("plan"))
    ['odfreeze/plan.proto']
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    if set_name not in DESCRIPTOR_SETS:
        raise KeyError(set_name)
    data = pkgutil.get_data("odfreeze.schema", f"{set_name}.binpb")
    assert data is not None  # it ships with the package
    return {one.name: one.SerializeToString() for one in FileDescriptorSet.FromString(data).file}


@functools.cache
def _pool() -> DescriptorPool:
    from google.protobuf.descriptor_pool import DescriptorPool

    return DescriptorPool()


@functools.cache
def _loaded(set_name: str) -> DescriptorPool:
    """Returns the pool with a descriptor set in it."""
    pool = _pool()
    for data in serialized_files(set_name).values():
        pool.AddSerializedFile(data)
    return pool


def _names(set_name: str) -> list[str]:
    """Returns the full names of the messages of a descriptor set."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    files = map(FileDescriptorProto.FromString, serialized_files(set_name).values())
    return [name for file in files for name in _message_names(file.package, file.message_type)]


def _message_names(scope: str, messages: Any) -> list[str]:
    """Returns the full names of messages and of those nested in them."""
    names = []
    for message in messages:
        full = f"{scope}.{message.name}"
        names += [full, *_message_names(full, message.nested_type)]
    return names
