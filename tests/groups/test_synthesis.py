"""Patterns written for a set of variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.errors import UsageError
from odfreeze.groups.synthesis import is_automatic, patterns_for
from odfreeze.variables import Variable
from tests.support.model_lists import FAMILIES, variables_of

SMALL = [family for family in FAMILIES if len(variables_of(family)) < 400]


def matched(patterns: Sequence[str], variables: Sequence[Variable]) -> list[Variable]:
    """What patterns match, told without the code that is tested."""

    def subject(pattern: str, variable: Variable) -> str | None:
        return variable.object_path if pattern.startswith("(?#path)") else variable.name

    return [
        v
        for v in variables
        if any(
            (text := subject(pattern, v)) is not None and re.search(pattern, text)
            for pattern in patterns
        )
    ]


def renumbered(variables: Iterable[Variable], by: int) -> list[Variable]:
    """The same model built after others in its process: Keras counts on."""
    counted = re.compile(
        r"(?<![a-z_])(conv2d|conv2d_transpose|dense|batch_normalization|freezable_batch_norm)"
        r"(?:_(\d+))?(?=/)"
    )

    def later(match: re.Match[str]) -> str:
        return f"{match[1]}_{int(match[2] or 0) + by}"

    return [
        v if v.name is None or "Predictor" in v.name
        else replace(v, name=counted.sub(later, v.name, count=1))
        for v in variables
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "wanted", "expected"),
    [
        ("ssd_mobilenet_v2_fpnlite", r"^block_", ["^block_[0-9]+_"]),
        ("ssd_mobilenet_v2_fpnlite", r"^block_([0-9]|1[0-2])_", ["^block_([1-9]|1[0-2])_"]),
        ("ssd_mobilenet_v2_fpnlite", r"^WeightShared", ["^WeightSharedConvolutionalBoxPredictor/"]),
        ("ssd_mobilenet_v2_fpnlite", r"^(?!WeightShared|ssd_)",
         ["^(Conv1/|Conv_|bn_Conv1/|expanded_conv_|block_[0-9]+_)"]),
        ("ssd_mobilenet_v2_fpnlite", r"BatchNorm/", [
            "^WeightSharedConvolutionalBoxPredictor/PredictionTower/conv2d_[0-9]+/BatchNorm/"]),
        ("efficientdet_d0", r"^stack_[0-3]/", ["^stack_[0-3]/"]),
        ("efficientdet_d0", r"^(stem|stack_[0-3]/)", ["^(stem_|stack_[0-3]/)"]),
        ("efficientdet_d0", r"^stack_.*_bn/", ["^stack_[0-9]+/block_[0-9]+/"
         "(depthwise|project|expand)_bn/"]),
        ("efficientdet_d0", r"/(gamma|beta)$", ["/(gamma|beta)$"]),
        ("efficientdet_d0", r"^(EfficientDet|WeightShared)",
         ["^(WeightSharedConvolutionalBoxPredictor|EfficientDet-D0)/"]),
        ("faster_rcnn_resnet50", r"^conv[2-4]_", ["^conv[2-4]_"]),
        ("faster_rcnn_resnet50", r"^conv4_block(5|6)_", ["^conv4_block[56]_"]),
        ("faster_rcnn_resnet50", r"^(?!conv)",
         ["^(RPNConv|FirstStageBoxPredictor|mask_rcnn_keras_box_predictor)/"]),
        ("faster_rcnn_resnet50", r".", [".*"]),
        ("ssd_resnet50_v1_fpn", r"FeatureMaps", ["^ResNet50V1_FPN/FeatureMaps/"]),
        ("ssd_mobilenet_v1", r"^conv_dw_", ["^conv_dw_"]),
    ],
)  # fmt: skip
def test_patterns_are_those_that_people_write(
    family: str, wanted: str, expected: list[str]
) -> None:
    variables = variables_of(family)
    chosen = [v for v in variables if re.search(wanted, v.label)]
    found = patterns_for(chosen, variables)
    assert matched(found, variables) == chosen
    assert list(found) == expected


HEADS = "model/_prediction_head_dict/"
PATH_CASES: list[tuple[str, Callable[[Variable], bool], list[str]]] = [
    ("centernet_resnet101_v2", lambda v: v.object_path.startswith(HEADS), [f"(?#path)^{HEADS}"]),
    (
        "centernet_resnet101_v2",
        lambda v: v.object_path.startswith(f"{HEADS}box"),
        [f"(?#path)^{HEADS}box[.]S(scale|offset)/"],
    ),
    ("centernet_resnet101_v2", lambda v: v.label.startswith("conv3_"), ["^conv3_"]),
    (
        "centernet_resnet101_v2",
        lambda v: v.label.startswith("conv3_") or v.object_path.startswith(HEADS),
        ["^conv3_", f"(?#path)^{HEADS}"],
    ),
    (
        "mask_rcnn_inception_resnet_v2",
        lambda v: "proposal_features" in v.object_path,
        ["(?#path)^model/_feature_extractor_for_proposal_features/"],
    ),
    ("mask_rcnn_inception_resnet_v2", lambda v: v.label.endswith("/beta"), ["/beta$"]),
]


@pytest.mark.parametrize(("family", "is_wanted", "expected"), PATH_CASES)
def test_what_keras_numbers_is_told_by_its_path(
    family: str, is_wanted: Callable[[Variable], bool], expected: list[str]
) -> None:
    variables = variables_of(family)
    chosen = [v for v in variables if is_wanted(v)]
    found = patterns_for(chosen, variables)
    assert sorted(found) == sorted(expected)
    assert matched(found, variables) == chosen


def test_alternatives_are_in_the_order_in_which_they_are_wanted() -> None:
    variables = variables_of("efficientdet_d0")
    chosen = [v for v in variables if v.label.startswith(("stem", "top"))]
    assert patterns_for(chosen[::-1], variables) == ("^(top|stem)_",)


def test_an_ending_counts_on_no_number_that_keras_gave() -> None:
    # Written for the numbers of this process (``_([01]|[3-7])/kernel$``), it would miss others.
    variables = variables_of("faster_rcnn_resnet50_fpn")
    chosen = [v for v in variables if v.order != 288]
    found = patterns_for(chosen, variables)
    for by in (0, 40, 500):
        later = renumbered(variables, by)
        assert matched(found, later) == [v for v in later if v.order != 288]


def test_nothing_needs_no_pattern() -> None:
    assert patterns_for([], variables_of("ssd_mobilenet_v1")) == ()


def test_a_model_without_names_is_told_by_its_paths() -> None:
    variables = [replace(v, name=None) for v in variables_of("ssd_mobilenet_v1")]
    assert patterns_for(variables, variables) == ("(?#path).*",)
    chosen = [v for v in variables if "_box_predictor/" in v.object_path]
    assert patterns_for(chosen, variables) == ("(?#path)^model/_box_predictor/",)


def test_a_name_that_two_variables_have_is_told_by_their_paths() -> None:
    # The projections of a Context R-CNN have one name.
    variables = variables_of("context_rcnn_resnet101")
    path = "model/_context_feature_extract_fn/_key_proj/"
    chosen = [v for v in variables if v.object_path.startswith(path)]
    assert patterns_for(chosen, variables) == (f"(?#path)^{path}",)


def test_what_cannot_be_told_apart_is_an_error() -> None:
    twice = [Variable("a/kernel", "m/a/kernel", (), "float32", order=i) for i in (0, 1)]
    other = Variable("a/kernel", "m/b/kernel", (), "float32", order=2)
    assert patterns_for(twice[:1], [*twice, other]) == ("(?#path)^m/a/",)
    lines = [Variable(None, path, (), "float32") for path in ("m/a\n", "m/a")]
    assert matched(patterns_for(lines[1:], lines), lines) == lines[1:]


def test_a_variable_of_another_model_is_refused() -> None:
    variables = variables_of("ssd_mobilenet_v1")
    with pytest.raises(UsageError, match=r"^conv9/kernel is no variable of the model$"):
        patterns_for([Variable("conv9/kernel", "model/x/kernel", (), "float32")], variables)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, True),
        ("conv2d/kernel", True),
        ("conv2d_166/kernel", True),
        ("batch_normalization_3/gamma", True),
        ("freezable_batch_norm_3/beta", True),
        ("dense_1/bias", True),
        ("conv2_block1_1_conv/kernel", False),
        ("conv1/kernel", False),
        ("WeightSharedConvolutionalBoxPredictor/PredictionTower/conv2d_0/kernel", False),
        ("stack_0/block_0/depthwise_conv2d/depthwise_kernel", False),
        ("center_net_hourglass_feature_extractor/hourglass_network/residual_block_3/x", True),
        ("center_net_hourglass_feature_extractor/hourglass_network/stem/x", False),
    ],
)
def test_names_that_keras_gave_are_known(name: str | None, expected: bool) -> None:
    assert is_automatic(name) is expected


@settings(max_examples=60)
@given(st.sampled_from(SMALL), st.data())
def test_patterns_match_exactly_any_subset_of_any_model(family: str, data: st.DataObject) -> None:
    variables = variables_of(family)
    places = st.integers(0, len(variables) - 1)
    drawn = data.draw(st.sets(places, max_size=12), label="single")
    runs = data.draw(st.lists(st.tuples(places, places), max_size=3), label="from, to")
    drawn |= {i for a, b in runs for i in range(min(a, b), max(a, b))}
    if data.draw(st.booleans(), label="all but these"):
        drawn = set(range(len(variables))) - drawn
    chosen = [variables[i] for i in sorted(drawn)]
    found = patterns_for(chosen, variables)
    assert matched(found, variables) == chosen
    # They hold in a process that has built other models before, too.
    later = renumbered(variables, 40)
    assert [v.order for v in matched(found, later)] == sorted(drawn)


NAMES = st.lists(
    st.sampled_from(
        ["block_1", "block_10", "conv2d", "conv2d_3", "bn", "a.b", "kernel", "", "x\n"]
    ), min_size=1, max_size=4,
).map("/".join)  # fmt: skip


@given(st.lists(st.tuples(st.none() | NAMES, NAMES, st.booleans()), unique_by=lambda row: row[1]))
def test_patterns_match_exactly_any_subset_of_any_list(
    rows: list[tuple[str | None, str, bool]],
) -> None:
    variables = [
        Variable(name, path, (), "float32", order=i) for i, (name, path, _) in enumerate(rows)
    ]
    chosen = [v for v, (_, _, wanted) in zip(variables, rows, strict=True) if wanted]
    assert matched(patterns_for(chosen, variables), variables) == chosen
