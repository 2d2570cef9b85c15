"""Select, SelectV2, Maximum, Minimum and ClipByValue: choices between two tensors, element by element."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...builder.broadcast_gradients import sum_to
from ...core import shapes, types
from ...core.registry import Family
from ..elementwise import binary, known_elements, where

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

# the condition may: Select: the condition may be a scalar or choose whole rows; nothing else broadcasts.


def _select_shape(c: ShapeContext) -> Shape:
    condition, t, e = c.inputs()
    data = t.merge(e)
    if condition.rank is None or condition.rank == 0 or data.rank is None:
        return data
    if condition.rank == 1 and data.rank != 1:
        if data.rank == 0:
            raise invalid(f"a condition of shape {condition} cannot choose among scalars")
        Shape((data[0],)).merge(condition)
        return data
    return data.merge(condition)


select = op("Select(condition: bool, t: T, e: T; T: type) -> (output: T)", shape=_select_shape)
select_v2 = op(
    "SelectV2(condition: bool, t: T, e: T; T: type) -> (output: T)",
    shape=shapes.broadcast_inputs,
)


@select.kernel
def _(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    if hasattr(t, "dtype") and t.shape != e.shape:
        raise invalid(f"Select needs t and e of one shape, not {list(t.shape)} and {list(e.shape)}")
    if condition.ndim == 0:
        return t if condition else e
    if condition.shape == t.shape:
        return where(xp, condition, t, e)
    if condition.ndim != 1 or condition.shape != t.shape[:1]:
        raise invalid(f"a condition of shape {list(condition.shape)} cannot choose among {list(t.shape)}")
    return xp.where(condition.reshape(-1, *[1] * (t.ndim - 1)), t, e)


@select_v2.kernel
def _(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    if not hasattr(t, "dtype"):
        return t if condition else e
    return where(xp, condition, t, e)


@select.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    condition = node.inputs[0]
    zeros = g.zeros_like(dz)
    return None, g.Select(condition, dz, zeros), g.Select(condition, zeros, dz)


@select_v2.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    condition, t, e = node.inputs
    zero, out = g.constant(0, dz.dtype), node.outputs[0]
    return (
        None,
        sum_to(g, g.SelectV2(condition, dz, zero), t, out),
        sum_to(g, g.SelectV2(condition, zero, dz), e, out),
    )


# Extremes. NaN takes precedence; where both inputs are equal, the first receives the gradient.

_ORDERED = "{bfloat16, half, float, double, int8, uint8, int16, uint16, int32, uint32, int64, uint64}"
maximum = binary(family, "Maximum", _ORDERED, "maximum")
minimum = binary(family, "Minimum", _ORDERED, "minimum")


def _extreme_gradients(g: GraphBuilder, node: NodeView, dz: Tensor, is_first: Tensor) -> Any:
    x, y = node.inputs
    zero = g.constant(0, dz.dtype)
    dx, dy = g.SelectV2(is_first, dz, zero), g.SelectV2(is_first, zero, dz)
    return sum_to(g, dx, x, y), sum_to(g, dy, y, x)


@maximum.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    return _extreme_gradients(g, node, dz, g.GreaterEqual(*node.inputs))


@minimum.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    return _extreme_gradients(g, node, dz, g.LessEqual(*node.inputs))


maximum.elements(known_elements(max))
minimum.elements(known_elements(min))

# Clipping.


def _clip_shape(c: ShapeContext) -> Shape:
    t = c.input(0)
    return UNKNOWN if t.rank is None else t


clip = op(
    f"ClipByValue(t: T, clip_value_min: T, clip_value_max: T; T: type in {types.NUMBERS}) -> (output: T)",
    shape=_clip_shape,
    allocates_output=True,
)


@clip.bind
def _(b: Binding) -> Any:
    """Omits the checks of the bounds at run time where they are constants."""
    low, high = b.inputs[1].constant, b.inputs[2].constant
    if low is None or high is None or low.ndim or high.ndim or b.input_types[0].is_complex:
        return None
    if low != low or high != high:
        return None
    return partial(_clip, b.xp)


def _clip(xp: Any, t: Any, low: Any, high: Any) -> Any:
    clipped = xp.minimum(t, high)
    return xp.maximum(clipped, low, out=clipped) if clipped.ndim else xp.maximum(clipped, low)


@clip.kernel
def _(xp: Any, t: Any, low: Any, high: Any) -> Any:
    """Clips; the lower bound takes precedence over the upper. Bounds of NaN have no effect, elements of NaN stay."""
    for bound in (low, high):
        if bound.ndim and bound.shape != t.shape:
            raise invalid(
                f"clip_value_min and clip_value_max must be scalars or of the input's shape {list(t.shape)}, "
                f"but are {list(low.shape)} and {list(high.shape)}"
            )
    if t.dtype.kind == "c":
        return _clip_parts(xp, t, low, high)
    if t.dtype.kind not in "iu":
        low, high = _nan_as_unbounded(xp, low, "-inf"), _nan_as_unbounded(xp, high, "inf")
    return _clip(xp, t, low, high)


def _nan_as_unbounded(xp: Any, bound: Any, unbounded: str) -> Any:
    is_nan = bound != bound
    return xp.where(is_nan, bound.dtype.type(unbounded), bound) if is_nan.any() else bound


def _clip_parts(xp: Any, t: Any, low: Any, high: Any) -> Any:
    """Clips real and imaginary parts separately."""
    clipped = xp.empty(t.shape, t.dtype)
    clipped.real = xp.maximum(xp.minimum(t.real, high.real), low.real)
    clipped.imag = xp.maximum(xp.minimum(t.imag, high.imag), low.imag)
    return clipped


@clip.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    t, low, high = node.inputs
    zero, is_low, is_high = g.constant(0, dz.dtype), g.Less(t, low), g.Greater(t, high)
    return (
        g.SelectV2(g.LogicalOr(is_low, is_high), zero, dz),
        sum_to(g, g.SelectV2(is_low, dz, zero), low, t),
        sum_to(g, g.SelectV2(is_high, dz, zero), high, t),
    )
