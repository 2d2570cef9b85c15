"""Convolutions in two and three spatial dimensions, and their gradients."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Dim, Shape
from ...core.registry import Family, Op
from ...numeric import convolution
from ...numeric.int_arguments import check_allocation
from ...numeric.windows import (
    Window,
    WindowSpec,
    conv_spec,
    fit_window,
    from_channels_last,
    output_dims,
    to_channels_last,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="filter_sizes input_sizes")
op = family.op

_PADDING_2D = "padding: string in {'SAME', 'VALID', 'EXPLICIT'}, explicit_paddings: list(int) = []"
_REST_2D = (
    f"strides: list(int), use_cudnn_on_gpu: bool = true, {_PADDING_2D}, "
    "data_format: string in {'NHWC', 'NCHW'} = \"NHWC\", dilations: list(int) = [1, 1, 1, 1]"
)
_PADDING_3D = "strides: list(int) >= 5, padding: string in {'SAME', 'VALID'}"
_DILATIONS_3D = "dilations: list(int) = [1, 1, 1, 1, 1]"
_REST_3D = f"{_PADDING_3D}, data_format: string in {{'NDHWC', 'NCDHW'}} = \"NDHWC\", {_DILATIONS_3D}"
_FLOATS = "half, bfloat16, float, double"


def _spec_from_attrs(rank: int, attrs: Any) -> WindowSpec:
    return conv_spec(
        rank,
        attrs.get("data_format", "NDHWC"),
        attrs["strides"],
        attrs["dilations"],
        attrs["padding"],
        attrs.get("explicit_paddings", ()),
    )


def _static_spec(c: ShapeContext, rank: int) -> WindowSpec:
    return _spec_from_attrs(rank, c.attrs)


@lru_cache(1024)
def _fit_filter(spec: WindowSpec, x: tuple[int, ...], w: tuple[int, ...]) -> Window:
    """Returns the window of a filter over an input. Raises INVALID_ARGUMENT where their shapes do not fit."""
    rank = spec.rank
    if len(x) != rank or len(w) != rank:
        raise invalid(f"input and filter must be of rank {rank}, but have shapes {x} and {w}")
    check_depths(x[spec.channel_axis], w[-2], w[-1])
    return fit_window(spec, x[spec.spatial], w[:-2])


def check_depths(channels: Dim, filter_channels: Dim, outs: Dim) -> None:
    """Raises INVALID_ARGUMENT where a filter fits an input neither as a whole nor in groups of channels."""
    if filter_channels == 0:
        raise invalid("filter depth must not be 0")
    if channels is None or filter_channels is None:
        return
    if channels % filter_channels or not channels:
        raise invalid(f"input depth {channels} must be a multiple of the filter's, {filter_channels}")
    groups = channels // filter_channels
    if outs is not None and outs % groups:
        raise invalid(f"output depth {outs} must be a multiple of the number of groups, {groups}")


def _conv_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        spec = _static_spec(c, rank)
        x, w = c.with_rank(0, rank), c.with_rank(1, rank)
        assert x.dims is not None and w.dims is not None
        check_depths(x[spec.channel_axis], w[-2], w[-1])
        return Shape(spec.place(x[0], output_dims(spec, x.dims[spec.spatial], w.dims[:-2]), w[-1]))

    return shape


def convolve(xp: Any, spec: WindowSpec, x: Any, w: Any) -> Any:
    """Returns the convolution in the data format of ``spec``. Raises INVALID_ARGUMENT where shapes do not fit."""
    convolution.check_filter(w)
    win = _fit_filter(spec, x.shape, w.shape)
    check_allocation((x.shape[0], *win.outputs, w.shape[-1]), x.dtype.itemsize, "output")
    return from_channels_last(xp, convolution.forward(xp, to_channels_last(xp, x, spec), w, win), spec)


def _check_sizes(sizes: Any, rank: int, what: str) -> tuple[int, ...]:
    """Returns the sizes that a vector states. Raises INVALID_ARGUMENT."""
    if sizes.ndim != 1 or any(n < 0 for n in sizes.tolist()):
        raise invalid(f"{what} must be a vector of sizes, but are {sizes.tolist()}")
    return tuple(sizes.tolist())


def _check_outputs(spec: WindowSpec, win: Window, batch: int, outs: int, dy: tuple[int, ...]) -> None:
    """Raises INVALID_ARGUMENT where gradients do not have the shape of outputs."""
    expected = spec.place(batch, win.outputs, outs)
    if dy != expected:
        raise invalid(f"out_backprop has shape {dy}, but should have shape {expected}")


def _input_gradient(xp: Any, spec: WindowSpec, sizes: Any, w: Any, dy: Any) -> Any:
    """Returns the gradient of the input, given that of the outputs, in the data format."""
    rank = spec.rank
    x = _check_sizes(sizes, rank, "input_sizes")
    if dy.ndim != rank or w.ndim != rank:
        raise invalid(
            f"filter and out_backprop must be of rank {rank}, but have shapes {w.shape} and {dy.shape}"
        )
    if len(x) == rank - 2:
        x = tuple(d or 0 for d in spec.place(dy.shape[0], x, w.shape[-2]))
    win = _fit_filter(spec, x, w.shape)
    _check_outputs(spec, win, x[0], w.shape[-1], dy.shape)
    check_allocation(x, dy.dtype.itemsize, "input_sizes")
    dx = convolution.backprop_input(xp, w, to_channels_last(xp, dy, spec), win, x[spec.channel_axis])
    return from_channels_last(xp, dx, spec)


def _filter_gradient(xp: Any, spec: WindowSpec, x: Any, sizes: Any, dy: Any) -> Any:
    """Returns the gradient of the filter, given that of the outputs."""
    w = _check_sizes(sizes, spec.rank, "filter_sizes")
    win = _fit_filter(spec, x.shape, w)
    _check_outputs(spec, win, x.shape[0], w[-1], dy.shape)
    check_allocation(w, dy.dtype.itemsize, "filter_sizes")
    if 0 in w:
        return xp.zeros(w, dy.dtype)
    return convolution.backprop_filter(
        xp, to_channels_last(xp, x, spec), to_channels_last(xp, dy, spec), win, w
    )


def _input_gradient_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        spec = _static_spec(c, rank)
        stated, w, dy = c.as_shape(0), c.with_rank(1, rank), c.with_rank(2, rank)
        if stated.rank == rank - 2 and stated.dims is not None:
            stated = Shape(spec.place(None, stated.dims, w[-2]))
        if stated.rank not in (None, rank):
            raise invalid(f"input_sizes must have {rank} or {rank - 2} elements, but state {stated}")
        return stated.merge(Shape(spec.place(dy[0], (None,) * (rank - 2), None)))

    return shape


def _filter_gradient_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        spec = _static_spec(c, rank)
        dy = c.with_rank(2, rank)
        c.with_rank(0, rank)
        return c.as_shape(1).merge(Shape((*(None,) * (rank - 1), dy[spec.channel_axis])))

    return shape


def _same_attrs(node: NodeView) -> dict[str, Any]:
    """Returns the attributes that a convolution shares with its gradients."""
    names = ("strides", "padding", "explicit_paddings", "data_format", "dilations", "use_cudnn_on_gpu")
    return {name: node.attr(name) for name in names if node.has_attr(name)}


def _gradients(forward: Op, of_input: Op, of_filter: Op) -> None:
    """Registers the three operations as each other's gradients: the product is linear in both factors."""

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
        x, w = node.inputs
        attrs = _same_attrs(node)
        return (
            g.add_op(of_input.name, g.shape_of(x), w, dy, **attrs),
            g.add_op(of_filter.name, x, g.shape_of(w), dy, **attrs),
        )

    @of_input.gradient
    def _(g: GraphBuilder, node: NodeView, ddx: Tensor) -> tuple[Any, Tensor, Tensor]:
        _, w, dy = node.inputs
        attrs = _same_attrs(node)
        return (
            None,
            g.add_op(of_filter.name, ddx, g.shape_of(w), dy, **attrs),
            g.add_op(forward.name, ddx, w, **attrs),
        )

    @of_filter.gradient
    def _(g: GraphBuilder, node: NodeView, ddw: Tensor) -> tuple[Tensor, Any, Tensor]:
        x, _, dy = node.inputs
        attrs = _same_attrs(node)
        return (
            g.add_op(of_input.name, g.shape_of(x), ddw, dy, **attrs),
            None,
            g.add_op(forward.name, x, ddw, **attrs),
        )


