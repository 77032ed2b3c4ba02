"""The sample configs train on the real OD API: what their comments promise is enforced.

Images are small and two steps are taken; the structure of the models is whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.pipeline import PipelineConfig
from odfreeze.training.launch import TrainingResult, train
from odfreeze.training.shapes import write_shapes
from tests.training.models import CENTERNET, CONFIGS, EFFICIENTDET, FASTER_RCNN, SSD, built

pytestmark = pytest.mark.train

#: Pixels; EfficientDet takes multiples of 128, and more than one.
SIZES = {SSD: 128, EFFICIENTDET: 256, FASTER_RCNN: 128, CENTERNET: 128}


def trained(name: str, folder: Path) -> TrainingResult:
    size = SIZES[name]
    data = write_shapes(folder / "data", "train", images=4, size=size)
    config = PipelineConfig.read(CONFIGS / name)
    kind = config.meta_architecture
    resizer = f"model.{kind}.image_resizer"
    if config.get(f"{resizer}.fixed_shape_resizer"):
        config = config.with_value(f"{resizer}.fixed_shape_resizer.height", size)
        config = config.with_value(f"{resizer}.fixed_shape_resizer.width", size)
    else:
        config = config.with_value(f"{resizer}.keep_aspect_ratio_resizer.min_dimension", size)
        config = config.with_value(f"{resizer}.keep_aspect_ratio_resizer.max_dimension", size)
    config = config.with_value("train_input_reader.label_map_path", str(data.label_map))
    config = config.with_values(
        "train_input_reader.tf_record_input_reader.input_path", [str(data.records)]
    )
    config = config.with_changes(fine_tune_checkpoint=built(name).prefix, batch_size=2, num_steps=2)
    path = folder / "pipeline.config"
    config.write(path)
    return train(path, folder / "model")


@pytest.mark.parametrize(
    ("name", "frozen", "held"),
    [(SSD, 156, 104), (EFFICIENTDET, 213, 98), (FASTER_RCNN, 33, 106), (CENTERNET, 212, 106)],
    ids=["ssd", "efficientdet", "faster_rcnn", "centernet"],
)
def test_a_sample_trains_with_its_freezing_enforced(name, frozen, held, tmp_path):
    result = trained(name, tmp_path)
    found = result.verification
    assert (result.step, found.ok, found.reasons) == (2, True, ())
    assert (found.frozen.variables, found.held.variables) == (frozen, held)
    assert found.frozen.changed == found.held.changed == ()
    assert found.trainable.changed
