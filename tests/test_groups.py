"""Each variable in the head, the neck or a block of the backbone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odfreeze.group_names import group_patterns
from odfreeze.groups import PARTS, group
from odfreeze.report.groups import group_lines
from odfreeze.report.text import UNICODE, plain
from odfreeze.variables import Variable
from tests.conftest import ROOT
from tests.support.model_lists import FAMILIES, variables_of

GOLDEN = ROOT / "tests/golden/groups"


def unnamed(variables: tuple[Variable, ...]) -> list[Variable]:
    return [replace(v, name=None) for v in variables]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_groups_of_a_family_are_those_of_its_reviewed_list(family: str) -> None:
    groups = group(variables_of(family))
    shown = plain(group_lines(groups, group_patterns(groups), glyphs=UNICODE))
    assert shown == (GOLDEN / f"{family}.txt").read_text(encoding="utf-8")


def test_every_reviewed_list_is_of_a_family() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_variable_is_in_one_group_and_found_there(family: str) -> None:
    variables = variables_of(family)
    groups = group(variables)
    inside = [v for one in groups.groups for v in one.variables]
    assert sorted(inside, key=lambda v: v.order) == list(variables)
    assert all(v in groups.of(v).variables for v in variables)
    assert [one.block for one in groups.blocks] == list(range(1, len(groups.blocks) + 1))
    assert [one.part for one in groups.groups] == sorted(
        (one.part for one in groups.groups), key=PARTS.index
    )
    assert len({one.name for one in groups.groups}) == len(groups.groups)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_order_in_which_a_source_lists_variables_changes_nothing(family: str) -> None:
    variables = variables_of(family)
    other = [replace(v, order=i) for i, v in enumerate(reversed(variables))]
    groups, expected = group(other), group(variables)
    assert all(groups.of(v.object_path).name == expected.of(v).name for v in variables)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_names_the_parts_are_the_same(family: str) -> None:
    variables = variables_of(family)
    groups, expected = group(unnamed(variables)), group(variables)
    for v in variables:
        found, named = groups.of(v.object_path), expected.of(v)
        assert (found.part, "" if found.block else found.kind) == (
            named.part, "" if named.block else named.kind,
        )  # fmt: skip
    if groups.blocks and "hourglass" not in family and not family.startswith("deepmac"):
        (note,) = groups.notes
        assert note.startswith("the backbone's structure is not known: its ")
        assert note.endswith("divided into 8 blocks in the order of their creation")
        depths = [min(v.order for v in one.variables) for one in groups.blocks]
        assert len(depths) == 8
    else:
        assert groups.notes == ()


def test_an_unknown_backbone_is_divided_in_the_order_of_its_layers() -> None:
    path = "model/_feature_extractor/classification_backbone/layer_with_weights"
    leaves = [("kernel", (1, 1, 4, 4)), ("gamma", (4,))]
    variables = [
        Variable(f"mystery_{n}/{leaf}", f"{path}-{n}/{leaf}", shape, "float32", layer=f"{path}-{n}")
        for n in (10, 9, 2, 1, 0)
        for leaf, shape in leaves
    ]
    groups = group(variables)
    assert [one.kind for one in groups.blocks] == [f"layers_{i}" for i in (1, 2, 3, 4, 5)]
    assert groups.blocks[0].variables[0].name == "mystery_0/kernel"
    assert groups.blocks[-1].variables[0].name == "mystery_10/kernel"
    assert groups.notes == (
        "the backbone's structure is not known: its 5 layers are divided into 5 blocks in the "
        "order of their creation",
    )


def test_what_is_no_detector_is_said_to_be_none() -> None:
    groups = group([Variable("dense/kernel", "net/kernel", (2, 2), "float32", layer="net")])
    assert [one.name for one in groups.groups] == ["other"]
    assert groups.notes == ("nothing here hangs where the OD API puts the parts of a detector",)


def test_no_variables_are_no_groups() -> None:
    groups = group([])
    assert (groups.groups, groups.batch_norm) == ((), ())


def test_the_classification_checkpoint_of_a_backbone_is_a_backbone() -> None:
    variables = [
        replace(v, object_path=v.object_path.replace(root, "feature_extractor/"),
                layer=v.layer.replace(root, "feature_extractor/"))
        for v in variables_of("centernet_resnet50_v1_fpn_keypoints")
        if v.object_path.startswith(root := "model/_feature_extractor/_base_model/")
    ]  # fmt: skip
    assert [one.kind for one in group(variables).groups] == [f"conv{n}" for n in range(1, 6)]


def test_batch_norm_is_marked_wherever_it_is() -> None:
    groups = group(variables_of("efficientdet_d0"))
    parts = {groups.of(v).part for v in groups.batch_norm}
    assert parts == {"head", "neck", "backbone"}
    leaves = {v.object_path.rpartition("/")[2] for v in groups.batch_norm}
    assert leaves == {"gamma", "beta", "moving_mean", "moving_variance"}


def test_a_variable_of_another_model_is_in_no_group() -> None:
    groups = group(variables_of("ssd_mobilenet_v1"))
    with pytest.raises(KeyError):
        groups.of("model/_feature_extractor/other/kernel")
