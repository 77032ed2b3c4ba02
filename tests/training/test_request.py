"""What parent and child tell each other: nothing is lost, and no log line is taken for an event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.training.request import TrainingRequest, format_event, parse_event

TEXTS = st.text(max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(
    request=st.builds(
        TrainingRequest,
        config=TEXTS,
        model_dir=TEXTS,
        num_steps=st.integers(0, 2**40),
        frozen_batch_norm=st.sampled_from(("hold", "update")),
        allow=st.lists(TEXTS, max_size=3).map(tuple),
        expected=st.dictionaries(TEXTS, TEXTS, max_size=3),
        flags=st.lists(TEXTS, max_size=3).map(tuple),
        seed=st.none() | st.integers(0, 2**32 - 1),
        conduct=st.dictionaries(TEXTS, JSON, max_size=3),
    )
)
def test_a_request_comes_back_equal(tmp_path_factory, request) -> None:
    path = tmp_path_factory.getbasetemp() / "request.json"
    request.write(path)
    assert TrainingRequest.read(path) == request


def test_a_path_that_is_not_utf8_comes_back(tmp_path) -> None:
    request = TrainingRequest(config="a\udcff.config", model_dir="run", num_steps=1)
    request.write(tmp_path / "request.json")
    assert TrainingRequest.read(tmp_path / "request.json") == request


@given(kind=TEXTS, data=st.dictionaries(TEXTS.filter(lambda t: t != "kind"), JSON, max_size=3))
def test_an_event_is_one_line_and_comes_back(kind, data) -> None:
    line = format_event(kind, **data)
    assert "\n" not in line
    assert line.isascii()
    assert parse_event(line) == {"kind": kind, **data}


@pytest.mark.parametrize(
    "line",
    (
        "",
        "Step 100 per-step time 0.2s",
        '{"kind": "step"}',
        ' @odfreeze {"kind": "step"}',
        "@odfreeze ",
        '@odfreeze {"kind": "st',
        '@odfreeze {"kind": "step"}@odfreeze {"kind": "step"}',
        "@odfreeze []",
        '@odfreeze "kind"',
        '@odfreeze {"step": 3}',
    ),
    ids=(
        "empty", "log", "no prefix", "prefix not first", "no event", "cut short", "two in one",
        "a list", "a text", "no kind",
    ),
)  # fmt: skip
def test_what_is_no_event(line) -> None:
    assert parse_event(line) is None
