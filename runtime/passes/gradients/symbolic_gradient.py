"""SymbolicGradient: the gradient of a function as a function, made when it is first called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.attributes import Function
from ....graphfmt.errors import invalid
from ....kernels.builder.graph_builder import GraphBuilder
from ....kernels.core.facts import Fact
from ....kernels.functions.differentiation import add_definition, differentiate, placeholder, zeros
from .backpropagation import add_dense_gradients

if TYPE_CHECKING:
    from ....kernels.functions.library import Library


def symbolic_gradient(library: Library, function: Function) -> Function:
    """The function from a function's arguments and its results' gradients to its arguments' gradients: the
    one that the library names, or one that is added to it."""
    registered = library.gradients.get(function.name)
    if registered:
        return Function(registered, function.attrs)
    g = GraphBuilder(library=library)
    instance = library.instance(function)
    if dtypes.variant in instance.result_types:
        raise invalid(f"the gradient of function {function.name!r} is not defined, for it gives a variant")
    facts = [Fact(dtype) for dtype in instance.arg_types]
    dys = [Fact(dtype) if dtype.is_differentiable else None for dtype in instance.result_types]
    made = differentiate(g, add_dense_gradients, function, facts, dys, [True] * len(facts))
    gradients = [(found or zeros(made.b, arg)).name for found, arg in zip(made.gradients, made.args)]
    # The gradients of integer results are arguments too, though none depends on them.
    given = [
        dy or placeholder(made.b, f"dy{j}", Fact(dtype))
        for j, (dy, dtype) in enumerate(zip(made.dys, instance.result_types))
    ]
    return add_definition(
        made.b,
        f"{function.name}_gradient",
        list(made.b.graph().nodes),
        [(a.node, a.dtype) for a in [*made.args, *given]],
        list(zip(gradients, instance.arg_types)),
        always=tuple(dict.fromkeys([*instance.targets, *instance.stateful])),
    )
