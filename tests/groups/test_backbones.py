"""Into which blocks the layers of a backbone fall, and in what order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.groups.backbones import blocks_of
from odfreeze.variables import Variable

PATH = "model/_feature_extractor/classification_backbone/layer_with_weights-"
HOURGLASS = "model/_feature_extractor/_network/"


def layer(path: str, name: str | None, order: int, shape: tuple[int, ...]) -> list[Variable]:
    return [Variable(name, f"{path}/kernel", shape, "float32", layer=path, order=order)]


def blocks(names: list[str | None], shape: tuple[int, ...] = (3, 3, 8, 8)) -> list[str]:
    """Returns the block of each layer, numbered and named, in the order of the layers."""
    layers = {f"{PATH}{i}": layer(f"{PATH}{i}", name, i, shape) for i, name in enumerate(names)}
    found, _ = blocks_of(layers)
    assert set(found) == set(layers)
    return [f"{found[path][0]} {found[path][1]}" for path in layers]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["conv1_conv/kernel", "conv1_bn/gamma", "conv2_block1_1_conv/k", "conv5_block3_x/k"],
            ["1 conv1", "1 conv1", "2 conv2", "3 conv5"],
        ),
        (
            ["conv1/k", "conv_dw_1/k", "conv_dw_1_bn/gamma", "conv_pw_1/k", "conv_pw_13/k"],
            ["1 conv1", "2 conv_1", "2 conv_1", "2 conv_1", "3 conv_13"],
        ),
        (
            ["Conv1/k", "bn_Conv1/gamma", "expanded_conv_x/k", "block_1_expand/k", "Conv_1/k"],
            ["1 Conv1", "1 Conv1", "2 expanded_conv", "3 block_1", "4 Conv_1"],
        ),
        (
            ["stem_conv2d/k", "stack_0/block_0/x", "stack_6/block_0/x", "top_conv2d/k", "logits/k"],
            ["1 stem", "2 stack_0", "3 stack_6", "4 top", "4 top"],
        ),
        (
            ["conv2d/k", *["conv2d_1/k"] * 6, "block35_1_conv/k", "conv2d_9/k"],
            ["1 stem", *["2 block35"] * 7, "3 mixed_6a"],
        ),
    ],
    ids=["ResNet", "MobileNet V1", "MobileNet V2", "EfficientNet", "Inception-ResNet V2"],
)  # fmt: skip
def test_names_tell_the_blocks_of_a_known_network(
    names: list[str | None], expected: list[str]
) -> None:
    assert blocks(names) == expected


def test_a_layer_whose_name_tells_nothing_goes_with_the_one_before_it() -> None:
    names: list[str | None] = ["input_bn/gamma", *["conv2_block1_1_conv/k"] * 9]
    assert set(blocks(names)) == {"1 conv2"}
    names = [*["conv2_block1_1_conv/k"] * 9, "conv3_block1_1_conv/k", "post_bn/gamma"]
    assert blocks(names)[-2:] == ["2 conv3", "2 conv3"]


def test_layers_go_by_the_number_in_their_paths_not_by_the_text() -> None:
    names: list[str | None] = [f"block_{i}_x/k" for i in range(12)]
    assert blocks(names) == [f"{i + 1} block_{i}" for i in range(12)]


def test_a_second_stage_goes_behind_the_first() -> None:
    first = "model/_feature_extractor_for_proposal_features/layer_with_weights-9"
    second = "model/_feature_extractor_for_box_classifier_features/layer_with_weights-0"
    found, _ = blocks_of(
        {
            second: layer(second, "conv5_block1_x/k", 0, (1,)),
            first: layer(first, "conv4_block1_x/k", 1, (1,)),
        }
    )
    assert found == {first: (1, "conv4"), second: (2, "conv5")}


def test_the_attributes_of_an_hourglass_tell_where_a_layer_is_computed() -> None:
    stage = "hourglass_network/"
    ordered = {
        "downsample_input/conv": "stem",
        f"{stage}0/encoder_block1/0/conv": "hourglass_1/encoder_1",
        f"{stage}0/inner_block/0/encoder_block1/0/conv": "hourglass_1/encoder_2",
        f"{stage}0/inner_block/0/inner_block/0/conv": "hourglass_1/inner",
        f"{stage}0/inner_block/0/decoder_block/0/conv": "hourglass_1/decoder_2",
        f"{stage}0/decoder_block/0/conv": "hourglass_1/decoder_1",
        "output_conv/0/conv": "hourglass_1/decoder_1",
        "intermediate_conv1/0/conv": "between_1_and_2",
        f"{stage}1/encoder_block1/0/conv": "hourglass_2/encoder_1",
    }
    layers = {
        HOURGLASS + path: layer(HOURGLASS + path, "conv2d/kernel", i, (3, 3, 8, 8))
        for i, path in enumerate(reversed(ordered))
    }
    found, notes = blocks_of(layers)
    by_number = sorted({found[HOURGLASS + path] for path in ordered})
    assert [name for _, name in by_number] == list(dict.fromkeys(ordered.values()))
    assert {path: found[HOURGLASS + path][1] for path in ordered} == ordered
    assert notes == ()


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([None, "", "a/k", "conv2d_7/k", "block/k"]), min_size=1, max_size=40)
)
def test_an_unknown_network_is_divided_in_the_order_of_its_layers(names: list[str | None]) -> None:
    found = blocks(names)
    count = min(8, len(names))
    assert list(dict.fromkeys(found)) == [f"{i} layers_{i}" for i in range(1, count + 1)]
    lengths = [found.count(block) for block in dict.fromkeys(found)]
    assert max(lengths) - min(lengths) <= 1


def test_what_follows_a_convolution_stays_with_it() -> None:
    layers = {}
    for i in range(6):
        path = f"{PATH}{i}"
        layers[path] = layer(path, "x/k", i, (8,) if i % 2 else (3, 3, 8, 8))
    found, notes = blocks_of(layers)
    assert [found[f"{PATH}{i}"][0] for i in range(6)] == [1, 1, 2, 2, 3, 3]
    assert notes == (
        "the backbone's structure is not known: its 6 layers are divided into 3 blocks in the "
        "order of their creation",
    )


def test_a_network_without_a_convolution_is_one_block() -> None:
    assert blocks(["a/gamma", "b/gamma"], shape=(8,)) == ["1 layers_1", "1 layers_1"]


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        f"{HOURGLASS}hourglass_network/",
        f"{HOURGLASS}output_conv/",
        f"{HOURGLASS}intermediate_a/",
    ],
)
def test_a_number_of_thousands_of_digits_in_a_path_is_no_number(path: str) -> None:
    path = f"{path}{'9' * 5000}/encoder_block1"
    found, _ = blocks_of({path: layer(path, None, 0, (3, 3, 1, 1))})
    assert [number for number, _ in found.values()] == [1]
