"""The parts that check names, and the classes that it counts, on the real models of the samples."""

from __future__ import annotations

import re

import pytest

from odfreeze.check.selection.parts import part_at, parts_of
from odfreeze.check.start.class_count import architecture_of, class_count
from odfreeze.pipeline import PipelineConfig
from odfreeze.selection import PATH_PREFIX
from tests.training.models import CENTERNET, CONFIGS, EFFICIENTDET, FASTER_RCNN, SAMPLES, SSD, built

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train

ALL = ("backbone", "neck", "region features", "proposal network", "heads")
PATTERNS = {
    SSD: {
        "backbone": "^(Conv|bn_|expanded_|block_)",
        "neck": "^ssd_",
        "heads": "^WeightSharedConvolutionalBoxPredictor/",
    },
    EFFICIENTDET: {
        "backbone": "^(stem_|stack_|top_|logits/)",
        "neck": "^EfficientDet",
        "heads": "^WeightSharedConvolutionalBoxPredictor/",
    },
    FASTER_RCNN: {
        "backbone": "^conv[1-4]_",
        "region features": "^conv5_",
        "proposal network": "^(RPNConv/|FirstStageBoxPredictor/)",
        "heads": "^mask_",
    },
    CENTERNET: {
        "backbone": "^conv[0-9]+_",
        "neck": "(?#path)^model/_feature_extractor/_feature_extractor_model/",
        "heads": "(?#path)^model/_prediction_head_dict/",
    },
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_part_of_a_real_model_has_its_pattern(sample: str) -> None:
    records = built(sample).records
    assert {part_at(v.object_path) for v in records} <= {*ALL, None}
    found = {part.name: part for part in parts_of(records, ALL)}
    assert {name: _beginning(part.pattern) for name, part in found.items()} == {
        name: _beginning(pattern) for name, pattern in PATTERNS[sample].items()
    }
    for part in found.values():
        by_path = part.pattern.startswith(PATH_PREFIX)
        matched = [
            v for v in records if re.search(part.pattern, v.object_path if by_path else v.label)
        ]
        assert {v.object_path for v in matched} == {v.object_path for v in part.variables}


def _beginning(pattern: str) -> str:
    """A pattern with its alternatives in order: that of the variables is no promise."""
    alternatives = re.fullmatch(r"(.*\^)\((.*)\)", pattern)
    if alternatives is None:
        return pattern
    return f"{alternatives[1]}({'|'.join(sorted(alternatives[2].split('|')))})"


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_classes_of_a_real_model_are_counted(sample: str) -> None:
    config = PipelineConfig.read(CONFIGS / sample)
    meta = config.meta_architecture
    background = config.get("model.ssd.add_background_class")
    records = built(sample).records
    assert architecture_of(records) == meta
    assert class_count(records, background=background is not False) == config.get(
        f"model.{meta}.num_classes"
    )
