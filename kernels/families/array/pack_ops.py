"""Pack and Unpack: tensors of one shape stacked along a new axis, and a tensor taken apart along one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Dim, Shape, merge_dim
from ...core.facts import Fact, constant_fact
from ...core.registry import Family
from ...numeric.int_arguments import normalize_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _pack_shape(c: ShapeContext) -> Shape:
    merged = c.input(0)
    for shape in c.inputs()[1:]:
        merged = merged.merge(shape)
    if merged.dims is None:
        return UNKNOWN
    at = normalize_axis(c.attr("axis"), len(merged.dims) + 1)
    return Shape((*merged.dims[:at], len(c.facts), *merged.dims[at:]))


pack = op(
    "Pack(values: N*T; N: int >= 1, T: type, axis: int = 0) -> (output: T)",
    shape=_pack_shape,
    allocates_output=True,
)


@pack.kernel
def _(xp: Any, values: Sequence[Any], *, axis: int) -> Any:
    first = values[0]
    shape = first.shape
    for value in values:
        if value.shape != shape:
            shown = ", ".join(str(Shape(v.shape)) for v in values[:8])
            raise invalid(f"tensors of different shapes {shown} cannot be packed")
    at = normalize_axis(axis, len(shape) + 1)
    if not shape and xp is np and first.dtype != object:
        return np.array(values, first.dtype)
    return xp.stack(values, at)


@pack.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    parts = [c.elements(place) for place in range(len(c.facts))]
    if any(shape.rank != 0 for shape in c.inputs()):
        return None
    return tuple(None if part is None else part[0] for part in parts)


@pack.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor]:
    return g.Unpack(dy, num=len(node.inputs), axis=node.attr("axis"))


def _unpack_shape(c: ShapeContext) -> Sequence[Shape | Fact]:
    count, dims = c.attr("num"), c.input(0).dims
    if dims is None:
        return [UNKNOWN] * count
    if not dims:
        raise invalid("a scalar cannot be unpacked")
    at = normalize_axis(c.attr("axis"), len(dims))
    merge_dim(dims[at], count)
    elements = c.elements(0)
    if len(dims) == 1 and elements is not None:
        return [_scalar_fact(c.dtype(0), element) for element in elements]
    return [Shape((*dims[:at], *dims[at + 1 :]))] * count


def _scalar_fact(dtype: DType, element: Dim) -> Fact:
    """The fact of one element of a shape; its value lets further shapes be computed statically."""
    if element is None:
        return Fact(dtype, SCALAR)
    return constant_fact(np.array(element, dtype.numpy), dtype)


unpack = op("Unpack(value: T; num: int >= 0, T: type, axis: int = 0) -> (output: num*T)", shape=_unpack_shape)


@unpack.kernel
def _(xp: Any, value: Any, *, num: int, axis: int) -> list[Any]:
    if value.ndim == 0:
        raise invalid("a scalar cannot be unpacked")
    at = normalize_axis(axis, value.ndim)
    if value.shape[at] != num:
        raise invalid(f"a tensor of shape {Shape(value.shape)} cannot be unpacked into {num} along axis {at}")
    before = (slice(None),) * at
    return [value[(*before, i, ...)] for i in range(num)]


@unpack.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> Tensor:
    return g.Pack(gradients_or_zeros(g, node, dys), axis=node.attr("axis"))


def gradients_or_zeros(g: GraphBuilder, node: NodeView, dys: Sequence[Tensor | None]) -> list[Tensor]:
    """Returns the gradients of all outputs, zeros for outputs that nothing depends on."""
    return [g.zeros_like(out) if dy is None else dy for out, dy in zip(node.outputs, dys)]
