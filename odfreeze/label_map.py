"""Label maps: which class id stands for which name.

A label map is a text proto, ``StringIntLabelMap`` of string_int_label_map.proto. How it is read
is utils/label_map_util.py of tf-models-research-object-detection 2.8.0.post1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from odfreeze.errors import ConfigError, Place
from odfreeze.files import read_text_file
from odfreeze.schema import Record, read_message
from odfreeze.textproto import parse

__all__ = ["LabelItem", "LabelMap", "read_label_map"]

_MESSAGE = "object_detection.protos.StringIntLabelMap"


@dataclass(frozen=True, slots=True)
class LabelItem:
    """One class.

    Attributes:
      id: Its id; 0 where none is written.
      name: Its name; "" where none is written.
      display_name: Its name for people; "" where none is written.
      place: Where the item begins.
      id_place: Where the id is, or the item where it is not written.
    """

    id: int
    name: str
    display_name: str
    place: Place
    id_place: Place


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A label map.

    Attributes:
      file: Its path.
      items: Its classes, in file order.
    """

    file: str
    items: tuple[LabelItem, ...]

    def ids(self) -> dict[str, int]:
        """Returns the id of every name and display name.

        Records are looked up by both, and the higher id counts where they differ
        (data_decoders/tf_example_decoder.py:124-128). What is not written is the name "".
        """
        names: dict[str, int] = {}
        displayed: dict[str, int] = {}
        for item in self.items:
            names[item.name] = item.id
            displayed[item.display_name] = item.id
        return {
            name: max(names.get(name, -1), displayed.get(name, -1))
            for name in {**names, **displayed}
        }


def read_label_map(path: str | os.PathLike[str]) -> LabelMap:
    """Reads a label map.

    Raises:
      ConfigError: It cannot be read, or a field or a value in it is not one of a label map.
      TextProtoError: It is no text proto.
      RemotePathError: It is not on this machine.
    """
    name = os.fspath(path)
    record = read_message(parse(read_text_file(name), name), _MESSAGE)
    items: list[LabelItem] = []
    for value in record.fields.get("item", ()):
        item = value.plain
        if not isinstance(item, Record):
            raise ConfigError("an item of a label map is a message", place=value.place)
        place = item.place_of("id") if "id" in item else value.place
        items.append(
            LabelItem(
                item.get("id"), item.get("name"), item.get("display_name"), value.place, place
            )
        )
    return LabelMap(name, tuple(items))
