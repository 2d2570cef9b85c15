"""Backpropagation: adds gradients to a graph, from a loss back to its inputs.

White paper section 4.1: the graph is walked backwards from the loss, every operation on the way adds nodes
for its partial gradients, and where a tensor is used more than once the partial gradients are summed.
"""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

from ....graphfmt.dtypes import DType
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Endpoint, Graph, Node, endpoint
from ....graphfmt.names import nothing_called
from ....graphfmt.traversal import ancestors, reachable_from
from ....kernels.builder.graph_builder import GraphBuilder, IndexedSlices, Tensor
from ....kernels.builder.node_view import GradientNode
from ....kernels.core.facts import carries_gradient
from ....kernels.core.failures import as_tfg_error
from ....kernels.core.inference import topological_order
from ....kernels.core.op_sets import ENTERS, IDENTITIES, INPUTS, SWITCHES, VARIABLES
from ...plan.control_flow.nesting import CONTROL_FLOW
from .gradient_overrides import call_overriding, overriding_op

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ....kernels.core.registry import Op

Gradient = Tensor | IndexedSlices


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
    graph = g.graph()
    path = _between(g, graph, {y.node for y in ys}, {x.node for x in xs})
    with g.name_scope("gradients"), _walk(g, graph, path) as walk:
        for position, y in enumerate(ys):
            start = dys[position] if dys is not None else None
            if not y.dtype.is_differentiable and (start is None or not carries_gradient(y.dtype)):
                raise g.graph().error_at(
                    invalid(f"the gradient of {y.name!r} is not defined, because it is {y.dtype}"), y.node
                )
            with g.device(graph[y.node].device):
                walk.add_partial(as_endpoint(y), start if start is not None else _ones_like(g, y))
        walk.run()
        return [walk.total(as_endpoint(x)) for x in xs]


@contextmanager
def _walk(g: GraphBuilder, graph: Graph, path: set[str]) -> Generator[ReverseWalk]:
    """Opens the reverse walk for a graph: without control flow, its machinery is not imported."""
    if any(n.op in CONTROL_FLOW for n in graph.nodes if n.name in path):
        from .frame_walk import frame_walk

        with frame_walk(g, graph, path) as walk:
            yield walk
    else:
        yield ReverseWalk(g, graph, path)


