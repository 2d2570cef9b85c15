"""QuantizeAndDequantize in four versions: values rounded to multiples of a scale, in their own dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, vector
from ...core import shapes
from ...core.registry import Family
from ...core.types import FLOATS
from ...numeric.int_arguments import int_scalar

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="num_bits")
op = family.op


def _integer_range(num_bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Returns the least and the greatest integer of so many bits. Raises INVALID_ARGUMENT for impossible widths."""
    most = 62 if signed else 63
    if not 0 < num_bits <= most:
        raise invalid(f"num_bits must be between 1 and {most}, but is {num_bits}")
    if not signed:
        return 0, 2**num_bits - 1
    return -(2 ** (num_bits - 1)) + int(narrow), 2 ** (num_bits - 1) - 1


def _round(xp: Any, x: Any, mode: str) -> Any:
    return xp.floor(x + x.dtype.type(0.5)) if mode == "HALF_UP" else xp.rint(x)


def _fit_scale(xp: Any, low: Any, high: Any, ends: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Returns the scale, its inverse, and the range widened so that the integers' range covers it exactly."""
    dtype = low.dtype.type
    first, last = dtype(ends[0]), dtype(ends[1])
    most = _any_finite_scale(low.dtype)
    from_low = xp.where(first * low > 0, first / low, most)
    from_high = xp.where(last * high > 0, last / high, most)
    by_low = from_low < from_high
    scale = xp.where(by_low, from_low, from_high)
    inverse = xp.where(by_low, low / first, high / last)
    return scale, inverse, xp.where(by_low, low, first * inverse), xp.where(by_low, last * inverse, high)


def _any_finite_scale(dtype: Any) -> Any:
    """Returns a finite scale for a range without extent, whose values are multiplied to zero."""
    return np.finfo(dtype).max if dtype.kind == "f" else dtype.type(3e38)


def _quantize_dequantize(
    xp: Any, x: Any, given_range: tuple[Any, Any] | None, ends: tuple[int, int], mode: str, axis: int
) -> Any:
    if axis < -1 or axis >= x.ndim:
        raise invalid(f"axis {axis} is out of range for a tensor of shape {Shape(x.shape)}")
    if given_range is None and not x.size:
        return x
    low, high = _value_range(xp, x, axis) if given_range is None else given_range
    _check_range(x, low, high, axis, given_range is not None)
    scale, inverse, low, high = _fit_scale(xp, low, high, ends)
    if axis >= 0:
        spread = [-1 if i == axis else 1 for i in range(x.ndim)]
        scale, inverse, low, high = (v.reshape(spread) for v in (scale, inverse, low, high))
    inside = x if given_range is None else xp.maximum(xp.minimum(x, high), low)
    return (_round(xp, inside * scale, mode) * inverse).astype(x.dtype)


def _value_range(xp: Any, x: Any, axis: int) -> tuple[Any, Any]:
    others = None if axis < 0 else tuple(i for i in range(x.ndim) if i != axis)
    return xp.asarray(x.min(axis=others)), xp.asarray(x.max(axis=others))


def _check_range(x: Any, low: Any, high: Any, axis: int, given: bool) -> None:
    wanted = () if axis < 0 else (x.shape[axis],)
    for value in (low, high):
        if value.shape != wanted and not (axis < 0 and value.size == 1):
            raise invalid(f"the range must be of shape {Shape(wanted)}, but is of {Shape(value.shape)}")
    if given and (low > high).any():
        raise invalid(f"the range's lower end {low} must not be above its upper end {high}")


def _shape(c: ShapeContext) -> Shape:
    """The shape of the input; the range must be a scalar, or a vector along the axis."""
    axis = c.attr("axis")
    if axis < -1:
        raise invalid(f"axis must be -1 or count from the front, but is {axis}")
    shape = c.input(0) if axis < 0 else c.with_rank_at_least(0, axis + 1)
    wanted = SCALAR if axis < 0 else vector(shape[axis])
    for key in ("input_min", "input_max"):
        c.input(key).merge(wanted)
    return shape


_RANGE = f"T: type in {FLOATS}"
_ROUNDING = "round_mode: string in {'HALF_TO_EVEN', 'HALF_UP'} = \"HALF_TO_EVEN\""

first = op(
    "QuantizeAndDequantize(input: T; signed_input: bool = true, num_bits: int = 8, "
    f"range_given: bool = false, input_min: float = 0, input_max: float = 0, {_RANGE}) -> (output: T)",
    shape=shapes.like_input,
    allocates_output=True,
)


@first.kernel
def _(
    xp: Any,
    x: Any,
    *,
    signed_input: bool,
    num_bits: int,
    range_given: bool,
    input_min: float,
    input_max: float,
) -> Any:
    given_range = (xp.asarray(input_min, x.dtype), xp.asarray(input_max, x.dtype)) if range_given else None
    return _quantize_dequantize(
        xp, x, given_range, _integer_range(num_bits, signed_input, False), "HALF_TO_EVEN", -1
    )


def _declare_with_rounding(name: str) -> Any:
    declared = op(
        f"{name}(input: T, input_min: T, input_max: T; signed_input: bool = true, num_bits: int = 8, "
        f"range_given: bool = false, {_RANGE}, {_ROUNDING}, narrow_range: bool = false, axis: int = -1) -> "
        "(output: T)",
        shape=_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(
        xp: Any,
        x: Any,
        low: Any,
        high: Any,
        *,
        signed_input: bool,
        num_bits: int,
        range_given: bool,
        round_mode: str,
        narrow_range: bool,
        axis: int,
    ) -> Any:
        ends = _integer_range(num_bits, signed_input, narrow_range)
        return _quantize_dequantize(xp, x, (low, high) if range_given else None, ends, round_mode, axis)

    return declared


second = _declare_with_rounding("QuantizeAndDequantizeV2")
fourth = _declare_with_rounding("QuantizeAndDequantizeV4")


third = op(
    "QuantizeAndDequantizeV3(input: T, input_min: T, input_max: T, num_bits: int32; "
    f"signed_input: bool = true, range_given: bool = true, {_RANGE}, "
    "narrow_range: bool = false, axis: int = -1) -> (output: T)",
    shape=_shape,
    allocates_output=True,
)


@third.kernel
def _(
    xp: Any,
    x: Any,
    low: Any,
    high: Any,
    num_bits: Any,
    *,
    signed_input: bool,
    range_given: bool,
    narrow_range: bool,
    axis: int,
) -> Any:
    ends = _integer_range(int_scalar(num_bits, "num_bits"), signed_input, narrow_range)
    return _quantize_dequantize(xp, x, (low, high) if range_given else None, ends, "HALF_TO_EVEN", axis)


@first.gradient
@second.gradient
@third.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    """Passes the gradient straight through, as if values were not rounded."""
    return [dy, *[None] * (len(node.inputs) - 1)]


@fourth.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor]:
    return g.QuantizeAndDequantizeV4Grad(dy, *node.inputs, axis=node.attr("axis"))


def _v4_gradient_shapes(c: ShapeContext) -> list[Shape]:
    axis = c.attr("axis")
    shape = c.input("input").merge(c.input("gradients"))
    wanted = SCALAR if axis < 0 else vector(None if shape.dims is None else shape[axis])
    return [shape, *(c.input(key).merge(wanted) for key in ("input_min", "input_max"))]


fourth_gradient = op(
    f"QuantizeAndDequantizeV4Grad(gradients: T, input: T, input_min: T, input_max: T; {_RANGE}, "
    "axis: int = -1) -> (input_backprop: T, input_min_backprop: T, input_max_backprop: T)",
    shape=_v4_gradient_shapes,
    allocates_output=True,
)


@fourth_gradient.kernel
def _(xp: Any, dy: Any, x: Any, low: Any, high: Any, *, axis: int) -> Any:
    if dy.shape != x.shape:
        raise invalid(
            f"gradients must have the shape {Shape(x.shape)} of the input, but have {Shape(dy.shape)}"
        )
    if axis >= x.ndim:
        raise invalid(f"axis {axis} is out of range for a tensor of shape {Shape(x.shape)}")
    _check_range(x, low, high, axis, given=False)
    spread = [-1 if i == axis else 1 for i in range(x.ndim)]
    outside = (x < low.reshape(spread)) | (x > high.reshape(spread))
    return xp.where(outside, dy.dtype.type(0), dy), xp.zeros_like(low), xp.zeros_like(high)


@fourth_gradient.gradient
def _(
    g: GraphBuilder, node: NodeView, dx: Tensor | None, dlow: Tensor | None, dhigh: Tensor | None
) -> list[Tensor | None]:
    """Differentiates the gradient, which is linear in dy; the range has no gradient."""
    _, *where = node.inputs
    if dx is None:
        return [None] * 4
    return [g.QuantizeAndDequantizeV4Grad(dx, *where, axis=node.attr("axis"))[0], None, None, None]
