"""Gradients that a node states instead of its operation's: ``_gradient_op_type``, which TensorFlow's
``gradient_override_map`` and ``custom_gradient`` write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....kernels.core import registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.graph import Node
    from ....kernels.builder.graph_builder import GraphBuilder, Tensor
    from ....kernels.builder.node_view import GradientNode
    from ....kernels.core.registry import Op


def overriding_op(g: GraphBuilder, node: Node) -> Op | None:
    """Returns the operation whose gradient a node states; None if it has its own.

    A call of a function has the gradient of the function where its attribute names no operation, as in TensorFlow.

    Raises INVALID_ARGUMENT for any other node whose attribute names a Python function.
    """
    name = node.attrs.get("_gradient_op_type")
    if not isinstance(name, bytes):
        return None
    own, stated = g.op(node.op), name.decode(errors="replace")
    if stated == own.name:
        return None
    found = registry.find(stated)
    if found is not None or any(attr.kind in ("func", "list(func)") for attr in own.signature.attrs):
        return found
    if g.library is not None and node.op in g.library.definitions:
        return None
    raise invalid(
        f"the gradient of {node.name!r} is the custom gradient {stated!r}, a Python function of the program that "
        "made the graph, which the graph does not contain"
    )


def call_overriding(op: Op, g: GraphBuilder, view: GradientNode, dys: Sequence[Tensor | None]) -> Any:
    """Adds the gradients of a node's inputs as if it were of another operation.

    Raises INVALID_ARGUMENT if its inputs, outputs or attributes do not fit that operation.
    """
    mismatch = f"the gradient of {op.name}, which {view.name!r} states, does not fit {view.node.op}"
    if op.gradient_function is None:
        raise invalid(f"operation {op.name}, whose gradient {view.name!r} states, has no gradient")
    try:
        found = op.gradient_function(g, view, *dys)
    except (TypeError, ValueError, LookupError, AttributeError, AssertionError):
        raise invalid(mismatch) from None
    gradients = list(found) if isinstance(found, tuple | list) else [found]
    if len(gradients) != len(view.inputs):
        raise invalid(
            f"{mismatch}: it gives {len(gradients)} gradients, but there are {len(view.inputs)} inputs"
        )
    return gradients
