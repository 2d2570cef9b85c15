"""Diag and DiagPart: tensors of rank 2 n whose elements off the diagonal are zero, and their diagonals of rank n."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...numeric.int_arguments import check_allocation

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _diag_shape(c: ShapeContext) -> Shape:
    shape = c.with_rank_at_least(0, 1)
    return UNKNOWN if shape.dims is None else Shape(shape.dims * 2)


_DIAGONALS = "T: type in {bfloat16, half, float, double, int32, int64, complex64, complex128}"

diag = op(f"Diag(diagonal: T; {_DIAGONALS}) -> (output: T)", shape=_diag_shape, allocates_output=True)


@diag.kernel
def _(xp: Any, x: Any) -> Any:
    if x.ndim == 0:
        raise invalid("the diagonal must be of rank 1 or more, not a scalar")
    matrix = xp.zeros(check_allocation((x.size, x.size), x.dtype.itemsize), x.dtype)
    matrix.reshape(-1)[:: x.size + 1] = x.reshape(-1)
    return matrix.reshape(x.shape * 2)


@diag.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.DiagPart(dy)


def _diag_part_shape(c: ShapeContext) -> Shape:
    dims = c.input(0).dims
    if dims is None:
        return UNKNOWN
    if len(dims) % 2 or not dims:
        raise invalid(f"a tensor of shape {c.input(0)} has no diagonal: its rank must be even and positive")
    half = len(dims) // 2
    return Shape(dims[:half]).merge(Shape(dims[half:]))


diag_part = op(
    f"DiagPart(input: T; {_DIAGONALS}) -> (diagonal: T)", shape=_diag_part_shape, allocates_output=True
)


@diag_part.kernel
def _(xp: Any, x: Any) -> Any:
    half = x.ndim // 2
    dims = x.shape[:half]
    if not half or dims * 2 != x.shape:
        raise invalid(
            f"a tensor of shape {Shape(x.shape)} has no diagonal: its shape must be two equal halves"
        )
    size = int(np.prod(dims))
    return x.reshape(-1)[:: size + 1].reshape(dims).copy()


@diag_part.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.Diag(dy)