def add_dense_gradients(
    g: GraphBuilder, ys: Sequence[Tensor], xs: Sequence[Tensor], dys: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """``add_gradients`` within the body of a function, which cannot give rows of a table.

    Raises INVALID_ARGUMENT for a path through Switches and loops: what is inside of those cannot be handed
    from the function's forward part to its backward part.
    """
    graph = g.graph()
    path = _between(g, graph, {y.node for y in ys}, {x.node for x in xs})
    for node in graph.nodes:
        if node.name in path and node.op in CONTROL_FLOW:
            raise graph.error_at(
                invalid(f"a function with {node.op} {node.name!r} on the path to its result has no gradient"),
                node.name,
            )
    return [dense(g, found) for found in add_gradients(g, ys, xs, dys)]


def as_endpoint(tensor: Tensor) -> Endpoint:
    return Endpoint(tensor.node, tensor.port)


def _ones_like(g: GraphBuilder, y: Tensor) -> Tensor:
    one = g.constant(1, y.dtype, name="one")
    return one if y.shape.rank == 0 else g.Fill(g.shape_of(y), one)


def _between(g: GraphBuilder, graph: Graph, ends: set[str], starts: set[str]) -> set[str]:
    """Returns the nodes on the paths from ``starts`` to ``ends`` along data edges that carry gradients."""
    sources: dict[str, list[str]] = {}
    readers: dict[str, list[str]] = defaultdict(list)
    for node in graph.nodes:
        found = [e for e in node.data_inputs if e.node in graph]
        sources[node.name] = [e.node for e in found if carries_gradient(g.facts_of(e.node)[e.port].dtype)]
        for name in sources[node.name]:
            readers[name].append(node.name)
    for node in graph.nodes:
        if node.op in ("StackPush", "StackPushV2"):
            # A pushed value flows to all nodes that pop the stack.
            stack, value = _stack_origin(graph, node.data_inputs[0].node), node.data_inputs[1].node
            sources[stack].append(value)
            readers[value].append(stack)
    between = reachable_from(starts, lambda name: readers.get(name, ()))
    return between.keys() & reachable_from(ends, lambda name: sources.get(name, ()))


def _stack_origin(graph: Graph, handle: str) -> str:
    """Returns the node that made a stack, or popped it from another one."""
    while graph[handle].op in _PASSES_HANDLE_ON:
        handle = graph[handle].data_inputs[0].node
    return handle


_PASSES_HANDLE_ON = ENTERS | SWITCHES | IDENTITIES


class ReverseWalk:
    """A reverse walk along a path, with the partial gradients of every output on it."""

    def __init__(self, g: GraphBuilder, graph: Graph, path: set[str]) -> None:
        self.g = g
        self.graph = graph
        self.path = path
        self._partials: dict[Endpoint, list[Gradient]] = defaultdict(list)

    def add_partial(self, source: Endpoint, gradient: Gradient) -> None:
        """Adds a partial gradient of an output."""
        self._partials[source].append(gradient)

    def total(self, source: Endpoint) -> Gradient | None:
        """Returns the sum of the partial gradients of an output; None if there are none."""
        found = _sum(self.g, self._partials.get(source, []))
        if found is not None:
            self._partials[source] = [found]
        return found

    def run(self) -> None:
        """Differentiates every node on the path, in reverse topological order."""
        for node in reversed([n for n in topological_order(self.graph) if n.name in self.path]):
            self.differentiate_node(self.view(node.name))

    def view(self, name: str) -> GradientNode:
        """Returns a node for its gradient function."""
        return GradientNode(self.g, self.g.view(name).node, self.path, add_dense_gradients)

    def differentiate_node(self, view: GradientNode) -> None:
        """Adds the gradients of one node's inputs to their partial gradients, on the device that the node asks
        for."""
        with self.g.device(view.node.device):
            sums = [self.total(as_endpoint(out)) for out in view.outputs]
            if any(map(self.is_wanted, view.inputs)) and any(total is not None for total in sums):
                self.propagate(view, sums)

    def propagate(self, view: GradientNode, sums: Sequence[Gradient | None]) -> None:
        """Adds the gradients of a node's inputs, given its outputs', to their partial gradients."""
        for source, gradient in zip(view.inputs, _input_gradients(self.g, self.graph, view, sums)):
            if gradient is not None and self.is_wanted(source):
                self.add_partial(as_endpoint(source), gradient)

    def is_wanted(self, source: Tensor) -> bool:
        """True if the gradient of an input is wanted."""
        return source.node in self.path and carries_gradient(source.fact.dtype)


def _input_gradients(
    g: GraphBuilder, graph: Graph, view: GradientNode, sums: Sequence[Gradient | None]
) -> Sequence[Gradient | None]:
    op = g.op(view.node.op)
    count = len(view.inputs)
    try:
        override = overriding_op(g, view.node)
        if not (override or op).differentiable:
            return [None] * count
        with g.name_scope(view.name.split("/")[-1] + "_grad"):
            if override is None:
                found = _call_gradient_function(g, op, view, sums)
            else:
                found = call_overriding(override, g, view, [dense(g, dy) for dy in sums])
    except Exception as error:
        reason = as_tfg_error(error, view.node)
        raise graph.error_at(reason, view.name) from reason.__cause__
    gradients = list(found) if isinstance(found, tuple | list) else [found]
    if len(gradients) != count:
        raise TypeError(f"the gradient of {op.name} gave {len(gradients)} gradients for {count} inputs")
    return gradients


def _call_gradient_function(
    g: GraphBuilder, op: Op, view: GradientNode, sums: Sequence[Gradient | None]
) -> Any:
    if op.gradient_function is None:
        reason = f"{op.why_no_gradient}: " if op.why_no_gradient else ""
        raise invalid(f"{reason}operation {op.name} has no gradient, and lies on the path to the loss")
    dys = sums if op.sparse_gradient else [dense(g, dy) for dy in sums]
    return op.gradient_function(g, view, *dys)


@overload
def dense(g: GraphBuilder, gradient: Gradient) -> Tensor: ...
@overload
def dense(g: GraphBuilder, gradient: Gradient | None) -> Tensor | None: ...
def dense(g: GraphBuilder, gradient: Gradient | None) -> Tensor | None:
    """Returns a gradient as one tensor."""
    if not isinstance(gradient, IndexedSlices):
        return gradient
    rows = g.StridedSlice(gradient.dense_shape, [0], [1], [1], shrink_axis_mask=1, Index="int32")
    return g.UnsortedSegmentSum(gradient.values, gradient.indices, rows)


def _sum(g: GraphBuilder, gradients: Sequence[Gradient]) -> Gradient | None:
    """Returns the sum of partial gradients; the rows of IndexedSlices are concatenated."""
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
    """Returns the graph with the gradients of ``loss`` added, called ``grad/<name>`` for each name.

    Args:
        wrt: names or globs of variables, placeholders or other tensors; all variables that the loss depends
            on, where there is none. A gradient that is rows of a table is two tensors, ``…/values`` and
            ``…/indices``.

    Raises:
        TfgError: NOT_FOUND where nothing matches; INVALID_ARGUMENT where the loss does not depend on something that is
            named, or on nothing that matches.
    """
    g = GraphBuilder(graph)
    y = g.tensor(loss)
    names = _matching(graph, wrt) if wrt else variables_behind(graph, y.node)
    if not names:
        raise graph.error_at(invalid(f"{loss!r} depends on no variable", hint="name one: --wrt NAME"), y.node)
    gradients = dict(zip(names, add_gradients(g, [y], [g.tensor(name) for name in names])))
    for name in wrt:
        if name in gradients and gradients[name] is None:
            raise graph.error_at(invalid(f"{loss!r} does not depend on {name!r}"), endpoint(name).node)
    if all(found is None for found in gradients.values()):
        raise graph.error_at(invalid(f"{loss!r} depends on none of {', '.join(map(repr, names))}"), y.node)
    for name, found in gradients.items():
        if found is None:
            continue
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
        differentiable = [n for n in names if graph[n].op in VARIABLES | INPUTS]
        if not differentiable:
            raise nothing_called("variable or placeholder", pattern, graph.index)
        found.update(dict.fromkeys(differentiable))
    return list(found)


def variables_behind(graph: Graph, end: str) -> list[str]:
    """Returns the floating variables that a node depends on by data edges, in file order."""
    behind = ancestors(graph, [end], data_only=True)
    return [n.name for n in graph.nodes if n.name in behind and n.op in VARIABLES and _is_floating(n)]


def _is_floating(node: Node) -> bool:
    dtype = node.attrs.get("dtype")
    return isinstance(dtype, DType) and dtype.is_differentiable
