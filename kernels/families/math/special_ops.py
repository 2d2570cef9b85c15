"""Special functions of one variable: error functions, Bessel functions, and others of scipy.special."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...core import types
from ...core.registry import Family
from ...core.traits import GpuSupport
from ..elementwise import in_float, special_functions, unary

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.registry import Op

family = Family(__name__)


def _declare_special(
    name: str, function: Callable[[Any, Any, Any], Any], gpu: GpuSupport | None = None
) -> Op:
    """Declares an operation whose kernel is ``function(xp, special_functions, x)``."""
    declared = unary(family, name, types.FLOATS, gpu=gpu)

    @declared.kernel
    def _(xp: Any, x: Any) -> Any:
        special = special_functions(xp)
        return in_float(xp, lambda x: function(xp, special, x), x)

    return declared


def _with_value_below_zero(
    function: Callable[[Any, Any, Any], Any], otherwise: float
) -> Callable[[Any, Any, Any], Any]:
    """Wraps a function so that it returns ``otherwise`` for all negative numbers."""
    return lambda xp, s, x: xp.where(x < 0, x.dtype.type(otherwise), function(xp, s, x))


erfc = _declare_special("Erfc", lambda xp, s, x: s.erfc(x))
erfinv = _declare_special("Erfinv", lambda xp, s, x: _erfinv(xp, s, x))
ndtri = _declare_special("Ndtri", lambda xp, s, x: s.ndtri(x))
bessel_i0 = _declare_special("BesselI0", lambda xp, s, x: s.i0(x))
bessel_i0e = _declare_special("BesselI0e", lambda xp, s, x: s.i0e(x))
bessel_i1 = _declare_special("BesselI1", lambda xp, s, x: s.i1(x))
bessel_i1e = _declare_special("BesselI1e", lambda xp, s, x: s.i1e(x))
bessel_j0 = _declare_special("BesselJ0", lambda xp, s, x: s.j0(x))
bessel_j1 = _declare_special("BesselJ1", lambda xp, s, x: s.j1(x))
bessel_k0 = _declare_special("BesselK0", _with_value_below_zero(lambda xp, s, x: s.k0(x), math.inf))
bessel_k0e = _declare_special("BesselK0e", _with_value_below_zero(lambda xp, s, x: s.k0e(x), math.inf))
bessel_k1 = _declare_special("BesselK1", _with_value_below_zero(lambda xp, s, x: s.k1(x), math.inf))
bessel_k1e = _declare_special("BesselK1e", _with_value_below_zero(lambda xp, s, x: s.k1e(x), math.inf))
bessel_y0 = _declare_special("BesselY0", _with_value_below_zero(lambda xp, s, x: s.y0(x), -math.inf))
bessel_y1 = _declare_special("BesselY1", _with_value_below_zero(lambda xp, s, x: s.y1(x), -math.inf))
dawsn = _declare_special("Dawsn", lambda xp, s, x: s.dawsn(x), gpu=GpuSupport.NONE)
fresnel_cos = _declare_special("FresnelCos", lambda xp, s, x: s.fresnel(x)[1], gpu=GpuSupport.NONE)
fresnel_sin = _declare_special("FresnelSin", lambda xp, s, x: s.fresnel(x)[0], gpu=GpuSupport.NONE)
expint = _declare_special("Expint", _with_value_below_zero(lambda xp, s, x: s.expi(x), math.nan))
spence = _declare_special("Spence", lambda xp, s, x: s.spence(x), gpu=GpuSupport.NONE)

# Error functions.

erf = unary(family, "Erf", types.FLOATS)

# erf(x) / x as a quotient of polynomials in x², fitted by least squares to a relative error of 2e-8 for |x| up to
# _ERF_ONE, above which erf is 1 in 32 bits.
_ERF_ONE = 3.925
_ERF_ABOVE = (
    2.0460186e-06,
    2.8484475e-04,
    3.7726036e-03,
    5.2769467e-02,
    1.9059500e-01,
    1.1283791,
)
_ERF_BELOW = (
    3.8047747e-05,
    1.1638707e-03,
    1.4983306e-02,
    1.1418324e-01,
    5.0224316e-01,
    1.0,
)
# The number of elements in one block, so that several passes find them in the first-level cache.
_BLOCK = 16384
# Below this number of elements scipy is faster.
_WORTHWHILE = 2048


@erf.kernel
def _(xp: Any, x: Any) -> Any:
    if x.dtype.itemsize > 4 or x.size < _WORTHWHILE or xp.__name__ != "numpy":
        special = special_functions(xp)
        return in_float(xp, special.erf, x)
    return in_float(xp, lambda x: _erf32(xp, x), x)


def _erf32(xp: Any, x: Any) -> Any:
    flat = x.reshape(-1)
    result = xp.empty(flat.shape, xp.float32)
    for start in range(0, flat.size, _BLOCK):
        y = xp.clip(flat[start : start + _BLOCK], xp.float32(-_ERF_ONE), xp.float32(_ERF_ONE))
        square = y * y
        above, below = _polynomial(xp, _ERF_ABOVE, square), _polynomial(xp, _ERF_BELOW, square)
        xp.multiply(y, above, out=y)
        xp.divide(y, below, out=y)
        xp.clip(y, xp.float32(-1), xp.float32(1), out=result[start : start + _BLOCK])
    return result.reshape(x.shape)


def _polynomial(xp: Any, coefficients: tuple[float, ...], x: Any) -> Any:
    """Evaluates a polynomial by Horner's rule; coefficients start with that of the highest power."""
    total = x * xp.float32(coefficients[0])
    for coefficient in coefficients[1:-1]:
        xp.add(total, xp.float32(coefficient), out=total)
        xp.multiply(total, x, out=total)
    return xp.add(total, xp.float32(coefficients[-1]), out=total)


