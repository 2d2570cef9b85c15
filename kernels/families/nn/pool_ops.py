"""Pooling: maxima and means over windows, in two and three spatial dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family, Op
from ...core.types import HALF_FIRST_FLOATS, REAL_NUMBERS
from ...numeric import pooling
from ...numeric.int_arguments import check_allocation
from ...numeric.windows import (
    Window,
    WindowSpec,
    fit_window,
    output_dims,
    spatial_pads,
    split_spatial,
    unimplemented,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


@dataclass(frozen=True, slots=True)
class Pool:
    """A pooling operation's attributes: the window over spatial axes, and the one over channels."""

    spec: WindowSpec
    size: tuple[int, ...]
    depth: int
    depth_stride: int


@lru_cache(256)
def _pool_of(
    rank: int,
    data_format: str,
    ksize: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    explicit_paddings: tuple[int, ...] = (),
) -> Pool:
    if data_format == "NCHW_VECT_C":
        raise unimplemented("pooling is not implemented for data format NCHW_VECT_C")
    channels_last = data_format.endswith("C")
    for name, values in (("ksize", ksize), ("strides", strides)):
        if len(values) != rank:
            raise invalid(f"{name} must have {rank} elements, but are {list(values)}")
        if min(values) <= 0 or max(values) >= 2**31:
            raise invalid(f"{name} must be positive, but are {list(values)}")
    if ksize[0] != 1 or strides[0] != 1:
        raise unimplemented(
            f"pooling over the batch is not implemented, but ksize is {list(ksize)}, strides {list(strides)}"
        )
    size, _, depth = split_spatial(ksize, channels_last)
    steps, _, depth_stride = split_spatial(strides, channels_last)
    pads = spatial_pads(rank, channels_last, padding, explicit_paddings)
    return Pool(WindowSpec(channels_last, steps, (1,) * len(steps), padding, pads), size, depth, depth_stride)


def _of_attrs(attrs: Any, rank: int) -> Pool:
    return _pool_of(
        rank, attrs.get("data_format", "NHWC"), attrs["ksize"], attrs["strides"], attrs["padding"],
        attrs.get("explicit_paddings", ()),
    )  # fmt: skip


def _of_inputs(ksize: Any, strides: Any, data_format: str, padding: str) -> Pool:
    if ksize.shape != (4,) or strides.shape != (4,):
        raise invalid(
            f"ksize and strides must have 4 elements, but have shapes {ksize.shape} and {strides.shape}"
        )
    return _pool_of(4, data_format, tuple(ksize.tolist()), tuple(strides.tolist()), padding)


