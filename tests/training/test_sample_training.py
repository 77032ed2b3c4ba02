"""The sample configs train on the real OD API: what their comments promise is enforced.

Images are small and two steps are taken; the structure of the models is whole.
"""

from __future__ import annotations

import pytest

from odfreeze.training.launch import train
from tests.training.models import CENTERNET, EFFICIENTDET, FASTER_RCNN, SSD, write_small

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("name", "frozen", "held"),
    [
        pytest.param(SSD, 156, 104, id="ssd", marks=pytest.mark.slow),
        pytest.param(EFFICIENTDET, 213, 98, id="efficientdet", marks=pytest.mark.slow),
        pytest.param(FASTER_RCNN, 33, 106, id="faster_rcnn", marks=pytest.mark.slow),
        pytest.param(CENTERNET, 212, 106, id="centernet"),
    ],
)
def test_a_sample_trains_with_its_freezing_enforced(name, frozen, held, tmp_path):
    result = train(write_small(name, tmp_path, num_steps=2), tmp_path / "model")
    found = result.verification
    assert (result.step, found.ok, found.reasons) == (2, True, ())
    assert (found.frozen.variables, found.held.variables) == (frozen, held)
    assert found.frozen.changed == found.held.changed == ()
    assert found.trainable.changed
