"""Rules about label maps and the number of classes.

References are to utils/label_map_util.py of tf-models-research-object-detection 2.8.0.post1,
where they name no other file. A label map that only evaluation reads is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from odfreeze.check.case import few, quoted
from odfreeze.check.data.readers import Reader, is_checkable
from odfreeze.check.subject import Subject
from odfreeze.errors import Place
from odfreeze.findings import Finding, Severity
from odfreeze.label_map import LabelItem, LabelMap

__all__ = ["RULES", "num_classes_of"]

#: Findings of one kind about one label map; a file of another kind may be wrong on every line.
_MOST = 3


def num_classes_of(subject: Subject) -> int | None:
    """Returns the classes that the model tells apart; 0 where none are written."""
    architecture = subject.meta_architecture
    if architecture not in ("ssd", "faster_rcnn", "center_net"):
        return None
    return subject.integer(f"model.{architecture}.num_classes", 0)


def _each(subject: Subject) -> Iterator[tuple[Reader, Severity]]:
    """Yields a reader for each label map, and how bad it is that it cannot be used."""
    seen: set[str | None] = set()
    for reader in subject.readers if not subject.is_tf1 else ():
        path = subject.text(f"{reader.path}.label_map_path")
        if path not in seen:
            seen.add(path)
            yield reader, "error" if reader.trains else "warning"


def _maps(subject: Subject) -> Iterator[tuple[LabelMap, Severity]]:
    for reader, severity in _each(subject):
        if reader.label_map is not None:
            yield reader.label_map, severity


def label_map_missing(subject: Subject) -> Iterator[Finding]:
    """ODF503: a label map that is not there, or none where evaluation needs one."""
    import os

    for reader, severity in _each(subject):
        path = subject.text(f"{reader.path}.label_map_path")
        if path and is_checkable(path) and not os.path.exists(path):  # noqa: PTH110
            folder = os.path.dirname(path)  # noqa: PTH120
            beside = os.path.join(os.path.dirname(subject.config.file), path)  # noqa: PTH118, PTH120
            if folder and not os.path.isdir(folder):  # noqa: PTH112
                hint = f"there is no directory {folder}"
            elif not os.path.isabs(path) and os.path.exists(beside):  # noqa: PTH110, PTH117
                hint = "it is beside the config, but a path counts from where training is started"
            else:
                hint = "check the path"
            message = f"label_map_path: there is no file {path}; {hint}"
            yield Finding("ODF503", severity, message, reader.at("label_map_path"))
        elif not path and not reader.trains:
            message = (
                f"{reader.name} has no label_map_path, without which evaluation breaks off; write "
                "the one that training uses"
            )
            yield Finding("ODF503", severity, message, reader.at("label_map_path"))


def label_map_unreadable(subject: Subject) -> Iterator[Finding]:
    """ODF511: what cannot be read as a label map, or holds no class (lines 152-156)."""
    for reader, severity in _each(subject):
        error, place = reader.label_map_error, reader.at("label_map_path")
        if error is not None:
            message = f"the label map cannot be read: {error.message}"
            yield Finding("ODF511", severity, message, error.place or place)
        elif reader.label_map is not None and not reader.label_map.items:
            message = (
                f"the label map {reader.label_map.file} holds no item; write one for each class, "
                "item { id: 1 name: '…' }"
            )
            yield Finding("ODF511", severity, message, place)


def ids_below_one(subject: Subject) -> Iterator[Finding]:
    """ODF504: ids that stock refuses: 0 stands for the background (lines 28-43)."""
    for label_map, severity in _maps(subject):
        wrong = [
            item
            for item in label_map.items
            if item.id < 0
            or (item.id == 0 and "background" not in (item.name, item.display_name))
        ]  # fmt: skip
        for item in wrong[:_MOST]:
            rule = (
                "is 0, which is the background's" if item.id == 0 else f"is {item.id}, below 1"
            )  # fmt: skip
            message = f"the id of {_called(item)} {rule}: stock refuses it; number classes from 1"
            yield Finding("ODF504", severity, message, item.id_place)


def ids_and_num_classes(subject: Subject) -> Iterator[Finding]:
    """ODF505: a label map with more classes than the model, or with fewer (inputs.py:309-317)."""
    classes = num_classes_of(subject)
    label_map = next((one for one, _ in _maps(subject)), None)
    if not classes or label_map is None or not label_map.items:
        return
    place = subject.place(f"model.{subject.meta_architecture}.num_classes")
    above = [item for item in label_map.items if item.id > classes]
    highest = max(item.id for item in label_map.items)
    if above:
        message = (
            f"num_classes is {classes}, and the label map {label_map.file} has ids up to "
            f"{highest} ({few([_called(item) for item in above])}): objects of "
            f"{_classes(len(above))} are trained as no class at all; write "
            f"num_classes: {highest}"
        )
        yield Finding("ODF505", "warning", message, place)
    elif 0 < highest < classes:
        message = (
            f"num_classes is {classes}, and the label map {label_map.file} has ids up to "
            f"{highest}: {_classes(classes - highest)} of the model have no name and no "
            f"object; write num_classes: {highest}, unless the heads of a checkpoint "
            "are to be kept (fine_tune_checkpoint_type full)"
        )
        yield Finding("ODF505", "info", message, place)


def ids_and_names_twice(subject: Subject) -> Iterator[Finding]:
    """ODF512: an id or a name that two items have (lines 97-121, 190-195)."""
    for label_map, _ in _maps(subject):
        yield from _repeated(
            label_map,
            lambda item: str(item.id),
            lambda item, first: (
                f"id {item.id} is that of {_called(first)} and of {_called(item)}: they are "
                "trained as one class, and evaluation calls it by the first name; give each class "
                "an id of its own"
            ),
            lambda item: item.id_place,
        )
        yield from _repeated(
            label_map,
            lambda item: item.name,
            lambda item, first: (
                f"{quoted(item.name)} is the name of id {first.id} and of id {item.id}: all its "
                f"objects are trained as {item.id}; give each class a name of its own"
            ),
            lambda item: item.place,
        )


def _repeated(
    label_map: LabelMap,
    key: Callable[[LabelItem], str],
    message: Callable[[LabelItem, LabelItem], str],
    place: Callable[[LabelItem], Place],
) -> Iterator[Finding]:
    first: dict[str, LabelItem] = {}
    found = 0
    for item in label_map.items:
        other = first.setdefault(key(item), item)
        if other is not item and key(item) and found < _MOST:
            found += 1
            yield Finding("ODF512", "warning", message(item, other), place(item))


def no_classes(subject: Subject) -> Iterator[Finding]:
    """ODF517: a model without a class, which is what it has where none are written."""
    architecture = subject.meta_architecture
    if subject.is_tf1 or num_classes_of(subject) != 0:
        return
    if subject.integer("model.faster_rcnn.number_of_stages") == 1:
        return
    path = f"model.{architecture}.num_classes"
    written = "is 0" if subject.has(path) else "is not written, which makes it 0"
    message = f"num_classes {written}: there is no class to learn; write how many there are"
    yield Finding("ODF517", "error", message, subject.place(path, f"model.{architecture}"))


def _called(item: LabelItem) -> str:
    name = item.name or item.display_name
    return quoted(name) if name else f"id {item.id}"


def _classes(count: int) -> str:
    return f"{count:,} class{'' if count == 1 else 'es'}"


RULES = (
    label_map_missing, label_map_unreadable, ids_below_one, ids_and_num_classes,
    ids_and_names_twice, no_classes,
)  # fmt: skip
