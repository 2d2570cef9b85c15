"""Gradients of functions, for the operations that call them.

A function is split in two. Its forward part is the function with the values that the gradients need as further
results; the backward part takes the arguments, those values and the gradients of the results, and returns the
gradients of the arguments. So nothing runs twice, and the gradients see the random numbers and the variables' values
that the forward part saw. The node calls the forward part from then on; its first outputs stay what they were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.attributes import Function
from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import Endpoint, Node, endpoint
from ...graphfmt.traversal import reachable_from
from ..builder.function_builder import definition, output_names, unique_function_name
from ..builder.graph_builder import GraphBuilder, NodeView, Tensor
from ..core.facts import Fact, carries_gradient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...graphfmt.dtypes import DType
    from ..builder.node_view import Backpropagate
    from .instantiation import Instance
    from .library import Library
    from .saved_values import SavedValues


# The name of arguments that have a value only if another branch was taken, so that zeros cannot be made from them.
_OTHER = "of_other_branch"


def zeros(g: GraphBuilder, tensor: Tensor) -> Tensor:
    """Adds zeros as the gradient of a tensor; for a variable's handle, of the shape of the variable."""
    fact = tensor.fact
    if fact.dtype.name == "resource" and fact.handle is not None:
        zero = g.constant(0, fact.handle.dtype)
        if fact.handle.shape.is_fully_known:
            return g.Fill(g.constant(np.array(fact.handle.shape.known(), np.int32)), zero)
        return g.Fill(g.VariableShape(tensor), zero)
    if fact.dtype.name == "resource":
        raise invalid(f"the gradient of {tensor.name!r} is not defined, because it is no known variable")
    if fact.dtype.name == "variant" and tensor.node.startswith(_OTHER):
        return g.FakeParam(dtype=fact.dtype, shape=fact.shape)
    if fact.dtype.is_differentiable and fact.shape.is_fully_known:
        return g.Fill(g.shape_of(tensor), g.constant(0, fact.dtype))
    return g.zeros_like(tensor)


@dataclass
class Differentiated:
    """The body of a function with gradients added: ``gradients[i]`` is that of argument i, ``dys[j]`` is the
    placeholder for the gradient of result j."""

    b: GraphBuilder
    instance: Instance
    function: Function
    dys: list[Tensor | None]
    gradients: list[Tensor | None]
    forward: set[str] = field(default_factory=set[str])

    @property
    def args(self) -> list[Tensor]:
        return [Tensor(self.b, name) for name in self.instance.args]

    def split(self, *, kept_args: Iterable[int] | None = None) -> list[Tensor]:
        """Finds the nodes of the forward part; returns the values of theirs that the gradients read:
        arguments are not among those, unless ``kept_args`` says which of them the backward part is given."""
        index = self.b.graph().index
        self.forward = _ancestors(index, [n.name for n in self.instance.graph.nodes])
        given = set(range(len(self.instance.args)) if kept_args is None else kept_args)
        free = {self.instance.args[i] for i in given}
        read: dict[Endpoint, None] = {}
        for name in self._backward_names():
            for source in index[name].data_inputs:
                if source.node in self.forward and source.node not in free:
                    read[source] = None
        for gradient in self.gradients:
            if gradient is not None and gradient.node in self.forward and gradient.node not in free:
                read[Endpoint(gradient.node, gradient.port)] = None
        return [
            tensor
            for tensor in (Tensor(self.b, e.node, e.port) for e in read)
            if not self._is_copied(tensor, index[tensor.node])
        ]

    def _is_copied(self, tensor: Tensor, node: Node) -> bool:
        """True if the backward part has its own copy of a forward node."""
        if tensor.dtype.name == "resource" and node.op != "VarHandleOp":
            raise invalid(
                f"function {self.function.name!r} has no gradient, because that would need "
                f"the resource {tensor.name!r} again"
            )
        return (node.op == "Const" and not node.inputs) or node.op == "VarHandleOp"

    def _backward_names(self) -> list[str]:
        index = self.b.graph().index
        ends = [t.node for t in self.gradients if t is not None and t.node not in self.forward]
        found: dict[str, None] = {}
        while ends:
            name = ends.pop()
            if name not in found:
                found[name] = None
                ends += [e.node for e in index[name].data_inputs if e.node not in self.forward]
        return [name for name in index if name in found]

    def forward_function(
        self,
        name: str,
        extra: Sequence[Tensor],
        add: Sequence[Node] = (),
        always: Sequence[str] | None = None,
    ) -> Function:
        """Adds the forward part, with ``extra`` results; ``add`` are nodes that only those need, ``always``
        those that run with every call if it is not the function's control results."""
        b, instance = self.b, self.instance
        index = b.graph().index
        nodes = [index[n] for n in index if n in self.forward]
        return add_definition(
            b,
            name,
            [*nodes, *add],
            list(zip(instance.args, instance.arg_types)),
            [*zip(instance.results, instance.result_types), *((t.name, t.dtype) for t in extra)],
            always=instance.targets if always is None else always,
        )

    def backward_nodes(self, saved: Sequence[tuple[Tensor, str]]) -> list[Node]:
        """Returns the nodes of the backward part, which read ``saved`` tensors under other names."""
        index = self.b.graph().index
        renamed = {tensor.name: name for tensor, name in saved}
        nodes = [index[name] for name in self._backward_names()]
        read = {e.node for n in nodes for e in n.data_inputs} | {
            t.node for t in self.gradients if t is not None
        }
        copied = [n for name, n in index.items() if name in read and name in self.forward and _is_source(n)]
        return [
            *copied,
            *(
                Node(
                    n.name,
                    n.op,
                    tuple(
                        renamed.get(t, t)
                        for t in n.inputs
                        if not t.startswith("^") or t[1:] not in self.forward
                    ),
                    n.attrs,
                    n.device,
                )
                for n in nodes
            ),
        ]


