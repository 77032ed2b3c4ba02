"""What the fields of train_config may be, and behind which neighbours a new one goes."""

from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import PatternError, UsageError
from odfreeze.regex_guard import MAX_PATTERN_LENGTH
from odfreeze.textproto import parse
from odfreeze.train_fields import (
    CHECKPOINT_TYPES,
    PATTERN_FIELDS,
    check_count,
    check_one_of,
    check_patterns,
    kin_of,
)

FREEZE, UPDATE = PATTERN_FIELDS
FAMILY = (
    "fine_tune_checkpoint", "fine_tune_checkpoint_type", "fine_tune_checkpoint_version",
)  # fmt: skip


@pytest.mark.parametrize(
    ("inside", "name", "kin"),
    [
        ("", FREEZE, (UPDATE, *FAMILY)),
        ("", UPDATE, (FREEZE, *FAMILY)),
        ("", "fine_tune_checkpoint_type", FAMILY),
        (
            "fine_tune_checkpoint: '' fine_tune_checkpoint_type: '' num_steps: 1",
            FREEZE, (UPDATE, "fine_tune_checkpoint_type", *FAMILY),
        ),
        (
            "fine_tune_checkpoint_type: '' fine_tune_checkpoint: '' num_steps: 1",
            FREEZE, (UPDATE, "fine_tune_checkpoint", *FAMILY),
        ),
        (
            "fine_tune_checkpoint: '' num_steps: 1 fine_tune_checkpoint_type: ''",
            FREEZE, (UPDATE, "fine_tune_checkpoint", *FAMILY),
        ),
        (
            "fine_tune_checkpoint: '' } train_config { fine_tune_checkpoint_version: V2",
            FREEZE, (UPDATE, "fine_tune_checkpoint_version", *FAMILY),
        ),
    ],
    ids=[
        "a pattern behind the other patterns, else the checkpoint",
        "the other patterns likewise",
        "a type behind its family",
        "behind the last of the family that follows the checkpoint",
        "one before the checkpoint does not count",
        "nor one that another field parts from it",
        "in pieces",
    ],
)  # fmt: skip
def test_what_a_new_field_goes_behind(inside: str, name: str, kin: tuple[str, ...]) -> None:
    document = parse(f"train_config {{ {inside} }}".encode())
    assert kin_of(document, f"train_config.{name}") == kin


@pytest.mark.parametrize(
    "path",
    [
        "train_config.num_steps",
        "train_config.freeze_variables[0]",
        "eval_config.freeze_variables",
        "freeze_variables",
        "train_config.train_config.freeze_variables",
    ],
)
def test_any_other_field_has_no_kin(path: str) -> None:
    assert kin_of(parse(b"train_config { fine_tune_checkpoint: '' }"), path) == ()


@pytest.mark.parametrize("text", ["train_config: 1", "train_config: []", "other { }", ""])
def test_what_is_no_message_has_nothing_to_go_behind(text: str) -> None:
    assert kin_of(parse(text.encode()), f"train_config.{FREEZE}") == (UPDATE, *FAMILY)


@pytest.mark.parametrize("value", CHECKPOINT_TYPES)
def test_each_checkpoint_type_is_one(value: str) -> None:
    check_one_of("fine_tune_checkpoint_type", value, CHECKPOINT_TYPES)


@pytest.mark.parametrize(
    ("value", "near"),
    [("detections", "; did you mean 'detection'?"), ("FULL", ""), ("", ""), ("full ", None)],
)
def test_a_value_that_is_none_of_those_known_is_refused(value: str, near: str | None) -> None:
    near = "; did you mean 'full'?" if near is None else near
    with pytest.raises(UsageError) as caught:
        check_one_of("fine_tune_checkpoint_type", value, CHECKPOINT_TYPES)
    assert caught.value.message == (
        "fine_tune_checkpoint_type must be one of classification, detection, full, not "
        f"{value!r}{near}"
    )


@given(st.integers(-(2**40), 2**40), st.integers(0, 10))
def test_a_count_fits_a_uint32_and_is_not_below_the_least(number: int, least: int) -> None:
    if least <= number <= 0xFFFFFFFF:
        check_count("num_steps", number, least)
    else:
        with pytest.raises(UsageError) as caught:
            check_count("num_steps", number, least)
        assert caught.value.message == (
            f"num_steps must be a number from {least} to 4294967295, not {number}"
        )


@pytest.mark.parametrize(
    "pattern",
    ["", "a", r"\d+", "(?#path)a", "[[]", "[a&&b]", "a||b", "\0", "ü", "a" * 20_000],
    ids=lambda pattern: pattern[:10].replace("\0", "NUL"),
)
def test_what_re_compiles_is_a_pattern_without_a_warning(pattern: str) -> None:
    re.purge()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        check_patterns(FREEZE, [pattern])
    assert warned == []


@pytest.mark.parametrize(
    ("pattern", "reason", "column"),
    [
        ("a(", "missing ), unterminated subpattern", 2),
        ("a[z-b]", "bad character range z-b", 3),
        ("a{99999999999}", "the repetition number is too large", 1),
        ("(" * 5000 + ")" * 5000, "nested too deeply", 1),
        ("a" * (MAX_PATTERN_LENGTH + 1), f"longer than {MAX_PATTERN_LENGTH} characters", 1),
    ],
    ids=["syntax", "range", "repetition", "depth", "length"],
)
def test_what_re_does_not_compile_is_refused_at_the_character(
    pattern: str, reason: str, column: int
) -> None:
    with pytest.raises(PatternError) as caught:
        check_patterns(UPDATE, ["fine", pattern])
    error = caught.value
    assert f" is no regular expression: {reason}; " in error.message
    assert error.message.startswith("update_trainable_variables: 'a" if column > 1 else "update_")
    assert (error.pattern, error.place is not None and error.place.column) == (pattern, column)
