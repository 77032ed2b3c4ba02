"""What a checkpoint gives a model, held against the OD API's own restore of real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.restore import restore
from tests.training.models import CENTERNET, FASTER_RCNN, SSD, Built, built

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

pytestmark = pytest.mark.train

MODELS = {"ssd": SSD, "faster_rcnn": FASTER_RCNN, "center_net": CENTERNET}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> tuple[str, Built]:
    """A meta architecture, and a model of it with a checkpoint."""
    return request.param, built(MODELS[request.param])


def restored_by_the_od_api(real: Built, prefix: str, kind: str) -> list[bool]:
    """Spoils every value, lets the OD API restore, and looks which are back."""
    import numpy as np
    import tensorflow as tf

    saved = [variable.value.numpy() for variable in real.live]
    for variable in real.live:
        variable.value.assign(variable.value + 1)
    objects: Any = real.model.restore_from_objects(fine_tune_checkpoint_type=kind)
    tf.train.Checkpoint(**objects).restore(prefix).expect_partial()
    back = []
    for variable, value in zip(real.live, saved, strict=True):
        back.append(bool(np.array_equal(variable.value.numpy(), value)))
        variable.value.assign(value)
    return back


@pytest.mark.parametrize("kind", ["detection", "full", "classification"])
def test_a_checkpoint_of_the_model(case: tuple[str, Built], kind: str) -> None:
    architecture, real = case
    expected = restored_by_the_od_api(real, real.prefix, kind)
    found = restore(real.records, kind, architecture)
    assert list(found.restored) == expected
    assert (found.problem == "") is any(expected)


def test_a_checkpoint_of_the_backbone(case: tuple[str, Built], tmp_path: Path) -> None:
    import tensorflow as tf

    from odfreeze.checkpoint import Checkpoint

    architecture, real = case
    backbone = real.model.restore_from_objects(fine_tune_checkpoint_type="classification")
    prefix = tf.train.Checkpoint(**backbone).save(str(tmp_path / "ckpt"))
    back = restored_by_the_od_api(real, prefix, "classification")
    with Checkpoint.open(prefix) as checkpoint:
        found = restore(checkpoint.variables, "classification", architecture)
    assert all(found.restored)
    assert len(found.restored) == sum(back) > 0


def test_a_checkpoint_of_which_nothing_is_restored_is_refused(case: tuple[str, Built]) -> None:
    import tensorflow as tf

    architecture, real = case
    objects = real.model.restore_from_objects(fine_tune_checkpoint_type="classification")
    status = tf.train.Checkpoint(**objects).restore(real.prefix).expect_partial()
    with pytest.raises(AssertionError):
        status.assert_existing_objects_matched()
    assert restore(real.records, "classification", architecture).problem
