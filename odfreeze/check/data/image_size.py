"""Rules about the size that images are brought to, and what an architecture makes of it.

References are to tf-models-research-object-detection 2.8.0.post1. A feature pyramid adds a level
to the next coarser one at twice its size, so that every level must be exactly twice the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from odfreeze.check.schedule.scheduling import trains
from odfreeze.check.subject import Subject
from odfreeze.findings import Finding

__all__ = ["RULES", "Size", "pyramid_levels", "size_of"]

#: Pixels that an SSD extractor asks for at least: check_min_image_dim in models/*.py.
_SMALLEST = {"ssd_mobilenet": 33, "ssd_resnet": 129, "ssd_efficientnet": 129}
#: Times that an hourglass halves behind its stride of 4 (hourglass_network.py:523-606).
_HOURGLASS = {
    "hourglass_10": 1, "hourglass_20": 2, "hourglass_32": 3, "hourglass_52": 5, "hourglass_104": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """The size that all images have behind the resizer.

    Attributes:
      height: In pixels.
      width: In pixels.
      field: Path of the field that says so.
    """

    height: int
    width: int
    field: str


def _resizer(subject: Subject) -> tuple[str, str] | None:
    """Returns path and kind of the resizer that counts; None where none is written."""
    path = f"model.{subject.meta_architecture}.image_resizer"
    member = subject.member(path) if subject.meta_architecture else None
    return (member.path, member.field.name) if member else None


def size_of(subject: Subject) -> Size | None:
    """Returns the size of all images; None where it differs, or is not known.

    As utils/config_util.py:57-86 tells; defaults are those of image_resizer.proto.
    """
    found = _resizer(subject)
    if found is None:
        return None
    path, kind = found
    if kind == "fixed_shape_resizer":
        height = subject.integer(f"{path}.height", 300)
        width = subject.integer(f"{path}.width", 300)
        return Size(height, width, f"{path}.height") if height and width else None
    if kind == "keep_aspect_ratio_resizer" and subject.flag(f"{path}.pad_to_max_dimension"):
        side = subject.integer(f"{path}.max_dimension", 1024)
        return Size(side, side, f"{path}.max_dimension") if side else None
    return None


def pyramid_levels(subject: Subject) -> tuple[int, int] | None:
    """Returns the finest and the coarsest level that are added up; None without a pyramid.

    Level l has one pixel for 2**l of the image.
    """
    kind = subject.extractor_type or ""
    extractor = f"model.{subject.meta_architecture}.feature_extractor"
    if subject.flag(f"{extractor}.use_explicit_padding"):
        return None  # then levels are cut to fit
    if kind.startswith("ssd_") and kind.endswith("_fpn_keras"):
        finest = subject.integer(f"{extractor}.fpn.min_level", 3)
        coarsest = subject.integer(f"{extractor}.fpn.max_level", 7)
        # Those above 5 are made from level 5 (ssd_resnet_v1_fpn_keras_feature_extractor.py:154).
        return (finest, min(coarsest, 5)) if finest and coarsest else None
    if kind.endswith("_bifpn_keras"):
        if subject.flag(f"{extractor}.bifpn.use_native_resize_op"):
            return None
        finest = subject.integer(f"{extractor}.bifpn.min_level", 3)
        coarsest = subject.integer(f"{extractor}.bifpn.max_level", 7)
        return (finest, coarsest) if finest and coarsest else None
    if subject.meta_architecture == "center_net":
        if kind in _HOURGLASS:
            return 2, 2 + _HOURGLASS[kind]
        if kind.startswith(("resnet_v1_", "mobilenet_v2_fpn")):
            return 2, 5
    return None


def resizer_refused(subject: Subject) -> Iterator[Finding]:
    """ODF521: a resizer that stock refuses (image_resizer_builder.py, config_util.py:57-86)."""
    architecture = subject.meta_architecture
    if subject.is_tf1 or architecture not in ("ssd", "faster_rcnn", "center_net"):
        return
    found = _resizer(subject)
    if found is None:
        message = (
            "there is no image_resizer, which stock refuses; write one, such as "
            "fixed_shape_resizer { height: 320 width: 320 }"
        )
        place = subject.place(f"model.{architecture}.image_resizer", f"model.{architecture}")
        yield Finding("ODF521", "error", message, place)
        return
    path, kind = found
    if kind == "pad_to_multiple_resizer" and trains(subject):
        message = (
            "pad_to_multiple_resizer is not known to training, which breaks off; write "
            "keep_aspect_ratio_resizer with pad_to_max_dimension: true"
        )
        yield Finding("ODF521", "error", message, subject.place(path))
    if kind == "keep_aspect_ratio_resizer":
        least = subject.integer(f"{path}.min_dimension", 600)
        most = subject.integer(f"{path}.max_dimension", 1024)
        if least is not None and most is not None and least > most:
            message = (
                f"min_dimension {least} is above max_dimension {most}, which stock refuses; the "
                "longer side of an image may not be the smaller one"
            )
            place = subject.place(f"{path}.min_dimension", f"{path}.max_dimension", path)
            yield Finding("ODF521", "error", message, place)


def size_does_not_fit(subject: Subject) -> Iterator[Finding]:
    """ODF507: images that are too small for the extractor, or do not halve as its pyramid needs."""
    size = size_of(subject)
    if subject.is_tf1 or size is None:
        return
    kind = subject.extractor_type or ""
    place = subject.place(size.field, size.field.rpartition(".")[0])
    least = next((pixels for start, pixels in _SMALLEST.items() if kind.startswith(start)), 0)
    if min(size.height, size.width) < least:
        message = (
            f"images of {size.height} x {size.width} pixels are too small: {kind} takes {least} at "
            "least on each side, and stock refuses less; make the resizer's size larger"
        )
        yield Finding("ODF507", "error", message, place)
        return
    levels = pyramid_levels(subject)
    if levels is None:
        return
    extractor = f"model.{subject.meta_architecture}.feature_extractor"
    multiple = subject.integer(f"{extractor}.pad_to_multiple", 1) or 1
    for side in dict.fromkeys((size.height, size.width)):
        level = _uneven(-(-side // multiple) * multiple, *levels)
        if level is None:
            continue
        padded = -(-side // multiple) * multiple
        here, next_one = -(-padded // 2**level), -(-padded // 2 ** (level + 1))
        whole = 2 ** levels[1]
        fits = max(round(side / whole), 1) * whole
        cure = f"write a multiple of {whole}, such as {fits if fits >= least else fits + whole}"
        if subject.meta_architecture == "ssd":
            cure += f", or pad_to_multiple: {whole} in feature_extractor"
        message = (
            f"images of {size.height} x {size.width} pixels do not fit the feature pyramid of "
            f"{kind}: {side} pixels are {here} at one level and {next_one} at the next, which "
            f"is not half, and stock breaks off; {cure}"
        )
        yield Finding("ODF507", "error", message, place)
        return


def _uneven(side: int, finest: int, coarsest: int) -> int | None:
    """Returns the first level that is not twice the next one, None where all are.

    >>> _uneven(320, 3, 5), _uneven(300, 3, 5)
    (None, 4)
    """
    for level in range(finest, min(coarsest, 30)):
        if -(-side // 2**level) != 2 * -(-side // 2 ** (level + 1)):
            return level
    return None


def sizes_differ(subject: Subject) -> Iterator[Finding]:
    """ODF522: a batch of images that keep their own sizes."""
    found = _resizer(subject)
    if subject.is_tf1 or found is None or not trains(subject):
        return
    batch = subject.integer("train_config.batch_size", 32) or 1
    each = batch // (subject.flags.num_replicas or 1)
    path, kind = found
    if each <= 1 or size_of(subject) is not None:
        return
    if kind not in ("keep_aspect_ratio_resizer", "identity_resizer", "conditional_shape_resizer"):
        return
    if kind == "keep_aspect_ratio_resizer":
        cure = "write pad_to_max_dimension: true in it, or batch_size: 1"
    else:
        cure = "write a fixed_shape_resizer, or batch_size: 1"
    message = (
        f"{kind} leaves images at sizes of their own, and stock breaks off at the first batch of "
        f"{batch} whose images differ; {cure}"
    )
    yield Finding("ODF522", "warning", message, subject.place(path))


RULES = (resizer_refused, size_does_not_fit, sizes_differ)
