"""What is said of the size of images."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.data import image_size
from tests.check.planted import said, subject_of

FIXED = "fixed_shape_resizer {{\n height: {0}\n width: {1} }}"
PADDED = (
    "keep_aspect_ratio_resizer {{ min_dimension: 32\n max_dimension: {0} "
    "pad_to_max_dimension: true }}"
)


def config(kind: str, resizer: str, model: str = "ssd", extractor: str = "", batch: int = 1) -> str:
    return (
        f"train_config {{ batch_size: {batch} }}\n"
        f'model {{ {model} {{ feature_extractor {{ type: "{kind}" {extractor} }} '
        f"image_resizer {{ {resizer} }} }} }}"
    )


def found(rule: Any, text: str, **flags: Any) -> list[str]:
    return said(rule(subject_of(text, **flags)))


SSD, EFFICIENTDET = "ssd_mobilenet_v2_fpn_keras", "ssd_efficientnet-b0_bifpn_keras"
RESNET, PLAIN = "ssd_resnet50_v1_fpn_keras", "ssd_mobilenet_v2_keras"


@pytest.mark.parametrize("rule", image_size.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "text",
    [
        "",
        config(SSD, FIXED.format(320, 320), batch=8),
        config(EFFICIENTDET, PADDED.format(512), batch=8),
        config("faster_rcnn_resnet50_keras", "keep_aspect_ratio_resizer { }", "faster_rcnn"),
        config(PLAIN, "keep_aspect_ratio_resizer { min_dimension: 320 max_dimension: 320 }"),
        config("ssd_mobilenet_v1", "fixed_shape_resizer { height: 20 }"),
        config(SSD, "fixed_shape_resizer { height: 'tall' width: 320 }"),
        "model { experimental_model { } }",
    ],
    ids=[
        "empty",
        "ssd",
        "efficientdet",
        "one-image",
        "same-dimensions",
        "TF1",
        "no-number",
        "another-model",
    ],
)
def test_nothing_is_said_of_what_is_fine_or_of_no_type(rule: Any, text: str) -> None:
    assert found(rule, text) == []


# --- ODF507 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "height", "width", "least"),
    [
        ("ssd_mobilenet_v1_keras", 32, 32, 33),
        (PLAIN, 32, 300, 33),
        (PLAIN, 300, 20, 33),
        (SSD, 32, 32, 33),
        (RESNET, 128, 128, 129),
        (EFFICIENTDET, 128, 128, 129),
    ],
)
def test_images_that_are_too_small(kind: str, height: int, width: int, least: int) -> None:
    assert found(image_size.size_does_not_fit, config(kind, FIXED.format(height, width))) == [
        f"ODF507 error 3: images of {height} x {width} pixels are too small: {kind} takes {least} "
        "at least on each side, and stock refuses less; make the resizer's size larger"
    ]


@pytest.mark.parametrize(
    ("kind", "model", "sizes", "message"),
    [
        (SSD, "ssd", (300, 300),
         "images of 300 x 300 pixels do not fit the feature pyramid of ssd_mobilenet_v2_fpn_keras: "
         "300 pixels are 19 at one level and 10 at the next, which is not half, and stock breaks "
         "off; write a multiple of 32, such as 288, or pad_to_multiple: 32 in feature_extractor"),
        (RESNET, "ssd", (640, 600),
         "images of 640 x 600 pixels do not fit the feature pyramid of ssd_resnet50_v1_fpn_keras: "
         "600 pixels are 75 at one level and 38 at the next, which is not half, and stock breaks "
         "off; write a multiple of 32, such as 608, or pad_to_multiple: 32 in feature_extractor"),
        (EFFICIENTDET, "ssd", (576, 576),
         "images of 576 x 576 pixels do not fit the feature pyramid of "
         "ssd_efficientnet-b0_bifpn_keras: 576 pixels are 9 at one level and 5 at the next, which "
         "is not half, and stock breaks off; write a multiple of 128, such as 512, or "
         "pad_to_multiple: 128 in feature_extractor"),
        ("hourglass_104", "center_net", (576, 576),
         "images of 576 x 576 pixels do not fit the feature pyramid of hourglass_104: 576 pixels "
         "are 9 at one level and 5 at the next, which is not half, and stock breaks off; write a "
         "multiple of 128, such as 512"),
        ("resnet_v1_50_fpn", "center_net", (500, 500),
         "images of 500 x 500 pixels do not fit the feature pyramid of resnet_v1_50_fpn: 500 "
         "pixels are 125 at one level and 63 at the next, which is not half, and stock breaks "
         "off; write a multiple of 32, such as 512"),
    ],
    ids=["fpn", "width", "bifpn", "hourglass", "centernet-fpn"],
)  # fmt: skip
def test_images_that_do_not_fit_a_pyramid(kind: str, model: str, sizes, message: str) -> None:
    text = config(kind, FIXED.format(*sizes), model)
    assert found(image_size.size_does_not_fit, text) == [f"ODF507 error 3: {message}"]


@pytest.mark.parametrize(
    ("kind", "model", "side"),
    # Sizes that the real models take: tests/training/test_stock_data.py builds some of them.
    [(SSD, "ssd", 288), (SSD, "ssd", 64), (PLAIN, "ssd", 33), (PLAIN, "ssd", 100),
     (EFFICIENTDET, "ssd", 640), (EFFICIENTDET, "ssd", 256), ("hourglass_10", "center_net", 504),
     ("hourglass_32", "center_net", 480), ("resnet_v1_50_fpn", "center_net", 480),
     ("faster_rcnn_resnet50_keras", "faster_rcnn", 20), ("resnet_v2_50", "center_net", 500)],
)  # fmt: skip
def test_images_that_fit(kind: str, model: str, side: int) -> None:
    assert not found(image_size.size_does_not_fit, config(kind, FIXED.format(side, side), model))


@pytest.mark.parametrize(
    "extractor",
    ["pad_to_multiple: 32", "use_explicit_padding: true", "fpn { max_level: 3 }",
     "fpn { min_level: 5 }"],
)  # fmt: skip
def test_what_makes_any_size_fit_an_fpn(extractor: str) -> None:
    text = config(SSD, FIXED.format(300, 300), extractor=extractor)
    assert found(image_size.size_does_not_fit, text) == []


def test_levels_that_are_not_added_up_do_not_count() -> None:
    """304 is 38, 19 and 10 at levels 3, 4 and 5, and level 5 is not used."""
    text = config(SSD, FIXED.format(304, 304), extractor="fpn { min_level: 3 max_level: 4 }")
    assert found(image_size.size_does_not_fit, text) == []


def test_a_size_that_is_not_known_is_not_judged() -> None:
    for resizer in ("keep_aspect_ratio_resizer { max_dimension: 600 }", "identity_resizer { }"):
        assert found(image_size.size_does_not_fit, config(SSD, resizer)) == []


def test_the_largest_side_is_padded_to() -> None:
    text = config(EFFICIENTDET, PADDED.format(600))
    assert found(image_size.size_does_not_fit, text)[0].startswith("ODF507 error 3: images of 600")


def test_the_defaults_of_a_fixed_shape() -> None:
    text = config(SSD, "\n fixed_shape_resizer { }")
    assert found(image_size.size_does_not_fit, text)[0].startswith("ODF507 error 3: images of 300")


@given(st.integers(33, 1500), st.integers(1, 4))
def test_whole_multiples_always_fit(side: int, halvings: int) -> None:
    whole = 2 ** (3 + halvings)
    extractor = f"fpn {{ min_level: 3 max_level: {3 + halvings} }}"
    text = config(RESNET, FIXED.format(side // whole * whole + 256, 256), extractor=extractor)
    assert found(image_size.size_does_not_fit, text) == []


# --- ODF521, ODF522 ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("resizer", "message"),
    [
        ("", "ODF521 error 2: there is no image_resizer, which stock refuses; write one, such as "
         "fixed_shape_resizer { height: 320 width: 320 }"),
        ("\npad_to_multiple_resizer { multiple: 32 }", "ODF521 error 3: pad_to_multiple_resizer "
         "is not known to training, which breaks off; write keep_aspect_ratio_resizer with "
         "pad_to_max_dimension: true"),
        ("keep_aspect_ratio_resizer {\n min_dimension: 640 max_dimension: 320 }", "ODF521 error "
         "3: min_dimension 640 is above max_dimension 320, which stock refuses; the longer side "
         "of an image may not be the smaller one"),
        ("keep_aspect_ratio_resizer {\n max_dimension: 320 }", "ODF521 error 3: min_dimension 600 "
         "is above max_dimension 320, which stock refuses; the longer side of an image may not be "
         "the smaller one"),
    ],
    ids=["none", "multiple", "contradiction", "by-default"],
)  # fmt: skip
def test_resizers_that_stock_refuses(resizer: str, message: str) -> None:
    assert found(image_size.resizer_refused, config(SSD, resizer)) == [message]


@pytest.mark.parametrize(
    ("resizer", "cure"),
    [
        ("keep_aspect_ratio_resizer", "write pad_to_max_dimension: true in it, or batch_size: 1"),
        ("identity_resizer", "write a fixed_shape_resizer, or batch_size: 1"),
        ("conditional_shape_resizer", "write a fixed_shape_resizer, or batch_size: 1"),
    ],
)
def test_sizes_differ(resizer: str, cure: str) -> None:
    text = config(SSD, f"\n{resizer} {{ }}", batch=8)
    assert found(image_size.sizes_differ, text) == [
        f"ODF522 warning 3: {resizer} leaves images at sizes of their own, and stock breaks off "
        f"at the first batch of 8 whose images differ; {cure}"
    ]
    assert found(image_size.sizes_differ, text, num_replicas=8) == []
