"""Which convolution feeds which batch norm."""

from __future__ import annotations

import pytest

from odfreeze.layers import convolution_of
from odfreeze.variables import Variable


def variable(
    name: str | None, path: str, shape: tuple[int, ...] = (8,), order: int = 0
) -> Variable:
    statistic = path.endswith(("moving_mean", "moving_variance"))
    return Variable(
        name, path, shape, "float32", not statistic, statistic, path.rpartition("/")[0], order
    )


@pytest.mark.parametrize(
    ("norm", "paths", "expected"),
    [
        ("m/layer-3", ["m/layer-1", "m/layer-2", "m/layer-4", "m/layer-10"], "m/layer-2"),
        ("m/layer-10", ["m/layer-9", "m/layer-1", "m/layer-11"], "m/layer-9"),
        ("m/b", ["m/c", "m/a"], "m/a"),
        ("m/1", ["n/0"], None),
        ("m/0", ["m/1"], None),
    ],
    ids=["numbers", "numbers-not-letters", "order", "other-parent", "none-before"],
)
def test_the_convolution_before_by_number_or_order(
    norm: str, paths: list[str], expected: str | None
) -> None:
    variables = [
        variable(None, f"{path}/kernel", (1, 1, 4, 8), order) for order, path in enumerate(paths)
    ]
    variables.append(variable(None, f"{norm}/moving_mean", order=len(paths)))
    assert convolution_of(variables).get(norm) == expected


@pytest.mark.parametrize(
    ("norm", "kernels", "expected"),
    [
        ("c4_b1_0_bn", ["c4_b1_0_conv", "c4_b1_3_conv"], "c4_b1_0_conv"),
        ("block_3_project_BN", ["block_3_project", "block_3_expand"], "block_3_project"),
        ("bn_Conv1", ["Conv1", "block_1_expand"], "Conv1"),
        ("stack_0/project_bn", ["stack_0/project_conv2d", "stack_0/se_conv2d"],
         "stack_0/project_conv2d"),
        ("stack_4/block_1/bn", ["stack_3/block_1/conv2d", "stack_4/block_0/conv2d",
         "stack_4/block_1/conv2d"], "stack_4/block_1/conv2d"),
        ("Conv/BatchNorm", ["Conv", "Other"], "Conv"),
        ("tower/conv2d_0/BatchNorm/feature_3", ["tower/conv2d_0", "tower/conv2d_1"],
         "tower/conv2d_0"),
    ],
    ids=["resnet", "mobilenet", "first", "efficientnet", "same-scope", "tf1", "tower"],
)  # fmt: skip
def test_the_convolution_by_name(norm: str, kernels: list[str], expected: str) -> None:
    # Object paths say nothing here: all are siblings, and the wrong ones are nearest.
    variables = [
        variable(f"{name}/kernel", f"m/{i}/kernel", (1, 1, 4, 8)) for i, name in enumerate(kernels)
    ]
    variables.append(variable(f"{norm}/moving_mean", "m/9/moving_mean"))
    assert convolution_of(variables) == {"m/9": f"m/{kernels.index(expected)}"}


def test_a_convolution_with_other_channels_does_not_feed_the_batch_norm() -> None:
    variables = [
        variable("a/kernel", "m/0/kernel", (1, 1, 4, 8)),
        variable("b/kernel", "m/1/kernel", (1, 1, 4, 9)),
        variable("c/moving_mean", "m/2/moving_mean", (8,)),
    ]
    assert convolution_of(variables) == {"m/2": "m/0"}


def test_any_kernel_of_a_separable_convolution_may_tell_the_channels() -> None:
    kernels = [
        variable("c/depthwise_kernel", "m/0/depthwise_kernel", (3, 3, 4, 1)),
        variable("c/pointwise_kernel", "m/0/pointwise_kernel", (1, 1, 4, 8)),
    ]
    norm = variable("d/moving_mean", "m/1/moving_mean", order=2)
    assert convolution_of([*kernels, norm]) == convolution_of([*kernels[::-1], norm]) == {
        "m/1": "m/0"
    }  # fmt: skip


def test_only_the_wanted_batch_norms_are_looked_at() -> None:
    variables = [variable("a/kernel", "m/0/kernel", (1, 1, 4, 8))]
    variables += [variable(f"{n}/moving_mean", f"m/{n}/moving_mean") for n in (1, 2)]
    assert convolution_of(variables, {"m/2"}) == {"m/2": "m/0"}
