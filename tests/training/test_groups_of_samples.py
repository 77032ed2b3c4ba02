"""The groups of real models: those of a live model and of its checkpoint, and the kept lists."""

from __future__ import annotations

import pytest

from odfreeze.checkpoint import Checkpoint
from odfreeze.groups.grouping import group
from tests.support.model_lists import variables_of
from tests.training.models import EFFICIENTDET, FASTER_RCNN, SAMPLES, SSD, built

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train

FAMILIES = {
    SSD: "ssd_mobilenet_v2_fpnlite",
    EFFICIENTDET: "efficientdet_d0",
    FASTER_RCNN: "faster_rcnn_resnet50",
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_checkpoint_has_the_groups_of_its_model(sample: str) -> None:
    live = group(built(sample).records)
    with Checkpoint.open(built(sample).prefix) as checkpoint:
        stored = group(checkpoint.variables)
    assert (live.notes, stored.notes) == ((), ())
    assert [one.name for one in live.groups] == [one.name for one in stored.groups]
    assert {one.part for one in live.groups} <= {"head", "neck", "backbone"}
    for variable in stored.variables:
        assert live.of(variable.object_path).name == stored.of(variable).name


@pytest.mark.parametrize("sample", FAMILIES)
def test_the_list_that_other_tests_read_is_that_of_the_model(sample: str) -> None:
    def listed(variables):
        return [(v.object_path, v.name, v.trainable, v.statistic) for v in variables]

    assert listed(built(sample).records) == listed(variables_of(FAMILIES[sample]))
