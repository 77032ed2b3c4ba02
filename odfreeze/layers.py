"""Which convolution feeds which batch norm, told from names, paths and shapes.

Nothing in a checkpoint records it, so this is a heuristic, with the same answer for a
checkpoint and for the live model it is of.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence

from odfreeze.variables import Variable

__all__ = ["convolution_of"]

#: What tells a batch norm layer's name from its convolution's.
_KIND_WORDS = (
    r"(?:(?:sync)?batch_?norm(?:alization)?|bn|(?:separable_?|depthwise_?)?conv(?:2d)?)(?:_\d+)?"
)
_NUMBERED = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)


def convolution_of(
    variables: Sequence[Variable], norms: Collection[str] | None = None
) -> dict[str, str]:
    """Returns for each batch norm layer the layer of the convolution that feeds it, where found.

    A convolution is a layer with a trainable variable of two or more dimensions, and
    it must give as many channels as the batch norm has. Taken is the first of

    1. a sibling (same parent in the object graph) whose name is the same but for the
       words for batch norm and convolution: ``conv4_block1_0_bn``, ``conv4_block1_0_conv``;
    2. the nearest layer above it by name that is a convolution: TF1's ``Conv/BatchNorm``,
       and the towers' ``conv2d_0/BatchNorm/feature_3``;
    3. the nearest sibling before it: by number where they differ in one only
       (``layer_with_weights-7``), else in the order of the variables.

    The order counts in 3 only.

    Args:
      variables: Of one model.
      norms: Batch norm layers to look at; None for all.
    """
    kernels = _Kernels(variables)
    wanted: dict[str, Variable] = {}
    for variable in variables:
        if variable.statistic and (norms is None or variable.layer in norms):
            wanted.setdefault(variable.layer, variable)
    found = {}
    for layer, norm in wanted.items():
        candidates = (kernels.of_stem, kernels.above, kernels.before)
        feeder = next((name for search in candidates for name in search(norm)), None)
        if feeder is not None:
            found[layer] = feeder
    return found


class _Kernels:
    """The convolutions of a model, by what they are looked up by."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._kernels: dict[str, list[Variable]] = {}
        for variable in variables:
            if variable.trainable and len(variable.shape) >= 2:
                self._kernels.setdefault(variable.layer, []).append(variable)
        self._by_name: dict[str, str] = {}
        self._siblings: dict[str, list[str]] = {}
        for layer, members in self._kernels.items():
            self._by_name.setdefault(_parent(members[0].label), layer)
            self._siblings.setdefault(_parent(layer), []).append(layer)
        self._stems: dict[str, dict[str, list[str]]] = {}
        self._rows: dict[tuple[str, str], list[tuple[int, str]]] = {}

    def of_stem(self, norm: Variable) -> Iterator[str]:
        """Siblings whose name differs in the words for the kind of layer only."""
        parent = _parent(norm.layer)
        stems = self._stems.get(parent)
        if stems is None:
            stems = self._stems[parent] = {}
            for layer in self._siblings.get(parent, ()):
                stems.setdefault(_stem(self._kernels[layer][0].label), []).append(layer)
        return self._feeding(stems.get(_stem(norm.label), ()), norm)

    def above(self, norm: Variable) -> Iterator[str]:
        """Layers that the name says it is inside of, from the inside out."""
        name = _parent(_parent(norm.label))
        inside = []
        while name:
            if name in self._by_name:
                inside.append(self._by_name[name])
            name = _parent(name)
        return self._feeding(inside, norm)

    def before(self, norm: Variable) -> Iterator[str]:
        """Siblings before it, the nearest first."""
        parent = _parent(norm.layer)
        match = _NUMBERED.fullmatch(norm.layer)
        if match is not None:
            row = self._row(parent, match[1])
            if row:
                earlier = row[: bisect_left(row, (int(match[2]), ""))]
                return self._feeding([layer for _, layer in reversed(earlier)], norm)
        row = self._row(parent, "")
        earlier = row[: bisect_left(row, (norm.order, ""))]
        return self._feeding([layer for _, layer in reversed(earlier)], norm)

    def _row(self, parent: str, stem: str) -> list[tuple[int, str]]:
        """Siblings with this stem before their number, by number; without a stem, by order."""
        row = self._rows.get((parent, stem))
        if row is None:
            row = []
            for layer in self._siblings.get(parent, ()):
                match = _NUMBERED.fullmatch(layer) if stem else None
                if not stem:
                    row.append((self._kernels[layer][0].order, layer))
                elif match is not None and match[1] == stem:
                    row.append((int(match[2]), layer))
            row.sort()
            self._rows[parent, stem] = row
        return row

    def _feeding(self, layers: Sequence[str], norm: Variable) -> Iterator[str]:
        channels = norm.shape[-1] if norm.shape else 0
        for layer in layers:
            for kernel in self._kernels[layer]:
                *_, before, last = kernel.shape
                # Depthwise kernels end in channels and multiplier, transposed ones in out and in.
                if channels in (last, before, before * last):
                    yield layer
                    break


def _stem(label: str) -> str:
    """The layer's name without the words that tell a batch norm from a convolution.

    >>> [_stem(f"{name}/x") for name in ("a/block_3_project_BN", "a/block_3_project", "bn_Conv1")]
    ['a/block_3_project', 'a/block_3_project', '/conv1']
    """
    scope, _, words = _parent(label).rpartition("/")
    words = words.lower()
    stem = re.sub(f"(?:^|_){_KIND_WORDS}$", "", words)
    if stem == words:
        stem = re.sub(f"^{_KIND_WORDS}(?:_|$)", "", stem)
    return f"{scope}/{stem}"


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
