"""Transpose, ConjugateTranspose and InvertPermutation."""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, unknown_dims
from ...core.registry import Family, Op
from ...core.types import INDEX
from ...numeric.int_arguments import int_vector

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="perm")
op = family.op


def _check_permutation(perm: Any, rank: int) -> tuple[int, ...]:
    """Returns the permutation with axes counted from the front.

    Raises INVALID_ARGUMENT unless it is one of this rank.
    """
    order = int_vector(perm, "perm")
    normalized = tuple(axis + rank if axis < 0 else axis for axis in order)
    if sorted(normalized) != list(range(rank)):
        raise invalid(f"{list(order)} is not a permutation of the {rank} axes of the tensor")
    return normalized


def _transpose_shape(c: ShapeContext) -> Shape:
    dims, perm = c.input(0).dims, c.constant(1)
    if c.input(1).rank not in (None, 0, 1):
        raise invalid(f"perm must be a vector, but has shape {c.input(1)}")
    count = c.input(1).size
    rank = len(dims) if dims is not None else count
    if rank is None:
        return UNKNOWN
    if count not in (None, rank) and not (rank <= 1 and c.input(1).rank == 0):
        raise invalid(f"perm has {count} elements, but the tensor has shape {c.input(0)}")
    if perm is None or dims is None:
        return Shape(unknown_dims(rank))
    return Shape(tuple(dims[axis] for axis in _check_permutation(perm, rank)))


def _inverse_permutation(g: GraphBuilder, perm: Tensor) -> Tensor:
    order = perm.fact.constant
    if order is not None:
        return g.constant(np.argsort(order % max(order.size, 1)).astype(order.dtype))
    return g.InvertPermutation(perm)


def _declare(name: str, finish: Callable[[Any, Any], Any] | None) -> Op:
    """Declares Transpose, or a variant that applies ``finish`` to every element."""
    transpose = op(
        f"{name}(x: T, perm: Tperm; T: type, Tperm: type in {INDEX} = int32) -> (y: T)",
        shape=_transpose_shape,
    )

    @transpose.kernel
    def _(xp: Any, x: Any, perm: Any) -> Any:
        y = x.transpose(_check_permutation(perm, x.ndim))
        return finish(xp, y) if finish else y

    @transpose.bind
    def _(b: Binding) -> Any:
        shape, perm = b.inputs[0].shape, b.inputs[1].constant
        if perm is None or shape.rank is None or finish:
            return None
        move = methodcaller("transpose", _check_permutation(perm, shape.rank))

        def moved(x: Any, perm: Any) -> Any:
            return move(x)

        return moved

    @transpose.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
        return g.add_op(name, dy, _inverse_permutation(g, node.inputs[1])), None

    return transpose


def _conjugate(xp: Any, x: Any) -> Any:
    return xp.conj(x) if x.dtype.kind == "c" else x


_declare("Transpose", None)
_declare("ConjugateTranspose", _conjugate)


invert_permutation = op(
    f"InvertPermutation(x: T; T: type in {INDEX} = int32) -> (y: T)",
    shape=lambda c: c.with_rank(0, 1),
    differentiable=False,
    allocates_output=True,
)


@invert_permutation.kernel
def _(xp: Any, x: Any) -> Any:
    if x.ndim != 1:
        raise invalid(f"a permutation must be a vector, but has shape {Shape(x.shape)}")
    numbers = xp.arange(x.size, dtype=x.dtype)
    if bool((xp.sort(x) != numbers).any()):
        raise invalid(f"{x.tolist()[:32]} is not a permutation of the numbers below {x.size}")
    y = xp.empty_like(x)
    y[x] = numbers
    return y
