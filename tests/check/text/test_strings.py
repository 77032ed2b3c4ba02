r"""Strings in which a backslash begins an escape, or quotation marks are part of the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.check.text.strings import eaten_backslash, quoted_twice
from odfreeze.textproto import apply_edits, parse
from tests.check.planted import CONFIGS, SAMPLES, said, subject_of

FREEZE = "train_config.freeze_variables"


def patterns(data: bytes) -> list[str]:
    (block,) = parse(data).root.fields
    return [v.as_str() for f in block.values[0].fields for v in f.values]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "message", "meant"),
    [
        (
            r'"\bconv"',
            rf"ODF107 error 1: {FREEZE}: \b in a string is a backspace, not a backslash and 'b'; "
            r"write \\b",
            r"\bconv",
        ),
        (
            r"'(a)\1\d'",
            rf"ODF107 error 1: {FREEZE}: \1 in a string is a control character, not a backslash "
            r"and '1'; write \\1",
            r"(a)\1\d",
        ),
        (
            r'"C:\tensorflow\models\new"',
            rf"ODF107 error 1: {FREEZE}: \t in a string is a tab, not a backslash and 't'; write "
            r"\\t, or / in a path, which every system takes",
            r"C:\tensorflow\models\new",
        ),
        (
            r'"conv\d+\."',
            rf"ODF107 info 1: {FREEZE}: \d is no escape of a text proto; Python's parser keeps the "
            r"backslash, others refuse the string; write \\d, which means the same",
            r"conv\d+\.",
        ),
        (
            r'"a" "\bb"',
            rf"ODF107 error 1: {FREEZE}: \b in a string is a backspace, not a backslash and 'b'; "
            r"write \\b",
            r"a\bb",
        ),
        (r'"\\bconv\\d\"\'"', None, "\\bconv\\d\"'"),
        (r'"\x09\011"', None, "\t\t"),
        ('"plain"', None, "plain"),
    ],
    ids=["pattern", "back-reference", "windows", "kept-by-python", "adjacent", "doubled",
         "written-out", "plain"],
)  # fmt: skip
def test_backslashes(written: str, message: str | None, meant: str) -> None:
    text = f"train_config {{ freeze_variables: {written} }}"
    findings = list(eaten_backslash(subject_of(text)))
    assert said(findings) == ([message] if message else [])
    edits = [edit for finding in findings for edit in finding.edits]
    assert patterns(apply_edits(text.encode(), edits)) == [meant]


def test_each_string_is_told_of_once() -> None:
    text = r'train_config { freeze_variables: ["\ba\b", "\bb"] fine_tune_checkpoint: "C:\x41" }'
    assert len(list(eaten_backslash(subject_of(text)))) == 2


@given(st.text(st.sampled_from("abdfnrtvwsS019.+()/:\\"), max_size=12))
def test_with_its_backslashes_doubled_a_string_reads_as_it_was_typed(typed: str) -> None:
    """Whoever types a regular expression without doubling gets it back, once mended."""
    if typed.endswith("\\") or "\\\\" in typed:
        return
    text = f'train_config {{ freeze_variables: "{typed}" }}'
    findings = list(eaten_backslash(subject_of(text)))
    edits = [edit for finding in findings for edit in finding.edits]
    mended = apply_edits(text.encode(), edits)
    octal = any(
        a == "\\" and b in "01" and c in "01"
        for a, b, c in zip(typed, typed[1:], typed[2:], strict=False)
    )
    if not octal:  # two digits behind a backslash are taken for an octal escape that was meant
        assert patterns(mended) == [typed]
    assert list(eaten_backslash(subject_of(mended.decode()))) == []


@pytest.mark.parametrize("marks", ["“”", "‘’", "„“", "«»"])
def test_quotation_marks_within_quotation_marks(marks: str) -> None:
    text = f'train_config {{\n  freeze_variables: "{marks[0]}^a{marks[1]}"\n}}'
    findings = list(quoted_twice(subject_of(text)))
    assert said(findings) == [
        f"ODF107 error 2: {FREEZE}: {marks[0]} and {marks[1]} are part of the string; remove them"
    ]
    assert patterns(apply_edits(text.encode(), findings[0].edits)) == ["^a"]


@pytest.mark.parametrize("written", ['"^a"', '"a “b” c"', '"“"', '""', "'it’s'"])
def test_other_strings_are_left_alone(written: str) -> None:
    text = f"train_config {{ freeze_variables: {written} }}"
    assert list(quoted_twice(subject_of(text))) == []


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_has_none(sample: str) -> None:
    subject = subject_of((CONFIGS / sample).read_text(encoding="utf-8"))
    assert [*eaten_backslash(subject), *quoted_twice(subject)] == []
