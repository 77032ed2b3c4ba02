"""Which statistics stand still because the config says so, however it is written."""

from __future__ import annotations

import pytest

from odfreeze.errors import TextProtoError
from odfreeze.held_statistics import held_statistics, statistic_rule
from odfreeze.textproto import parse
from odfreeze.variables import Variable

HELD, BATCH_NORM = "freeze_batchnorm: true", "batch_norm { }"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("model < ssd < freeze_batchnorm: t; >; >", "all"),
        ("model: [{ ssd: [{ freeze_batchnorm: [1] }] }]", "all"),
        ("model { ssd { freeze_batchnorm: True freeze_batchnorm: 0 } }", "none"),
        ("model { ssd { } } model { ssd { freeze_batchnorm: true } }", "all"),
        ("model { ssd { freeze_batchnorm: true } faster_rcnn { } }", "all"),
        ("model { ssd { freeze_batchnorm: true } center_net { } }", "none"),
        ("model { ssd { freeze_batchnorm: true } of_a_fork { } }", "none"),
        ("model { ssd: 1 }", "none"),
        ("eval_config { ssd { freeze_batchnorm: true } }", "none"),
        (
            "model { ssd { freeze_batchnorm: true feature_extractor { type: 'ssd_effi' 'cientnet' "
            "} } }",
            "all_but_backbone",
        ),
        (
            "model { faster_rcnn { feature_extractor { batch_norm_trainable: false } } } "
            "model { faster_rcnn { feature_extractor { batch_norm_trainable: 1 } } }",
            "none",
        ),
        (
            "model { faster_rcnn { second_stage_box_predictor: [{ mask_rcnn_box_predictor < "
            "fc_hyperparams { sync_batch_norm { } } > }] } }",
            "feature_extractor",
        ),
        ("model { faster_rcnn { } } model { faster_rcnn { context_config { } } }",
            "feature_extractor"),
        ("model { faster_rcnn { } ssd { conv_hyperparams { batch_norm { } } } faster_rcnn { } }",
            "all"),
        ("model { faster_rcnn { batch_norms { } fork { context_config { } } } }", "all"),
    ],
    ids=[
        "angle brackets", "lists", "written twice", "in pieces", "the other model's field",
        "the last model counts", "a fork's model", "no message", "not the model's",
        "adjacent strings", "a Faster R-CNN in pieces", "deep in a list", "attention in a piece",
        "the batch norm of the model that does not count", "names that are like it",
    ],
)  # fmt: skip
def test_which_statistics_are_held(text: str, held: str) -> None:
    assert held_statistics(parse(text.encode())) == held


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("ssd { freeze_batchnorm: 2 }", "2"),
        ("ssd { freeze_batchnorm: 'true' }", "'true'"),
        ("ssd { freeze_batchnorm: nan }", "nan"),
        ("ssd { freeze_batchnorm: { } }", "{ } }"),
        ("ssd { freeze_batchnorm: true feature_extractor { type: SSD } }", "SSD"),
        ("ssd { freeze_batchnorm: true feature_extractor: 5 }", "5"),
        (r"ssd { freeze_batchnorm: true feature_extractor { type: '\377' } }", r"'\377'"),
        ("faster_rcnn { feature_extractor { batch_norm_trainable: yes } }", "yes"),
        ("faster_rcnn { feature_extractor: 5 }", "5"),
    ],
)
def test_a_field_of_the_wrong_kind_is_an_error_at_its_place(text: str, wrong: str) -> None:
    text = f"model {{ {text} }}"
    with pytest.raises(TextProtoError) as caught:
        held_statistics(parse(text.encode()))
    assert caught.value.place is not None
    assert text[caught.value.place.column - 1 :].startswith(wrong)


def test_a_field_that_decides_nothing_may_be_of_any_kind() -> None:
    text = b"model { ssd { feature_extractor { type: 5 batch_norm_trainable: 'x' } } }"
    assert held_statistics(parse(text)) == "none"


@pytest.mark.parametrize(
    ("path", "is_backbone", "is_extractor"),
    [
        ("model/_feature_extractor/_efficientnet/stem_bn/moving_mean", True, False),
        ("model/_feature_extractor/classification_backbone/top_bn/moving_mean", True, False),
        ("model/_feature_extractor/_bifpn_stage/bn/moving_mean", False, False),
        ("model/_box_predictor/_efficientnet_like/bn/moving_mean", False, False),
        ("model/_feature_extractor_for_box_classifier_features/bn/moving_mean", False, True),
        ("model/_feature_extractor_for_proposal_features/bn/moving_mean", False, True),
        ("model/_attention_feature_extractor/bn/moving_mean", False, False),
    ],
)
def test_the_part_of_a_statistic_is_told_by_its_object_path(
    path: str, is_backbone: bool, is_extractor: bool
) -> None:
    statistic = Variable(None, path, (8,), "float32")
    every, outer, inner = (
        statistic_rule(held) for held in ("all", "all_but_backbone", "feature_extractor")
    )
    assert every is not None
    assert outer is not None
    assert inner is not None
    assert every(statistic)
    assert (outer(statistic), inner(statistic)) == (not is_backbone, is_extractor)


def test_there_is_no_rule_where_nothing_is_held() -> None:
    assert statistic_rule("none") is None
