"""What is said of steps, batches and the optimizer."""

from __future__ import annotations

from typing import Any

import pytest

from odfreeze.check.schedule import scheduling
from odfreeze.textproto import apply_edits
from tests.check.planted import said, subject_of

RATE = "learning_rate { constant_learning_rate { learning_rate: 0.01 } }"
OPTIMIZER = f"optimizer {{ momentum_optimizer {{ {RATE} }} use_moving_average: false }}"


def config(train: str = "num_steps: 1000", optimizer: str = OPTIMIZER, rest: str = "") -> str:
    return f"train_config {{\n  {train}\n  {optimizer}\n}}\n{rest}"


def found(rule: Any, text: str, **flags: Any) -> list[str]:
    return said(rule(subject_of(text, **flags)))


TF1 = 'model { ssd { feature_extractor { type: "ssd_mobilenet_v1" } } }'


@pytest.mark.parametrize("rule", scheduling.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "text",
    [
        "",
        config(),
        config("num_steps: 0 batch_size: 0", "", rest=TF1),
        "train_config: 3",
        config('num_steps: "many" batch_size: nine'),
    ],
    ids=["empty", "fine", "of-TF1", "no-message", "no-numbers"],
)
def test_nothing_is_said_of_what_is_fine_or_of_no_type(rule: Any, text: str) -> None:
    assert found(rule, text) == []


# --- ODF401 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        (config("num_steps: 0"), {}, [
            "ODF401 error 2: num_steps is 0: under TF2 that is not 'without an end', stock starts "
            "and then breaks off; write the number of steps"]),
        (config("batch_size: 4"), {}, [
            "ODF401 error 1: num_steps is not written in train_config: stock starts and then "
            "breaks off, since under TF2 it knows no training without an end; write num_steps"]),
        (config(), {"num_train_steps": 0}, [
            "ODF401 error 2: --num_train_steps is 0: nothing is trained; give the steps to train"]),
        (config("num_steps: 0"), {"num_train_steps": 500}, []),
        ("model { }", {}, []),
    ],
    ids=["zero", "missing", "flag-zero", "flag-instead", "nothing-to-train"],
)  # fmt: skip
def test_no_steps(text: str, flags: dict[str, Any], expected: list[str]) -> None:
    assert found(scheduling.no_steps, text, **flags) == expected


# --- ODF402, ODF403 ---------------------------------------------------------------


def test_steps_that_are_no_whole_blocks() -> None:
    assert found(scheduling.not_whole_blocks, config("num_steps: 250")) == [
        "ODF402 warning 2: num_steps 250 is no multiple of 100: stock steps in blocks of 100 and "
        "trains 300; write a multiple of 100, or use `odfreeze train`, which trains 250"
    ]


@pytest.mark.parametrize(
    ("steps", "flags"),
    [(300, {}), (250, {"is_enforced": True}), (250, {"num_train_steps": 400})],
    ids=["whole", "exact-with-odfreeze", "by-the-flag"],
)
def test_steps_that_are_what_is_trained(steps: int, flags: dict[str, Any]) -> None:
    assert found(scheduling.not_whole_blocks, config(f"num_steps: {steps}"), **flags) == []


def test_the_flag_counts_more_than_the_config() -> None:
    (message,) = found(scheduling.not_whole_blocks, config(), num_train_steps=50)
    assert message.startswith("ODF402 warning 2: --num_train_steps 50 is no multiple of 100")


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [
        (500, 1000, [
            "ODF403 warning 2: none of the 500 steps is ever saved: stock saves every 1000 steps "
            "and not at the end; give it --checkpoint_every_n=500, or use `odfreeze train`"]),
        (2500, 1000, [
            "ODF403 warning 2: the last 500 of 2500 steps are never saved: stock saves every 1000 "
            "steps and not at the end; make num_steps a multiple of --checkpoint_every_n, or use "
            "`odfreeze train`"]),
        (950, 1000, []),  # stock goes on to 1000
        (2000, 1000, []),
        (500, 100, []),
        (500, 30, []),  # looked at every 100 steps only
        (500, 150, [
            "ODF403 warning 2: the last 100 of 500 steps are never saved: stock saves every 150 "
            "steps and not at the end; make num_steps a multiple of --checkpoint_every_n, or use "
            "`odfreeze train`"]),
        (500, 0, []),
    ],
    ids=["none", "the-last", "to-the-block", "all", "every-block", "below-a-block",
         "up-to-the-block", "always"],
)  # fmt: skip
def test_steps_never_saved(steps: int, every: int, expected: list[str]) -> None:
    text = config(f"num_steps: {steps}")
    assert found(scheduling.steps_never_saved, text, checkpoint_every_n=every) == expected
    enforced = {"checkpoint_every_n": every, "is_enforced": True}
    assert found(scheduling.steps_never_saved, text, **enforced) == []


