"""How many steps one call takes: as many as fit, ending with the run where that is possible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.training.loop import block_of_steps


@pytest.mark.parametrize(
    ("num_steps", "checkpoint_every_n", "block"),
    (
        (1, 1000, 1),
        (99, 1000, 99),
        (100, 1000, 100),
        (107, 1000, 100),
        (250, 1000, 50),
        (10_000, 1000, 100),
        (102, 1000, 51),
        (101, 1000, 100),
        (250, 25, 25),
        (250, 7, 5),
        (250, 1, 1),
    ),
)
def test_table(num_steps: int, checkpoint_every_n: int, block: int) -> None:
    assert block_of_steps(num_steps, checkpoint_every_n) == block


@given(
    num_steps=st.integers(1, 100_000),
    checkpoint_every_n=st.integers(1, 5000),
    most=st.integers(1, 200),
)
def test_never_more_than_the_run_the_saving_or_the_most(
    num_steps: int, checkpoint_every_n: int, most: int
) -> None:
    block = block_of_steps(num_steps, checkpoint_every_n, most)
    limit = min(num_steps, checkpoint_every_n, most)
    assert limit <= 2 * block <= 2 * limit
    fitting = [b for b in range(1, limit + 1) if 2 * b >= limit and num_steps % b == 0]
    assert block == (max(fitting) if fitting else limit)
