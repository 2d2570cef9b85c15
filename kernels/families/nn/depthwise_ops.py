"""Depthwise convolutions: each channel has filters of its own, so they are not matrix products.

Windows are computed tap by tap, each a multiply-add over all images, rows and channels.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Dim, Shape, merge_dim
from ...core.registry import Family
from ...core.types import HALF_FIRST_FLOATS
from ...numeric.convolution import accumulator_dtype, check_filter, is_padding_cheap, mirrored_window, pad
from ...numeric.int_arguments import check_allocation
from ...numeric.windows import (
    Window,
    WindowSpec,
    fit_window,
    from_channels_last,
    output_dims,
    spatial_pads,
    split_spatial,
    to_channels_last,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...codegen.depthwise import DepthwiseLoop, NativeDepthwise
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="filter_sizes input_sizes")
op = family.op

_CACHED_BYTES = 1 << 20
_ROWS_BYTES = 1 << 18
_REST = (
    f"T: type in {HALF_FIRST_FLOATS}, strides: list(int), padding: string in "
    f"{{'SAME', 'VALID', 'EXPLICIT'}}, "
    "explicit_paddings: list(int) = [], data_format: string in {'NHWC', 'NCHW'} = \"NHWC\", "
    "dilations: list(int) = [1, 1, 1, 1]"
)


@lru_cache(256)
def depthwise_spec(
    data_format: str,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    padding: str,
    explicit_paddings: tuple[int, ...],
) -> WindowSpec:
    """Returns the checked attributes as a window. Raises INVALID_ARGUMENT or UNIMPLEMENTED."""
    channels_last = data_format == "NHWC"
    for name, values in (("strides", strides), ("dilations", dilations)):
        if len(values) != 4:
            raise invalid(f"{name} must have 4 elements, but are {list(values)}")
        spatial, batch, depth = split_spatial(values, channels_last)
        if batch != 1 or depth != 1:
            status = Status.UNIMPLEMENTED if name == "strides" else Status.INVALID_ARGUMENT
            raise TfgError(
                status, f"{name} must be 1 for batch and channels, but are {list(values)} ({data_format})"
            )
        if min(spatial) <= 0 or max(spatial) >= 2**31:
            raise invalid(f"{name} must be positive, but are {list(values)}")
    pads = spatial_pads(4, channels_last, padding, explicit_paddings)
    return WindowSpec(
        channels_last,
        split_spatial(strides, channels_last)[0],
        split_spatial(dilations, channels_last)[0],
        padding,
        pads,
    )


def _static_spec(c: ShapeContext) -> WindowSpec:
    a = c.attrs
    return depthwise_spec(
        a["data_format"], a["strides"], a["dilations"], a["padding"], a.get("explicit_paddings", ())
    )


def _multiply_dims(a: Dim, b: Dim) -> Dim:
    return None if a is None or b is None else a * b


def convolution_shape(c: ShapeContext, spec: WindowSpec) -> Shape:
    """Returns the shape of the convolution of the first input with the second."""
    x, w = c.with_rank(0, 4), c.with_rank(1, 4)
    assert x.dims is not None and w.dims is not None
    channels = merge_dim(x[spec.channel_axis], w[2])
    return Shape(
        spec.place(x[0], output_dims(spec, x.dims[spec.spatial], w.dims[:2]), _multiply_dims(channels, w[3]))
    )


def _stated_shape(c: ShapeContext, key: int) -> Shape:
    _static_spec(c)
    stated = c.as_shape(key)
    if stated.rank not in (None, 4):
        raise invalid(f"sizes must have 4 elements, but state {stated}")
    return Shape((None,) * 4) if stated.dims is None else stated


@lru_cache(1024)
def _fit_filter(spec: WindowSpec, x: tuple[int, ...], w: tuple[int, ...]) -> Window:
    """Returns the window of a filter over an input. Raises INVALID_ARGUMENT where their shapes do not fit."""
    if len(x) != 4 or len(w) != 4:
        raise invalid(f"input and filter must be of rank 4, but have shapes {x} and {w}")
    if x[spec.channel_axis] != w[2]:
        raise invalid(f"a filter of shape {w} does not fit an input of shape {x}: depths differ")
    return fit_window(spec, x[spec.spatial], w[:2])


def _check_outputs(spec: WindowSpec, win: Window, batch: int, outs: int, dy: tuple[int, ...]) -> None:
    expected = spec.place(batch, win.outputs, outs)
    if dy != expected:
        raise invalid(f"out_backprop has shape {dy}, but should have shape {expected}")


def _images(xp: Any, x: Any, multiplier: int) -> range:
    """Yields the first image of each block that fits the cache."""
    size = x[:1].nbytes * max(1, multiplier)
    step = max(1, x.shape[0] if xp is not np else _CACHED_BYTES // max(1, size))
    return range(0, x.shape[0], step)


def _is_by_rows(win: Window) -> bool:
    return win.strides[1] == 1 and is_padding_cheap(win)


def _forward(xp: Any, x: Any, w: Any, win: Window) -> Any:
    """Convolves x [batch, *in, c] with a filter [height, width, c, multiplier]."""
    if w.shape[3] == 1 and _is_by_rows(win):
        return _forward_by_rows(xp, x, w, win)
    channels, multiplier = w.shape[2:]
    wide = accumulator_dtype(x.dtype)
    x_wide, w_wide = x.astype(wide, copy=False), w.astype(wide, copy=False)
    result = xp.zeros((x.shape[0], *win.outputs, channels, multiplier), wide)
    starts = _images(xp, x_wide, multiplier)
    for first in starts:
        block, target = x_wide[first : first + starts.step], result[first : first + starts.step]
        for tap, outs, ins in win.taps():
            target[:, *outs] += block[:, *ins, :, None] * w_wide[tap]
    return result.reshape(*result.shape[:3], channels * multiplier).astype(x.dtype, copy=False)


def convolve(
    xp: Any, spec: WindowSpec, x: Any, w: Any, compute: Callable[[Any, Any, Any, Window], Any] = _forward
) -> Any:
    """Returns the convolution in the data format of ``spec``; ``compute`` computes it channels-last. Raises
    INVALID_ARGUMENT where shapes do not fit."""
    check_filter(w)
    win = _fit_filter(spec, x.shape, w.shape)
    check_allocation((x.shape[0], *win.outputs, math.prod(w.shape[2:])), x.dtype.itemsize, "output")
    return from_channels_last(xp, compute(xp, to_channels_last(xp, x, spec), w, win), spec)


def _forward_by_rows(xp: Any, x: Any, w: Any, win: Window) -> Any:
    """Multiplies whole rows of pixels and channels at once, for one filter per channel."""
    channels, wide = w.shape[2], accumulator_dtype(x.dtype)
    height, width = win.outputs
    result = xp.empty((x.shape[0], height, width * channels), wide)
    filters = xp.tile(w[..., 0].astype(wide, copy=False), width)
    row_bytes = max(1, width * channels * wide.itemsize)
    rows = height if xp is not np else min(height, max(1, _ROWS_BYTES // row_bytes))
    images = x.shape[0] if xp is not np else max(1, _ROWS_BYTES // (row_bytes * max(1, height)))
    buffer = xp.empty((min(images, x.shape[0]), rows, width * channels), wide)
    for first in range(0, x.shape[0], images):
        block = pad(xp, x[first : first + images].astype(wide, copy=False), win)
        block = block.reshape(*block.shape[:2], -1)
        for row in range(0, height, rows):
            target = result[first : first + images, row : row + rows]
            product = buffer[: target.shape[0], : target.shape[1]]
            _multiply_rows(xp, block[:, row * win.strides[0] :], filters, win, target, product)
    return result.reshape(x.shape[0], height, width, channels).astype(x.dtype, copy=False)


def _multiply_rows(xp: Any, block: Any, filters: Any, win: Window, target: Any, product: Any) -> None:
    """Adds to ``target`` the products of a row of filters with the rows of pixels that it meets."""
    channels = filters.shape[2] // win.outputs[1]
    span = (target.shape[1] - 1) * win.strides[0] + 1
    into = target
    for i in range(win.size[0]):
        down = slice(i * win.dilations[0], i * win.dilations[0] + span, win.strides[0])
        for j in range(win.size[1]):
            start = j * win.dilations[1] * channels
            xp.multiply(block[:, down, start : start + filters.shape[2]], filters[i, j], out=into)
            if into is product:
                target += product
            into = product


def _input_gradient(
    xp: Any, w: Any, dy: Any, win: Window, compute: Callable[[Any, Any, Any, Window], Any] = _forward
) -> Any:
    """Returns the gradient of the input, given that of the outputs. ``compute`` convolves."""
    if w.shape[3] == 1:
        other_way = mirrored_window(win)
        if other_way is not None:
            return compute(xp, dy, w[::-1, ::-1], other_way)
    channels, multiplier = w.shape[2:]
    wide = accumulator_dtype(dy.dtype)
    w_wide = w.astype(wide, copy=False)
    by_channel = dy.astype(wide, copy=False).reshape(*dy.shape[:3], channels, multiplier)
    result = xp.zeros((dy.shape[0], *win.inputs, channels), wide)
    starts = _images(xp, by_channel, 1)
    for first in starts:
        block, target = by_channel[first : first + starts.step], result[first : first + starts.step]
        for tap, outs, ins in win.taps():
            part = block[:, *outs] * w_wide[tap]
            target[:, *ins] += part[..., 0] if multiplier == 1 else part.sum(axis=-1)
    return result.astype(dy.dtype, copy=False)


def _filter_gradient(xp: Any, x: Any, dy: Any, win: Window, w: tuple[int, ...]) -> Any:
    """Returns the gradient of the filter, given that of the outputs."""
    channels, multiplier = w[2:]
    wide = accumulator_dtype(x.dtype)
    x_wide = x.astype(wide, copy=False)
    by_channel = dy.astype(wide, copy=False).reshape(*dy.shape[:3], channels, multiplier)
    result = xp.zeros(w, wide)
    starts = _images(xp, x_wide, multiplier)
    for first in starts:
        block, dy_block = x_wide[first : first + starts.step], by_channel[first : first + starts.step]
        for tap, outs, ins in win.taps():
            products = (block[:, *ins, :, None] * dy_block[:, *outs]).reshape(-1, channels * multiplier)
            # BLAS sums rows faster than numpy.
            result[tap] += (xp.ones(len(products), wide) @ products).reshape(channels, multiplier)
    return result.astype(x.dtype, copy=False)


forward = op(
    f"DepthwiseConv2dNative(input: T, filter: T; {_REST}) -> (output: T)",
    shape=lambda c: convolution_shape(c, _static_spec(c)),
    allocates_output=True,
)


@forward.kernel
def _(
    xp: Any, x: Any, w: Any, *,
    strides: Any, dilations: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    return convolve(xp, depthwise_spec(data_format, strides, dilations, padding, explicit_paddings), x, w)


def _known_dims(shape: Shape) -> tuple[int, ...] | None:
    """The sizes of a shape of which all are known, else None."""
    dims = shape.dims
    known = tuple(n for n in dims or () if n is not None)
    return known if dims is not None and len(known) == len(dims) else None


def _compile(
    b: Binding, compile_loop: Callable[[DepthwiseLoop], NativeDepthwise | None], images: Dim, win: Window
) -> Callable[[Any, Any, Any, Window], Any] | None:
    """Returns a function like ``_forward`` that uses native code, None if there is none."""
    from ...codegen.depthwise import DepthwiseLoop

    channels, multiplier = b.inputs[1].shape[2], b.inputs[1].shape[3]
    if images is None or channels is None or multiplier != 1:
        return None
    dtype = b.input_types[1].numpy
    native = compile_loop(DepthwiseLoop(dtype, images, channels, win, _is_by_rows(win)))
    if native is None:
        return None

    def compute(xp: Any, x: Any, w: Any, other: Window) -> Any:
        fits = native.fits(x) and other == win and w.shape[3] == 1
        return native.convolve(x, w) if fits else _forward(xp, x, w, other)

    return compute


def _bound_spec(b: Binding) -> WindowSpec:
    a = b.attrs
    return depthwise_spec(
        a["data_format"], a["strides"], a["dilations"], a["padding"], a["explicit_paddings"]
    )


@forward.compiled
def _(
    b: Binding, compile_loop: Callable[[DepthwiseLoop], NativeDepthwise | None]
) -> Callable[[Any, Any], Any] | None:
    x, w = (_known_dims(fact.shape) for fact in b.inputs)
    if x is None or w is None:
        return None
    spec = _bound_spec(b)
    compute = _compile(b, compile_loop, x[0], _fit_filter(spec, x, w))
    return None if compute is None else lambda x, w: convolve(np, spec, x, w, compute)


input_gradient = op(
    f"DepthwiseConv2dNativeBackpropInput(input_sizes: int32, filter: T, out_backprop: T; {_REST}) -> "
    "(output: T)",
    shape=lambda c: _stated_shape(c, 0),
    allocates_output=True,
)


def _check_sizes(sizes: Any) -> tuple[int, ...]:
    if sizes.shape != (4,) or min(sizes.tolist()) < 0:
        raise invalid(f"sizes must be a vector of 4 non-negative numbers, but are {sizes.tolist()}")
    return tuple(sizes.tolist())


@input_gradient.kernel
def _(
    xp: Any, sizes: Any, w: Any, dy: Any, *,
    strides: Any, dilations: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    spec = depthwise_spec(data_format, strides, dilations, padding, explicit_paddings)
    return _convolve_back(xp, spec, sizes, w, dy, _forward)


def _convolve_back(
    xp: Any, spec: WindowSpec, sizes: Any, w: Any, dy: Any, compute: Callable[[Any, Any, Any, Window], Any]
) -> Any:
    """Returns the gradient of the input in the data format. Raises INVALID_ARGUMENT where shapes do not fit."""
    x = _check_sizes(sizes)
    win = _fit_filter(spec, x, w.shape)
    _check_outputs(spec, win, x[0], math.prod(w.shape[2:]), dy.shape)
    check_allocation(x, dy.dtype.itemsize, "input_sizes")
    return from_channels_last(xp, _input_gradient(xp, w, to_channels_last(xp, dy, spec), win, compute), spec)


@input_gradient.compiled
def _(
    b: Binding, compile_loop: Callable[[DepthwiseLoop], NativeDepthwise | None]
) -> Callable[[Any, Any, Any], Any] | None:
    sizes, w = b.inputs[0].elements, _known_dims(b.inputs[1].shape)
    if sizes is None or None in sizes or w is None:
        return None
    x, spec = _check_sizes(np.asarray(sizes)), _bound_spec(b)
    other_way = mirrored_window(_fit_filter(spec, x, w))
    if other_way is None:
        return None
    compute = _compile(b, compile_loop, x[0], other_way)
    return None if compute is None else lambda sizes, w, dy: _convolve_back(np, spec, sizes, w, dy, compute)


filter_gradient = op(
    f"DepthwiseConv2dNativeBackpropFilter(input: T, filter_sizes: int32, out_backprop: T; {_REST}) -> "
    "(output: T)",
    shape=lambda c: _stated_shape(c, 1),
    allocates_output=True,
)


@filter_gradient.kernel
def _(
    xp: Any, x: Any, sizes: Any, dy: Any, *,
    strides: Any, dilations: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    spec = depthwise_spec(data_format, strides, dilations, padding, explicit_paddings)
    w = _check_sizes(sizes)
    win = _fit_filter(spec, x.shape, w)
    _check_outputs(spec, win, x.shape[0], math.prod(w[2:]), dy.shape)
    check_allocation(w, dy.dtype.itemsize, "filter_sizes")
    return _filter_gradient(xp, to_channels_last(xp, x, spec), to_channels_last(xp, dy, spec), win, w)


def _attrs(node: NodeView) -> dict[str, Any]:
    names = ("strides", "padding", "explicit_paddings", "data_format", "dilations")
    return {name: node.attr(name) for name in names}


@forward.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    x, w = node.inputs
    return (
        g.DepthwiseConv2dNativeBackpropInput(g.shape_of(x), w, dy, **_attrs(node)),
        g.DepthwiseConv2dNativeBackpropFilter(x, g.shape_of(w), dy, **_attrs(node)),
    )


@input_gradient.gradient
def _(g: GraphBuilder, node: NodeView, ddx: Tensor) -> tuple[None, Tensor, Tensor]:
    _, w, dy = node.inputs
    return (
        None,
        g.DepthwiseConv2dNativeBackpropFilter(ddx, g.shape_of(w), dy, **_attrs(node)),
        g.DepthwiseConv2dNative(ddx, w, **_attrs(node)),
    )


@filter_gradient.gradient
def _(g: GraphBuilder, node: NodeView, ddw: Tensor) -> tuple[Tensor, None, Tensor]:
    x, _, dy = node.inputs
    return (
        g.DepthwiseConv2dNativeBackpropInput(g.shape_of(x), ddw, dy, **_attrs(node)),
        None,
        g.DepthwiseConv2dNative(x, ddw, **_attrs(node)),
    )
