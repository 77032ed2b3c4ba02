"""The package's own descriptor pool, filled on first use."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, Any

from odfreeze.errors import UnknownFieldError, suggest

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["DESCRIPTOR_SETS", "message_descriptor"]

#: The descriptor sets in this folder, each with all that it imports, in the order of loading.
DESCRIPTOR_SETS = ("plan.binpb",)


def message_descriptor(name: str) -> Descriptor:
    """Returns the descriptor of a message of the package's schemas.

    Args:
      name: Full name with its package.

    Raises:
      UnknownFieldError: No schema has a message of that name.

    >>> message_descriptor("odfreeze.Plan").fields[0].name
    'base_config'
    """
    pool, names = _pool()
    if name not in names:
        raise UnknownFieldError(
            f"there is no message {name!r} in the schemas{suggest(name, names)}", field=name
        )
    return pool.FindMessageTypeByName(name)


@functools.cache
def _pool() -> tuple[DescriptorPool, frozenset[str]]:
    """Returns the pool and the full names of the messages in it."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool

    pool = DescriptorPool()
    added: set[str] = set()
    names: set[str] = set()
    for set_name in DESCRIPTOR_SETS:
        data = resources.files("odfreeze.schema").joinpath(set_name).read_bytes()
        for file in FileDescriptorSet.FromString(data).file:
            if file.name in added:  # sets may share what they import
                continue
            pool.AddSerializedFile(file.SerializeToString())
            added.add(file.name)
            names.update(_message_names(file.package, file.message_type))
    return pool, frozenset(names)


def _message_names(scope: str, messages: Any) -> list[str]:
    """Returns the full names of messages and of those nested in them."""
    names = []
    for message in messages:
        full = f"{scope}.{message.name}" if scope else message.name
        names += [full, *_message_names(full, message.nested_type)]
    return names
