"""Each measure in the training environment: without it its symptom occurs, with it not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from odfreeze.training.compat import MEASURES, Measure
from odfreeze.training.environment import inspect_environment
from tests.conftest import ROOT

pytestmark = pytest.mark.train

#: The least that provokes each symptom.
PROVOKE = {
    "legacy-keras": "from object_detection.core import freezable_sync_batch_norm",
    "proto-modules": "from object_detection.protos import pipeline_pb2",
    "tensorflow-io": "from object_detection.meta_architectures import deepmac_meta_arch",
    "number-types": """
import numpy as np
from object_detection.utils import metrics
metrics.compute_precision_recall(np.array([0.5]), np.array([True]), 1)
""",
    "estimator-names": "from object_detection import model_lib",
    "control-flow-names": """
import tensorflow as tf
from tf_slim import tfexample_decoder
png = tf.io.encode_png(tf.zeros([2, 2, 3], tf.uint8))
image = tfexample_decoder.Image("image", "format")
image.tensors_to_item({"image": png, "format": tf.constant("png")})
""",
    "resnet-builder": """
from object_detection.models.keras_models import resnet_v1
resnet_v1.resnet_v1_18(weights=None, include_top=False)
""",
    "font-size": """
import numpy as np
from object_detection.utils import visualization_utils
image = np.zeros((40, 40, 3), np.uint8)
visualization_utils.draw_bounding_box_on_image_array(
    image, 0.1, 0.1, 0.9, 0.9, display_str_list=["cat"]
)
""",
}

#: Those that need neither TensorFlow nor the other measures.
ALONE = ("proto-modules", "number-types")


def here(measure: Measure) -> bool:
    return measure.name in PROVOKE and measure.judge(inspect_environment()).needed


def provoke(name: str, measures: list[str]) -> subprocess.CompletedProcess[str]:
    start = (
        "from odfreeze.training import compat\n"
        f"compat.MEASURES = tuple(m for m in compat.MEASURES if m.name in {measures!r})\n"
        "compat.prepare()\n"
    )
    # What a measure of this process has set, others would inherit as if it were the user's.
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", start + PROVOKE[name]],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )


@pytest.mark.parametrize(
    "measure", [m for m in MEASURES if here(m)], ids=lambda measure: measure.name
)
def test_the_symptom_occurs_without_the_measure_only(measure) -> None:
    others = [] if measure.name in ALONE else [one.name for one in MEASURES if one is not measure]
    without = provoke(measure.name, others)
    assert without.returncode == 1
    assert measure.symptom in without.stderr
    cured = provoke(measure.name, [*others, measure.name])
    assert cured.returncode == 0, cured.stderr


def test_what_is_needed_of_old_names_here_is_provoked() -> None:
    """A measure that no test provokes would be believed, not known."""
    env = inspect_environment()
    needed = {measure.name for measure in MEASURES if measure.judge(env).needed}
    assert needed - PROVOKE.keys() == set()
