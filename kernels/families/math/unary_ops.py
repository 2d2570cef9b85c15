"""Elementwise functions of one tensor: signs, powers, roots and rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...builder.broadcast_gradients import conj
from ...core import types
from ...core.registry import Family
from ..elementwise import in_float, like_first, unary, unary_gradient, zeros_where

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__)

neg = unary(family, "Neg", types.SIGNED, "negative", "-{}")
absolute = unary(family, "Abs", "{bfloat16, half, float, double, int8, int16, int32, int64}", "absolute")
sign = unary(family, "Sign", types.SIGNED)
square = unary(family, "Square", types.ARITHMETIC, "square")
sqrt = unary(family, "Sqrt", types.FLOATS_AND_COMPLEX, "sqrt")
rsqrt = unary(family, "Rsqrt", types.FLOATS_AND_COMPLEX)
reciprocal = unary(family, "Reciprocal", types.SIGNED)
inv = unary(family, "Inv", types.SIGNED)
sqrt_grad = unary_gradient(family, "SqrtGrad", types.FLOATS_AND_COMPLEX)
rsqrt_grad = unary_gradient(family, "RsqrtGrad", types.FLOATS_AND_COMPLEX)
reciprocal_grad = unary_gradient(family, "ReciprocalGrad", types.FLOATS_AND_COMPLEX)
inv_grad = unary_gradient(family, "InvGrad", types.FLOATS_AND_COMPLEX)


@neg.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return -dy


@absolute.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Sign(node.inputs[0])


@sign.kernel
def _(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return xp.sign(x)
    size = xp.abs(x).astype(x.dtype)
    return x / xp.where(size == 0, x.dtype.type(1), size)


@sign.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.zeros_like(node.inputs[0])


@square.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = conj(g, node.inputs[0])
    return dy * (x * g.constant(2, x.dtype))


@sqrt.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.SqrtGrad(node.outputs[0], dy)


@rsqrt.kernel
def _(xp: Any, x: Any) -> Any:
    return in_float(xp, lambda x: x.dtype.type(1) / xp.sqrt(x), x)


@rsqrt.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.RsqrtGrad(node.outputs[0], dy)


@reciprocal.kernel
@inv.kernel
def _(xp: Any, x: Any) -> Any:
    return xp.reciprocal(x) if x.dtype.kind in "iu" else x.dtype.type(1) / x


@reciprocal.gradient
@inv.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.ReciprocalGrad(node.outputs[0], dy)


# Gradients in terms of the output y, which is conjugated where it is complex. Where dy is 0 they are 0: the
# infinite slope of a root at 0 must not make NaN of an element that the loss does not depend on.


def _masked_slope(xp: Any, factor: Callable[[Any], Any], y: Any, dy: Any) -> Any:
    return in_float(xp, lambda y, dy: zeros_where(xp, dy == 0, dy * factor(y.conj())), y, dy)


@sqrt_grad.kernel
def _(xp: Any, y: Any, dy: Any) -> Any:
    return _masked_slope(xp, lambda y: y.dtype.type(0.5) / y, y, like_first(y, dy))


@rsqrt_grad.kernel
def _(xp: Any, y: Any, dy: Any) -> Any:
    return _masked_slope(xp, lambda y: y.dtype.type(-0.5) * (y * y * y), y, like_first(y, dy))


@reciprocal_grad.kernel
@inv_grad.kernel
def _(xp: Any, y: Any, dy: Any) -> Any:
    return _masked_slope(xp, lambda y: -y * y, y, like_first(y, dy))


@sqrt_grad.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    scaled = dz / node.inputs[0]
    return -(conj(g, scaled) * node.outputs[0]), scaled * g.constant(0.5, dz.dtype)


@rsqrt_grad.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    y, dy = conj(g, node.inputs[0]), node.inputs[1]
    return conj(g, dz) * dy * g.Square(y) * g.constant(-1.5, dz.dtype), g.RsqrtGrad(y, dz)


@reciprocal_grad.gradient
@inv_grad.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    y, dy = conj(g, node.inputs[0]), node.inputs[1]
    return conj(g, dz) * dy * y * g.constant(-2, dz.dtype), g.ReciprocalGrad(y, dz)


# Rounding. Its gradient is None rather than zeros.

ceil = unary(family, "Ceil", types.FLOATS, "ceil")
floor = unary(family, "Floor", types.FLOATS, "floor")
rint = unary(family, "Rint", types.FLOATS, "rint")
rounding = unary(family, "Round", types.SIGNED)


@rounding.kernel
def _(xp: Any, x: Any) -> Any:
    """Rounds halves to the even neighbour."""
    return x.copy() if x.dtype.kind in "iu" else xp.rint(x)


@ceil.gradient
@floor.gradient
@rint.gradient
@rounding.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> None:
    return None
