"""Names for sets of variables, such as ``@backbone/3..5``."""

from __future__ import annotations

import re

import pytest

from odfreeze.errors import UsageError
from odfreeze.groups.grouping import group
from odfreeze.groups.names import expanded, group_names, resolve_group
from tests.support.model_lists import FAMILIES, variables_of

EFFICIENTDET = variables_of("efficientdet_d0")
GROUPS = group(EFFICIENTDET)


def scopes(text: str) -> list[str]:
    """The beginnings of the names of a set."""
    found = resolve_group(text, GROUPS)
    return sorted({re.split(r"[/_](?=\D)", v.label)[0] for v in found})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@neck", ["EfficientDet-D0"]),
        ("@neck/bifpn", ["EfficientDet-D0"]),
        ("@head", ["WeightSharedConvolutionalBoxPredictor"]),
        ("@backbone", ["logits", "stack_0", "stack_1", "stack_2", "stack_3", "stack_4", "stack_5",
                       "stack_6", "stem", "top"]),
        ("@backbone/1", ["stem"]),
        ("@backbone/3..5", ["stack_1", "stack_2", "stack_3"]),
        ("@backbone/8..", ["logits", "stack_6", "top"]),
        ("@backbone/..2", ["stack_0", "stem"]),
        ("@backbone/stack_4", ["stack_4"]),
        ("@backbone/stack_4..stack_5", ["stack_4", "stack_5"]),
        ("@backbone/stem..2", ["stack_0", "stem"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_name_stands_for_a_set(text: str, expected: list[str]) -> None:
    assert scopes(text) == expected


def test_all_is_all() -> None:
    assert resolve_group("@all", GROUPS) == EFFICIENTDET


def test_batch_norm_is_that_of_everything_or_of_a_part() -> None:
    everywhere = resolve_group("@batch_norm", GROUPS)
    inside = [resolve_group(f"@{part}/batch_norm", GROUPS) for part in ("backbone", "neck", "head")]
    assert set(everywhere) == {v for part in inside for v in part}
    assert len(everywhere) == sum(map(len, inside)) == 436
    (gamma, *_), block = resolve_group("@backbone/1/batch_norm", GROUPS), GROUPS.blocks[0]
    assert gamma in block.variables
    assert len(resolve_group("@backbone/1/batch_norm", GROUPS)) == 4


def test_the_kinds_of_a_head_are_sets() -> None:
    head = resolve_group("@head", GROUPS)
    boxes, classes = (resolve_group(f"@head/{kind}", GROUPS) for kind in ("box", "class"))
    assert {*boxes, *classes} == set(head)
    assert not set(boxes) & set(classes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@bacbone", "there is no @bacbone in this model; there is @head, @head/box, @head/class, "
         "@neck, @neck/bifpn, @backbone, @batch_norm, @all (`odfreeze groups` lists them); "
         "did you mean '@backbone'?"),
        ("@head/boxes", "there is no @head/boxes in this model; there is @head/box, @head/class; "
         "did you mean '@head/box'?"),
        ("@head/box/x", "there is no @head/box/x in this model; there is @head/box, @head/class; "
         "did you mean '@head/box'?"),
        ("@backbone/10", "@backbone/10: the backbone has no block 10; it has blocks 1 to 9, stem "
         "to top (`odfreeze groups` lists them)"),
        ("@backbone/0..2", "@backbone/0..2: the backbone has no block 0; it has blocks 1 to 9, "
         "stem to top (`odfreeze groups` lists them)"),
        ("@backbone/stak_2", "@backbone/stak_2: the backbone has no block stak_2; it has blocks 1 "
         "to 9, stem to top (`odfreeze groups` lists them); did you mean 'stack_2'?"),
        ("@backbone/..", "@backbone/..: the backbone has no block ..; it has blocks 1 to 9, stem "
         "to top (`odfreeze groups` lists them)"),
        ("@backbone/5..3", "@backbone/5..3: block 5 is not before block 3; 1 is next to the image"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_told_with_what_there_is(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_group(text, GROUPS)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["@", "@/", "@all/x", "@batch_norm/1", "@other", "@head/"])
def test_what_is_no_name_is_refused(text: str) -> None:
    if text == "@head/":
        assert resolve_group(text, GROUPS) == resolve_group("@head", GROUPS)
        return
    with pytest.raises(UsageError, match=r"^there is no @.* in this model; there is @head"):
        resolve_group(text, GROUPS)


def test_a_part_that_a_model_does_not_have() -> None:
    groups = group(variables_of("faster_rcnn_resnet50"))
    with pytest.raises(UsageError, match=r"^this model has no neck; there is @head, @head/box"):
        resolve_group("@neck", groups)
    with pytest.raises(UsageError, match=r"^@head/batch_norm: there is no batch norm layer in it$"):
        resolve_group("@head/batch_norm", groups)


def test_a_model_says_what_sets_it_has() -> None:
    assert group_names(GROUPS) == (
        "@head", "@head/box", "@head/class", "@neck", "@neck/bifpn", "@backbone", "@batch_norm",
        "@all",
    )  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_of_a_model_resolves(family: str) -> None:
    groups = group(variables_of(family))
    for name in group_names(groups):
        assert resolve_group(name, groups)


def test_names_are_expanded_where_they_stand_and_patterns_are_left() -> None:
    given = ["^x", "@backbone/1..2", "(a|b)$", "@backbone/2", "^stack_0/"]
    found = expanded(given, lambda: EFFICIENTDET)
    assert found == ("^x", "^(stem_|stack_0/)", "(a|b)$", "^stack_0/")


def test_without_a_name_the_variables_are_not_asked_for() -> None:
    def refuse() -> tuple[()]:
        raise AssertionError

    assert expanded(["^x", "a@b"], refuse) == ("^x", "a@b")