def _static_outputs(pool: Pool, x: Shape) -> Shape:
    assert x.dims is not None
    spec = pool.spec
    channels = x[spec.channel_axis]
    if pool.depth > 1 and channels is not None:
        channels = (
            -(-channels // pool.depth_stride)
            if spec.padding == "SAME"
            else ((channels - pool.depth) // pool.depth_stride + 1)
        )
    return Shape(spec.place(x[0], output_dims(spec, x.dims[spec.spatial], pool.size), channels))


def _shape_of_outputs(c: ShapeContext, rank: int, at: int = 0) -> Shape:
    pool = _of_attrs(c.attrs, rank)
    return _static_outputs(pool, c.with_rank(at, rank))


def _static_pool_of_inputs(c: ShapeContext, first: int) -> Pool | None:
    ksize, strides = c.elements(first), c.elements(first + 1)
    for key in (first, first + 1):
        if c.with_rank(key, 1)[0] not in (None, 4):
            raise invalid(f"ksize and strides must have 4 elements, but have shape {c.input(key)}")
    if ksize is None or strides is None or None in ksize or None in strides:
        return None
    return _pool_of(4, c.attr("data_format"), ksize, strides, c.attr("padding"))  # type: ignore[arg-type]


def _last(xp: Any, x: Any, spec: WindowSpec) -> Any:
    return x if spec.channels_last else xp.moveaxis(x, 1, -1)


def _placed(xp: Any, x: Any, spec: WindowSpec) -> Any:
    return x if spec.channels_last else xp.ascontiguousarray(xp.moveaxis(x, -1, 1))


def _window_of(pool: Pool, x: tuple[int, ...], what: str = "input") -> Window:
    if len(x) != pool.spec.rank:
        raise invalid(f"{what} must be of rank {pool.spec.rank}, but has shape {x}")
    return fit_window(pool.spec, x[pool.spec.spatial], pool.size)


def _spatial_window(pool: Pool, x: tuple[int, ...]) -> Window:
    if pool.depth != 1 or pool.depth_stride != 1:
        raise unimplemented(f"pooling over {pool.depth} channels is not implemented here")
    return _window_of(pool, x)


def _check_outputs(pool: Pool, win: Window, x: tuple[int, ...], y: tuple[int, ...], what: str) -> None:
    expected = pool.spec.place(x[0], win.outputs, x[pool.spec.channel_axis])
    if y != expected:
        raise invalid(f"{what} has shape {y}, but should have shape {expected}")


# Maxima.


def _max_pool(xp: Any, x: Any, pool: Pool) -> Any:
    if pool.depth > 1 or pool.depth_stride > 1:
        return _max_over_channels(x, pool)
    win = _window_of(pool, x.shape)
    check_allocation((x.shape[0], *win.outputs, x.shape[pool.spec.channel_axis]), x.dtype.itemsize, "output")
    return _placed(xp, pooling.max_pool(xp, _last(xp, x, pool.spec), win), pool.spec)


def _max_over_channels(x: Any, pool: Pool) -> Any:
    _window_of(pool, x.shape)
    axis = pool.spec.channel_axis
    channels = x.shape[axis]
    if any(k != 1 for k in pool.size):
        raise unimplemented("pooling over channels and over space at once is not implemented")
    if channels % pool.depth or pool.depth != pool.depth_stride:
        raise unimplemented(
            f"a window over {pool.depth} channels must be its own stride ({pool.depth_stride}) and "
            f"divide {channels}"
        )
    if any(s != 1 for s in pool.spec.strides):
        raise unimplemented("pooling over channels with a spatial stride is not implemented")
    shape = (*x.shape[:axis], channels // pool.depth, pool.depth, *x.shape[axis + 1 :])
    return x.reshape(shape).max(axis=axis + 1)


def _max_grad(xp: Any, x: Any, y: Any, dy: Any, pool: Pool) -> Any:
    spec = pool.spec
    win = _spatial_window(pool, x.shape)
    _check_outputs(pool, win, x.shape, y.shape, "orig_output")
    _check_outputs(pool, win, x.shape, dy.shape, "grad")
    return _placed(xp, pooling.max_pool_grad(xp, _last(xp, x, spec), _last(xp, dy, spec), win), spec)


def _max_grad_grad(xp: Any, x: Any, y: Any, ddx: Any, pool: Pool) -> Any:
    spec = pool.spec
    win = _spatial_window(pool, x.shape)
    _check_outputs(pool, win, x.shape, y.shape, "orig_output")
    if ddx.shape != x.shape:
        raise invalid(f"grad has shape {ddx.shape}, but should have shape {x.shape}")
    return _placed(xp, pooling.max_pool_grad_grad(xp, _last(xp, x, spec), _last(xp, ddx, spec), win), spec)


_LISTS_2D = "ksize: list(int) >= 4, strides: list(int) >= 4"
_VALID_SAME = "padding: string in {'SAME', 'VALID'}"
_PADDING = "padding: string in {'SAME', 'VALID', 'EXPLICIT'}, explicit_paddings: list(int) = []"
_FORMAT_2D = "data_format: string in {'NHWC', 'NCHW'} = \"NHWC\""
_FORMAT_MAX = "data_format: string in {'NHWC', 'NCHW', 'NCHW_VECT_C'} = \"NHWC\""
_REST_3D = (
    f"ksize: list(int) >= 5, strides: list(int) >= 5, {_VALID_SAME}, "
    "data_format: string in {'NDHWC', 'NCDHW'} = \"NDHWC\""
)
_MAX_TYPES = (
    "T: type in {half, bfloat16, float, double, int32, int64, uint8, int16, int8, uint16, qint8} = float"
)
_TYPES_3D = "{half, bfloat16, float}"

max_pool = op(
    f"MaxPool(input: T; {_MAX_TYPES}, {_LISTS_2D}, {_PADDING}, {_FORMAT_MAX}) -> (output: T)",
    shape=lambda c: _shape_of_outputs(c, 4),
    allocates_output=True,
)


@max_pool.kernel
def _(
    xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, explicit_paddings: Any, data_format: str
) -> Any:
    return _max_pool(xp, x, _pool_of(4, data_format, ksize, strides, padding, explicit_paddings))


def _v2_shape(c: ShapeContext) -> Shape:
    x, pool = c.with_rank(0, 4), _static_pool_of_inputs(c, 1)
    return Shape((x[0], None, None, None)) if pool is None else _static_outputs(pool, x)


max_pool_v2 = op(
    f"MaxPoolV2(input: T, ksize: int32, strides: int32; {_MAX_TYPES}, {_VALID_SAME}, {_FORMAT_MAX}) "
    "-> (output: T)",
    shape=_v2_shape,
    allocates_output=True,
)


@max_pool_v2.kernel
def _(xp: Any, x: Any, ksize: Any, strides: Any, *, padding: str, data_format: str) -> Any:
    return _max_pool(xp, x, _of_inputs(ksize, strides, data_format, padding))


max_pool_grad = op(
    f"MaxPoolGrad(orig_input: T, orig_output: T, grad: T; {_LISTS_2D}, {_PADDING}, {_FORMAT_2D}, "
    f"T: type in {REAL_NUMBERS} = float) -> (output: T)",
    shape=lambda c: c.with_rank(0, 4),
    allocates_output=True,
)


@max_pool_grad.kernel
def _(
    xp: Any, x: Any, y: Any, dy: Any, *,
    ksize: Any, strides: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    return _max_grad(xp, x, y, dy, _pool_of(4, data_format, ksize, strides, padding, explicit_paddings))


max_pool_grad_v2 = op(
    f"MaxPoolGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32; {_VALID_SAME}, "
    f"{_FORMAT_2D}, T: type in {REAL_NUMBERS} = float) -> (output: T)",
    shape=lambda c: c.with_rank(0, 4),
    allocates_output=True,
)


@max_pool_grad_v2.kernel
def _(xp: Any, x: Any, y: Any, dy: Any, ksize: Any, strides: Any, *, padding: str, data_format: str) -> Any:
    return _max_grad(xp, x, y, dy, _of_inputs(ksize, strides, data_format, padding))


def _grad_grad_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        x, y, ddx = (c.with_rank(i, rank) for i in range(3))
        x.merge(ddx)
        return y

    return shape


max_pool_grad_grad = op(
    f"MaxPoolGradGrad(orig_input: T, orig_output: T, grad: T; {_LISTS_2D}, {_VALID_SAME}, {_FORMAT_2D}, "
    f"T: type in {REAL_NUMBERS}) -> (output: T)",
    shape=_grad_grad_shape(4),
    allocates_output=True,
)


@max_pool_grad_grad.kernel
def _(xp: Any, x: Any, y: Any, ddx: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    return _max_grad_grad(xp, x, y, ddx, _pool_of(4, data_format, ksize, strides, padding))


max_pool_grad_grad_v2 = op(
    f"MaxPoolGradGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32; {_VALID_SAME}, "
    f"{_FORMAT_2D}, T: type in {REAL_NUMBERS}) -> (output: T)",
    shape=_grad_grad_shape(4),
    allocates_output=True,
)


@max_pool_grad_grad_v2.kernel
def _(xp: Any, x: Any, y: Any, ddx: Any, ksize: Any, strides: Any, *, padding: str, data_format: str) -> Any:
    return _max_grad_grad(xp, x, y, ddx, _of_inputs(ksize, strides, data_format, padding))


max_pool_3d = op(
    f"MaxPool3D(input: T; {_REST_3D}, T: type in {_TYPES_3D}) -> (output: T)",
    shape=lambda c: _shape_of_outputs(c, 5),
    allocates_output=True,
)


@max_pool_3d.kernel
def _(xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    pool = _pool_of(5, data_format, ksize, strides, padding)
    _spatial_window(pool, x.shape)
    return _max_pool(xp, x, pool)


max_pool_3d_grad = op(
    f"MaxPool3DGrad(orig_input: TInput, orig_output: TInput, grad: T; {_REST_3D}, T: type in "
    f"{_TYPES_3D} = float, "
    f"TInput: type in {_TYPES_3D} = float) -> (output: T)",
    shape=lambda c: c.with_rank(0, 5),
    allocates_output=True,
)


@max_pool_3d_grad.kernel
def _(xp: Any, x: Any, y: Any, dy: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    return _max_grad(xp, x, y, dy, _pool_of(5, data_format, ksize, strides, padding))


max_pool_3d_grad_grad = op(
    f"MaxPool3DGradGrad(orig_input: T, orig_output: T, grad: T; {_REST_3D}, T: type in "
    f"{REAL_NUMBERS}) -> (output: T)",
    shape=_grad_grad_shape(5),
    allocates_output=True,
)


@max_pool_3d_grad_grad.kernel
def _(xp: Any, x: Any, y: Any, ddx: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    return _max_grad_grad(xp, x, y, ddx, _pool_of(5, data_format, ksize, strides, padding))


def _same_attrs(node: NodeView, *left_out: str) -> dict[str, Any]:
    names = {"ksize", "strides", "padding", "explicit_paddings", "data_format"} - set(left_out)
    return {name: node.attr(name) for name in sorted(names) if node.attr(name) is not None}


def _max_gradients(forward: Op, grad: Op, grad_grad: Op) -> None:
    """Of a maximum, its gradient and its gradient's gradient. Ksize and strides may be inputs too."""

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
        x, *sizes = node.inputs
        return [
            g.add_op(grad.name, x, node.outputs[0], dy, *sizes, **_same_attrs(node)),
            *(None for _ in sizes),
        ]

    @grad.gradient
    def _(g: GraphBuilder, node: NodeView, ddx: Tensor) -> list[Any]:
        x, y, _, *sizes = node.inputs
        if node.attr("padding") == "EXPLICIT":
            raise unimplemented("the second gradient of MaxPool is not defined for explicit padding")
        found = g.add_op(grad_grad.name, x, y, ddx, *sizes, **_same_attrs(node, "explicit_paddings"))
        return [g.zeros_like(x), g.zeros_like(y), found, *(None for _ in sizes)]


def _grad_grad_gradient(grad_grad: Op, grad: Op) -> None:
    @grad_grad.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
        x, y, _ = node.inputs
        return [g.zeros_like(x), g.zeros_like(y), g.add_op(grad.name, x, y, dy, **_same_attrs(node))]


_max_gradients(max_pool, max_pool_grad, max_pool_grad_grad)
_max_gradients(max_pool_v2, max_pool_grad_v2, max_pool_grad_grad_v2)
_max_gradients(max_pool_3d, max_pool_3d_grad, max_pool_3d_grad_grad)
_grad_grad_gradient(max_pool_grad_grad, max_pool_grad)
_grad_grad_gradient(max_pool_3d_grad_grad, max_pool_3d_grad)


# Maxima and where they are.


def _argmax_shape(c: ShapeContext) -> tuple[Shape, Shape]:
    shape = _shape_of_outputs(c, 4)
    return shape, shape


max_pool_with_argmax = op(
    f"MaxPoolWithArgmax(input: T; {_LISTS_2D}, Targmax: type in {{int32, int64}} = int64, {_VALID_SAME}, "
    f"include_batch_in_index: bool = false, T: type in {REAL_NUMBERS}) -> (output: T, argmax: Targmax)",
    shape=_argmax_shape,
    allocates_output=True,
)


@max_pool_with_argmax.kernel
def _(
    xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, include_batch_in_index: bool, Targmax: Any
) -> Any:
    if not x.size:
        raise invalid(f"the input must not be empty, but has shape {x.shape}")
    win = _spatial_window(_pool_of(4, "NHWC", ksize, strides, padding), x.shape)
    return pooling.max_pool_with_argmax(xp, x, win, include_batch_in_index, Targmax.numpy)


@max_pool_with_argmax.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor, _: Any) -> Any:
    batch = node.attr("include_batch_in_index")
    return g.MaxPoolGradWithArgmax(
        node.inputs[0], dy, node.outputs[1], include_batch_in_index=batch, **_same_attrs(node)
    )


max_pool_grad_with_argmax = op(
    f"MaxPoolGradWithArgmax(input: T, grad: T, argmax: Targmax; {_LISTS_2D}, {_VALID_SAME}, "
    f"include_batch_in_index: bool = false, Targmax: type in {{int32, int64}}, T: type in {REAL_NUMBERS}) "
    "-> (output: T)",
    shape=lambda c: c.with_rank(0, 4),
    allocates_output=True,
)


@max_pool_grad_with_argmax.kernel
def _(
    xp: Any, x: Any, dy: Any, argmax: Any, *,
    ksize: Any, strides: Any, padding: str, include_batch_in_index: bool,
) -> Any:  # fmt: skip
    pool = _pool_of(4, "NHWC", ksize, strides, padding)
    win = _spatial_window(pool, x.shape)
    _check_outputs(pool, win, x.shape, dy.shape, "grad")
    _check_outputs(pool, win, x.shape, argmax.shape, "argmax")
    dx = xp.zeros(x.size, x.dtype)
    per_image = math.prod(x.shape[1:])
    index = argmax.astype("int64")
    if not include_batch_in_index:
        index = index + (xp.arange(x.shape[0]) * per_image).reshape(-1, 1, 1, 1)
    if index.size and (int(index.min()) < 0 or int(index.max()) >= x.size):
        raise invalid(f"argmax names elements outside of an input of shape {x.shape}")
    xp.add.at(dx, index.reshape(-1), dy.reshape(-1))
    return dx.reshape(x.shape)


# Means.


def _avg_pool(xp: Any, x: Any, pool: Pool) -> Any:
    win = _spatial_window(pool, x.shape)
    return _placed(xp, pooling.avg_pool(xp, _last(xp, x, pool.spec), win), pool.spec)


def _avg_grad(xp: Any, sizes: Any, dy: Any, pool: Pool) -> Any:
    spec = pool.spec
    if sizes.shape != (spec.rank,) or any(n < 0 for n in sizes.tolist()):
        raise invalid(f"orig_input_shape must have {spec.rank} elements, but is {sizes.tolist()}")
    x = tuple(sizes.tolist())
    win = _spatial_window(pool, x)
    _check_outputs(pool, win, x, dy.shape, "grad")
    check_allocation(x, dy.dtype.itemsize, "orig_input_shape")
    return _placed(xp, pooling.avg_pool_grad(xp, _last(xp, dy, spec), win), spec)


def _avg_grad_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        stated = c.as_shape(0)
        if stated.rank not in (None, rank):
            raise invalid(f"orig_input_shape must have {rank} elements, but states {stated}")
        c.with_rank(1, rank)
        return Shape((None,) * rank) if stated == UNKNOWN else stated

    return shape


_AVG_2D = f"{_LISTS_2D}, {_VALID_SAME}, {_FORMAT_2D}, T: type in {HALF_FIRST_FLOATS}"
_AVG_3D = f"{_REST_3D}, T: type in {HALF_FIRST_FLOATS}"


def _declare_avg(suffix: str, value: str, rest: str, rank: int) -> None:
    forward = op(
        f"AvgPool{suffix}({value}: T; {rest}) -> (output: T)",
        shape=lambda c: _shape_of_outputs(c, rank),
        allocates_output=True,
    )
    grad = op(
        f"AvgPool{suffix}Grad(orig_input_shape: int32, grad: T; {rest}) -> (output: T)",
        shape=_avg_grad_shape(rank),
        allocates_output=True,
    )

    @forward.kernel
    def _(xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
        return _avg_pool(xp, x, _pool_of(rank, data_format, ksize, strides, padding))

    @grad.kernel
    def _(xp: Any, sizes: Any, dy: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
        return _avg_grad(xp, sizes, dy, _pool_of(rank, data_format, ksize, strides, padding))

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
        return g.add_op(grad.name, g.shape_of(node.inputs[0]), dy, **_same_attrs(node))

    @grad.gradient
    def _(g: GraphBuilder, node: NodeView, ddx: Tensor) -> tuple[None, Tensor]:
        return None, g.add_op(forward.name, ddx, **_same_attrs(node))


_declare_avg("", "value", _AVG_2D, 4)
_declare_avg("3D", "input", _AVG_3D, 5)
