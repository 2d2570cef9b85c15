"""Gradients of calls and conditionals: calls and conditionals of the backward parts (``differentiation``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Status, TfgError
from ..core.facts import Fact
from .differentiation import Differentiated, backward_function, differentiate, dy_facts, extend_node, zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.attributes import Function
    from ...graphfmt.dtypes import DType
    from ..builder.graph_builder import GraphBuilder, Tensor
    from ..builder.node_view import GradientNode


def call_gradient(g: GraphBuilder, node: GradientNode, function: Function, dys: Sequence[Any]) -> list[Any]:
    """Adds the gradients of the inputs of a node that calls a function."""
    inputs = node.inputs
    if g.functions().is_recursive(function.name):
        return _recursive_gradient(g, node, function, dys)
    made = differentiate(
        g, node.backpropagate, function, [t.fact for t in inputs], dy_facts(dys), node.wanted
    )
    saved = made.split()
    outputs: list[Tensor] = []
    if saved:
        always = made.instance.always(node.node)
        forward = made.forward_function(f"{function.name}_forward", saved, always=always)
        stateful = g.functions().definition(forward.name).is_stateful
        types = (*made.instance.result_types, *(t.dtype for t in saved))
        kept = {k: v for k, v in node.node.attrs.items() if k.startswith("_") or "Call" in node.node.op}
        attrs = {**kept, "Tin": made.instance.arg_types, "Tout": types, "f": forward}
        outputs = extend_node(g, node, _call_op(stateful), attrs, [t.fact for t in saved])
    backward, given = backward_function(made, f"{function.name}_backward", saved, made.gradients)
    values = [*inputs, *outputs, *(dy for dy in dys if dy is not None)]
    return _call_backward(g, backward, given, values, made.gradients)


def _recursive_gradient(
    g: GraphBuilder, node: GradientNode, function: Function, dys: Sequence[Any]
) -> list[Any]:
    """Adds the gradients of a call of a recursive function: a SymbolicGradient, which is instantiated when it runs,
    to the depth of the calls, and computes the function once more."""
    inputs = node.inputs
    if not all(t.dtype.is_differentiable for t in node.outputs):
        raise TfgError(
            Status.UNIMPLEMENTED,
            f"function {function.name!r} calls itself, and has results without gradients",
        )
    given = [g.zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys)]
    found = g.SymbolicGradient([*inputs, *given], f=function, Tout=[t.dtype for t in inputs])
    return [dx if x.dtype.is_differentiable else None for x, dx in zip(inputs, found)]


def _call_op(stateful: bool) -> str:
    return "StatefulPartitionedCall" if stateful else "PartitionedCall"


def _call_backward(
    g: GraphBuilder,
    backward: Function,
    types: Sequence[DType],
    values: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
) -> list[Any]:
    """Calls a backward part; one gradient per argument, None where there is none."""
    if not types:
        return [None] * len(gradients)
    stateful = g.functions().definition(backward.name).is_stateful
    found = iter(g.add_op(_call_op(stateful), list(values), f=backward, Tout=types, name="call"))
    return [None if gradient is None else next(found) for gradient in gradients]


def branch_gradient(
    g: GraphBuilder, node: GradientNode, names: Sequence[str], dys: Sequence[Any]
) -> list[Any]:
    """Adds the gradients of the inputs of a conditional: a conditional of the backward parts of its branches."""
    given: list[Any] = [node.node.attrs[name] for name in names]
    functions: list[Function] = list(given[0]) if isinstance(given[0], tuple) else given
    condition, *inputs = node.inputs
    facts = [t.fact for t in inputs]
    made = [differentiate(g, node.backpropagate, f, facts, dy_facts(dys), node.wanted[1:]) for f in functions]
    some = [any(m.gradients[i] is not None for m in made) for i in range(len(inputs))]
    for m in made:
        m.gradients = [
            (zeros(m.b, m.args[i]) if gradient is None else gradient) if some[i] else None
            for i, gradient in enumerate(m.gradients)
        ]
    saved = [m.split() for m in made]
    together = [t for values in saved for t in values]
    outputs: list[Tensor] = []
    if together:
        forward = [
            _branch_forward(m, f"{f.name}_forward", saved, k) for k, (m, f) in enumerate(zip(made, functions))
        ]
        types = (*made[0].instance.result_types, *(t.dtype for t in together))
        shapes = (*(f.shape for f in g.facts_of(node.name)), *(t.shape for t in together))
        attrs = {**node.node.attrs, "Tout": types, "output_shapes": shapes, **_branches(names, forward)}
        op = node.node.op
        if any(g.functions().definition(f.name).is_stateful for f in forward):
            op = op.removeprefix("Stateless")
        outputs = extend_node(g, node, op, attrs, [Fact(t.dtype, t.shape) for t in together])
    backward: list[Function] = []
    found: list[DType] = []
    for k, (m, f) in enumerate(zip(made, functions)):
        before = [t for values in saved[:k] for t in values]
        after = [t for values in saved[k + 1 :] for t in values]
        function, found = backward_function(m, f"{f.name}_backward", saved[k], m.gradients, before, after)
        backward.append(function)
    if not found:
        return [None] * (1 + len(inputs))
    stateful = any(g.functions().definition(f.name).is_stateful for f in backward)
    op = node.node.op.removeprefix("Stateless")
    values = g.add_op(
        op if stateful else f"Stateless{op}",
        condition,
        [*inputs, *outputs, *(dy for dy in dys if dy is not None)],
        Tout=found,
        name="branch",
        **_branches(names, backward),
    )
    rest = iter(values)
    return [None, *(next(rest) if there else None for there in some)]


def _branches(names: Sequence[str], functions: Sequence[Function]) -> dict[str, Any]:
    return dict(zip(names, functions)) if len(names) > 1 else {names[0]: tuple(functions)}


def _branch_forward(made: Differentiated, name: str, saved: Sequence[Sequence[Tensor]], own: int) -> Function:
    """Adds the forward part of a branch, with fake results for the saved values of other branches."""
    extra: list[Tensor] = []
    added: list[str] = []
    for k, values in enumerate(saved):
        for tensor in values:
            if k == own:
                extra.append(tensor)
            else:
                extra.append(made.b.FakeParam(dtype=tensor.dtype, shape=tensor.shape, name="other_branch"))
                added.append(extra[-1].node)
    index = made.b.graph().index
    return made.forward_function(name, extra, [index[n] for n in added])
