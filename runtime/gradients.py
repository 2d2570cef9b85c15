"""Gradients as graph extension: from a loss back to its inputs, one gradient node after another.

White paper section 4.1: the graph is walked backwards from the loss, every operation on the way adds nodes
for its partial gradients, and where a tensor is used more than once the partial gradients are summed.
"""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from typing import TYPE_CHECKING

from ..graphfmt.dtypes import DType
from ..graphfmt.errors import TfgError, invalid
from ..graphfmt.graph import Endpoint, Graph, Node, endpoint
from ..graphfmt.names import nothing_called
from ..kernels.builder import GraphBuilder, IndexedSlices, NodeView, Tensor
from ..kernels.inference import topological_order

if TYPE_CHECKING:
    from collections.abc import Sequence

Gradient = Tensor | IndexedSlices

# Operations that hand a gradient on as it is, rows of a table included.
_KEEPS_SLICES = frozenset({"Identity", "ReadVariableOp", "IdentityN", "Enter", "StopGradient"})


def add_gradients(
    g: GraphBuilder,
    ys: Sequence[Tensor],
    xs: Sequence[Tensor],
    dys: Sequence[Tensor | None] | None = None,
) -> list[Gradient | None]:
    """Adds the gradient of the sum of ``ys`` with respect to each of ``xs`` (tensors, variables' references
    or resource handles); None for an x that no y depends on.

    ``dys`` are the gradients to start from, ones where not given.

    Raises:
        TfgError: INVALID_ARGUMENT where the path from a y to an x leads through an operation without
            gradient, naming it, or where a y is not of a floating or complex dtype.
    """
    if g.backpropagate is None:
        g.backpropagate = add_dense_gradients
    graph = g.graph()
    path = _between(graph, {y.node for y in ys}, {x.node for x in xs})
    partials: dict[Endpoint, list[Gradient]] = defaultdict(list)
    with g.name_scope("gradients"):
        for position, y in enumerate(ys):
            start = dys[position] if dys is not None else None
            if not y.dtype.is_differentiable and (start is None or not _carries_gradient(y.dtype)):
                raise g.graph().error_at(
                    invalid(f"the gradient of {y.name!r} is not defined, because it is {y.dtype}"), y.node
                )
            partials[_endpoint(y)].append(start if start is not None else _ones_like(g, y))
        wanted = {_endpoint(x) for x in xs}
        for node in reversed([n for n in topological_order(graph) if n.name in path]):
            _step_back(g, graph, g.view(node.name, path), partials, path, wanted)
        return [_sum(g, partials.get(_endpoint(x), [])) for x in xs]


