"""The tree of variables, grouped as their names are, with equal neighbours drawn together.

People write patterns for names, so the tree is one of names: cut at ``/`` and
after numbers (``block_12_``), below one heading for each part of the model
(``model/_feature_extractor``). Where names are missing or not dependable, it is one of
object paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
from itertools import islice, repeat
from typing import Literal, NamedTuple

from odfreeze.selection import Selection, State
from odfreeze.variables import DTYPE_BYTES

__all__ = ["Node", "Row", "grow", "rows_of"]

#: Rows of a tree that is drawn without being asked for a depth.
_MOST_ROWS = 60
_DEEPEST = 99
_TOKENS = r".*?(?:/|\d_|$)"
_NUMBERED = r"(.*?)(\d{1,9})([_/]?)"


class Node:
    """A group of variables whose names begin alike.

    Attributes:
      token: What it adds to its parent's names: up to a ``/``, or through a number and ``_``.
      label: The same, with those of subgroups that it has just one of.
      children: Subgroups, in order; none for a single variable.
      variables: How many there are in it.
      parameters: Their elements.
      bytes: Their size.
      states: How many variables are in each state.
      by: Indexes of the patterns that match some of them.
      restored: How many of them the checkpoint gives a value.
      scales: Shares of the learning rate of those that learn; empty where no rates are shown.
    """

    # A plain class: a tree of 100,000 variables makes hundreds of thousands of them.
    __slots__ = (
        "by", "bytes", "children", "label", "parameters", "restored", "scales", "states", "token",
        "variables",
    )  # fmt: skip

    def __init__(self, token: str, label: str) -> None:
        """Makes an empty group."""
        self.token = token
        self.label = label
        self.children: dict[str, Node] = {}
        self.variables = self.parameters = self.bytes = self.restored = 0
        self.states: dict[State, int] = {}
        self.by: frozenset[int] = frozenset()
        self.scales: frozenset[float] = frozenset()

    def include(self, other: Node) -> None:
        """Adds another group's numbers to this one's."""
        self.variables += other.variables
        self.parameters += other.parameters
        self.bytes += other.bytes
        self.restored += other.restored
        if not other.by <= self.by:
            self.by |= other.by
        if other.scales:
            self.scales |= other.scales
        for state, count in other.states.items():
            self.states[state] = self.states.get(state, 0) + count

    @property
    def uniform(self) -> bool:
        """Whether a word says what becomes of all that could learn, and one of the rest."""
        return _is_uniform(self.states.keys())

    @property
    def is_layer(self) -> bool:
        """Whether variables, and no further groups, are in it."""
        return not any(c.children or "/" in c.label for c in self.children.values())

    @property
    def is_numbered(self) -> bool:
        """Whether it is one of a row of blocks, such as ``block_7_``."""
        return self.label == self.token and _stem(self.token)[1] is not None

    def like(self, other: Node) -> bool:
        """Whether one row can say what becomes of both."""
        if _part(self.restored, self.variables) != _part(other.restored, other.variables):
            return False
        if self.scales != other.scales:
            return False
        both = self.states.keys() | other.states.keys()
        return _is_uniform(both) or self.states.keys() == other.states.keys()


class Row(NamedTuple):
    """One line of the tree.

    Attributes:
      lead: The branches before the label: for each level whether more follows there.
      label: The group's label, of a run those of its first and last.
      node: The numbers.
      open: Whether the rows below show what is in it.
    """

    lead: tuple[bool, ...]
    label: str
    node: Node
    open: bool


def grow(
    selection: Selection,
    restored: Sequence[bool],
    *,
    by_path: bool,
    scales: Sequence[float] | None = None,
) -> list[Node]:
    """Returns the headings with all that is below them.

    Args:
      selection: The variables with their states.
      restored: As in `Preview`.
      by_path: Group by object path instead of by name.
      scales: For each variable its share of the learning rate; None where there are no rates.
    """
    root = Node("", "")
    tokens_of = re.compile(_TOKENS).findall
    layers: dict[tuple[str, str], Node] = {}
    leaves: dict[str, list[str]] = {}
    patterns_of: dict[tuple[int, ...], frozenset[int]] = {}
    rows = zip(
        selection.variables, selection.states, selection.matched_by, restored,
        repeat(0.0) if scales is None else scales, strict=scales is not None,
    )  # fmt: skip
    for variable, state, by, given, scale in rows:
        path = variable.object_path
        name = variable.name
        heading = _heading(path)
        if name is None or by_path or name == path:
            name = path[len(heading) :]
        scope, slash, leaf = name.rpartition("/")
        layer = layers.get((heading, scope))
        if layer is None:
            layer = _child(root, heading) if heading else root
            for token in tokens_of(scope + slash):
                layer = _child(layer, token) if token else layer
            layers[heading, scope] = layer
        node = layer
        tokens = leaves.get(leaf)
        if tokens is None:
            tokens = leaves[leaf] = tokens_of(leaf)
        for token in tokens:
            node = _child(node, token) if token else node
        if node is root:
            node = _child(root, path)
        node.variables += 1
        parameters = variable.parameters
        node.parameters += parameters
        node.bytes += parameters * DTYPE_BYTES.get(variable.dtype, 0)
        node.restored += given
        node.states[state] = node.states.get(state, 0) + 1
        node.by |= patterns_of.get(by) or patterns_of.setdefault(by, frozenset(by))
        if scale and state == "trainable":
            node.scales |= {scale}
    return [_finished(node, top=True) for node in root.children.values()]


def _child(node: Node, token: str) -> Node:
    child = node.children.get(token)
    if child is None:
        child = node.children[token] = Node(token, token)
    return child


def rows_of(headings: Sequence[Node], depth: int | None, *, most: int = _MOST_ROWS) -> list[Row]:
    """Returns the rows to draw.

    Args:
      headings: From `grow`.
      depth: Levels that are opened, whatever their states; None for as many as tell
        states apart and fit on a page; negative for all, down to each variable.
      most: Rows that fit on a page.
    """
    if depth is not None:
        view = _View(_DEEPEST, _DEEPEST, "never") if depth < 0 else _View(depth, depth, "closed")
        return list(_drawn(headings, (), view))
    rows: list[Row] = []
    for view in _FITTING:
        rows = list(islice(_drawn(headings, (), view), most + 1))
        if len(rows) <= most:
            return rows
    return list(_drawn(headings, (), _FITTING[-1]))


class _View(NamedTuple):
    """How far a tree is opened.

    Attributes:
      least: Levels that are opened, whatever their states; when a tree is fitted to a page, but
        for single layers and numbered groups.
      most: Levels that are opened where states differ.
      merge: Which neighbours of one kind share a row: none; closed ones that differ in a
        number only; besides, uniform ones that ``least`` would open; all closed ones.
    """

    least: int
    most: int
    merge: Literal["never", "closed", "numbers", "all"]

    def opens(self, node: Node, level: int) -> bool:
        if not node.children:
            return False
        if level < self.least:
            exact = self.merge in ("never", "closed")
            if exact or not (node.is_layer or node.is_numbered):
                return True
        return level < self.most and not node.uniform

    def joins(self, before: Node, node: Node, level: int) -> bool:
        if self.merge == "never" or not before.like(node):
            return False
        closed = not (self.opens(before, level) or self.opens(node, level))
        if self.merge == "all":
            return closed
        (stem, number), (other, _) = _stem(before.token), _stem(node.token)
        return (
            stem == other
            and number is not None
            and (closed or (self.merge == "numbers" and node.uniform))
        )


#: From the most telling to the shortest.
_FITTING = (
    _View(2, 5, "numbers"), _View(2, 4, "numbers"), _View(2, 3, "numbers"), _View(2, 2, "numbers"),
    _View(2, 3, "all"), _View(2, 2, "all"), _View(1, 2, "all"), _View(1, 1, "all"),
)  # fmt: skip


def _drawn(nodes: Sequence[Node], lead: tuple[bool, ...], view: _View) -> Iterator[Row]:
    level = len(lead)
    runs: list[list[Node]] = []
    for node in nodes:
        if runs and view.joins(runs[-1][-1], node, level):
            runs[-1].append(node)
        else:
            runs.append([node])
    for number, run in enumerate(runs, start=1):
        here = (*lead, number < len(runs))
        first = run[0]
        if len(run) > 1:
            together = Node(first.token, f"{first.token} … {run[-1].token}")
            for node in run:
                together.include(node)
            yield Row(here, together.label, together, False)
            continue
        label, below = first.label, []
        if view.opens(first, level):
            below = list(_drawn(list(first.children.values()), here, view))
            if len(below) == 1 and level and len(first.children) > 1:
                label, below = label + below[0].label, []  # one row says it all
        yield Row(here, label, first, bool(below))
        yield from below


def _heading(path: str) -> str:
    """``model/_box_predictor/`` of an object path; "" where the path tells no part of a model."""
    first, slash, rest = path.partition("/")
    if first != "model" or "/" not in rest:
        return ""
    return f"{first}{slash}{rest.partition('/')[0]}/"


def _finished(node: Node, *, top: bool = False) -> Node:
    """Sums up each group, joins it with a subgroup that is all of it, and puts numbers in order."""
    if not node.children:
        return node
    while len(node.children) == 1 and not node.variables and not top:
        (child,) = node.children.values()
        node.label += child.label
        node.children = child.children
        node.include(child)
    children = [_finished(child) for child in node.children.values()]
    for child in children:
        node.include(child)
    if len(children) > 1:
        first_of: dict[str, int] = {}
        keys = {}
        for here, child in enumerate(children):
            stem, number = _stem(child.token)
            keys[child.token] = (first_of.setdefault(stem, here), number or 0)
        children.sort(key=lambda child: keys[child.token])
        node.children = {child.token: child for child in children}
    return node


@lru_cache(maxsize=4096)  # a model has few tokens, often
def _stem(token: str) -> tuple[str, int | None]:
    """The token with a gap for its number, and the number."""
    match = re.fullmatch(_NUMBERED, token)
    return (token, None) if match is None else (f"{match[1]}\0{match[3]}", int(match[2]))


def _is_uniform(states: Set[State]) -> bool:
    return not ({"frozen", "trainable"} <= states or {"held", "updating"} <= states)


def _part(count: int, whole: int) -> str:
    return "all" if count == whole else "none" if count == 0 else "some"
