"""Gradients of calls: calls of the backward parts of functions, which are made once for each signature."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt import dtypes
from ...graphfmt.attributes import Function
from ...graphfmt.errors import Status, TfgError
from ..core.facts import Fact
from .differentiation import (
    MAX_NESTED,
    NestedTooDeep,
    backward_function,
    differentiate,
    dy_facts,
    extend_node,
)
from .library import key_of_attrs, key_of_facts
from .saved_values import save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.dtypes import DType
    from ..builder.graph_builder import GraphBuilder, Tensor
    from ..builder.node_view import Backpropagate, GradientNode


class CallParts(NamedTuple):
    """A function in two parts.

    Attributes:
        forward: the function with the ``saved`` values as further results; None if there are none.
        saved: the facts of these.
        backward: from the arguments, the saved values, and the gradients of those results that have one, to the
            gradients of those arguments that have one; None if none has.
        gradients: the dtypes of the gradients of all arguments; None where there is none.
    """

    forward: Function | None
    saved: Sequence[Fact]
    backward: Function | None
    gradients: Sequence[DType | None]


class _Call(NamedTuple):
    """The key of the parts of a function: the facts of its arguments and of the gradients of its results, the
    arguments whose gradients are wanted, and the nodes that run with every call."""

    function: Function
    arguments: Sequence[Fact]
    dys: Sequence[Fact | None]
    wanted: Sequence[bool]
    always: Sequence[str]

    @property
    def key(self) -> Any:
        dys = tuple(dy is not None for dy in self.dys)
        facts = key_of_facts([*self.arguments, *(dy for dy in self.dys if dy is not None)])
        attrs = key_of_attrs(self.function.attrs)
        return self.function.name, attrs, dys, facts, tuple(self.wanted), tuple(self.always)


def call_gradient(g: GraphBuilder, node: GradientNode, function: Function, dys: Sequence[Any]) -> list[Any]:
    """Adds the gradients of the inputs of a node that calls a function."""
    library = g.functions()
    inputs = node.inputs
    registered = library.gradients.get(function.name)
    if registered:
        return _registered_gradient(g, node, Function(registered, function.attrs), dys)
    if library.is_recursive(function.name):
        return _recursive_gradient(g, node, function, dys)
    instance = library.instance(function)
    arguments = [
        _signature_of(f) for f in library.narrowed(function.name, instance, [t.fact for t in inputs])
    ]
    call = _Call(function, arguments, dy_facts(dys), node.wanted, instance.always(node.node))
    parts = _parts(g, node.backpropagate, call)
    outputs: list[Tensor] = []
    if parts.forward is not None:
        kept = {k: v for k, v in node.node.attrs.items() if k.startswith("_") or "Call" in node.node.op}
        types = (*instance.result_types, *(fact.dtype for fact in parts.saved))
        attrs = {**kept, "Tin": instance.arg_types, "Tout": types, "f": parts.forward}
        outputs = extend_node(g, node, call_op(g, parts.forward), attrs, parts.saved)
    if parts.backward is None:
        return [None] * len(inputs)
    values = [*inputs, *outputs, *(dy for dy in dys if dy is not None)]
    types = [dtype for dtype in parts.gradients if dtype is not None]
    op = call_op(g, parts.backward)
    found = iter(g.add_op(op, values, f=parts.backward, Tout=types, name="call"))
    return [None if dtype is None else next(found) for dtype in parts.gradients]


def _signature_of(fact: Fact) -> Fact:
    """Returns the fact of an argument without the value of a floating one, on which no shape depends."""
    return fact._replace(constant=None) if fact.dtype.is_differentiable else fact


def _parts(g: GraphBuilder, backpropagate: Backpropagate, call: _Call) -> CallParts:
    """Returns the parts of a function for calls of this kind, which are made for the first of them.

    Raises NestedTooDeep if the calls around it are too many for recursion."""
    library = g.functions()
    found = library.call_parts.get(call.key)
    if found is None:
        make = partial(_make_parts, g, backpropagate, call)
        if len(library.differentiating) > MAX_NESTED:
            raise NestedTooDeep(make)
        found = make()
    return found


def _make_parts(g: GraphBuilder, backpropagate: Backpropagate, call: _Call) -> CallParts:
    name = call.function.name
    made = differentiate(g, backpropagate, call.function, call.arguments, call.dys, call.wanted)
    saved = save(made.b, made.split())
    forward = backward = None
    if saved.results:
        index = made.b.graph().index
        nodes = [index[n] for n in saved.nodes]
        forward = made.forward_function(f"{name}_forward", saved.results, nodes, always=call.always)
    if any(gradient is not None for gradient in made.gradients):
        backward, _ = backward_function(made, f"{name}_backward", saved, made.gradients)
    gradients = [None if gradient is None else gradient.dtype for gradient in made.gradients]
    parts = CallParts(forward, saved.facts, backward, gradients)
    g.functions().call_parts[call.key] = parts
    return parts


def _registered_gradient(
    g: GraphBuilder, node: GradientNode, gradient: Function, dys: Sequence[Any]
) -> list[Any]:
    """Adds a call of the gradient that the library names for a function: from the arguments and the gradients of all
    results, integers included, to the gradients of the arguments."""
    inputs = node.inputs
    types = [t.dtype for t in inputs]
    values = [*inputs, *_all_dys(g, node, dys)]
    g.functions().check(gradient, [t.dtype for t in values], types)
    found = g.add_op(call_op(g, gradient), values, f=gradient, Tout=types, name=gradient.name)
    return [dx if x.dtype.is_differentiable else None for x, dx in zip(inputs, found)]


def _recursive_gradient(
    g: GraphBuilder, node: GradientNode, function: Function, dys: Sequence[Any]
) -> list[Any]:
    """Adds the gradients of a call of a recursive function: a SymbolicGradient, which is instantiated when it runs,
    to the depth of the calls, and computes the function once more."""
    inputs = node.inputs
    if any(t.dtype is dtypes.variant for t in node.outputs):
        raise TfgError(
            Status.UNIMPLEMENTED,
            f"function {function.name!r} calls itself, and has results that are variants",
        )
    values = [*inputs, *_all_dys(g, node, dys)]
    found = g.SymbolicGradient(values, f=function, Tout=[t.dtype for t in inputs])
    return [dx if x.dtype.is_differentiable else None for x, dx in zip(inputs, found)]


def _all_dys(g: GraphBuilder, node: GradientNode, dys: Sequence[Any]) -> list[Tensor]:
    return [g.zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys)]


def call_op(g: GraphBuilder, function: Function) -> str:
    """Returns the operation that calls a function."""
    stateful = g.functions().definition(function.name).is_stateful
    return "StatefulPartitionedCall" if stateful else "PartitionedCall"