# --- ODF411 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "replicas", "expected"),
    [
        ("batch_size: 6", 4, [
            "ODF411 error 2: batch_size 6 cannot be shared by 4 replicas, which stock refuses; "
            "batch_size is the batch of all replicas together: write a multiple of 4, such as 4"]),
        ("batch_size: 2", 8, [
            "ODF411 error 2: batch_size 2 cannot be shared by 8 replicas, which stock refuses; "
            "batch_size is the batch of all replicas together: write a multiple of 8, such as 8"]),
        ("batch_size: 8", 4, []),
        ("batch_size: 6", None, []),
        ("batch_size: 6", 1, []),
        ("", 3, [
            "ODF411 error 1: batch_size 32 cannot be shared by 3 replicas, which stock refuses; "
            "batch_size is the batch of all replicas together: write a multiple of 3, such as 30"]),
        ("batch_size: 0", None, [
            "ODF411 error 2: batch_size is 0: stock makes no batches and breaks off; write 1 or "
            "more"]),
    ],
    ids=["uneven", "too-small", "even", "not-known", "alone", "default", "zero"],
)  # fmt: skip
def test_batch_not_shared_evenly(size: str, replicas: int | None, expected: list[str]) -> None:
    rule = scheduling.batch_not_shared_evenly
    assert found(rule, config(size), num_replicas=replicas) == expected


# --- ODF412 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("", "ODF412 error 1: train_config has no optimizer, which stock refuses; write one, such "
         "as optimizer { momentum_optimizer { learning_rate { cosine_decay_learning_rate { … } } "
         "} }"),
        ("optimizer { use_moving_average: false }", "ODF412 error 3: train_config has no "
         "optimizer, which stock refuses; write one, such as optimizer { momentum_optimizer { "
         "learning_rate { cosine_decay_learning_rate { … } } } }"),
        ("optimizer { adam_optimizer { } }", "ODF412 error 3: adam_optimizer has no learning rate "
         "schedule, which stock refuses; write one in learning_rate, such as "
         "cosine_decay_learning_rate { … }"),
        ("optimizer { adam_optimizer { learning_rate { } } }", "ODF412 error 3: adam_optimizer has "
         "no learning rate schedule, which stock refuses; write one in learning_rate, such as "
         "cosine_decay_learning_rate { … }"),
        (OPTIMIZER, None),
    ],
    ids=["none", "without-a-kind", "without-a-rate", "without-a-schedule", "fine"],
)  # fmt: skip
def test_no_optimizer(optimizer: str, message: str | None) -> None:
    text = config(optimizer=optimizer)
    assert found(scheduling.no_optimizer, text) == ([message] if message else [])


# --- ODF409, ODF417 ---------------------------------------------------------------


def rms_prop(fields: str) -> str:
    return config(optimizer=f"optimizer {{ rms_prop_optimizer {{ {RATE} {fields} }} }}")


@pytest.mark.parametrize(
    ("fields", "written", "factor", "part"),
    [
        ("decay: 0.9", "decay: 0.9", "0.9", "1/91"),
        ("", "decay (0.9 where not written)", "0.9", "1/91"),
        ("decay: 0.5", "decay: 0.5", "0.5", "1/51"),
    ],
    ids=["written", "default", "another"],
)
def test_the_decay_of_rms_prop(fields: str, written: str, factor: str, part: str) -> None:
    assert found(scheduling.decay_is_no_discount, rms_prop(fields)) == [
        f"ODF409 warning 3: TF2 takes {written} of rms_prop_optimizer for a decay of the learning "
        f"rate: step n is taken with 1 / (1 + {factor} n) of it, step 100 with {part}; write "
        "decay: 0.0, which leaves the discount of RMSprop at 0.9"
    ]


@pytest.mark.parametrize(
    "text", [rms_prop("decay: 0.0"), rms_prop("decay: -1"), config()], ids=["none", "odd", "sgd"]
)
def test_no_decay_of_rms_prop(text: str) -> None:
    assert found(scheduling.decay_is_no_discount, text) == []


@pytest.mark.parametrize(
    ("fields", "fixed"),
    [("decay: 0.9", "decay: 0.0 }"), ("", "decay: 0.0"), ("decay: 0.5", None)],
    ids=["written", "default", "another"],
)
def test_the_decay_is_mended_where_the_discount_stays_the_same(
    fields: str, fixed: str | None
) -> None:
    subject = subject_of(rms_prop(fields))
    (finding,) = scheduling.decay_is_no_discount(subject)
    if fixed is None:
        assert finding.edits == ()
        return
    mended = apply_edits(subject.config.data, list(finding.edits)).decode()
    assert fixed in mended
    assert found(scheduling.decay_is_no_discount, mended) == []


@pytest.mark.parametrize(
    ("average", "evaluation", "expected"),
    [
        ("use_moving_average: true", "", [
            "ODF417 info 3: use_moving_average is true: averages of all weights are kept and "
            "saved, and neither evaluation (eval_config.use_moving_averages) nor export uses "
            "them; write use_moving_average: false"]),
        ("", "", [
            "ODF417 info 3: use_moving_average is true where it is not written: averages of all "
            "weights are kept and saved, and neither evaluation (eval_config.use_moving_averages) "
            "nor export uses them; write use_moving_average: false"]),
        ("", "eval_config { use_moving_averages: true }", []),
        ("use_moving_average: false", "", []),
    ],
    ids=["written", "default", "evaluated", "not-kept"],
)  # fmt: skip
def test_averages_unused(average: str, evaluation: str, expected: list[str]) -> None:
    optimizer = f"optimizer {{ momentum_optimizer {{ {RATE} }} {average} }}"
    text = config(optimizer=optimizer, rest=evaluation)
    assert found(scheduling.averages_unused, text) == expected