def _is_source(node: Node) -> bool:
    return node.op == "VarHandleOp" or (node.op == "Const" and not node.inputs)


def _ancestors(index: Any, names: Iterable[str]) -> set[str]:
    return set(reachable_from(names, lambda name: [endpoint(text).node for text in index[name].inputs]))


def add_definition(
    b: GraphBuilder,
    name: str,
    nodes: Sequence[Node],
    arguments: Sequence[tuple[str, DType]],
    results: Sequence[tuple[str, DType]],
    always: Sequence[str] = (),
) -> Function:
    """Adds a function to the library that a builder shares."""
    given = {a for a, _ in arguments}
    stateful = any(b.op(n.op).stateful for n in nodes if n.name not in given)
    made = definition(
        unique_function_name(b, name),
        nodes,
        arguments,
        results,
        lambda node: output_names(b, node),
        always=always,
        is_stateful=stateful,
    )
    b.add_function(made)
    return Function(made.name)


def placeholder(b: GraphBuilder, name: str, fact: Fact) -> Tensor:
    """Adds a placeholder with these facts."""
    node = Node(b.unique_name(name), "Placeholder", attrs={"dtype": fact.dtype, "shape": fact.shape})
    b.replace_node(node, (fact,))
    return Tensor(b, node.name)


class NestedTooDeep(BaseException):
    """Raised where functions call functions deeper than Python can recurse, before anything is changed: what ``make``
    makes is needed first. It is no error, so nothing that handles errors catches it."""

    def __init__(self, make: Callable[[], object]) -> None:
        super().__init__()
        self.make = make


# The depth of calls up to which the functions below are differentiated by recursion.
MAX_NESTED = 8


def differentiate(
    g: GraphBuilder,
    backpropagate: Backpropagate,
    function: Function,
    facts: Sequence[Fact],
    dys: Sequence[Fact | None],
    wanted: Sequence[bool],
) -> Differentiated:
    """Adds the gradients of a function's arguments to its body.

    Args:
        backpropagate: the gradient engine (``GradientNode.backpropagate``).
        facts: those of the arguments.
        dys: the facts of the gradients of the results; None for zeros.
        wanted: for each argument, False if nothing depends on its gradient.

    Raises UNIMPLEMENTED for a function that calls itself.
    """
    library = g.functions()

    def make() -> Differentiated:
        if function.name in library.differentiating:
            raise TfgError(
                Status.UNIMPLEMENTED, f"function {function.name!r} calls itself, and has no gradient"
            )
        library.differentiating.append(function.name)
        try:
            return _differentiated(g, backpropagate, function, facts, dys, wanted)
        finally:
            library.differentiating.pop()

    return make() if library.differentiating else _innermost_first(library, make)


