"""What check says of patterns as preview does, and of patterns that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.linter import check_config
from odfreeze.check.selection import selecting
from odfreeze.check.subject import RunFlags, Subject
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import preview
from tests.check.planted import said, subject_of
from tests.support.tiny_detector import write_detector


def patterns(*texts: str) -> str:
    return "train_config {\n" + "".join(f'  freeze_variables: "{one}"\n' for one in texts) + "}\n"


def of_tiny(directory: Path, *texts: str, **flags: Any) -> Subject:
    return Subject(PipelineConfig.read(write_detector(directory, *texts)), RunFlags(**flags))


# --- ODF210 ----------------------------------------------------------------------------


def test_patterns_that_are_no_regular_expressions_are_all_told() -> None:
    subject = subject_of(patterns("*block", "Conv1", "block_(1|2"))
    assert said(selecting.not_usable(subject)) == [
        "ODF210 error 2: freeze_variables: '*block' is no regular expression: nothing to repeat; "
        "write '.*' where anything may stand",
        "ODF210 error 4: freeze_variables: 'block_(1|2' is no regular expression: missing ), "
        "unterminated subpattern; correct the pattern, or escape with \\ what is meant as a plain "
        "character",
    ]


def test_a_pattern_that_never_ends_is_told_without_a_checkpoint() -> None:
    (told,) = said(selecting.not_usable(subject_of(patterns("([A-Za-z0-9_/-]+)+!"))))
    assert told.startswith(
        "ODF210 error 2: freeze_variables: matching '([A-Za-z0-9_/-]+)+!' took longer than"
    )


def test_usable_patterns_are_fine() -> None:
    assert not list(selecting.not_usable(subject_of(patterns(".*", "^block_[0-9]+_", ""))))


def test_the_others_are_held_against_the_checkpoint_all_the_same(tmp_path: Path) -> None:
    subject = of_tiny(tmp_path, "*block", "Conv1", "zzz", is_enforced=True)
    codes = [(f.code, f.place and f.place.line) for rule in selecting.RULES for f in rule(subject)]
    assert codes == [("ODF210", 10), ("ODF201", 12), ("ODF207", 11)]


# --- as preview ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts",
    [("zzz",), (".*",), ("block_1",), ("moving_mean",), ("kernel$",), ("Conv1", "block_[1-2]*")],
    ids=["nothing", "everything", "numbers", "statistics", "end", "optional"],
)
def test_check_finds_what_preview_finds_of_patterns(tmp_path: Path, texts: tuple[str, ...]) -> None:
    config = write_detector(tmp_path, *texts)
    seen = {(f.code, f.message) for f in preview(config).findings if f.code.startswith("ODF2")}
    found = {(f.code, f.message) for f in check_config(config).findings}
    assert seen and seen <= found


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "ODF212"), ("Conv1, block_1", "ODF213"), ("FeatureExtractor/", "ODF215"),
     ("^(?#path)model", "ODF222")],
)  # fmt: skip
def test_one_fault_is_told_once(tmp_path: Path, text: str, code: str) -> None:
    found = check_config(write_detector(tmp_path, text), select=["ODF2"], ignore=["ODF219"])
    assert [finding.code for finding in found.findings] == [code]


def test_without_a_checkpoint_there_is_nothing_to_preview() -> None:
    assert not list(selecting.as_previewed(subject_of(patterns("zzz"))))


def test_efficientdet_with_a_pattern_for_its_backbone(corpus: Path) -> None:
    prefix = corpus / "checkpoints/efficientdet_d0_names_only/ckpt-0"
    subject = subject_of(
        f'train_config {{\n fine_tune_checkpoint: "{prefix.as_posix()}"\n'
        ' fine_tune_checkpoint_type: "detection"\n freeze_variables: ".*backbone/.*"\n}'
    )
    assert said(selecting.as_previewed(subject))[0] == (
        "ODF201 warning 4: freeze_variables: '.*backbone/.*' matches none of 683 variables; no "
        "name here holds 'backbone': '^(stem_|stack_|top_|logits/)' selects the backbone (311 "
        "variables)"
    )


# --- ODF219 ----------------------------------------------------------------------------

ONLY_ODFREEZE = [
    "ODF219 info 2: freeze_variables: model_main_tf2 reads no patterns and trains everything; "
    "`odfreeze train` takes the same flags and honours them"
]


def test_stock_honours_no_patterns() -> None:
    subject = subject_of(patterns("a", "b"))
    assert said(selecting.honoured_by_odfreeze_only(subject)) == ONLY_ODFREEZE


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (patterns("a"), {"is_enforced": True}),
        (patterns(), {}),
        ('model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }' + patterns("a"), {}),
    ],
    ids=["enforced", "no-patterns", "tf1"],
)
def test_where_patterns_are_honoured_or_none_are_given(text: str, flags: dict[str, Any]) -> None:
    assert not list(selecting.honoured_by_odfreeze_only(subject_of(text, **flags)))
