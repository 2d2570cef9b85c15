"""Cumsum, Cumprod and CumulativeLogsumexp: running sums, products and log-sum-exps along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core.registry import Family, Op
from ...core.shapes import axis_of
from ...core.types import FLOATS, NUMBERS
from ...numeric.reductions import accumulator_dtype
from ...numeric.scatter import on_host

if TYPE_CHECKING:
    from ....graphfmt.shapes import Shape
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="axis")
op = family.op

# The signature of a scan: (xp, x, axis, out) writes the running values of x into out.
Scan = Callable[[Any, Any, int, Any], None]


def _scan_shape(c: ShapeContext) -> Shape:
    shape, axis = c.input(0), c.constant(1)
    if c.input(1).rank not in (None, 0):
        raise invalid(f"axis must be a scalar, but has shape {c.input(1)}")
    if shape.dims is not None and axis is not None:
        axis_of(int(axis), len(shape.dims))
    return shape


def _declare(name: str, allowed: str, scan: Scan, identity: float) -> Op:
    declared = op(
        f"{name}(x: T, axis: Tidx; exclusive: bool = false, reverse: bool = false, T: type in {allowed}, "
        "Tidx: type in {int32, int64} = int32) -> (out: T)",
        shape=_scan_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
        x, where = xp.asarray(x), on_host(axis)
        if where.ndim:
            raise invalid(f"axis must be a scalar, but has shape {list(where.shape)}")
        along = axis_of(int(where), x.ndim)
        out = xp.empty(x.shape, x.dtype)
        source, target = xp.moveaxis(x, along, 0), xp.moveaxis(out, along, 0)
        if reverse:
            source, target = source[::-1], target[::-1]
        if exclusive:
            target[:1] = identity
            source, target = source[:-1], target[1:]
        if source.size:
            scan(xp, xp.moveaxis(source, 0, along), along, xp.moveaxis(target, 0, along))
        return out

    return declared


def _cumulative_sum(xp: Any, x: Any, axis: int, out: Any) -> None:
    xp.cumsum(x, axis=axis, dtype=x.dtype, out=out)


def _cumulative_product(xp: Any, x: Any, axis: int, out: Any) -> None:
    xp.cumprod(x, axis=axis, dtype=x.dtype, out=out)


def _cumulative_log_sum_exp(xp: Any, x: Any, axis: int, out: Any) -> None:
    wide = on_host(x).astype(accumulator_dtype(x.dtype), copy=False)
    out[...] = xp.asarray(np.logaddexp.accumulate(wide, axis=axis).astype(x.dtype, copy=False))


cumsum = _declare("Cumsum", NUMBERS, _cumulative_sum, 0)
cumprod = _declare("Cumprod", NUMBERS, _cumulative_product, 1)
cumulative_logsumexp = _declare("CumulativeLogsumexp", FLOATS, _cumulative_log_sum_exp, -np.inf)


@cumsum.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    exclusive, reverse = node.attr("exclusive"), node.attr("reverse")
    return g.Cumsum(dy, node.inputs[1], exclusive=exclusive, reverse=not reverse), None


@cumprod.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    """The gradient is 0 where an element is 0, as in TensorFlow."""
    exclusive, reverse = node.attr("exclusive"), node.attr("reverse")
    sums = g.Cumsum(node.outputs[0] * dy, node.inputs[1], exclusive=exclusive, reverse=not reverse)
    return g.DivNoNan(sums, node.inputs[0]), None


_LOWEST = {
    "half": -65504.0,
    "bfloat16": -3.3895313892515355e38,
    "float": float(np.finfo(np.float32).min),
    "double": float(np.finfo(np.float64).min),
}


@cumulative_logsumexp.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    """Sums gradients in logarithms, positive and negative ones separately."""
    x, axis = node.inputs
    y = node.outputs[0]
    exclusive, reverse = node.attr("exclusive"), node.attr("reverse")

    def part(positive: Tensor) -> Tensor:
        lowest = g.Fill(g.shape_of(positive), g.constant(_LOWEST[x.dtype.name], x.dtype))
        logs = g.SelectV2(g.Greater(positive, g.zeros_like(positive)), g.Log(positive), lowest)
        sums = g.CumulativeLogsumexp(logs - y, axis, exclusive=exclusive, reverse=not reverse)
        return g.Exp(sums + x)

    return part(dy) - part(-dy), None
