"""The parts of a detector, and patterns that select exactly one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.selection.parts import Part, parts_meant, parts_of, pattern_of, words_for
from odfreeze.checkpoint import Checkpoint
from odfreeze.selection import PATH_PREFIX
from odfreeze.variables import Variable
from tests.support.tiny_detector import variables as tiny

ALL = ("backbone", "neck", "region features", "proposal network", "heads")


def of(**paths: str) -> list[Variable]:
    """Variables by name, `__` for a slash, and the object path that each hangs under."""
    return [
        Variable(name.replace("__", "/"), f"{path}/{number}/kernel", (1,), "float32")
        for number, (name, path) in enumerate(paths.items())
    ]


FASTER_RCNN = of(
    conv1_conv__kernel="model/_feature_extractor_for_proposal_features",
    conv2_block1__kernel="model/_feature_extractor_for_proposal_features",
    conv4_block10__kernel="model/_feature_extractor_for_proposal_features",
    conv5_block1__kernel="model/_feature_extractor_for_box_classifier_features",
    RPNConv__kernel="model/_first_stage_box_predictor_first_conv",
    FirstStageBoxPredictor__kernel="model/_first_stage_box_predictor",
    mask_rcnn_keras_box_predictor__kernel="model/_mask_rcnn_box_predictor",
)
CENTERNET = of(
    conv1_conv__kernel="model/_feature_extractor/_base_model",
    conv2d_1__kernel="model/_feature_extractor/_feature_extractor_model",
    conv2d_2__kernel="model/_prediction_head_dict/object_center",
    conv2d_3__kernel="model/_prediction_head_dict/box.Sscale",
)
BACKBONE_ALONE = of(block_1__kernel="feature_extractor")


def patterns(variables: list[Variable]) -> dict[str, str]:
    return {part.name: part.pattern for part in parts_of(variables, ALL)}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (tiny(), {"backbone": "^(Conv|bn_|block_)", "neck": "^SSD/", "heads": "^Predictor/"}),
        (
            FASTER_RCNN,
            {
                "backbone": "^conv[124]_",
                "region features": "^conv5_",
                "proposal network": "^(RPNConv/|FirstStageBoxPredictor/)",
                "heads": "^mask_",
            },
        ),
        (
            CENTERNET,
            {
                "backbone": "^conv[0-9]+_",
                "neck": "(?#path)^model/_feature_extractor/_feature_extractor_model/",
                "heads": "(?#path)^model/_prediction_head_dict/",
            },
        ),
        (BACKBONE_ALONE, {"backbone": "^block_"}),
        (of(block_1__kernel="somewhere"), {}),
        ([], {}),
    ],
    ids=["ssd", "faster-rcnn", "centernet", "backbone-alone", "unknown", "empty"],
)
def test_each_part_has_a_pattern(variables: list[Variable], expected: dict[str, str]) -> None:
    assert patterns(variables) == expected


def test_of_a_real_efficientdet(corpus: Path) -> None:
    with Checkpoint.open(corpus / "checkpoints/efficientdet_d0_names_only/ckpt-0") as source:
        parts = parts_of(source.variables, ALL)
    assert [(part.name, len(part.variables), part.pattern) for part in parts] == [
        ("backbone", 311, "^(stem_|stack_|top_|logits/)"),
        ("neck", 228, "^EfficientDet"),
        ("heads", 144, "^WeightSharedConvolutionalBoxPredictor/"),
    ]


def test_without_names_the_object_paths_are_selected() -> None:
    nameless = [Variable(None, v.object_path, v.shape, v.dtype) for v in tiny()]
    assert patterns(nameless)["backbone"] == (
        "(?#path)^model/_feature_extractor/classification_backbone/"
    )


def test_a_part_in_too_many_pieces_has_no_pattern() -> None:
    names = {f"{letter}__kernel": "feature_extractor" for letter in "abcdefghi"}
    others = {f"{letter}x__kernel": "model/_box_predictor" for letter in "abcdefghi"}
    variables = of(**names, **others)
    assert pattern_of(variables[:9], variables) == "(?#path)^feature_extractor/"
    everywhere = [*variables[:9], *variables[10:18]]
    scattered = [Variable(v.name, f"model/{v.name}", (1,), "float32") for v in everywhere]
    assert pattern_of(scattered[:9], scattered) is None


def test_what_means_something_to_a_regular_expression_stands_for_itself() -> None:
    variables = [
        Variable(f"{name}/kernel", f"feature_extractor/{name}", (1,), "float32")
        for name in ("v1.0", "v1x0")
    ]
    assert pattern_of(variables[:1], variables) == "^v[0-9]+[.]"


def test_a_number_is_not_left_open() -> None:
    variables = of(conv1a__kernel="feature_extractor", conv2a__kernel="model/_box_predictor")
    assert pattern_of(variables[:1], variables) == "^conv1a/"


NAMES = st.text("ab.1+_/", min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), st.data())
def test_a_pattern_selects_exactly_the_part(names: list[str], data: st.DataObject) -> None:
    variables = [Variable(name, f"model/{n}", (1,), "float32") for n, name in enumerate(names)]
    chosen = data.draw(st.sets(st.sampled_from(range(len(names))), min_size=1))
    text = pattern_of([variables[n] for n in chosen], variables)
    if text is None:
        return
    subjects = [v.object_path for v in variables] if text.startswith(PATH_PREFIX) else names
    assert {n for n, subject in enumerate(subjects) if re.search(text, subject)} == chosen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".*backbone/.*", [("backbone", "backbone")]),
        ("feature_extractor", [("feature_extractor", "backbone")]),
        (r"^(resnet50|\bhead)", [("resnet50", "backbone"), ("head", "heads")]),
        (".*FeatureExtractor/MobilenetV2/", [("FeatureExtractor", "backbone")]),
        ("bifpn", [("bifpn", "neck")]),
        ("rpn", [("rpn", "proposal network")]),
        ("BoxPredictor_0", [("BoxPredictor_0", "heads")]),
        ("(?#path)box", [("box", "heads")]),
        ("block_1|conv|path", []),
    ],
)
def test_words_that_stand_for_parts(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(word, parts[0]) for word, parts in parts_meant(text)] == expected


def test_parts_in_words() -> None:
    parts = [Part("neck", tuple(tiny()[:1]), "^SSD/"), Part("heads", (), "^head/")]
    assert words_for(parts) == (
        "'^SSD/' selects the neck (1 variable), '^head/' selects the heads (0 variables)"
    )