def _erfinv(xp: Any, s: Any, x: Any) -> Any:
    """Computes the inverse error function, without calling scipy outside [-1, 1], where it takes four hundred times
    as long.
    """
    is_inside = xp.abs(x) < 1
    if is_inside.all():
        return s.erfinv(x)
    outside = xp.where(xp.abs(x) == 1, x * x.dtype.type("inf"), x.dtype.type("nan"))
    return xp.where(is_inside, s.erfinv(xp.where(is_inside, x, x.dtype.type(0))), outside)


@erfc.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * (g.constant(-2 / math.sqrt(math.pi), x.dtype) * g.Exp(-g.Square(x)))


@erf.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * (g.constant(2 / math.sqrt(math.pi), x.dtype) * g.Exp(-g.Square(x)))


@erfinv.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    y = node.outputs[0]
    return dy * (g.constant(math.sqrt(math.pi) / 2, y.dtype) * g.Exp(g.Square(y)))


@ndtri.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    y = node.outputs[0]
    density = g.Exp(g.Square(y) * g.constant(0.5, y.dtype))
    return dy * (g.constant(math.sqrt(2 * math.pi), y.dtype) * density)


# their: Bessel functions. Their derivatives are those of neighbouring order.


@bessel_i0.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * g.BesselI1(node.inputs[0])


@bessel_i0e.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * (g.BesselI1e(x) - g.Sign(x) * node.outputs[0])


def _with_limit_at_zero(
    g: GraphBuilder, x: Tensor, at_zero: float, elsewhere: Callable[[Tensor], Tensor]
) -> Tensor:
    """Replaces a slope whose formula divides by x, at 0, by its limit."""
    is_zero = g.Equal(x, g.constant(0, x.dtype))
    safe = g.SelectV2(is_zero, g.constant(1, x.dtype), x)
    return g.SelectV2(is_zero, g.constant(at_zero, x.dtype), elsewhere(safe))


@bessel_i1.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    """The slope at 0 is 1 as in TensorFlow, although the limit is 1/2."""
    y = node.outputs[0]
    return dy * _with_limit_at_zero(g, node.inputs[0], 1, lambda x: g.BesselI0(x) - y / x)


@bessel_i1e.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    y, x = node.outputs[0], node.inputs[0]
    return dy * _with_limit_at_zero(g, x, 0.5, lambda x: g.BesselI0e(x) - y * (g.Sign(x) + g.Reciprocal(x)))


@bessel_j0.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * -g.BesselJ1(node.inputs[0])


@bessel_j1.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    y = node.outputs[0]
    return dy * _with_limit_at_zero(g, node.inputs[0], 0.5, lambda x: g.BesselJ0(x) - y / x)


@bessel_k0.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * -g.BesselK1(node.inputs[0])


@bessel_k0e.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * (node.outputs[0] - g.BesselK1e(node.inputs[0]))


@bessel_k1.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * (-g.BesselK0(x) - node.outputs[0] / x)


@bessel_k1e.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x, y = node.inputs[0], node.outputs[0]
    return dy * (y * (g.constant(1, x.dtype) - g.Reciprocal(x)) - g.BesselK0e(x))


@bessel_y0.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy * -g.BesselY1(node.inputs[0])


@bessel_y1.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * (g.BesselY0(x) - node.outputs[0] / x)


# Integrals.


@dawsn.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x, y = node.inputs[0], node.outputs[0]
    return dy * (g.constant(1, x.dtype) - g.constant(2, x.dtype) * x * y)


@fresnel_cos.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * g.Cos(g.constant(math.pi / 2, x.dtype) * g.Square(x))


@fresnel_sin.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * g.Sin(g.constant(math.pi / 2, x.dtype) * g.Square(x))


@expint.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    return dy * g.Exp(x) / x


@spence.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    x = node.inputs[0]
    one = g.constant(1, x.dtype)
    slope = g.SelectV2(g.Equal(x, one), -g.constant(1, x.dtype), g.Log(x) / (one - x))
    return dy * slope
