"""Single values: their types, ranges and enums."""

from __future__ import annotations

import pytest

from odfreeze.check.text.values import unknown_enum_value, wrong_type
from odfreeze.schema import PIPELINE, find_faults
from odfreeze.textproto import apply_edits, parse
from tests.check.planted import CONFIGS, SAMPLES, said, subject_of

REFUSED = "and the OD API refuses the config"
VERSION = "train_config.fine_tune_checkpoint_version"


@pytest.mark.parametrize(
    ("value", "message", "after"),
    [
        ("v2", f"{VERSION} has no value v2, {REFUSED}; write V2", "V2"),
        ('"V2"', f'{VERSION} has no value "V2", {REFUSED}; write V2 without quotes', "V2"),
        ("' v2 '", f"{VERSION} has no value ' v2 ', {REFUSED}; write V2 without quotes", "V2"),
        ("UNKNOW", f"{VERSION} has no value UNKNOW, {REFUSED}; did you mean UNKNOWN?", "UNKNOW"),
        ("9", f"{VERSION} has no value 9, {REFUSED}; it has UNKNOWN, V1, V2", "9"),
        ("zzz", f"{VERSION} has no value zzz, {REFUSED}; it has UNKNOWN, V1, V2", "zzz"),
        ("V2", None, "V2"),
        ("2", None, "2"),
    ],
    ids=["case", "quotes", "both", "near", "number", "nothing-near", "right", "right-number"],
)
def test_enum_values(value: str, message: str | None, after: str) -> None:
    text = f"train_config {{\n  fine_tune_checkpoint_version: {value}\n}}"
    subject = subject_of(text)
    findings = list(unknown_enum_value(subject))
    assert said(findings) == ([f"ODF103 error 2: {message}"] if message else [])
    assert list(wrong_type(subject)) == []
    edits = [edit for finding in findings for edit in finding.edits]
    assert apply_edits(text.encode(), edits).decode() == text.replace(value, after)


INTEGER = ("train_config", "num_steps")
NUMBER = ("train_config", "gradient_clipping_by_norm")
TRUTH = ("model { ssd", "freeze_batchnorm")
STRING = ("train_config", "fine_tune_checkpoint_type")


@pytest.mark.parametrize(
    ("field", "value", "kind", "hint", "after"),
    [
        (INTEGER, "1e4", "an integer", "write 10000", "10000"),
        (INTEGER, "100.0", "an integer", "write 100", "100"),
        (INTEGER, "2.5e1f", "an integer", "write 25", "25"),
        (INTEGER, '"8"', "an integer", "write 8", "8"),
        (INTEGER, '"1e3"', "an integer", "write 1000", "1000"),
        (INTEGER, "0.5", "an integer", "write an integer", None),
        (INTEGER, '"many"', "an integer", "write an integer", None),
        (INTEGER, "1e99", "an integer", "write an integer", None),
        (NUMBER, '"0.9"', "a number", "write 0.9", "0.9"),
        (NUMBER, "true", "a number", "write a number", None),
        (NUMBER, '"1 # x"', "a number", "write a number", None),
        (TRUTH, '"true"', "true or false", "write true", "true"),
        (TRUTH, "TRUE", "true or false", "write true", "true"),
        (TRUTH, "no", "true or false", "write false", "false"),
        (TRUTH, "2", "true or false", "write true or false", None),
        (STRING, "detection", "a string in quotes", 'write "detection"', '"detection"'),
        (STRING, "5", "a string in quotes", 'write "5"', '"5"'),
        (STRING, "None", "a string in quotes", "remove the field where nothing is meant", None),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1] if value else "-",
)
def test_types(field: tuple[str, str], value: str, kind: str, hint: str, after: str | None) -> None:
    block, name = field
    text = f"{block} {{\n  {name}: {value} {'}' * (block.count('{') + 1)}"
    path = f"{block.replace(' { ', '.')}.{name}"
    findings = list(wrong_type(subject_of(text)))
    assert said(findings) == [f"ODF104 error 2: {path} is {kind}, not {value}, {REFUSED}; {hint}"]
    assert bool(findings[0].edits) == (after is not None)
    mended = apply_edits(text.encode(), findings[0].edits)
    assert mended.decode() == text.replace(f" {value} ", f" {after or value} ")
    if after:
        assert find_faults(parse(mended), PIPELINE) == ()


@pytest.mark.parametrize(
    ("text", "message", "after"),
    [
        (
            "train_config { num_steps: [5] }",
            "num_steps holds one value, not a list; drop the brackets; the OD API refuses the "
            "config",
            "train_config { num_steps: 5 }",
        ),
        (
            "train_config { num_steps: [5, 6] }",
            "num_steps holds one value, not a list; drop the brackets; the OD API refuses the "
            "config",
            None,
        ),
        (
            "train_config { num_steps { } }",
            "train_config.num_steps holds a single value, not a message; write num_steps: VALUE; "
            "the OD API refuses the config",
            None,
        ),
        (
            "train_config: 3",
            "train_config: train_config is a message: write train_config { … } instead of 3; the "
            "OD API refuses the config",
            None,
        ),
        (
            "train_config { num_steps: -1 }",
            "train_config.num_steps is -1, outside 0 to 4294967295; give a number in that range, "
            "or the OD API refuses the config",
            None,
        ),
    ],
    ids=["list-of-one", "list-of-two", "message-for-value", "value-for-message", "out-of-range"],
)
def test_shapes_and_ranges(text: str, message: str, after: str | None) -> None:
    findings = list(wrong_type(subject_of(text)))
    assert said(findings) == [f"ODF104 error 1: {message}"]
    assert apply_edits(text.encode(), findings[0].edits).decode() == (after or text)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_has_none(sample: str) -> None:
    subject = subject_of((CONFIGS / sample).read_text(encoding="utf-8"))
    assert [*unknown_enum_value(subject), *wrong_type(subject)] == []
