"""The models of sample_configs, each built once in a test run, with a checkpoint of it."""

from __future__ import annotations

import atexit
import functools
import gc
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odfreeze.pipeline import PipelineConfig
from odfreeze.training.live import LiveVariable, build_model, live_variables, save_checkpoint
from tests.conftest import ROOT

CONFIGS = ROOT / "sample_configs"
SSD = "ssd_mobilenet_v2_fpnlite_320x320.config"
EFFICIENTDET = "efficientdet_d0_512x512.config"
FASTER_RCNN = "faster_rcnn_resnet50_640x640.config"
CENTERNET = "centernet_resnet50_v1_fpn_512x512.config"
SAMPLES = (SSD, EFFICIENTDET, FASTER_RCNN, CENTERNET)


@dataclass(frozen=True)
class Built:
    """A live model, its variables, and a checkpoint written from it."""

    model: Any
    live: tuple[LiveVariable, ...]
    prefix: str

    @property
    def records(self) -> list[Any]:
        return [one.record for one in self.live]


@functools.cache
def built(name: str) -> Built:
    model = build_model(CONFIGS / name)
    directory = _scratch() / Path(name).stem
    return Built(model, live_variables(model), save_checkpoint(model, directory / "ckpt-0"))


#: Pixels of what is trained for real; EfficientDet takes multiples of 128, and more than one.
SIZES = {SSD: 128, EFFICIENTDET: 256, FASTER_RCNN: 128, CENTERNET: 128}


def write_small(name: str, folder: Path, **changes: Any) -> Path:
    """Writes a sample's config for four small images, to start from its `built` checkpoint.

    The structure of the model is whole.

    Args:
      name: Of the sample.
      folder: Where config and images are put.
      **changes: As of `PipelineConfig.with_changes`.
    """
    from odfreeze.training.shapes import write_shapes

    size = SIZES[name]
    data = write_shapes(folder / "data", "train", images=4, size=size)
    config = PipelineConfig.read(CONFIGS / name)
    resizer = f"model.{config.meta_architecture}.image_resizer"
    sides = {
        "fixed_shape_resizer": ("height", "width"),
        "keep_aspect_ratio_resizer": ("min_dimension", "max_dimension"),
    }
    for kind, both in sides.items():
        if config.get(f"{resizer}.{kind}"):
            for side in both:
                config = config.with_value(f"{resizer}.{kind}.{side}", size)
    for reader in ("train_input_reader", "eval_input_reader"):
        config = config.with_value(f"{reader}.label_map_path", str(data.label_map))
        records = f"{reader}.tf_record_input_reader.input_path"
        config = config.with_values(records, [str(data.records)])
    config = config.with_changes(fine_tune_checkpoint=built(name).prefix, batch_size=2, **changes)
    config.write(folder / "pipeline.config")
    return folder / "pipeline.config"


@atexit.register
def _forget() -> None:
    """Lets go of the models: TensorFlow crashes where the interpreter's own end does it."""
    built.cache_clear()
    gc.collect()


@functools.cache
def _scratch() -> Path:
    holder = tempfile.TemporaryDirectory(prefix="odfreeze-")
    _HOLDERS.append(holder)  # removed when the test run ends
    return Path(holder.name)


_HOLDERS: list[Any] = []
