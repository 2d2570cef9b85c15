"""InplaceUpdate, InplaceAdd, InplaceSub, GuaranteeConst and Empty.

Updates are written into a copy of the input: a kernel never modifies a tensor that other nodes may read. The
runtime reuses memory where nothing else reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...numeric.int_arguments import check_allocation, int_vector

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="shape")
op = family.op


def _check_rows(x: Any, rows: Any, values: Any) -> Any:
    """Returns the rows that ``i`` names; numbers beyond the last row wrap around, as in TensorFlow."""
    if rows.ndim != 1:
        raise invalid(f"i must be a vector, but has shape {Shape(rows.shape)}")
    if x.ndim != values.ndim or not x.ndim or x.shape[1:] != values.shape[1:] or len(rows) != len(values):
        raise invalid(
            f"{len(rows)} rows of shape {Shape(x.shape[1:])} are needed, "
            f"but v has shape {Shape(values.shape)}"
        )
    if not len(x) and len(rows):
        raise invalid("x has no rows")
    return rows % max(len(x), 1)


def _declare(name: str, ufunc: str) -> None:
    declared = op(
        f"{name}(x: T, i: int32, v: T; T: type) -> (y: T)", shape=shapes.like_input, allocates_output=True
    )

    @declared.kernel
    def _(xp: Any, x: Any, i: Any, v: Any) -> Any:
        if ufunc and x.dtype.kind in "bO":
            raise invalid(f"{name} does not support data type {dtypes.of_numpy(x.dtype)}")
        rows = _check_rows(x, i, v)
        copy = xp.array(x)
        if ufunc:
            getattr(xp, ufunc).at(copy, rows, v)
        else:
            for row, value in zip(rows.tolist(), v):
                copy[row] = value
        return copy


_declare("InplaceAdd", "add")
_declare("InplaceSub", "subtract")
_declare("InplaceUpdate", "")


guarantee_const = op(
    "GuaranteeConst(input: T; T: type) -> (output: T)", shape=lambda c: c.facts[0], stateful=True
)


@guarantee_const.kernel
def _(xp: Any, x: Any) -> Any:
    return x


@guarantee_const.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy


def _empty_shape(c: ShapeContext) -> Shape:
    c.with_rank(0, 1)
    return c.as_shape(0)


empty = op(
    "Empty(shape: int32; dtype: type, init: bool = false) -> (output: dtype)",
    shape=_empty_shape,
    stateful=True,
    allocates_output=True,
)


@empty.kernel
def _(xp: Any, shape: Any, *, dtype: DType) -> Any:
    """Returns zeros even where ``init`` is false, so that runs repeat."""
    if shape.ndim != 1:
        raise invalid(f"shape must be a vector, but has shape {Shape(shape.shape)}")
    dims = check_allocation(int_vector(shape, "shape"), dtype.numpy.itemsize)
    return np.full(dims, b"", object) if dtype.name == "string" else xp.zeros(dims, dtype.numpy)
