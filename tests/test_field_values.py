"""Values as they are typed: what they become in the file, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.errors import OdfreezeError, PatternError, UnknownFieldError, UsageError
from odfreeze.field_values import full_path, split_assignment, with_field
from odfreeze.pipeline import PipelineConfig
from odfreeze.train_fields import SHORT_NAMES


def typed(inside: str, field: str, text: str) -> str:
    """Returns what is inside train_config once a field of it was typed."""
    config = PipelineConfig.parse(f"train_config {{ {inside} }}".encode())
    after = with_field(config, f"train_config.{field}", text).data.decode()
    return after.removeprefix("train_config {").removesuffix("}").strip()


def refusal(inside: str, field: str, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        typed(inside, field, text)
    return caught.value.message


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_field_with_a_short_name_may_be_given_by_it(name: str) -> None:
    assert full_path(name) == full_path(f"train_config.{name}") == f"train_config.{name}"


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("a.b=1", ("a.b", "1")),
        (" a.b = 1 ", ("a.b", "1")),
        ("a.b=c=d", ("a.b", "c=d")),
        ("a.b==", ("a.b", "=")),
        (r"a.b=C:\new\x", ("a.b", r"C:\new\x")),
        ("num_steps=1", ("train_config.num_steps", "1")),
    ],
)
def test_the_first_equals_sign_parts_path_and_value(
    assignment: str, parts: tuple[str, str]
) -> None:
    assert split_assignment(assignment) == parts


@pytest.mark.parametrize("assignment", ["", "=", "a", "a=", "=1", " =1", "a= \t"])
def test_path_and_value_must_both_be_there(assignment: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(repr(assignment))} is no PATH=VALUE; "):
        split_assignment(assignment)


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        ("num_steps: 0x10", "25", "num_steps: 25"),
        ("num_steps: 020", "0x1F", "num_steps: 0x1F"),
        ("num_steps: 1", "+2147483647", "num_steps: 2147483647"),
        ("num_steps: 500", "4294967295", "num_steps: 4294967295"),
        ("bias_grad_multiplier: inf", "1.", "bias_grad_multiplier: 1."),
        ("bias_grad_multiplier: -inf", "-.5e+3", "bias_grad_multiplier: -.5e+3"),
        ("bias_grad_multiplier: 1e3", "inf", "bias_grad_multiplier: inf"),
        ("bias_grad_multiplier: 1.5f", "-nan", "bias_grad_multiplier: -nan"),
        ("sync_replicas: true;", "false", "sync_replicas: false;"),
        ("sync_replicas: t", "True", "sync_replicas: True"),
        ("sync_replicas: 1", "0", "sync_replicas: 0"),
        ("fine_tune_checkpoint_version: 1", "2", "fine_tune_checkpoint_version: 2"),
        ("fine_tune_checkpoint_version: V1", "V2", "fine_tune_checkpoint_version: V2"),
        ("fine_tune_checkpoint: 'a' 'b'", r"C:\new\x", r"fine_tune_checkpoint: 'C:\\new\\x'"),
        ("fine_tune_checkpoint: 'a'", "'b' \"c\"", "fine_tune_checkpoint: 'bc'"),
        ("fine_tune_checkpoint: 'a'", r"'\x41\102'", "fine_tune_checkpoint: 'AB'"),
        ("fine_tune_checkpoint: 'a'", "ünï/ckpt", "fine_tune_checkpoint: 'ünï/ckpt'"),
        ("fine_tune_checkpoint: 'a'", "a\nb", r"fine_tune_checkpoint: 'a\nb'"),
        ("optimizer <>", "{ adam_optimizer < > }", "optimizer { adam_optimizer < > }"),
    ],
    ids=lambda value: value,
)
def test_a_value_takes_the_kind_of_the_one_that_is_there(
    before: str, text: str, after: str
) -> None:
    assert typed(before, before.partition(":")[0].split()[0], text) == after


@pytest.mark.parametrize(
    ("before", "text", "message"),
    [
        ("num_steps: 500", "-1", "is -1, outside 0 to 4294967295; give a number in that range"),
        (
            "num_steps: 500", "4294967296",
            "is 4294967296, outside 0 to 4294967295; give a number in that range",
        ),
        (
            "num_steps: 500", "1e3",
            ": expected an integer, found a float: 1e3; write an integer here",
        ),
        (
            "num_steps: 500", "017",
            "is 500; write a number, not '017' (in quotes it is a string)",
        ),
        (
            "bias_grad_multiplier: 500", "0x10",
            ": expected a decimal number, found an integer: 0x10; write a decimal number here",
        ),
        (
            "bias_grad_multiplier: inf", "true",
            ": expected a decimal number, found an identifier: true; write a decimal number here",
        ),
        (
            "sync_replicas: 1", "2",
            ": expected true or false, found an integer: 2; write true or false here",
        ),
        (
            "sync_replicas: true", "V2",
            ": expected true or false, found an identifier: V2; write true or false here",
        ),
        (
            "fine_tune_checkpoint_version: V2", "true",
            ": CheckpointVersion has no value true; it has UNKNOWN, V1, V2",
        ),
        (
            "fine_tune_checkpoint_version: 2", "3",
            ": CheckpointVersion has no value 3; it has UNKNOWN, V1, V2",
        ),
        (
            "fine_tune_checkpoint: 'a'", "[1, 2]",
            ": expected a string in quotes, found an integer: 1; write a string in quotes here",
        ),
        (
            "optimizer { }", "{ adam_optimiser { } }",
            ".adam_optimiser: Optimizer has no field 'adam_optimiser'; did you mean "
            "'adam_optimizer'?",
        ),
        ("optimizer { }", "5", "is a message; write it in braces, such as '{ name: 1 }'"),
    ],
    ids=lambda value: value,
)  # fmt: skip
def test_a_value_that_its_field_cannot_hold_is_refused(
    before: str, text: str, message: str
) -> None:
    field = before.partition(":")[0].split()[0]
    join = "" if message[0] in ":." else " "
    assert refusal(before, field, text) == f"train_config.{field}{join}{message}"


@given(st.integers(-(2**66), 2**66))
def test_an_integer_is_written_exactly_when_its_field_can_hold_it(number: int) -> None:
    if 0 <= number < 2**32:
        assert typed("num_steps: 500", "num_steps", str(number)) == f"num_steps: {number}"
    else:
        assert refusal("num_steps: 500", "num_steps", str(number)).startswith(
            f"train_config.num_steps is {number}, outside 0 to 4294967295"
        )


def test_a_number_of_hundreds_of_digits_is_out_of_range() -> None:
    assert refusal("num_steps: 500", "num_steps", "9" * 400).startswith(
        f"train_config.num_steps is {'9' * 57}..., outside 0 to 4294967295"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("^a[0-9]+", '"^a[0-9]+"'),
        ("5", '"5"'),
        ("true", '"true"'),
        ("<2>", '"<2>"'),
        ("'[ab]'", '"[ab]"'),
        (r"\d", r'"\\d"'),
        (r"""["a\d", 'b\\d']""", r'"a\\d" "b\\d"'),
        ("[]", ""),
    ],
    ids=lambda value: value,
)
def test_patterns_are_typed_as_they_are_or_as_a_list_of_strings(text: str, written: str) -> None:
    name = "freeze_variables"
    assert typed("", name, text).replace(f"{name}: ", "") == written


@pytest.mark.parametrize("text", ["[ab]", "[^a]+", "[a, b]", "[1]", "['a', b]", "[{}]", "['a'"])
def test_a_pattern_that_begins_with_a_bracket_needs_quotes(text: str) -> None:
    assert refusal("", "freeze_variables", text) == (
        f"train_config.freeze_variables: {text} is no list of strings; put quotes around each "
        "pattern of a list, and around a pattern that begins with '['"
    )


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("freeze_variables", "a("),
        ("freeze_variables", "'a('"),
        ("freeze_variables", "['b', 'a(']"),
        ("freeze_variables[0]", "a("),
        ("update_trainable_variables", "a("),
    ],
    ids=lambda value: value,
)
def test_a_pattern_that_is_no_regular_expression_is_refused(field: str, text: str) -> None:
    with pytest.raises(PatternError, match=r"'a\(' is no regular expression: missing \)"):
        typed("freeze_variables: 'x'", field, text)


@pytest.mark.parametrize("field", ["fine_tune_checkpoint", "freeze_variables", "optimizer"])
@pytest.mark.parametrize("text", ["{}", "'{}'", "['{}']", "{{ a: '{}' }}"])
def test_bytes_that_are_no_text_are_refused(field: str, text: str) -> None:
    text = text.format("\udcff")
    assert refusal("", field, text) == (
        f"train_config.{field}: {text!r} is not valid Unicode; give text"
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "malformed value {: '{' is never closed; add the missing '}'"),
        ("{ } b: 1", "{ } b: 1 is more than one value; quote it as one"),
        ("{ } # all", "{ } # all is more than one value; quote it as one"),
        ("<}", "malformed value <}: "),
        ("[1,", "malformed value [1,: expected a value, found the end of the file"),
        ("'a", "malformed value 'a: the string opened here is not closed on its line; "),
        ("'a' # b", "'a' # b is more than one value; quote it as one"),
    ],
    ids=lambda value: value,
)
def test_a_malformed_value_is_refused(text: str, wrong: str) -> None:
    assert refusal("", "optimizer", text).startswith(f"train_config.optimizer: {wrong}")


def test_nothing_is_an_empty_string_and_no_number() -> None:
    assert typed("fine_tune_checkpoint: 'a'", "fine_tune_checkpoint", "") == (
        "fine_tune_checkpoint: ''"
    )
    assert refusal("num_steps: 5", "num_steps", "") == (
        "train_config.num_steps is 5; write a number, not '' (in quotes it is a string)"
    )


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("", UsageError),
        ("a..b", UsageError),
        ("train_config.freeze_variables[", UsageError),
        ("train_config.freeze_variables[-1]", UsageError),
        ("train_config.freeze_variables[" + "9" * 5000 + "]", UsageError),
        ("train_config.freeze_variables[2]", UnknownFieldError),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_a_path_that_leads_nowhere_is_refused(path: str, error: type[OdfreezeError]) -> None:
    config = PipelineConfig.parse(b"train_config { freeze_variables: ['a', 'b'] }")
    with pytest.raises(error):
        with_field(config, path, "c")


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_string_in_place_of_a_string_is_read_back_as_it_was_typed(text: str) -> None:
    config = PipelineConfig.parse(b"train_config { fine_tune_checkpoint: 'a' }\r\n")
    try:
        after = with_field(config, "fine_tune_checkpoint", text)
    except UsageError:
        assert text[0] in "\"'[{<"
    else:
        assert text[0] in "\"'[{<" or after.get("train_config.fine_tune_checkpoint") == text
