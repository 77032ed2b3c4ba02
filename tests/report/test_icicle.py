"""The model as an icicle: nothing left out, each part as wide as it has parameters."""

from __future__ import annotations

import dataclasses
import re

import pytest

from odfreeze.groups.grouping import group
from odfreeze.report.icicle import icicle, network_order, staircase
from odfreeze.runs.account import read_account
from odfreeze.variables import Variable
from tests.support.account_runs import write_staged


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    return read_account(write_staged(tmp_path_factory.mktemp("run") / "run"))


def rows(svg, kind):
    found = [one for one in svg.iter("rect") if one.get("class").split()[0] == kind]
    return [(float(one.get("x")), float(one.get("width"))) for one in found]


@pytest.mark.parametrize("kind", ["part", "block", "fill", "layer"])
@pytest.mark.parametrize("width", [1000, 430])
def test_each_row_fills_the_width_without_gap_or_overlap(account, kind, width):
    found = sorted(rows(icicle(account, width), kind))
    reached = 0.0
    for left, wide in found:
        assert left == pytest.approx(reached, abs=0.2)
        reached = left + wide
    assert reached == pytest.approx(width, abs=0.5)


def test_a_width_is_a_share_of_the_parameters(account):
    groups = network_order(account)
    whole = sum(one.parameters for one in groups)
    for (_, wide), one in zip(rows(icicle(account, 1000), "block"), groups, strict=True):
        assert wide == pytest.approx(1000 * one.parameters / whole, abs=0.02)


def test_the_order_is_from_the_image_to_the_predictions(account):
    names = [one.name for one in network_order(account)]
    assert names[0] == "backbone/1"
    assert names[-2:] == ["head/box", "head"]
    assert [n for n in names if n.startswith("backbone/")] == sorted(
        n for n in names if n.startswith("backbone/")
    )


def test_the_colour_is_that_of_the_stage_in_which_it_opened(account):
    colours = {
        group.find("title").text.partition(":")[0]: group.find("rect").get("class").split()[-1]
        for group in icicle(account, 1000).iter("g")
    }
    assert colours["Conv1"] == "never"
    assert colours["Predictor/BoxHead"] == "s1"
    assert colours["block_1_expand"] == "s2"


def test_a_tooltip_tells_parameters_and_stage(account):
    tips = [one.text for one in icicle(account, 1000).iter("title")]
    assert any(
        re.fullmatch(r"Predictor/BoxHead: 120 parameters, opens in stage 1 \(head\)\n\S+", tip)
        for tip in tips
    )
    assert any(tip.startswith("Conv1: 216 parameters, frozen to the end") for tip in tips)


def test_layers_too_narrow_to_see_go_with_their_neighbours(account):
    tips = [one.text for one in icicle(account, 12).iter("title")]
    assert any(re.match(r"\d+ layers, ", tip) for tip in tips)


def test_a_wide_layer_is_drawn_alone(account):
    """As EfficientDet's unused classifier, which comes after a small batch norm."""
    root = "model/_feature_extractor/_bifpn_stage"
    sizes = {"a/gamma": 1, "b/gamma": 1, "c/kernel": 998}
    variables = tuple(
        Variable(name, f"{root}/{name}", (size,), "float32", True, False, f"{root}/{name[0]}", n)
        for n, (name, size) in enumerate(sizes.items())
    )
    opened = {v.object_path: 1 for v in variables}
    one = dataclasses.replace(account, variables=variables, groups=group(variables), opened=opened)
    tips = [g.find("title").text for g in icicle(one, 100).iter("g")]
    assert "2 layers, a to b: 2 parameters" in tips
    assert any(tip.startswith("c: 998 parameters") for tip in tips)


def test_the_staircase_tells_what_learns_in_which_stage(account):
    tips = [one.find("title").text for one in staircase(account, 1000).iter("g")]
    groups = network_order(account)
    assert len(tips) == 2 * len(groups)
    assert "stage 1, head: backbone/1 (Conv1) frozen" in tips
    assert any(re.match(r"stage 2, more: backbone/\d \(block_2\) learns", tip) for tip in tips)