def _innermost_first(library: Library, make: Callable[[], Differentiated]) -> Differentiated:
    """Returns what ``make`` makes, after what is needed first."""
    waiting: list[Callable[[], object]] = []
    # A name that no function has: all calls of ``differentiate`` meanwhile are nested ones.
    library.differentiating.append("")
    try:
        while True:
            try:
                if not waiting:
                    return make()
                waiting[-1]()
                waiting.pop()
            except NestedTooDeep as deeper:
                waiting.append(deeper.make)
    finally:
        library.differentiating.pop()


def _differentiated(
    g: GraphBuilder,
    backpropagate: Backpropagate,
    function: Function,
    facts: Sequence[Fact],
    dys: Sequence[Fact | None],
    wanted: Sequence[bool],
) -> Differentiated:
    instance = g.functions().instance(function)
    given = {name: (fact,) for name, fact in zip(instance.args, facts)}
    b = GraphBuilder(instance.graph, given=given, library=g.functions())
    starts = [None if fact is None else placeholder(b, f"dy{j}", fact) for j, fact in enumerate(dys)]
    pairs = [(b.tensor(text), dy) for text, dy in zip(instance.results, starts) if dy is not None]
    xs = [
        (i, b.tensor(name))
        for i, name in enumerate(instance.args)
        if wanted[i] and carries_gradient(instance.arg_types[i])
    ]
    found = backpropagate(b, [y for y, _ in pairs], [x for _, x in xs], [dy for _, dy in pairs])
    gradients: list[Tensor | None] = [None] * len(instance.args)
    for (i, _), gradient in zip(xs, found):
        gradients[i] = gradient
    return Differentiated(b, instance, function, starts, gradients)


def extend_node(
    g: GraphBuilder, node: NodeView, op: str, attrs: dict[str, Any], facts: Sequence[Fact]
) -> list[Tensor]:
    """Gives a node further outputs with these facts; returns them."""
    old = g.facts_of(node.name)
    g.replace_node(Node(node.name, op, node.node.inputs, attrs, node.node.device), (*old, *facts))
    return [Tensor(g, node.name, port) for port in range(len(old), len(old) + len(facts))]


def dy_facts(dys: Sequence[Any]) -> list[Fact | None]:
    return [None if dy is None else Fact(dy.dtype, dy.shape, handle=dy.fact.handle) for dy in dys]


def backward_function(
    made: Differentiated,
    name: str,
    saved: SavedValues,
    gradients: Sequence[Tensor | None],
    before: Sequence[Fact] = (),
    after: Sequence[Fact] = (),
) -> tuple[Function, list[DType]]:
    """Adds the backward part: from all arguments, the saved values (those of other branches ``before`` and
    ``after`` them) and the gradients of results, to those gradients that there are; and their types."""
    b = made.b
    others = [placeholder(b, _OTHER, fact) for fact in before]
    own = [placeholder(b, "saved", fact) for fact in saved.facts]
    rest = [placeholder(b, _OTHER, fact) for fact in after]
    values, readers = saved.unpack(b, own)
    renamed = {t.name: value.name for t, value in zip(saved.values, values)}
    nodes = made.backward_nodes([(t, renamed[t.name]) for t in saved.values])
    arguments = [*made.args, *others, *own, *rest, *(dy for dy in made.dys if dy is not None)]
    found = [(renamed.get(t.name, t.name), t.dtype) for t in gradients if t is not None]
    index = b.graph().index
    function = add_definition(
        b,
        name,
        [*nodes, *(index[n] for n in readers), *(index[a.node] for a in arguments)],
        [(a.node, a.dtype) for a in arguments],
        found,
    )
    return function, [dtype for _, dtype in found]
