"""Values that the forward part of a function hands to its backward part.

Many of them are packed into one tensor list for each dtype. So the number of results of a forward part does not grow
with the number of calls below it, and functions that call functions have parts of bounded size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.dtypes import DType
    from ..builder.graph_builder import GraphBuilder, Tensor

# The number of saved values up to which each is a result of its own.
_MAX_RESULTS = 8


class SavedValues(NamedTuple):
    """Values of a forward part. ``results`` are the tensors that hand them over: the values themselves, or lists of
    them, made by ``nodes``. ``lists[k]`` are the positions of the values in list k; empty if there are no lists."""

    values: Sequence[Tensor]
    results: Sequence[Tensor]
    nodes: Sequence[str]
    lists: Sequence[Sequence[int]]

    @property
    def facts(self) -> list[Fact]:
        """The dtypes and shapes of the results."""
        return [Fact(t.dtype, t.shape) for t in self.results]

    def unpack(self, b: GraphBuilder, arguments: Sequence[Tensor]) -> tuple[list[Tensor], list[str]]:
        """Adds the reading of the values from the arguments of the backward part that stand for the results; returns
        the values and the nodes that read them."""
        if not self.lists:
            return list(arguments), []
        found: dict[int, Tensor] = {}
        added: list[str] = []
        for rest, positions in zip(arguments, self.lists):
            for position in reversed(positions):
                value = self.values[position]
                shape = element_shape(b, value.fact)
                rest, found[position] = b.TensorListPopBack(rest, shape, element_dtype=value.dtype)
                added += [shape.node, rest.node]
        return [found[position] for position in range(len(self.values))], added


def save(b: GraphBuilder, values: Sequence[Tensor]) -> SavedValues:
    """Returns the saved values of a forward part, to which lists are added if they are many."""
    if len(values) <= _MAX_RESULTS:
        return SavedValues(values, values, [], [])
    by_dtype: dict[DType, list[int]] = {}
    for position, value in enumerate(values):
        by_dtype.setdefault(value.dtype, []).append(position)
    results: list[Tensor] = []
    nodes: list[str] = []
    for dtype, positions in by_dtype.items():
        shape, size = b.constant(np.int32(-1)), b.constant(np.int32(-1))
        made = b.EmptyTensorList(shape, size, element_dtype=dtype, shape_type="int32")
        nodes += [shape.node, size.node, made.node]
        for position in positions:
            made = b.TensorListPushBack(made, values[position], element_dtype=dtype)
            nodes.append(made.node)
        results.append(made)
    return SavedValues(values, results, nodes, list(by_dtype.values()))


def element_shape(b: GraphBuilder, fact: Fact) -> Tensor:
    """Adds the static shape of the elements of a list, as list operations take it."""
    if fact.shape.dims is None:
        return b.constant(np.int32(-1))
    return b.constant(np.array([-1 if d is None else d for d in fact.shape.dims], np.int32))