def add_dense_gradients(
    g: GraphBuilder, ys: Sequence[Tensor], xs: Sequence[Tensor], dys: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """``add_gradients`` within the body of a function, which cannot give rows of a table."""
    return [dense(g, found) for found in add_gradients(g, ys, xs, dys)]


def _endpoint(tensor: Tensor) -> Endpoint:
    return Endpoint(tensor.node, tensor.port)


def _ones_like(g: GraphBuilder, y: Tensor) -> Tensor:
    one = g.constant(1, y.dtype, name="one")
    return one if y.shape.rank == 0 else g.Fill(g.shape_of(y), one)


def _between(graph: Graph, ends: set[str], starts: set[str]) -> set[str]:
    """The nodes that depend on one of ``starts`` and that one of ``ends`` depends on, by data edges."""
    order = list(topological_order(graph))
    below = set(starts)
    for node in order:
        if any(e.node in below for e in node.data_inputs):
            below.add(node.name)
    above = set(ends)
    for node in reversed(order):
        if node.name in above:
            above.update(e.node for e in node.data_inputs)
    return below & above


def _step_back(
    g: GraphBuilder,
    graph: Graph,
    view: NodeView,
    partials: dict[Endpoint, list[Gradient]],
    path: set[str],
    wanted: set[Endpoint],
) -> None:
    """Adds the gradients of one node's inputs to the partial sums."""
    outputs = view.outputs
    sums = [_sum(g, partials.get(_endpoint(out), [])) for out in outputs]
    for out, total in zip(outputs, sums):
        if total is not None:
            partials[_endpoint(out)] = [total]
    inputs = view.inputs
    useful = [_carries_gradient(x.fact.dtype) and x.node in path for x in inputs]
    if not any(useful) or all(total is None for total in sums):
        return
    for source, gradient in zip(inputs, _input_gradients(g, graph, view, sums)):
        if gradient is not None and source.node in path and _carries_gradient(source.fact.dtype):
            partials[_endpoint(source)].append(gradient)


def _carries_gradient(dtype: DType) -> bool:
    return dtype.is_differentiable or dtype.name in ("resource", "variant")


def _input_gradients(
    g: GraphBuilder, graph: Graph, view: NodeView, sums: Sequence[Gradient | None]
) -> Sequence[Gradient | None]:
    op = g.op(view.node.op)
    count = len(view.inputs)
    if not op.differentiable:
        return [None] * count
    if op.gradient_function is None:
        raise graph.error_at(
            invalid(f"operation {op.name} has no gradient, and lies on the path to the loss"), view.name
        )
    dys = sums if op.name in _KEEPS_SLICES else [dense(g, dy) for dy in sums]
    try:
        with g.name_scope(view.name.split("/")[-1] + "_grad"):
            found = op.gradient_function(g, view, *dys)
    except TfgError as error:
        raise graph.error_at(error, view.name) from None
    gradients = list(found) if isinstance(found, tuple | list) else [found]
    if len(gradients) != count:
        raise TypeError(f"the gradient of {op.name} gave {len(gradients)} gradients for {count} inputs")
    return gradients


def dense(g: GraphBuilder, gradient: Gradient | None) -> Tensor | None:
    """A gradient as one tensor."""
    if not isinstance(gradient, IndexedSlices):
        return gradient
    rows = g.StridedSlice(gradient.dense_shape, [0], [1], [1], shrink_axis_mask=1, Index="int32")
    return g.UnsortedSegmentSum(gradient.values, gradient.indices, rows)


def _sum(g: GraphBuilder, gradients: Sequence[Gradient]) -> Gradient | None:
    """One gradient from the partial ones: rows of tables are put one after another, not added up."""
    if not gradients:
        return None
    if len(gradients) == 1:
        return gradients[0]
    slices = [x for x in gradients if isinstance(x, IndexedSlices)]
    if len(slices) < len(gradients):
        return g.AddN([dense(g, x) for x in gradients])
    indices_type = slices[0].indices.dtype
    return IndexedSlices(
        g.ConcatV2([s.values for s in slices], g.constant(0)),
        g.ConcatV2([g.cast(s.indices, indices_type) for s in slices], g.constant(0)),
        slices[0].dense_shape,
    )


def differentiate(graph: Graph, loss: str, wrt: Sequence[str] = ()) -> Graph:
    """The graph with the gradients of ``loss``, called ``grad/<name>`` for each name.

    Args:
        wrt: names or globs of variables, placeholders or other tensors; all variables that the loss depends
            on, where there is none. A gradient that is rows of a table is two tensors, ``…/values`` and
            ``…/indices``.

    Raises:
        TfgError: NOT_FOUND where nothing matches; INVALID_ARGUMENT where the loss does not depend on it.
    """
    g = GraphBuilder(graph)
    y = g.tensor(loss)
    names = _matching(graph, wrt) if wrt else variables_behind(graph, y.node)
    if not names:
        raise graph.error_at(invalid(f"{loss!r} depends on no variable", hint="name one: --wrt NAME"), y.node)
    for name, found in zip(names, add_gradients(g, [y], [g.tensor(name) for name in names])):
        if found is None:
            raise graph.error_at(invalid(f"{loss!r} does not depend on {name!r}"), endpoint(name).node)
        label = name.replace(":", "_")
        if isinstance(found, IndexedSlices):
            g.Identity(found.values, name=f"grad/{label}/values")
            g.Identity(found.indices, name=f"grad/{label}/indices")
        else:
            g.Identity(found, name=f"grad/{label}")
    return g.graph()


def _matching(graph: Graph, patterns: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for pattern in patterns:
        if endpoint(pattern).node in graph:
            found[pattern] = None
            continue
        names = fnmatch.filter(graph.index, pattern)
        differentiable = [n for n in names if graph[n].op in _STARTS]
        if not differentiable:
            raise nothing_called("variable or placeholder", pattern, graph.index)
        found.update(dict.fromkeys(differentiable))
    return list(found)


_STARTS = frozenset({"Variable", "VariableV2", "VarHandleOp", "Placeholder", "PlaceholderWithDefault"})


def variables_behind(graph: Graph, end: str) -> list[str]:
    """The floating variables that a node depends on by data edges, in file order."""
    behind, stack = {end}, [end]
    while stack:
        for source in graph[stack.pop()].data_inputs:
            if source.node not in behind:
                behind.add(source.node)
                stack.append(source.node)
    return [n.name for n in graph.nodes if n.name in behind and n.op in _VARIABLES and _is_floating(n)]


_VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})


def _is_floating(node: Node) -> bool:
    dtype = node.attrs.get("dtype")
    return isinstance(dtype, DType) and dtype.is_differentiable
