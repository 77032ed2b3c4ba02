"""Fields by their dotted path under a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odfreeze.errors import UnknownFieldError, suggest
from odfreeze.schema.descriptors import is_repeated
from odfreeze.schema.pool import message_descriptor
from odfreeze.textproto.query import split_path

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["PIPELINE", "field_at"]

#: Full name of the message that a pipeline.config is.
PIPELINE = "object_detection.protos.TrainEvalPipelineConfig"


def field_at(path: str, message: str | Descriptor = PIPELINE) -> FieldDescriptor:
    """Returns the field at a dotted path.

    Args:
      path: Field names joined by dots, an index behind any that is repeated, as in
        ``train_config.data_augmentation_options[1].random_crop_image``. An entry of a map
        has the fields ``key`` and ``value``. A name in brackets is an extension's.
      message: Full name of the message where the path begins, or its descriptor.

    Raises:
      UnknownFieldError: A name on the path is no field of its message, or the path goes on
        behind a field that is no message, or has an index behind one that is not repeated.
      UsageError: The path is malformed.

    >>> field_at("train_config.num_steps").default_value
    0
    >>> field_at("train_config.num_step")
    Traceback (most recent call last):
    odfreeze.errors.UnknownFieldError: TrainConfig has no field 'num_step'; did you mean
     'num_steps'?
    """
    descriptor = message_descriptor(message) if isinstance(message, str) else message
    found: FieldDescriptor | None = None
    for name, index in split_path(path):
        if descriptor is None:
            assert found is not None
            raise UnknownFieldError(
                f"{found.name} of {found.containing_type.name} holds single values, there is no "
                f"{name!r} in it; end the path {path!r} at {found.name}",
                field=path,
            )
        found = _field(descriptor, name, path)
        if index is not None and not is_repeated(found):
            raise UnknownFieldError(
                f"{name} of {descriptor.name} is not repeated; drop the index in {path!r}",
                field=path,
            )
        descriptor = found.message_type
    assert found is not None
    return found


def _field(descriptor: Descriptor, name: str, path: str) -> FieldDescriptor:
    """Returns the field of a message by its name, an extension by its name in brackets."""
    if name.startswith("["):
        for one in descriptor.file.pool.FindAllExtensions(descriptor):
            if one.full_name == name[1:-1]:
                return one
        raise UnknownFieldError(
            f"no schema has the extension {name} of {descriptor.name}; a fork of the Object "
            "Detection API may",
            field=path,
        )
    if name not in descriptor.fields_by_name:
        names = [field.name for field in descriptor.fields]
        hint = suggest(name, names) or f"; it has {', '.join(names) or 'no fields'}"
        raise UnknownFieldError(f"{descriptor.name} has no field {name!r}{hint}", field=path)
    return descriptor.fields_by_name[name]
