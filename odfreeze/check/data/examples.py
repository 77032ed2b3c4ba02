"""Rules about what the first records hold, against the label map and what stock decodes.

References are to data_decoders/tf_example_decoder.py and inputs.py of
tf-models-research-object-detection 2.8.0.post1. The first records of the first files are looked
at, not all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from odfreeze.check.case import quoted
from odfreeze.check.data.labels import num_classes_of
from odfreeze.check.data.readers import Reader, Sample
from odfreeze.check.subject import Subject
from odfreeze.errors import Place, suggest
from odfreeze.findings import Finding, Severity
from odfreeze.tfrecord import Feature

__all__ = ["RULES"]

_TEXT, _LABEL = "image/object/class/text", "image/object/class/label"
_BOX = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))
#: What stock parses, with the kind that it must be of (lines 203-252).
_KINDS = {
    "image/encoded": "bytes",
    "image/format": "bytes",
    "image/height": "int64",
    "image/width": "int64",
    _TEXT: "bytes",
    _LABEL: "int64",
    **dict.fromkeys(_BOX, "float"),
}
#: What the images that TensorFlow decodes begin with: JPEG, PNG, GIF, BMP.
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
#: Coordinates are shares of the image; what is above this counts pixels.
_PIXELS = 2.0


def classes_not_known(subject: Subject) -> Iterator[Finding]:
    """ODF506: names that the label map lacks, ids that the model lacks (lines 454-474)."""
    for reader in _readers(subject):
        yield from _names_not_known(reader)
        yield from _ids_not_known(subject, reader)


def _names_not_known(reader: Reader) -> Iterator[Finding]:
    label_map = reader.label_map
    if label_map is None or not label_map.items:
        return
    known = label_map.ids()
    counts = Counter(
        name.decode("utf-8", "replace") for sample in reader.samples for name in _names(sample)
    )
    unknown = [name for name in counts if name not in known]
    if not unknown:
        return
    names = [name for name in known if name]
    listed = ", ".join(map(quoted, unknown[:3])) + (", …" if len(unknown) > 3 else "")
    which = "no class name" if len(unknown) == len(counts) else "some class names"
    lost = sum(counts[name] for name in unknown)
    message = (
        f"the label map {label_map.file} has {which} of the first records of {reader.name}"
        if which.startswith("no")
        else f"the label map {label_map.file} lacks {which} of the first records of {reader.name}"
    )
    message += (
        f" ({listed}): {lost} of {counts.total()} objects are left out of training, silently"
        f"{suggest(unknown[0], names) or '; names must agree to the letter'}"
    )
    yield Finding("ODF506", "warning", message, reader.at("label_map_path"))


def _ids_not_known(subject: Subject, reader: Reader) -> Iterator[Finding]:
    classes = num_classes_of(subject)
    if not classes:
        return
    ids = Counter(
        int(value)
        for sample in reader.samples
        if reader.label_map is None or not _names(sample)
        for value in _of(sample, _LABEL)
        if isinstance(value, int)
    )
    wrong = sorted(value for value in ids if not 1 <= value <= classes)
    if reader.label_map_error is None and wrong:
        hint = "; ids count from 1" if 0 in wrong else ""
        listed = ", ".join(map(str, wrong[:3])) + (", …" if len(wrong) > 3 else "")
        message = (
            f"the first records of {reader.name} hold class ids outside 1 to {classes} "
            f"(num_classes): {listed}; their objects are trained as no class at all{hint}"
        )
        yield Finding("ODF506", "warning", message, _place(reader, None))


def records_not_decodable(subject: Subject) -> Iterator[Finding]:
    """ODF513: records that stock cannot decode, or takes for something else."""
    for reader in _readers(subject):
        severity: Severity = "error" if reader.trains else "warning"
        said: set[str] = set()
        for sample in reader.samples:
            fault = _fault(sample, reader)
            if fault and fault not in said and len(said) < 3:
                said.add(fault)
                message = f"{sample.file}, record {sample.index}: {fault}"
                yield Finding("ODF513", severity, message, _place(reader, sample))


def _fault(sample: Sample, reader: Reader) -> str | None:
    """Returns what is wrong with a record, None for nothing."""
    for name, kind in _KINDS.items():
        feature = sample.features.get(name, Feature(""))
        if feature.values and feature.kind != kind:
            return f"{name} holds {feature.kind} values, and stock refuses all but {kind} ones"
    encoded = _of(sample, "image/encoded")
    image = encoded[0] if encoded else b""
    if not image:
        return "there is no image in image/encoded, on which stock breaks off"
    raw = _of(sample, "image/format") in ((b"raw",), (b"RAW",))
    if isinstance(image, bytes) and not raw and not image.startswith(_IMAGES):
        return "image/encoded is no JPEG, PNG, GIF or BMP, on which stock breaks off"
    return _box_fault(sample, reader)


def _box_fault(sample: Sample, reader: Reader) -> str | None:
    sides = [[float(value) for value in _of(sample, name)] for name in _BOX]
    counts = [len(side) for side in sides]
    if len(set(counts)) > 1:
        listed = ", ".join(
            f"{count} {name.rpartition('/')[2]}" for name, count in zip(_BOX, counts, strict=True)
        )
        return f"its boxes have {listed}: stock breaks off where they are not as many"
    classes = len(_of(sample, _LABEL))
    if reader.label_map is not None and _names(sample):
        classes = len(_names(sample))
    if classes < counts[0]:
        return f"{counts[0]} boxes and {classes} classes: stock breaks off, write one for each box"
    ymin, xmin, ymax, xmax = sides
    if any(a > b for a, b in [*zip(ymin, ymax, strict=True), *zip(xmin, xmax, strict=True)]):
        return (
            "a box ends before it begins (a minimum above its maximum), on which stock breaks off"
        )
    largest = max((value for side in sides for value in side), default=0.0)
    if largest > _PIXELS:
        return (
            f"a box goes up to {largest:g}: coordinates are shares of the image, from 0 to 1, and "
            "stock trains on these as they are; divide pixels by width and height"
        )
    return None


def no_boxes_at_all(subject: Subject) -> Iterator[Finding]:
    """ODF519: not one box in all of the first records."""
    for reader in _readers(subject):
        samples = reader.samples
        if len(samples) < 2 or any(_of(sample, name) for sample in samples for name in _BOX):
            continue
        found = {name for sample in samples for name in sample.features if "box" in name}
        hint = f" (they hold {', '.join(sorted(found)[:4])})" if found else ""
        message = (
            f"none of the first {len(samples)} records of {reader.name} has a box: stock reads "
            f"image/object/bbox/xmin, ymin, xmax and ymax{hint}, and trains without objects"
        )
        yield Finding("ODF519", "warning", message, _place(reader, samples[0]))


def masks_missing(subject: Subject) -> Iterator[Finding]:
    """ODF514: a model of masks without masks (faster_rcnn_meta_arch.py:2552), or their records."""
    predictor = "model.faster_rcnn.second_stage_box_predictor.mask_rcnn_box_predictor"
    for reader in _readers(subject):
        loads = subject.flag(f"{reader.path}.load_instance_masks")
        place = reader.at("load_instance_masks")
        if reader.trains and not loads and _predicts_masks(subject, predictor):
            message = (
                "the model predicts instance masks, and train_input_reader does not load them, "
                "which stock refuses; write load_instance_masks: true, and the mask_type of the "
                "records, or number_of_stages: 2 for boxes alone"
            )
            yield Finding("ODF514", "error", message, place)
        with_boxes = [sample for sample in reader.samples if _of(sample, _BOX[0])]
        lacking = [sample for sample in with_boxes if not _of(sample, "image/object/mask")]
        if loads and lacking:
            sample = lacking[0]
            message = (
                f"{sample.file}, record {sample.index}: load_instance_masks is true, and there is "
                "no image/object/mask beside its boxes, on which stock breaks off"
            )
            yield Finding("ODF514", "error" if reader.trains else "warning", message, place)


def _predicts_masks(subject: Subject, predictor: str) -> bool:
    stages = subject.integer("model.faster_rcnn.number_of_stages", 2)
    return stages == 3 and subject.flag(f"{predictor}.predict_instance_masks")


def _readers(subject: Subject) -> tuple[Reader, ...]:
    return () if subject.is_tf1 else subject.readers


def _of(sample: Sample, name: str) -> tuple[bytes | float | int, ...]:
    feature = sample.features.get(name)
    return feature.values if feature else ()


def _names(sample: Sample) -> list[bytes]:
    return [value for value in _of(sample, _TEXT) if isinstance(value, bytes)]


def _place(reader: Reader, sample: Sample | None) -> Place | None:
    for path in reader.input_paths:
        if sample is None or sample.file in path.files:
            return path.place
    return reader.place


RULES = (classes_not_known, records_not_decodable, no_boxes_at_all, masks_missing)
