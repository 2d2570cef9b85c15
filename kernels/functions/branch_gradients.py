"""Gradients of conditionals: conditionals of the backward parts of their branches (``differentiation``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .differentiation import Differentiated, backward_function, differentiate, dy_facts, extend_node, zeros
from .saved_values import save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.attributes import Function
    from ...graphfmt.dtypes import DType
    from ..builder.graph_builder import GraphBuilder, Tensor
    from ..builder.node_view import GradientNode
    from .saved_values import SavedValues


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
    saved = [save(m.b, m.split()) for m in made]
    together = [fact for values in saved for fact in values.facts]
    outputs: list[Tensor] = []
    if together:
        forward = [
            _branch_forward(m, f"{f.name}_forward", saved, k) for k, (m, f) in enumerate(zip(made, functions))
        ]
        types = (*made[0].instance.result_types, *(fact.dtype for fact in together))
        shapes = (*(f.shape for f in g.facts_of(node.name)), *(fact.shape for fact in together))
        attrs = {**node.node.attrs, "Tout": types, "output_shapes": shapes, **_branches(names, forward)}
        op = node.node.op
        if any(g.functions().definition(f.name).is_stateful for f in forward):
            op = op.removeprefix("Stateless")
        outputs = extend_node(g, node, op, attrs, together)
    backward: list[Function] = []
    found: list[DType] = []
    for k, (m, f) in enumerate(zip(made, functions)):
        before = [fact for values in saved[:k] for fact in values.facts]
        after = [fact for values in saved[k + 1 :] for fact in values.facts]
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


def _branch_forward(made: Differentiated, name: str, saved: Sequence[SavedValues], own: int) -> Function:
    """Adds the forward part of a branch, with fake results for the saved values of other branches."""
    extra: list[Tensor] = []
    added = list(saved[own].nodes)
    for k, values in enumerate(saved):
        if k == own:
            extra += values.results
            continue
        for fact in values.facts:
            extra.append(made.b.FakeParam(dtype=fact.dtype, shape=fact.shape, name="other_branch"))
            added.append(extra[-1].node)
    index = made.b.graph().index
    return made.forward_function(name, extra, [index[n] for n in added])
