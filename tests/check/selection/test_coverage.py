"""What is said of patterns that overlap, and of very much or very little frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.selection import coverage
from odfreeze.check.subject import Subject
from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import apply_edits
from odfreeze.variables import Variable
from tests.check.cases import case_of
from tests.check.planted import said, subject_of
from tests.support.tiny_detector import write_detector


class Judged(Subject):
    """A subject whose patterns were held against given variables."""

    def __init__(self, *freeze: str, update: Sequence[str] = (), **options: Any) -> None:
        fields = [("freeze_variables", one) for one in freeze]
        fields += [("update_trainable_variables", one) for one in update]
        text = "".join(f'{field}: "{one}"\n' for field, one in fields)
        super().__init__(PipelineConfig.parse(f"train_config {{\n{text}}}".encode(), "a.config"))
        self._judged = (case_of(*freeze, update=update, **options), ())


def told(rule: Any, subject: Subject) -> list[str]:
    found: Iterator[Any] = rule(subject)
    return said(found)


def named(*names: str) -> list[Variable]:
    return [
        Variable(f"{name}/kernel", f"model/{n}/kernel", (1,), "float32")
        for n, name in enumerate(names)
    ]


# --- ODF214 ----------------------------------------------------------------------------


def test_a_dot_takes_other_characters_along() -> None:
    subject = Judged("net_v1.0", variables=named("net_v1.0", "net_v1x0", "net_v110", "other"))
    assert told(coverage.dots_that_matter, subject) == [
        "ODF214 warning 1: freeze_variables: in 'net_v1.0' the dot stands for any character, and "
        "takes net_v1x0/kernel, net_v110/kernel along (2 of its 3 variables); if that is not "
        "meant, write 'net_v1[.]0'"
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("net_v1.0", ("net_v1.0", "other")),
        ("net_v1.0", ("net_v1x0", "other")),
        ("net_v1[.]0", ("net_v1.0", "net_v1x0")),
        (r"net_v1\.0", ("net_v1.0", "net_v1x0")),
        ("net.*0", ("net.0", "netx0")),
        ("a.", ("a.", "ab")),
        ("net", ("net.0", "netx0")),
    ],
    ids=["only-dots", "no-dots", "in-brackets", "escaped", "anything", "at-the-end", "none"],
)
def test_dots_that_change_nothing_or_are_meant(text: str, names: tuple[str, ...]) -> None:
    assert told(coverage.dots_that_matter, Judged(text, variables=named(*names))) == []


# --- ODF216 ----------------------------------------------------------------------------


def test_a_pattern_that_another_covers() -> None:
    assert told(coverage.covered_by_another, Judged("^block_1_", "^block_", "Conv1")) == [
        "ODF216 info 1: freeze_variables: all 5 variables of '^block_1_' are matched by '^block_' "
        "too: it decides nothing; remove it, or narrow the other"
    ]


def test_of_two_that_match_the_same_the_later_is_told() -> None:
    (found,) = told(coverage.covered_by_another, Judged("block_2", "block_2_", "BoxHead/bias"))
    assert found.startswith("ODF216 info 2: freeze_variables: all 5 variables of 'block_2_'")


@pytest.mark.parametrize(
    ("freeze", "update"),
    [
        (("block_1_", "block_2_"), ()),
        (("block_1_", "block_1.*kernel|Conv1"), ()),
        (("block_1_",), ("block_",)),
        (("block_1_", ".*"), ()),
        (("block_1_", "zzz"), ()),
        ((), ()),
    ],
    ids=["apart", "overlap", "other-field", "everything", "nothing", "none"],
)
def test_patterns_that_each_decide_something(
    freeze: tuple[str, ...], update: tuple[str, ...]
) -> None:
    assert told(coverage.covered_by_another, Judged(*freeze, update=update)) == []


def test_a_pattern_that_is_there_twice_is_told_without_a_checkpoint_and_removed() -> None:
    text = 'train_config {\n  freeze_variables: "a"\n  freeze_variables: "a"  # again\n}'
    subject = subject_of(text)
    (found,) = coverage.covered_by_another(subject)
    assert said([found]) == [
        "ODF216 info 3: freeze_variables: 'a' is there twice; remove one of them"
    ]
    edited = apply_edits(subject.config.data, found.edits)
    assert edited == b'train_config {\n  freeze_variables: "a"\n}'


def test_the_same_pattern_in_both_fields_is_not_twice() -> None:
    text = 'train_config { freeze_variables: "a" update_trainable_variables: "a" }'
    assert not list(coverage.covered_by_another(subject_of(text)))


# --- ODF217 and ODF218 -----------------------------------------------------------------


def wide(count: int) -> list[Variable]:
    return [
        Variable(f"layer_{n}/kernel", f"model/layer_{n}/kernel", (10,), "float32")
        for n in range(count)
    ]


def test_over_95_percent_frozen() -> None:
    subject = Judged("layer_[^7]|layer_7[0-9]", variables=wide(100))
    assert told(coverage.very_much_frozen, subject) == [
        "ODF217 info 2: 99.0% of the parameters and 99.0% of the variables are frozen; only 1 "
        "variable (layer_7/kernel) learns: look whether these are what is to learn"
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [("layer_[^7]", 100), (".*", 100), ("layer_1/", 10)],
    ids=["less", "everything", "little"],
)
def test_less_frozen_or_everything(text: str, count: int) -> None:
    assert told(coverage.very_much_frozen, Judged(text, variables=wide(count))) == []


def test_heads_that_learn_as_a_whole_are_what_is_to_learn() -> None:
    heads = [
        dataclasses.replace(v, object_path=f"model/_box_predictor/{v.name}") if n < 2 else v
        for n, v in enumerate(wide(100))
    ]
    assert told(coverage.very_much_frozen, Judged(update=["layer_[01]/"], variables=heads)) == []
    (found,) = told(coverage.very_much_frozen, Judged(update=["layer_0/"], variables=heads))
    assert "only 1 variable (layer_0/kernel)" in found


def test_large_variables_alone_are_not_over_95_percent() -> None:
    few = [*wide(3), Variable("big/kernel", "model/big/kernel", (100_000,), "float32")]
    assert told(coverage.very_much_frozen, Judged("big", variables=few)) == []
    many = [*wide(97), *few[3:]]
    assert told(coverage.very_little_frozen, Judged("xx", "yy", "big", variables=many)) == []


def test_many_patterns_and_under_5_percent_frozen() -> None:
    subject = Judged("layer_1/", "layer_2/", "layer_3/", variables=wide(100))
    assert told(coverage.very_little_frozen, subject) == [
        "ODF218 warning 2: 3 patterns freeze no more than 3.0% of the parameters and 3.0% of the "
        "variables: look whether they match what they were written for"
    ]


@pytest.mark.parametrize(
    "texts",
    [("layer_1/", "layer_2/"), ("a", "b", "c"), ("layer_1", "layer_2", "layer_3")],
    ids=["few-patterns", "nothing-matches", "enough"],
)
def test_few_patterns_or_enough_frozen(texts: tuple[str, ...]) -> None:
    assert told(coverage.very_little_frozen, Judged(*texts, variables=wide(100))) == []


def test_without_patterns_or_variables_there_are_no_shares() -> None:
    for subject in (Judged(variables=wide(3)), Judged("a", variables=[])):
        assert told(coverage.very_much_frozen, subject) == []
        assert told(coverage.very_little_frozen, subject) == []


# --- ODF220 ----------------------------------------------------------------------------


def test_an_update_pattern_that_is_frozen_all_the_same() -> None:
    subject = Judged("^Conv1|^bn_", update=["Conv1", "block_"])
    assert told(coverage.frozen_all_the_same, subject) == [
        "ODF220 warning -: update_trainable_variables: 'Conv1' lets nothing learn: "
        "freeze_variables matches all of it too, and freezing wins; take it out of one of them"
    ]


@pytest.mark.parametrize(
    ("freeze", "update"),
    [(("^Conv1",), ("Conv1",)), (("block_1_",), ("block_",)), (("block",), ()),
     (("Conv1",), ("moving_mean|block",)), (("Conv1",), ("moving", "block"))],
    ids=["nothing-left-is-another-finding", "a-part", "no-update", "mixed", "statistics"],
)  # fmt: skip
def test_update_patterns_that_let_something_learn(
    freeze: tuple[str, ...], update: tuple[str, ...]
) -> None:
    assert told(coverage.frozen_all_the_same, Judged(*freeze, update=update)) == []


@pytest.mark.parametrize("rule", coverage.RULES)
def test_without_a_checkpoint_nothing_is_said(rule: Any) -> None:
    assert told(rule, subject_of('train_config { freeze_variables: "a.b" }')) == []


def test_on_a_checkpoint_read_from_disk(tmp_path: Path) -> None:
    config = write_detector(tmp_path, "^block_1_", "^block_")
    (found,) = told(coverage.covered_by_another, Subject(PipelineConfig.read(config)))
    assert found.startswith("ODF216 info 10:")
