"""What is written twice, of which only the last counts."""

from __future__ import annotations

import pytest

from odfreeze.check.text.repeats import several_of_a_oneof, written_twice
from tests.check.planted import CONFIGS, SAMPLES, said, subject_of

MERGED = "is written a second time (first in line 1); the OD API merges them"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "train_config {\n  num_steps: 1\n  num_steps: 2\n}",
            ["ODF105 warning 3: train_config.num_steps is written a second time: 2 counts, 1 in "
             "line 2 has no effect; keep the one that is meant"],
        ),
        (
            "train_config {\n  num_steps: 2\n  num_steps: 2\n}",
            ["ODF105 info 3: train_config.num_steps is written a second time with the same value "
             "(first in line 2); remove one of them"],
        ),
        (
            "train_config { num_steps: 1 }\ntrain_config { num_steps: 2 batch_size: 3 }",
            [f"ODF105 warning 2: train_config {MERGED}, "
             "and its values here replace num_steps (line 1); write one block"],
        ),
        (
            "train_config { num_steps: 1 }\ntrain_config { batch_size: 3 }",
            [f"ODF105 info 2: train_config {MERGED}; "
             "write one block"],
        ),
        (
            "model { ssd { num_classes: 1 } }\nmodel { ssd { num_classes: 2 } }",
            [f"ODF105 warning 2: model {MERGED}, and "
             "its values here replace ssd.num_classes (line 1); write one block"],
        ),
        (
            "train_config {\n  num_steps: 1\n  num_steps: 1\n}\n"
            "train_config {\n  num_steps: 2\n  num_steps: 3\n}",
            ["ODF105 info 3: train_config.num_steps is written a second time with the same value "
             "(first in line 2); remove one of them",
             f"ODF105 warning 5: train_config {MERGED}, "
             "and its values here replace num_steps (line 3); write one block",
             "ODF105 warning 7: train_config.num_steps is written a second time: 3 counts, 2 in "
             "line 6 has no effect; keep the one that is meant"],
        ),
        ("train_config { freeze_variables: 'a' freeze_variables: 'a' }", []),
        ("eval_input_reader { }\neval_input_reader { }", []),
    ],
    ids=["value", "same-value", "block", "block-that-only-adds", "blocks-within-blocks",
         "within-and-across", "repeated-values", "repeated-blocks"],
)  # fmt: skip
def test_written_twice(text: str, messages: list[str]) -> None:
    found = sorted(said(written_twice(subject_of(text))), key=lambda one: one.split()[2])
    assert found == messages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model {\n  ssd { }\n  faster_rcnn { }\n}",
            "ODF108 warning 3: model has both ssd (line 2) and faster_rcnn, and only one counts: "
            "the OD API drops ssd without a word; remove one of them",
        ),
        (
            "model { ssd { } }\nmodel { faster_rcnn { } }",
            "ODF108 warning 2: model has both ssd (line 1) and faster_rcnn, and only one counts: "
            "the OD API drops ssd without a word; remove one of them",
        ),
        (
            "train_config { optimizer {\n momentum_optimizer { }\n adam_optimizer { } } }",
            "ODF108 warning 3: train_config.optimizer has both momentum_optimizer (line 2) and "
            "adam_optimizer, and only one counts: the OD API drops momentum_optimizer without a "
            "word; remove one of them",
        ),
    ],
    ids=["model", "second-model", "optimizer"],
)
def test_several_of_a_oneof(text: str, message: str) -> None:
    subject = subject_of(text)
    assert said(several_of_a_oneof(subject)) == [message]
    assert said(written_twice(subject)) == []  # one fault, one code


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_has_none(sample: str) -> None:
    subject = subject_of((CONFIGS / sample).read_text(encoding="utf-8"))
    assert [*written_twice(subject), *several_of_a_oneof(subject)] == []
