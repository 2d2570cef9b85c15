"""Exponentials, logarithms, powers, sigmoid and tanh, and Xlogy, Xlog1py and Xdivy, which are 0 where x is 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ...builder.broadcast_gradients import conj, sum_to
from ...core import types
from ...core.registry import Family
from ..elementwise import binary, in_float, like_first, unary, unary_gradient, zeros_where

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding

family = Family(__name__)

exp = unary(family, "Exp", types.FLOATS_AND_COMPLEX, "exp")
expm1 = unary(family, "Expm1", types.FLOATS_AND_COMPLEX, "expm1")
log = unary(family, "Log", types.FLOATS_AND_COMPLEX, "log")
log1p = unary(family, "Log1p", types.FLOATS_AND_COMPLEX, "log1p")
tanh = unary(family, "Tanh", types.FLOATS_AND_COMPLEX, "tanh")
sigmoid = unary(family, "Sigmoid", types.FLOATS_AND_COMPLEX)
tanh_grad = unary_gradient(family, "TanhGrad", types.FLOATS_AND_COMPLEX)
sigmoid_grad = unary_gradient(family, "SigmoidGrad", types.FLOATS_AND_COMPLEX)


@exp.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * conj(g, node.outputs[0])


@expm1.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Exp(conj(g, node.inputs[0]))


@log.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.Reciprocal(conj(g, node.inputs[0]))


@log1p.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = conj(g, node.inputs[0])
    return dy * g.Reciprocal(g.constant(1, x.dtype) + x)


# Sigmoid and tanh.


@sigmoid.kernel
def _(xp: Any, x: Any) -> Any:
    """Computes 1 / (1 + exp(-x)); where exp overflows, the quotient is the correct 0."""

    def squashed(x: Any) -> Any:
        one = x.dtype.type(1)
        if x.ndim == 0:
            return one / (one + xp.exp(-x))
        y = xp.negative(x)
        xp.exp(y, out=y)
        xp.add(y, one, out=y)
        return xp.divide(one, y, out=y)

    return in_float(xp, squashed, x)


@sigmoid.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.SigmoidGrad(conj(g, node.outputs[0]), dy)


@tanh.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return g.TanhGrad(conj(g, node.outputs[0]), dy)


@sigmoid_grad.kernel
def _(xp: Any, y: Any, dy: Any) -> Any:
    def slope(y: Any, dy: Any) -> Any:
        return _multiply_in_place(xp, _multiply_in_place(xp, y.dtype.type(1) - y, y), dy)

    return in_float(xp, slope, y, like_first(y, dy))


@tanh_grad.kernel
def _(xp: Any, y: Any, dy: Any) -> Any:
    def slope(y: Any, dy: Any) -> Any:
        square = y * y
        one = y.dtype.type(1)
        return _multiply_in_place(
            xp, one - square if y.ndim == 0 else xp.subtract(one, square, out=square), dy
        )

    return in_float(xp, slope, y, like_first(y, dy))


def _multiply_in_place(xp: Any, own: Any, factor: Any) -> Any:
    """Returns the product, in the memory of its first factor where that is possible."""
    if own.ndim == 0 or own.shape != factor.shape:
        return own * factor
    return xp.multiply(own, factor, out=own)


@sigmoid_grad.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    y, dy = conj(g, node.inputs[0]), conj(g, node.inputs[1])
    scaled = dz * dy
    return scaled - g.constant(2, dz.dtype) * scaled * y, g.SigmoidGrad(y, dz)


@tanh_grad.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    y, dy = conj(g, node.inputs[0]), conj(g, node.inputs[1])
    return dz * g.constant(-2, dz.dtype) * dy * y, g.TanhGrad(y, dz)


# Powers.

power = binary(
    family, "Pow", "{bfloat16, float, half, double, int8, int16, int32, int64, complex64, complex128}"
)


@power.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind == "i" and x.size and (y < 0).any():
        raise invalid(f"an integer cannot be raised to the negative power {y.min()}")
    return xp.power(x, y)


@power.bind
def _(b: Binding) -> Any:
    """Computes squares and cubes as products, which power would compute by logarithms."""
    exponent = b.inputs[1].constant
    if exponent is None or exponent.size != 1 or exponent.ndim > (b.inputs[0].shape.rank or 0):
        return None
    if exponent.item() == 2:
        return _square
    is_wide = b.input_types[0].is_floating and b.input_types[0].size > 2
    return _cube if exponent.item() == 3 and is_wide else None


def _square(x: Any, exponent: Any) -> Any:
    return x * x


def _cube(x: Any, exponent: Any) -> Any:
    return x * x * x


@power.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = (conj(g, v) for v in node.inputs)
    dx = dz * y * g.Pow(x, y - g.constant(1, y.dtype))
    if x.dtype.is_complex:
        is_safe = g.NotEqual(x, g.constant(0, x.dtype))
    else:
        is_safe = g.Greater(x, g.constant(0, x.dtype))
    logarithm = g.Log(g.SelectV2(is_safe, x, g.constant(1, x.dtype)))
    dy = dz * conj(g, node.outputs[0]) * g.SelectV2(is_safe, logarithm, g.constant(0, x.dtype))
    return sum_to(g, dx, *node.inputs), sum_to(g, dy, *reversed(node.inputs))


# Products and quotients that are 0 where x is 0, whatever y is.

_BY_X = "{half, bfloat16, float, double, complex64, complex128}"
xlogy = binary(family, "Xlogy", _BY_X)
xlog1py = binary(family, "Xlog1py", _BY_X)
xdivy = binary(family, "Xdivy", _BY_X)


@xlogy.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    return in_float(xp, lambda x, y: zeros_where(xp, x == 0, x * xp.log(y)), x, y)


@xlog1py.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    return in_float(xp, lambda x, y: zeros_where(xp, x == 0, x * xp.log1p(y)), x, y)


@xdivy.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    return zeros_where(xp, x == 0, x / y)


def _is_not_zero(g: GraphBuilder, x: Tensor) -> Tensor:
    return g.cast(g.NotEqual(x, g.constant(0, x.dtype)), x.dtype)


@xlogy.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    dx, dy = g.Xlogy(_is_not_zero(g, x), y), g.Xdivy(x, y)
    return sum_to(g, dz * dx, x, y), sum_to(g, dz * dy, y, x)


@xlog1py.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    dx, dy = g.Xlog1py(_is_not_zero(g, x), y), g.Xdivy(x, y + g.constant(1, y.dtype))
    return sum_to(g, dz * dx, x, y), sum_to(g, dz * dy, y, x)


@xdivy.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    dx, dy = g.Xdivy(_is_not_zero(g, x), y), g.Xdivy(-x, g.Square(y))
    return sum_to(g, dz * dx, x, y), sum_to(g, dz * dy, y, x)
