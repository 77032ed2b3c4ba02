"""Names that Keras made up, told from those that somebody gave."""

from __future__ import annotations

import pytest

from odfreeze.keras_names import keras_name, numbers_of
from odfreeze.variables import Variable

HOURGLASS = "center_net_hourglass_feature_extractor/hourglass_network"
SSD = "ssd_mobile_net_v2_fpn_keras_feature_extractor"


def named(name: str | None, path: str = "model/part/0/kernel") -> str | None:
    found = keras_name(Variable(name, path, (1,), "float32"))
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("conv2d/kernel", "conv2d"),
        ("conv2d_166/kernel", "conv2d_166"),
        ("conv2d_transpose_2/kernel", "conv2d_transpose_2"),
        ("freezable_batch_norm_202/moving_mean", "freezable_batch_norm_202"),
        ("dense_1/bias", "dense_1"),
        (f"{HOURGLASS}/input_downsample_block/convolutional_block/conv2d/kernel",
         "center_net_hourglass_feature_extractor"),
        (f"{HOURGLASS}/encoder_decoder_block_1/residual_block_15/conv2d_35/kernel",
         "encoder_decoder_block_1"),
        ("hourglass_network_1/input_conv_block/convolutional_block_75/conv2d_180/kernel",
         "convolutional_block_75"),
        (f"{SSD}_1/FeatureMaps/top_down/projection_1/kernel", f"{SSD}_1"),
        ("private__resnet_fpn_2/bottom_up_block5_conv/kernel", "private__resnet_fpn_2"),
    ],
)  # fmt: skip
def test_names_of_layers_that_nobody_named(name: str, layer: str) -> None:
    assert named(name) == layer


@pytest.mark.parametrize(
    "name",
    [
        None,
        "Conv1/kernel",
        "block_1_expand/kernel",
        "conv2_block1_1_conv/kernel",
        "stem_conv2d/kernel",
        "WeightSharedConvolutionalBoxPredictor/BoxPredictionTower/conv2d_0/kernel",
        "mask_rcnn_keras_box_predictor/mask_rcnn_box_head/BoxEncodingPredictor_dense/bias",
        f"{SSD}/FeatureMaps/top_down/projection_1/kernel",
        "conv2d",
    ],
)
def test_names_that_somebody_gave(name: str | None) -> None:
    assert named(name) is None


def test_what_is_called_so_in_its_object_path_is_named() -> None:
    assert named("conv2d_1/kernel", "conv2d_1/kernel") is None
    assert named("conv2d_1/kernel", "model/conv2d_12/kernel") == "conv2d_1"


def test_numbers_are_collected_by_class() -> None:
    names = ["conv2d/kernel", "conv2d/bias", "conv2d_7/kernel", "dense_1/bias", "Conv1/kernel"]
    variables = [Variable(name, f"model/{n}", (1,), "float32") for n, name in enumerate(names)]
    assert numbers_of(variables) == {"conv2d": {0, 7}, "dense": {1}}
