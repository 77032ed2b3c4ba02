"""Matching patterns of strangers: the answers of `re`, in bounded time."""

from __future__ import annotations

import re
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze import regex_guard
from odfreeze.regex_guard import compile_regex, cost_bound, search_all

NAMES = [
    "block_1_expand/kernel", "block_16_project_BN/gamma", "Conv1/kernel", "bn_Conv1/moving_mean",
    "WeightSharedConvolutionalBoxPredictor/BoxPredictionTower/conv2d_0/BatchNorm/feature_0/gamma",
    "stack_0/block_0/project_conv2d/kernel", "stack_10/block_0/se_reduce_conv2d/bias", "a" * 40,
    "", "päth/κernel", "line\nbreak/kernel",
]  # fmt: skip

# Pieces of which patterns are put together, so that repeats nest and overlap.
ATOMS = st.sampled_from(
    ["a", "block_1", "/", r"\w", r"\d", ".", "[^/]", "[a-c]", "_", r"\b", "^", "$", "κ", r"\n", ""]
)
QUANTIFIERS = st.sampled_from(["*", "+", "?", "*?", "+?", "{2}", "{0,3}", "{1,}"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, QUANTIFIERS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        inner.map(lambda text: f"(?={text})"),
        inner.map(lambda text: f"(?!{text})"),
        inner.map(lambda text: f".*{text}"),
        inner.map(lambda text: f"^.*{text}.*"),
        inner.map(lambda text: f"(?#note).*?{text}|b"),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.lists(st.one_of(st.sampled_from(NAMES), st.text("ab_/1\n", max_size=12))))
@settings(deadline=None, max_examples=300)
def test_answers_are_those_of_re_search(text: str, subjects: list[str]) -> None:
    regex = compile_regex(text)
    if cost_bound(regex, 100) > 1e6:
        subjects = [s[:8] for s in subjects]  # so that `re` itself comes to an end
    if cost_bound(regex, 8) > 1e6:
        return
    assert search_all(regex, subjects) == [bool(re.search(text, s)) for s in subjects]


@pytest.mark.parametrize(
    "text",
    ["kernel", "^block_1", ".*block_1.*", "^.*kernel", r".*\?|b", "(?i)CONV", "(?#path)^a", ".*",
     "", r"block_1(?!\d)", "^(?!.*(head|tower)).*", "(?x) .* kernel", "(?s).*kernel", "(?m)^break"],
)  # fmt: skip
def test_shortcuts_change_no_answer(text: str) -> None:
    assert search_all(compile_regex(text), NAMES) == [bool(re.search(text, s)) for s in NAMES]


@pytest.mark.parametrize(
    "text",
    [r".*block_1.*", r"^(?!.*(head|tower)).*", r"block_1(?!\d)", r"([^/]+/)*kernel",
     r"(\w+)/(kernel|bias)$", r".*(gamma|beta|moving_(mean|variance))$", r"stack_[0-5]/.*",
     r"^(block_([0-9]|1[0-2])_|Conv1|bn_Conv1).*", r"(?#path)^model/_feature_extractor/",
     r".*conv4_block[1-6].*kernel.*", r"(?i)boxpredict"],
)  # fmt: skip
def test_common_patterns_stay_in_this_process(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_guard, "_search_in_child", None)
    assert search_all(compile_regex(text), NAMES) == [bool(re.search(text, s)) for s in NAMES]


RUNAWAYS = [
    r"(a+)+$", r"(a|a)*$", r"(a|ab?)+$", r"(.*)*$", r"(a*)*b$", r"(\w+_?)+$", r"(?:a?){40}a{40}$",
    r"(a+){10,}b", r"((a{1,20}){1,20}){1,20}b", r"(?i)(ab|AB)+$", r".*.*.*.*.*.*.*b!",
]  # fmt: skip


@pytest.mark.parametrize("text", RUNAWAYS)
def test_a_runaway_pattern_is_never_searched_in_this_process(text: str) -> None:
    assert cost_bound(compile_regex(text), 60) > regex_guard._STEPS_BETWEEN_CLOCKS


def test_a_runaway_pattern_is_stopped_when_its_time_is_up() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        search_all(compile_regex("(a+)+$"), ["a" * 60 + "!"], seconds=0.2)
    assert time.monotonic() - started < 60  # it would take ages, not seconds


def test_a_costly_pattern_that_comes_to_an_end_is_answered() -> None:
    regex = compile_regex("(block_(\\d+_?)+)+/k")
    assert cost_bound(regex, 60) > regex_guard._STEPS_BETWEEN_CLOCKS
    assert search_all(regex, ["block_1_2/kernel", "päth\n", "block_1_2/bias"]) == [
        True, False, False,
    ]  # fmt: skip


def test_a_child_process_can_be_used_from_any_thread() -> None:
    answers: list[list[bool]] = []
    thread = threading.Thread(
        target=lambda: answers.append(search_all(compile_regex("(a+)+$"), ["a" * 60, "b" * 60]))
    )
    thread.start()
    thread.join()
    assert answers == [[True, False]]


def test_many_names_of_a_bounded_but_slow_pattern_are_stopped_too() -> None:
    with pytest.raises(TimeoutError):
        search_all(compile_regex(r"[a-z]+[a-z_]+x"), ["a" * 150] * 100_000, seconds=0.05)


def test_a_child_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ChildProcessError, match="cannot start '/no/such/python'"):
        search_all(compile_regex("(a+)+$"), ["a" * 60])


def test_a_child_that_breaks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_guard, "_CHILD", "raise SystemExit(7)")
    with pytest.raises(ChildProcessError, match="status 7"):
        search_all(compile_regex("(a+)+$"), ["a" * 60])


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("conv(", "missing ), unterminated subpattern", 4),
        ("*block", "nothing to repeat", 0),
        ("[a-", "unterminated character set", 0),
        ("a" * 200_001, "longer than 200000 characters", None),
        ("(" * 5000 + ")" * 5000, "nested too deeply", None),
        ("a{99999999999}", "the repetition number is too large", None),
    ],
    ids=["parenthesis", "star", "set", "too-long", "too-deep", "too-many"],
)
def test_what_is_no_regular_expression_says_why_and_where(
    text: str, message: str, offset: int | None
) -> None:
    with pytest.raises(re.error) as caught:
        compile_regex(text)
    assert (caught.value.msg, caught.value.pos) == (message, offset)


def test_no_warning_escapes(recwarn: pytest.WarningsRecorder) -> None:
    search_all(compile_regex("[[a]b]"), NAMES)
    assert not recwarn.list