conv2d = op(
    f"Conv2D(input: T, filter: T; T: type in {{{_FLOATS}, int32}}, {_REST_2D}) -> (output: T)",
    shape=_conv_shape(4),
    allocates_output=True,
)


@conv2d.kernel
def _(
    xp: Any, x: Any, w: Any, *,
    strides: Any, dilations: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    return convolve(xp, conv_spec(4, data_format, strides, dilations, padding, explicit_paddings), x, w)


conv2d_backprop_input = op(
    f"Conv2DBackpropInput(input_sizes: int32, filter: T, out_backprop: T; T: type in {{{_FLOATS}, int32}}, "
    f"{_REST_2D}) -> (output: T)",
    shape=_input_gradient_shape(4),
    allocates_output=True,
)


@conv2d_backprop_input.kernel
def _(
    xp: Any, sizes: Any, w: Any, dy: Any, *,
    strides: Any, dilations: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    return _input_gradient(
        xp, conv_spec(4, data_format, strides, dilations, padding, explicit_paddings), sizes, w, dy
    )


conv2d_backprop_filter = op(
    f"Conv2DBackpropFilter(input: T, filter_sizes: int32, out_backprop: T; T: type in {{{_FLOATS}}}, "
    f"{_REST_2D}) -> (output: T)",
    shape=_filter_gradient_shape(4),
    allocates_output=True,
)


@conv2d_backprop_filter.kernel
def _(
    xp: Any, x: Any, sizes: Any, dy: Any, *,
    strides: Any, dilations: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    return _filter_gradient(
        xp, conv_spec(4, data_format, strides, dilations, padding, explicit_paddings), x, sizes, dy
    )


_gradients(conv2d, conv2d_backprop_input, conv2d_backprop_filter)


conv3d = op(
    f"Conv3D(input: T, filter: T; T: type in {{{_FLOATS}}}, {_REST_3D}) -> (output: T)",
    shape=_conv_shape(5),
    allocates_output=True,
)


@conv3d.kernel
def _(xp: Any, x: Any, w: Any, *, strides: Any, dilations: Any, padding: str, data_format: str) -> Any:
    return convolve(xp, conv_spec(5, data_format, strides, dilations, padding), x, w)


conv3d_backprop_input = op(
    f"Conv3DBackpropInputV2(input_sizes: Tshape, filter: T, out_backprop: T; T: type in {{{_FLOATS}}}, "
    f"{_REST_3D}, Tshape: type in {{int32, int64}} = int32) -> (output: T)",
    shape=_input_gradient_shape(5),
    allocates_output=True,
)


@conv3d_backprop_input.kernel
def _(
    xp: Any, sizes: Any, w: Any, dy: Any, *, strides: Any, dilations: Any, padding: str, data_format: str
) -> Any:
    return _input_gradient(xp, conv_spec(5, data_format, strides, dilations, padding), sizes, w, dy)


conv3d_backprop_filter = op(
    f"Conv3DBackpropFilterV2(input: T, filter_sizes: int32, out_backprop: T; T: type in {{{_FLOATS}}}, "
    f"{_REST_3D}) -> (output: T)",
    shape=_filter_gradient_shape(5),
    allocates_output=True,
)


@conv3d_backprop_filter.kernel
def _(
    xp: Any, x: Any, sizes: Any, dy: Any, *, strides: Any, dilations: Any, padding: str, data_format: str
) -> Any:
    return _filter_gradient(xp, conv_spec(5, data_format, strides, dilations, padding), x, sizes, dy)


_gradients(conv3d, conv3d_backprop_input, conv3d_backprop_filter)


# The first versions take a tensor of the wanted shape where the second versions take its sizes.

conv3d_backprop_input_v1 = op(
    f"Conv3DBackpropInput(input: T, filter: T, out_backprop: T; T: type in {{half, float, double}}, "
    f"{_PADDING_3D}, {_DILATIONS_3D}) -> (output: T)",
    shape=lambda c: c.with_rank(0, 5),
    allocates_output=True,
)


@conv3d_backprop_input_v1.kernel
def _(xp: Any, x: Any, w: Any, dy: Any, *, strides: Any, dilations: Any, padding: str) -> Any:
    spec = conv_spec(5, "NDHWC", strides, dilations, padding)
    return _input_gradient(xp, spec, _shape_vector(xp, x), w, dy)


conv3d_backprop_filter_v1 = op(
    f"Conv3DBackpropFilter(input: T, filter: T, out_backprop: T; T: type in {{half, float, double}}, "
    f"{_PADDING_3D}, {_DILATIONS_3D}) -> (output: T)",
    shape=lambda c: c.with_rank(1, 5),
    allocates_output=True,
)


@conv3d_backprop_filter_v1.kernel
def _(xp: Any, x: Any, w: Any, dy: Any, *, strides: Any, dilations: Any, padding: str) -> Any:
    spec = conv_spec(5, "NDHWC", strides, dilations, padding)
    return _filter_gradient(xp, spec, x, _shape_vector(xp, w), dy)


def _shape_vector(xp: Any, x: Any) -> Any:
    return xp.asarray(x.shape)
