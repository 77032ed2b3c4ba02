"""Which variables learn, held against the function that stock used last."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odfreeze.selection import Pattern, select
from odfreeze.variables import Variable

pytestmark = pytest.mark.train

NAMES = st.lists(
    st.text("ab_/1.\n", min_size=1, max_size=12)
    | st.sampled_from(["block_1/kernel", "block_10_BN/gamma", "BoxPredictor/bias", "Conv1/kernel"]),
    unique=True,
    max_size=12,
)
TEXTS = st.lists(
    st.sampled_from(
        ["", ".*", ".*a.*", "^.*b", "^a", "a$", "a|b", r"\d", "[ab]/", "block_1", r"block_1(?!\d)",
         "(?i)boxp", "^(?!.*Box)", r"(\w+)/k", "_.*1", ".*?b", r"\.", "a{2}", "(a)_?\\1", "(?!)"]
    )
)  # fmt: skip


@given(NAMES, TEXTS, TEXTS)
@settings(deadline=None, max_examples=400)
def test_trainable_is_what_tf_slim_filters(
    names: list[str], updated: list[str], frozen: list[str]
) -> None:
    tf_slim = pytest.importorskip("tf_slim")
    variables = [Variable(name, f"model/{name}", (1,), "float32") for name in names]
    patterns = [Pattern("update_trainable_variables", text) for text in updated]
    patterns += [Pattern("freeze_variables", text) for text in frozen]
    # The Estimator path passes None for an empty field (object_detection/model_lib.py).
    expected = tf_slim.filter_variables(
        variables, include_patterns=updated or None, exclude_patterns=frozen or None
    )
    assert list(select(variables, patterns).of("trainable")) == expected
