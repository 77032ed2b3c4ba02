"""The tree of names: grouping, order, what is opened and what shares a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze.report.tree import grow, rows_of
from odfreeze.selection import Pattern, select
from odfreeze.variables import Variable


def drawn(
    names: list[str], freeze: str = "(?!)", depth: int | None = None, *, by_path: bool = False,
    most: int = 60, restored: str = "",
) -> list[str]:  # fmt: skip
    """The labels of the rows, indented by level, with ``+`` where opened."""
    variables = [
        Variable(
            name, f"model/net/v{i}" if not by_path else f"model/net/{name}", (2,), "float32",
            trainable="moving" not in name, statistic="moving" in name,
            layer=name.rpartition("/")[0],
        )
        for i, name in enumerate(names)
    ]  # fmt: skip
    selection = select(variables, [Pattern("freeze_variables", freeze)])
    headings = grow(selection, [restored in (v.name or "") for v in variables], by_path=by_path)
    return [
        "  " * (len(row.lead) - 1) + row.label + ("+" if row.open else "")
        for row in rows_of(headings, depth, most=most)
    ]


def conv(name: str) -> list[str]:
    return [f"{name}/kernel", f"{name}/bias"]


BLOCKS = [v for n in (1, 2, 10, 9) for v in conv(f"block_{n}_expand") + conv(f"block_{n}_project")]


def test_neighbours_that_differ_in_a_number_share_a_row_and_are_in_order() -> None:
    assert drawn([*conv("stem"), *BLOCKS, *conv("top")]) == [
        "model/net/+", "  stem/", "  block_1_ … block_10_", "  top/",
    ]  # fmt: skip


def test_what_is_partly_frozen_is_opened_where_states_differ() -> None:
    assert drawn(BLOCKS, "block_2_project|block_9|block_10") == [
        "model/net/+", "  block_1_", "  block_2_+", "    expand/", "    project/",
        "  block_9_ … block_10_",
    ]  # fmt: skip


def test_what_is_partly_restored_has_a_row_of_its_own() -> None:
    assert drawn(BLOCKS, restored="block_9")[1:] == [
        "  block_1_ … block_2_", "  block_9_", "  block_10_",
    ]  # fmt: skip


def test_a_group_with_one_subgroup_is_one_group() -> None:
    assert drawn([*conv("a/b/c_1_x"), *conv("d")]) == ["model/net/+", "  a/b/c_1_x/", "  d/"]


def test_a_layer_is_opened_where_its_variables_differ() -> None:
    assert drawn(conv("a") + conv("b"), "a/kernel") == [
        "model/net/+", "  a/+", "    kernel", "    bias", "  b/",
    ]  # fmt: skip


def test_a_batch_norm_with_its_statistics_is_one_row() -> None:
    assert drawn(["bn/gamma", "bn/moving_mean", "x"], "bn") == ["model/net/+", "  bn/", "  x"]


def test_without_differences_two_levels_are_shown() -> None:
    assert drawn([*conv("head/box"), *conv("head/class"), *conv("stem")]) == [
        "model/net/+", "  head/+", "    box/", "    class/", "  stem/",
    ]  # fmt: skip


def test_a_run_that_is_all_of_a_group_names_the_group() -> None:
    names = [v for n in range(3) for v in conv(f"fpn/node_{n}")] + conv("stem")
    assert drawn(names) == ["model/net/+", "  fpn/node_0/ … node_2/", "  stem/"]


def test_a_tree_that_does_not_fit_draws_equal_neighbours_together() -> None:
    names = [v for letter in "abcdefghij" for v in conv(letter)] + conv("z")
    assert drawn(names, "z", most=5) == ["model/net/+", "  a/ … j/", "  z/"]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["model/net/"]),
        (1, ["model/net/+", "  block_1_ … block_10_"]),
        (2, ["model/net/+", "  block_1_+", "    expand/", "    project/"]),
    ],
)
def test_a_given_depth_is_opened_whatever_the_states(depth: int, expected: list[str]) -> None:
    assert drawn(BLOCKS, depth=depth)[: len(expected)] == expected


def test_all_shows_every_variable() -> None:
    assert drawn(conv("a_1_x") + conv("a_2_x"), depth=-1) == [
        "model/net/+", "  a_1_x/+", "    kernel", "    bias", "  a_2_x/+",
        "    kernel", "    bias",
    ]  # fmt: skip


def test_the_tree_may_be_one_of_object_paths() -> None:
    assert drawn(["conv_8/kernel", "bn_3/gamma"], by_path=True) == [
        "model/net/+", "  conv_8/kernel", "  bn_3/gamma",
    ]  # fmt: skip


def test_names_that_are_paths_have_no_heading() -> None:
    some = [Variable(n, n, (1,), "float32") for n in ("Net/Conv/weights", "Net/fc/weights", "x")]
    rows = rows_of(grow(select(some, []), [True] * 3, by_path=False), None)
    assert [row.label for row in rows] == ["Net/", "Conv/weights", "fc/weights", "x"]


def test_two_variables_of_one_name_are_counted_twice() -> None:
    some = [Variable("a/kernel", f"model/net/{i}", (3,), "float32") for i in range(2)]
    (heading,) = grow(select(some, []), [True] * 2, by_path=False)
    assert (heading.variables, heading.parameters, heading.bytes) == (2, 6, 24)


NAMES = st.lists(
    st.lists(st.sampled_from(["a", "b_1_x", "b_2_y", "c_10", "d"]), min_size=1, max_size=4).map(
        "/".join
    ),
    min_size=1,
    max_size=20,
    unique=True,
)


@given(NAMES, st.sampled_from(["a", "b_1", "d$", "(?!)", ""]), st.sampled_from([None, 0, 1, 2, -1]))
def test_closed_rows_count_every_variable_once(
    names: list[str], freeze: str, depth: int | None
) -> None:
    some = [Variable(n, f"model/{n[0]}/v{i}", (i,), "float32") for i, n in enumerate(names)]
    selection = select(some, [Pattern("freeze_variables", freeze)])
    rows = rows_of(grow(selection, [True] * len(some), by_path=False), depth)
    closed = [row.node for row in rows if not row.open]
    assert sum(node.variables for node in closed) == len(some)
    assert sum(node.parameters for node in closed) == sum(v.parameters for v in some)
    assert sum(node.states.get("frozen", 0) for node in closed) == len(selection.of("frozen"))
