"""A small detection dataset of drawn shapes, as TFRecords with a label map.

Every image is drawn from a seed, so the same call writes the same examples everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["SHAPES", "ShapesDataset", "write_shapes"]

#: Names of the shapes that can be drawn.
SHAPES = ("disc", "square", "triangle", "ring", "cross", "diamond")


@dataclass(frozen=True, slots=True)
class ShapesDataset:
    """Where a dataset was written.

    Attributes:
      records: The TFRecord file of ``tf.train.Example``.
      label_map: The label map, ids from 1 in the order of the classes.
      classes: Names of the classes.
      images: Number of images.
    """

    records: Path
    label_map: Path
    classes: tuple[str, ...]
    images: int


def write_shapes(
    directory: Path,
    name: str,
    *,
    classes: Sequence[str] = SHAPES[:3],
    images: int = 64,
    size: int = 96,
    seed: int = 0,
) -> ShapesDataset:
    """Draws a dataset and writes ``NAME.record`` and ``NAME.pbtxt``.

    Args:
      directory: Where to write; created when missing.
      name: Stem of both files.
      classes: Which of :data:`SHAPES` are drawn; their order gives the ids.
      images: Number of images, each with one to three shapes.
      size: Height and width of an image in pixels.
      seed: Seed of everything that is random.

    Returns:
      Where the files are.
    """
    import numpy as np
    import tensorflow as tf

    unknown = [c for c in classes if c not in SHAPES]
    if unknown:
        raise ValueError(f"no such shape: {unknown[0]!r}; known are {', '.join(SHAPES)}")
    directory.mkdir(parents=True, exist_ok=True)
    records = directory / f"{name}.record"
    rng = np.random.default_rng(seed)
    with tf.io.TFRecordWriter(str(records)) as writer:
        for index in range(images):
            image, boxes, labels = _draw(rng, size, len(classes), classes)
            encoded = tf.io.encode_png(image).numpy()
            example = _example(f"{name}-{index:05d}.png", encoded, size, boxes, labels, classes)
            writer.write(example.SerializeToString())
    label_map = directory / f"{name}.pbtxt"
    items = [f"item {{\n  id: {i}\n  name: '{c}'\n}}\n" for i, c in enumerate(classes, start=1)]
    label_map.write_text("\n".join(items), encoding="utf-8", newline="\n")
    return ShapesDataset(records, label_map, tuple(classes), images)


def _draw(rng: Any, size: int, count: int, classes: Sequence[str]) -> tuple[Any, Any, list[int]]:
    """Returns an image (size, size, 3), boxes (n, 4) as ymin, xmin, ymax, xmax in 0..1, ids."""
    import numpy as np

    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    base = rng.uniform(40, 215, 3)
    slope = rng.uniform(-40, 40, (2, 3))
    image = base + (rows[..., None] * slope[0] + columns[..., None] * slope[1]) / size
    image = image + rng.normal(0, 6, (size, size, 3))
    drawn: list[tuple[float, float, float]] = []
    labels: list[int] = []
    for _ in range(int(rng.integers(1, 4))):
        radius = rng.uniform(0.12, 0.24) * size
        cy, cx = rng.uniform(radius, size - radius, 2)
        if any(max(abs(cy - y), abs(cx - x)) < radius + r for y, x, r in drawn):
            continue
        label = int(rng.integers(0, count))
        inside = _MASKS[classes[label]]((rows - cy) / radius, (columns - cx) / radius)
        contrast = rng.choice([-1, 1]) * rng.uniform(70, 120, 3)
        image = np.where(inside[..., None], np.mean(base) + contrast, image)
        drawn.append((cy, cx, radius))
        labels.append(label + 1)
    corners = [(y - r, x - r, y + r, x + r) for y, x, r in drawn]
    boxes = np.clip(np.array(corners) / size, 0.0, 1.0)
    return np.clip(image, 0, 255).astype(np.uint8), boxes, labels


#: Whether a point lies in a shape; y and x are relative to its middle, 1 is its radius.
_MASKS: dict[str, Callable[[Any, Any], Any]] = {
    "disc": lambda y, x: y**2 + x**2 <= 1,
    "square": lambda y, x: (abs(y) <= 1) & (abs(x) <= 1),
    "triangle": lambda y, x: (abs(y) <= 1) & (abs(x) <= (y + 1) / 2),
    "ring": lambda y, x: (y**2 + x**2 <= 1) & (y**2 + x**2 >= 0.35),
    "cross": lambda y, x: ((abs(y) <= 0.35) | (abs(x) <= 0.35)) & (abs(y) <= 1) & (abs(x) <= 1),
    "diamond": lambda y, x: abs(y) + abs(x) <= 1,
}


def _example(
    filename: str, encoded: bytes, size: int, boxes: Any, labels: list[int], classes: Sequence[str]
) -> Any:
    """Returns the ``tf.train.Example`` that the OD API's ``TfExampleDecoder`` reads."""
    import tensorflow as tf

    def of_bytes(values: Sequence[bytes]) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_floats(values: Any) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=[float(v) for v in values]))

    def of_ints(values: Sequence[int]) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        "image/height": of_ints([size]),
        "image/width": of_ints([size]),
        "image/filename": of_bytes([filename.encode()]),
        "image/source_id": of_bytes([filename.encode()]),
        "image/encoded": of_bytes([encoded]),
        "image/format": of_bytes([b"png"]),
        "image/object/bbox/ymin": of_floats(boxes[:, 0]),
        "image/object/bbox/xmin": of_floats(boxes[:, 1]),
        "image/object/bbox/ymax": of_floats(boxes[:, 2]),
        "image/object/bbox/xmax": of_floats(boxes[:, 3]),
        "image/object/class/text": of_bytes([classes[label - 1].encode() for label in labels]),
        "image/object/class/label": of_ints(labels),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


if __name__ == "__main__":
    # DIRECTORY NAME=CLASS,CLASS,… …: a dataset a name, each with a seed of its own.
    for _seed, _argument in enumerate(sys.argv[2:], start=1):
        _name, _, _classes = _argument.partition("=")
        write_shapes(Path(sys.argv[1]), _name, classes=_classes.split(","), seed=_seed)
