"""The models of sample_configs, each built once in a test run, with a checkpoint of it."""

from __future__ import annotations

import atexit
import functools
import gc
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
