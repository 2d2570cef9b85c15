"""FakeQuantWithMinMaxArgs, Vars and VarsPerChannel: rounding to 2^num_bits steps, with straight-through gradients.

Simulates quantized inference during training: Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Dim, Shape, merge_dim, vector
from ...core import shapes
from ...core.registry import Family

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_ATTRS = "num_bits: int = 8, narrow_range: bool = false"
_float = np.float32


class _NudgedRange(NamedTuple):
    """A range shifted so that zero is one of its steps."""

    low: Any
    high: Any
    scale: Any
    zero: Any


def _nudge_range(xp: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> _NudgedRange:
    if not 2 <= num_bits <= 16:
        raise invalid(f"num_bits must be between 2 and 16, but is {num_bits}")
    first, last = _float(1 if narrow_range else 0), _float(2**num_bits - 1)
    scale = (high - low) / (last - first)
    zero = first - low / scale
    rounded = xp.floor(zero + _float(0.5))
    zero = xp.where(zero < first, first, xp.where(zero > last, last, rounded)).astype(_float)
    return _NudgedRange((first - zero) * scale, (last - zero) * scale, scale, zero)


def _is_empty(xp: Any, low: Any, high: Any) -> Any:
    """True where a range is [0, 0], that is, not yet known."""
    return (low == 0) & (high == 0)


def _fake_quantize(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> Any:
    limits = _nudge_range(xp, low, high, num_bits, narrow_range)
    inverse = _float(1) / limits.scale
    start = xp.floor(-limits.low * inverse + _float(0.5))
    clamped = xp.maximum(xp.minimum(x, limits.high), limits.low)
    steps = xp.floor((clamped - limits.low) * inverse - start + _float(0.5))
    return xp.where(_is_empty(xp, low, high), _float(0), steps * limits.scale).astype(_float)


def _masks(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any]:
    """Returns masks of the elements below and above the range."""
    limits = _nudge_range(xp, low, high, num_bits, narrow_range)
    known = ~_is_empty(xp, low, high)
    return (x < limits.low) & known, (x > limits.high) & known


def _check_same_shape(dy: Any, x: Any) -> None:
    if dy.shape != x.shape:
        raise invalid(f"gradients must have the shape {Shape(x.shape)} of inputs, but have {Shape(dy.shape)}")


# The range as attributes.


def _range_arrays(low: float, high: float) -> tuple[Any, Any]:
    if low >= high:
        raise invalid(f"min must be below max, but they are {low} and {high}")
    return _float(low), _float(high)


with_args = op(
    f"FakeQuantWithMinMaxArgs(inputs: float; min: float = -6, max: float = 6, {_ATTRS}) -> (outputs: float)",
    shape=shapes.like_input,
    allocates_output=True,
)


@with_args.kernel
def _(xp: Any, x: Any, *, min: float, max: float, num_bits: int, narrow_range: bool) -> Any:
    return _fake_quantize(xp, x, *_range_arrays(min, max), num_bits, narrow_range)


@with_args.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    attrs = {name: node.attr(name) for name in ("min", "max", "num_bits", "narrow_range")}
    return g.FakeQuantWithMinMaxArgsGradient(dy, node.inputs[0], **attrs)


with_args_gradient = op(
    "FakeQuantWithMinMaxArgsGradient(gradients: float, inputs: float; min: float = -6, max: float = 6, "
    f"{_ATTRS}) -> (backprops: float)",
    shape=shapes.like_all_inputs,
    differentiable=False,
    allocates_output=True,
)


@with_args_gradient.kernel
def _(xp: Any, dy: Any, x: Any, *, min: float, max: float, num_bits: int, narrow_range: bool) -> Any:
    _check_same_shape(dy, x)
    below, above = _masks(xp, x, *_range_arrays(min, max), num_bits, narrow_range)
    return xp.where(below | above, _float(0), dy)


# The range as inputs: one for all elements, or one per channel.


def _vars_shape(c: ShapeContext) -> Shape:
    c.with_rank(1, 0)
    c.with_rank(2, 0)
    return c.input(0)


def _channels_shape(c: ShapeContext) -> Shape:
    return _with_channels(c, c.with_rank_at_least(0, 1))


def _with_channels(c: ShapeContext, shape: Shape) -> Shape:
    size: Dim = merge_dim(c.with_rank("min", 1)[0], c.with_rank("max", 1)[0])
    if shape.dims is None:
        return shape
    return Shape((*shape.dims[:-1], merge_dim(shape.dims[-1], size)))


def _vars_gradient_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank(2, 0)
    c.with_rank(3, 0)
    return [c.input(0).merge(c.input(1)), SCALAR, SCALAR]


def _channels_gradient_shape(c: ShapeContext) -> list[Shape]:
    shape = _with_channels(c, c.with_rank_at_least(0, 1).merge(c.with_rank_at_least(1, 1)))
    size = merge_dim(c.with_rank("min", 1)[0], c.with_rank("max", 1)[0])
    size = size if shape.dims is None else shape.dims[-1]
    return [shape, vector(size), vector(size)]


def _declare(
    name: str,
    shape: Callable[[ShapeContext], Shape],
    gradient_shape: Callable[[ShapeContext], list[Shape]],
    per_channel: bool,
) -> None:
    def check(x: Any, low: Any, high: Any) -> None:
        wanted = x.shape[-1:] if per_channel else ()
        if (per_channel and not x.ndim) or low.shape != wanted or high.shape != wanted:
            raise invalid(
                f"min and max for inputs of shape {Shape(x.shape)} must be of shape {Shape(wanted)}, "
                f"but are of {Shape(low.shape)} and {Shape(high.shape)}"
            )

    forward = op(
        f"{name}(inputs: float, min: float, max: float; {_ATTRS}) -> (outputs: float)",
        shape=shape,
        allocates_output=True,
    )

    @forward.kernel
    def _(xp: Any, x: Any, low: Any, high: Any, *, num_bits: int, narrow_range: bool) -> Any:
        check(x, low, high)
        return _fake_quantize(xp, x, low, high, num_bits, narrow_range)

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor]:
        attrs = {key: node.attr(key) for key in ("num_bits", "narrow_range")}
        return g.add_op(f"{name}Gradient", dy, *node.inputs, **attrs)

    backward = op(
        f"{name}Gradient(gradients: float, inputs: float, min: float, max: float; {_ATTRS}) -> "
        "(backprops_wrt_input: float, backprop_wrt_min: float, backprop_wrt_max: float)",
        shape=gradient_shape,
        differentiable=False,
        allocates_output=True,
    )

    @backward.kernel
    def _(xp: Any, dy: Any, x: Any, low: Any, high: Any, *, num_bits: int, narrow_range: bool) -> Any:
        _check_same_shape(dy, x)
        check(x, low, high)
        below, above = _masks(xp, x, low, high, num_bits, narrow_range)
        axes = tuple(range(x.ndim - 1 if per_channel else x.ndim))
        sums = [xp.where(mask, dy, _float(0)).sum(axis=axes, dtype=_float) for mask in (below, above)]
        return xp.where(below | above, _float(0), dy), *sums


_declare("FakeQuantWithMinMaxVars", _vars_shape, _vars_gradient_shape, per_channel=False)
_declare("FakeQuantWithMinMaxVarsPerChannel", _channels_shape, _channels_gradient_shape, per_channel=True)
