"""What is said of the checkpoint."""

from __future__ import annotations

import dataclasses

import pytest

from odfreeze.check.start import restoring
from odfreeze.errors import Place
from odfreeze.variables import Variable
from tests.check.cases import case_of, told

TYPE = Place("a.config", 77, 30)


@pytest.mark.parametrize(
    ("kind", "freeze", "message"),
    [
        ("detection", "Box", "2 frozen variables (Predictor/BoxHead/kernel, …) would stay at their "
         'random start: fine_tune_checkpoint_type "detection" does not restore them; set '
         'fine_tune_checkpoint_type: "full", or leave them out of the patterns'),
        ("detection", "BoxHead/bias", "1 frozen variable (Predictor/BoxHead/bias) would stay at "
         'its random start: fine_tune_checkpoint_type "detection" does not restore it; set '
         'fine_tune_checkpoint_type: "full", or leave them out of the patterns'),
        ("detection", "block", None),
        ("full", "Box", None),
        ("classification", "Box", None),
    ],
    ids=["two", "one", "restored", "full", "nothing-restored-at-all"],
)  # fmt: skip
def test_a_frozen_variable_that_is_not_restored(
    kind: str, freeze: str, message: str | None
) -> None:
    case = case_of(freeze, kind=kind, type_place=TYPE)
    expected = [] if message is None else [f"ODF301 warning 77: {message}"]
    assert told(restoring.frozen_not_restored, case) == expected


def test_without_a_checkpoint_all_that_is_frozen_stays_random() -> None:
    case = case_of("Box", kind="full", type_place=TYPE)
    nothing = case.restore._replace(restored=(False,) * len(case.restore.restored))
    case = dataclasses.replace(case, restore=nothing, checkpoint_missing="none is set")
    assert told(restoring.frozen_not_restored, case) == [
        "ODF301 warning 1: 2 frozen variables (Predictor/BoxHead/kernel, …) would stay at their "
        "random start: none is set; set it, or take the patterns out"
    ]


def test_what_is_outside_of_the_model_is_not_restored_by_another_type_either() -> None:
    stray = Variable("ema/decay", "ema/decay", (1,), "float32")
    case = case_of("ema", variables=[*case_of().selection.variables, stray], kind="full")
    (found,) = told(restoring.frozen_not_restored, case)
    assert found.endswith("does not restore it; leave them out of the patterns")


DETECTOR = (
    'for this checkpoint set fine_tune_checkpoint_type: "detection" (all but the heads) or "full"'
)


@pytest.mark.parametrize(
    ("kind", "root", "object_based", "message"),
    [
        ("classification", "model", True, "type 'classification' asks for 'feature_extractor', of "
         f"which the checkpoint holds nothing; {DETECTOR}"),
        ("full", "feature_extractor", True, "type 'full' asks for 'model', of which the checkpoint "
         'holds nothing; for this checkpoint set fine_tune_checkpoint_type: "classification"'),
        ("fine_tune", "model", True, "type 'fine_tune' is no longer supported; 'detection' does "
         f"the same; {DETECTOR}"),
        ("detektion", "model", True, "type 'detektion' is none of 'classification', 'detection', "
         f"'full'; did you mean 'detection'?; {DETECTOR}"),
        ("full", "FeatureExtractor", False, "it is a TF1 checkpoint, keyed by name, and the TF2 OD "
         "API restores only those of TF2; give a checkpoint of the model"),
    ],
    ids=["default-type", "backbone-as-full", "retired", "misspelt", "tf1"],
)  # fmt: skip
def test_a_checkpoint_of_which_nothing_is_restored(
    kind: str, root: str, object_based: bool, message: str
) -> None:
    some = [
        dataclasses.replace(v, object_path=f"{root}/{v.object_path.partition('/')[2]}")
        for v in case_of().selection.variables
    ]
    case = case_of(kind=kind, variables=some, object_based=object_based, type_place=TYPE)
    assert told(restoring.nothing_restored, case) == [
        f"ODF302 warning 77: nothing of the checkpoint would be restored: {message}"
    ]


def test_missing_names() -> None:
    assert told(restoring.names_missing, case_of(names_missing="shard 0 is missing")) == [
        "ODF303 warning -: variables are listed by object path: shard 0 is missing; patterns for "
        "names match nothing here, those beginning with (?#path) do"
    ]
    assert told(restoring.names_missing, case_of()) == []


def test_a_checkpoint_of_the_backbone_alone() -> None:
    backbone = [Variable("Conv1/kernel", "feature_extractor/Conv1/kernel", (1,), "float32")]
    (found,) = told(restoring.backbone_only, case_of(variables=backbone, kind="classification"))
    assert found.startswith("ODF304 info -: the checkpoint holds a backbone only")
    assert told(restoring.backbone_only, case_of()) == []
    assert told(restoring.backbone_only, case_of(variables=[])) == []
