"""Messages known by their schema: text protos checked field by field and read as values.

The schemas are descriptor sets that ship with the package, compiled from ``protos/``. They
live in a descriptor pool of their own, so that an installed Object Detection API, which
registers messages of the same names, is no conflict.
"""

from odfreeze.schema.descriptors import is_map, is_repeated, is_required
from odfreeze.schema.faults import Fault
from odfreeze.schema.homes import homes_of, names_beside, written_messages
from odfreeze.schema.later import LATER, RENAMED, with_later_names
from odfreeze.schema.paths import PIPELINE, field_at
from odfreeze.schema.pool import message_descriptor, serialized_files
from odfreeze.schema.reader import Record, Value, find_faults, read_message, read_with_faults

__all__ = [
    "LATER",
    "PIPELINE",
    "RENAMED",
    "Fault",
    "Record",
    "Value",
    "field_at",
    "find_faults",
    "homes_of",
    "is_map",
    "is_repeated",
    "is_required",
    "message_descriptor",
    "names_beside",
    "read_message",
    "read_with_faults",
    "serialized_files",
    "with_later_names",
    "written_messages",
]
