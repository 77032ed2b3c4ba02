"""A seed that cannot be one, and an op without a deterministic kernel: told without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from odfreeze.errors import UsageError
from odfreeze.training.determinism import check_seed, explain_missing_kernel
from tests.conftest import ROOT


class UnimplementedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.parametrize("seed", (None, 0, 7, 2**32 - 1))
def test_a_seed(seed: int | None) -> None:
    check_seed(seed)


@pytest.mark.parametrize("seed", (-1, 2**32))
def test_no_seed(seed: int) -> None:
    with pytest.raises(UsageError, match=f"^--seed is {seed}; give a number from 0 to 4294967295$"):
        check_seed(seed)


def test_an_op_without_a_deterministic_kernel() -> None:
    error = UnimplementedError(
        "Graph execution error:\n\nDetected at node Foo\n  A deterministic GPU implementation of"
        " Foo is not currently available.\n\t [[{{node Foo}}]]"
    )
    assert explain_missing_kernel(error) == (
        "--seed takes deterministic ops only, and TensorFlow has not all of them: A deterministic"
        " GPU implementation of Foo is not currently available.; train without --seed"
    )


def test_of_the_one_that_faster_rcnn_can_do_without() -> None:
    # tensorflow/core/kernels/image/crop_and_resize_op.cc
    said = "Deterministic GPU implementation of CropAndResizeBackpropImage not available."
    assert str(explain_missing_kernel(UnimplementedError(said))).endswith(
        f": {said}; train without --seed, or set use_matmul_crop_and_resize: true in"
        " model.faster_rcnn"
    )


@pytest.mark.parametrize(
    "error",
    (UnimplementedError("no such type of data"), ValueError("Deterministic, of all things")),
    ids=("another op", "another error"),
)
def test_another_error_is_not_explained(error: Exception) -> None:
    assert explain_missing_kernel(error) is None


def test_importing_it_needs_no_tensorflow() -> None:
    code = "import sys, odfreeze.training.determinism; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
