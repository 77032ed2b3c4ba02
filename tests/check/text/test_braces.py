"""Where a brace is missing or too many, in every place of real configs."""

from __future__ import annotations

import pytest

from odfreeze.check.text.braces import extra_brace, missing_brace
from odfreeze.check.text.grammar import findings_of_text
from odfreeze.errors import TextProtoError
from odfreeze.textproto import apply_edits, parse
from odfreeze.textproto.tokens import significant
from odfreeze.textproto.tree import Source
from tests.check.planted import CENTERNET, CONFIGS, EFFICIENTDET, FASTER_RCNN, SSD


def tokens(data: bytes) -> list[bytes]:
    _, starts, ends = significant(data)
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


def closing_lines(sample: str) -> list[int]:
    """Lines of a sample that hold a closing brace alone, from 0."""
    lines = (CONFIGS / sample).read_bytes().split(b"\n")
    return [number for number, line in enumerate(lines) if line.strip() == b"}"]


def has_field(line: bytes) -> bool:
    return line.strip()[:1] not in {b"", b"#"}


EVERY_BRACE = [
    (sample, number)
    for sample in (SSD, EFFICIENTDET, FASTER_RCNN, CENTERNET)
    for number in closing_lines(sample)
]


@pytest.mark.parametrize(("sample", "number"), EVERY_BRACE)
def test_a_brace_taken_out_is_missed_where_it_was(sample: str, number: int) -> None:
    data = (CONFIGS / sample).read_bytes()
    lines = data.split(b"\n")
    broken = b"\n".join([*lines[:number], *lines[number + 1 :]])
    with pytest.raises(TextProtoError) as caught:
        parse(broken)
    (finding,) = findings_of_text(broken, sample, caught.value)
    # It is told at the next line with something on it.
    later = (n for n, line in enumerate(broken.split(b"\n")) if n >= number and has_field(line))
    assert finding.place and finding.place.line in {number, next(later, number) + 1}
    assert tokens(apply_edits(broken, finding.edits)) == tokens(data)


@pytest.mark.parametrize(("sample", "number"), EVERY_BRACE)
def test_a_brace_too_many_is_found_where_it_is(sample: str, number: int) -> None:
    data = (CONFIGS / sample).read_bytes()
    lines = data.split(b"\n")
    broken = b"\n".join([*lines[:number], lines[number], *lines[number:]])
    with pytest.raises(TextProtoError) as caught:
        parse(broken)
    (finding,) = findings_of_text(broken, sample, caught.value)
    assert finding.place and finding.place.line in {number + 1, number + 2}
    assert tokens(apply_edits(broken, finding.edits)) == tokens(data)


def test_without_indentation_the_schema_tells() -> None:
    source = Source(b"train_config {\nnum_steps: 1\ntrain_input_reader {\n}\neval_config {\n}", "a")
    guess = missing_brace(source)
    assert guess and (guess.line, guess.block) == (3, "train_config")


def test_where_the_schema_cannot_tell_the_indentation_does() -> None:
    text = "train_config {\n  optimizer {\n    momentum_optimizer {\n    }\n  batch_size: 1\n}\n"
    guess = missing_brace(Source(text.encode(), "a"))
    assert guess and (guess.line, guess.block) == (5, "optimizer")


def test_where_nothing_tells_it_is_the_end() -> None:
    guess = missing_brace(Source(b"train_config { num_steps: 1", "a"))
    assert guess and (guess.line, guess.block) == (2, "train_config")


def test_a_comment_behind_a_value_stays_before_the_brace() -> None:
    data = b"train_config {\r\n  num_steps: 1  # few\r\n\r\n# next\r\nmodel {\r\n}\r\n"
    guess = missing_brace(Source(data, "a"))
    assert guess
    assert apply_edits(data, [guess.edit]) == (
        b"train_config {\r\n  num_steps: 1  # few\r\n}\r\n\r\n# next\r\nmodel {\r\n}\r\n"
    )


def test_balanced_texts_miss_nothing() -> None:
    data = (CONFIGS / SSD).read_bytes()
    assert missing_brace(Source(data, "a")) is None
    assert extra_brace(Source(data, "a")) is None
