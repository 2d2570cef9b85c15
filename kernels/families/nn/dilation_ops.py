"""Dilation2D: grey-scale dilation, the maximum over a window of the image plus a filter, and its gradients."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core.registry import Family
from ...core.types import REAL_NUMBERS
from ...numeric.int_arguments import check_allocation
from ...numeric.pooling import lowest_finite
from ...numeric.windows import Window, WindowSpec, fit_window, output_dims, unimplemented

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_ATTRS = (
    f"T: type in {REAL_NUMBERS}, strides: list(int) >= 4, rates: list(int) >= 4, "
    "padding: string in {'SAME', 'VALID'}"
)


@lru_cache(256)
def _dilation_spec(strides: tuple[int, ...], rates: tuple[int, ...], padding: str) -> WindowSpec:
    for name, values in (("strides", strides), ("rates", rates)):
        if len(values) != 4:
            raise invalid(f"{name} must have 4 elements, but are {list(values)}")
        if values[0] != 1 or values[3] != 1:
            raise unimplemented(f"{name} must be 1 for batch and channels, but are {list(values)}")
        if min(values) <= 0 or max(values) >= 2**31:
            raise invalid(f"{name} must be positive, but are {list(values)}")
    return WindowSpec(True, strides[1:3], rates[1:3], padding, ((0, 0), (0, 0)))


def _static_spec(c: ShapeContext) -> WindowSpec:
    return _dilation_spec(c.attrs["strides"], c.attrs["rates"], c.attrs["padding"])


def _forward_shape(c: ShapeContext) -> Shape:
    spec = _static_spec(c)
    x, w = c.with_rank(0, 4), c.with_rank(1, 3)
    assert x.dims is not None and w.dims is not None
    known = x.dims[1:3] + w.dims[:2]
    if None in known:
        spatial = output_dims(spec, x.dims[1:3], w.dims[:2])
    else:
        spatial = fit_window(spec, x.dims[1:3], w.dims[:2]).outputs
    return Shape((x[0], *spatial, merge_dim(x[3], w[2])))


def _fit_filter(spec: WindowSpec, x: Any, w: Any) -> Window:
    if x.ndim != 4 or w.ndim != 3 or x.shape[3] != w.shape[2]:
        raise invalid(f"a filter of shape {w.shape} does not fit an input of shape {x.shape}")
    return fit_window(spec, x.shape[1:3], w.shape[:2])


forward = op(
    f"Dilation2D(input: T, filter: T; {_ATTRS}) -> (output: T)", shape=_forward_shape, allocates_output=True
)


@forward.kernel
def _(xp: Any, x: Any, w: Any, *, strides: Any, rates: Any, padding: str) -> Any:
    win = _fit_filter(_dilation_spec(strides, rates, padding), x, w)
    shape = check_allocation((x.shape[0], *win.outputs, x.shape[3]), x.dtype.itemsize, "output")
    result = xp.full(shape, lowest_finite(x.dtype), x.dtype)
    for tap, outs, ins in win.taps():
        part = result[:, *outs]
        xp.maximum(part, x[:, *ins] + w[tap], out=part)
    return result


def _gradient_per_tap(xp: Any, x: Any, w: Any, dy: Any, spec: WindowSpec) -> Any:
    """Yields, for each tap, its slices and the gradients of the outputs whose maximum it is, zeros elsewhere.

    Of several equal taps the first counts.
    """
    win = _fit_filter(spec, x, w)
    if dy.shape != (x.shape[0], *win.outputs, x.shape[3]):
        raise invalid(f"out_backprop has shape {dy.shape}, which does not fit outputs {win.outputs}")
    best = xp.full(dy.shape, lowest_finite(x.dtype), x.dtype)
    winner = xp.zeros(dy.shape, "int32")
    taps = list(win.taps())
    for number, (tap, outs, ins) in enumerate(taps):
        current, candidates = best[:, *outs], x[:, *ins] + w[tap]
        at = winner[:, *outs]
        xp.maximum(at, (candidates > current) * xp.int32(number), out=at)
        xp.maximum(current, candidates, out=current)
    zero = dy.dtype.type(0)
    for number, (tap, outs, ins) in enumerate(taps):
        yield tap, ins, xp.where(winner[:, *outs] == number, dy[:, *outs], zero)


def _gradient_shape(key: int, rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        _static_spec(c)
        return c.with_rank(key, rank)

    return shape


input_gradient = op(
    f"Dilation2DBackpropInput(input: T, filter: T, out_backprop: T; {_ATTRS}) -> (in_backprop: T)",
    shape=_gradient_shape(0, 4),
    allocates_output=True,
)


@input_gradient.kernel
def _(xp: Any, x: Any, w: Any, dy: Any, *, strides: Any, rates: Any, padding: str) -> Any:
    result = xp.zeros(x.shape, x.dtype)
    for _, ins, share in _gradient_per_tap(xp, x, w, dy, _dilation_spec(strides, rates, padding)):
        result[:, *ins] += share
    return result


filter_gradient = op(
    f"Dilation2DBackpropFilter(input: T, filter: T, out_backprop: T; {_ATTRS}) -> (filter_backprop: T)",
    shape=_gradient_shape(1, 3),
    allocates_output=True,
)


@filter_gradient.kernel
def _(xp: Any, x: Any, w: Any, dy: Any, *, strides: Any, rates: Any, padding: str) -> Any:
    result = xp.zeros(w.shape, w.dtype)
    for tap, _, share in _gradient_per_tap(xp, x, w, dy, _dilation_spec(strides, rates, padding)):
        result[tap] = share.sum(axis=(0, 1, 2), dtype=w.dtype)
    return result


@forward.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    x, w = node.inputs
    attrs = {name: node.attr(name) for name in ("strides", "rates", "padding")}
    return g.Dilation2DBackpropInput(x, w, dy, **attrs), g.Dilation2DBackpropFilter(x, w, dy, **attrs)
