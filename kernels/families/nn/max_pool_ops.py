"""Max pooling in two and three spatial dimensions: MaxPool and its gradients, MaxPoolWithArgmax and its gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family, Op
from ...core.types import REAL_NUMBERS
from ...numeric import pooling
from ...numeric.int_arguments import check_allocation
from ...numeric.windows import from_channels_last, to_channels_last, unimplemented
from .pool_window import (
    ATTRS_3D,
    FORMAT_2D,
    SIZES_2D,
    VALID_SAME,
    PoolSpec,
    check_output_shape,
    fit_pool_window,
    fit_spatial_window,
    infer_output_shape,
    output_shape,
    pool_spec,
    shared_attrs,
    spec_from_inputs,
    static_spec_from_inputs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...codegen.max_pool import MaxPoolLoop, NativeMaxPool
    from ...core.binding import Binding
    from ...core.inference import ShapeContext
    from ...numeric.windows import Window

family = Family(__name__, host_inputs="ksize strides")
op = family.op

_PADDING = "padding: string in {'SAME', 'VALID', 'EXPLICIT'}, explicit_paddings: list(int) = []"
_FORMAT_MAX = "data_format: string in {'NHWC', 'NCHW', 'NCHW_VECT_C'} = \"NHWC\""
_MAX_TYPES = (
    "T: type in {half, bfloat16, float, double, int32, int64, uint8, int16, int8, uint16, qint8} = float"
)
_TYPES_3D = "{half, bfloat16, float}"


def _max_pool(
    xp: Any, x: Any, pool: PoolSpec, reduce: Callable[[Any, Any, Window], Any] = pooling.max_pool
) -> Any:
    """Returns the maxima in the data format; ``reduce`` computes them channels-last."""
    if pool.depth > 1 or pool.depth_stride > 1:
        return _max_over_channels(x, pool)
    win = fit_pool_window(pool, x.shape)
    check_allocation((x.shape[0], *win.outputs, x.shape[pool.spec.channel_axis]), x.dtype.itemsize, "output")
    return from_channels_last(xp, reduce(xp, to_channels_last(xp, x, pool.spec), win), pool.spec)


def _max_over_channels(x: Any, pool: PoolSpec) -> Any:
    fit_pool_window(pool, x.shape)
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


def _fit_max_grad(x: Any, y: Any, dy: Any, pool: PoolSpec) -> Window:
    win = fit_spatial_window(pool, x.shape)
    check_output_shape(pool, win, x.shape, y.shape, "orig_output")
    check_output_shape(pool, win, x.shape, dy.shape, "grad")
    return win


def _max_grad(
    xp: Any, x: Any, y: Any, dy: Any, pool: PoolSpec,
    spread: Callable[[Any, Any, Any, Window], Any] = pooling.max_pool_grad,
) -> Any:  # fmt: skip
    """Returns the gradient of the input in the data format; ``spread`` computes it channels-last."""
    spec, win = pool.spec, _fit_max_grad(x, y, dy, pool)
    return from_channels_last(
        xp,
        spread(xp, to_channels_last(xp, x, spec), to_channels_last(xp, dy, spec), win),
        spec,
    )


def _compile(
    b: Binding,
    compile_loop: Callable[[MaxPoolLoop], NativeMaxPool | None],
    pool: PoolSpec,
    *,
    is_gradient: bool,
) -> NativeMaxPool | None:
    """Returns native code for the shape that the first input is known to have, None if it is not known."""
    from ...codegen.max_pool import MaxPoolLoop

    dims = b.inputs[0].shape.dims
    if dims is None or len(dims) != 4 or pool.depth > 1 or pool.depth_stride > 1:
        return None
    shape = tuple(n for n in dims if n is not None)
    if len(shape) < 4:
        return None
    win = fit_pool_window(pool, shape)
    channels = shape[pool.spec.channel_axis]
    return compile_loop(MaxPoolLoop(b.input_types[0].numpy, shape[0], channels, win, is_gradient))


def _max_grad_grad(xp: Any, x: Any, y: Any, ddx: Any, pool: PoolSpec) -> Any:
    spec = pool.spec
    win = fit_spatial_window(pool, x.shape)
    check_output_shape(pool, win, x.shape, y.shape, "orig_output")
    if ddx.shape != x.shape:
        raise invalid(f"grad has shape {ddx.shape}, but should have shape {x.shape}")
    return from_channels_last(
        xp,
        pooling.max_pool_grad_grad(xp, to_channels_last(xp, x, spec), to_channels_last(xp, ddx, spec), win),
        spec,
    )


max_pool = op(
    f"MaxPool(input: T; {_MAX_TYPES}, {SIZES_2D}, {_PADDING}, {_FORMAT_MAX}) -> (output: T)",
    shape=lambda c: infer_output_shape(c, 4),
    allocates_output=True,
)


@max_pool.kernel
def _(
    xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, explicit_paddings: Any, data_format: str
) -> Any:
    return _max_pool(xp, x, pool_spec(4, data_format, ksize, strides, padding, explicit_paddings))


def _bound_spec(b: Binding) -> PoolSpec:
    attrs = b.attrs
    return pool_spec(
        4,
        attrs["data_format"],
        attrs["ksize"],
        attrs["strides"],
        attrs["padding"],
        attrs["explicit_paddings"],
    )


@max_pool.compiled
def _(b: Binding, compile_loop: Callable[[MaxPoolLoop], NativeMaxPool | None]) -> Callable[[Any], Any] | None:
    pool = _bound_spec(b)
    native = _compile(b, compile_loop, pool, is_gradient=False)
    if native is None:
        return None

    def reduce(xp: Any, x: Any, win: Window) -> Any:
        return native.pool(x) if native.fits(x) else pooling.max_pool(xp, x, win)

    return lambda x: _max_pool(np, x, pool, reduce)


def _v2_shape(c: ShapeContext) -> Shape:
    x, pool = c.with_rank(0, 4), static_spec_from_inputs(c, 1)
    return Shape((x[0], None, None, None)) if pool is None else output_shape(pool, x)


max_pool_v2 = op(
    f"MaxPoolV2(input: T, ksize: int32, strides: int32; {_MAX_TYPES}, {VALID_SAME}, {_FORMAT_MAX}) "
    "-> (output: T)",
    shape=_v2_shape,
    allocates_output=True,
)


@max_pool_v2.kernel
def _(xp: Any, x: Any, ksize: Any, strides: Any, *, padding: str, data_format: str) -> Any:
    return _max_pool(xp, x, spec_from_inputs(ksize, strides, data_format, padding))


max_pool_grad = op(
    f"MaxPoolGrad(orig_input: T, orig_output: T, grad: T; {SIZES_2D}, {_PADDING}, {FORMAT_2D}, "
    f"T: type in {REAL_NUMBERS} = float) -> (output: T)",
    shape=lambda c: c.with_rank(0, 4),
    allocates_output=True,
)


@max_pool_grad.kernel
def _(
    xp: Any, x: Any, y: Any, dy: Any, *,
    ksize: Any, strides: Any, padding: str, explicit_paddings: Any, data_format: str,
) -> Any:  # fmt: skip
    return _max_grad(xp, x, y, dy, pool_spec(4, data_format, ksize, strides, padding, explicit_paddings))


@max_pool_grad.compiled
def _(
    b: Binding, compile_loop: Callable[[MaxPoolLoop], NativeMaxPool | None]
) -> Callable[[Any, Any, Any], Any] | None:
    pool = _bound_spec(b)
    native = _compile(b, compile_loop, pool, is_gradient=True)
    if native is None:
        return None

    def spread(xp: Any, x: Any, dy: Any, win: Window) -> Any:
        return native.gradient(x, dy) if native.fits(x) else pooling.max_pool_grad(xp, x, dy, win)

    return lambda x, y, dy: _max_grad(np, x, y, dy, pool, spread)


max_pool_grad_v2 = op(
    f"MaxPoolGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32; {VALID_SAME}, "
    f"{FORMAT_2D}, T: type in {REAL_NUMBERS} = float) -> (output: T)",
    shape=lambda c: c.with_rank(0, 4),
    allocates_output=True,
)


@max_pool_grad_v2.kernel
def _(xp: Any, x: Any, y: Any, dy: Any, ksize: Any, strides: Any, *, padding: str, data_format: str) -> Any:
    return _max_grad(xp, x, y, dy, spec_from_inputs(ksize, strides, data_format, padding))


def _grad_grad_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        x, y, ddx = (c.with_rank(i, rank) for i in range(3))
        x.merge(ddx)
        return y

    return shape


max_pool_grad_grad = op(
    f"MaxPoolGradGrad(orig_input: T, orig_output: T, grad: T; {SIZES_2D}, {VALID_SAME}, {FORMAT_2D}, "
    f"T: type in {REAL_NUMBERS}) -> (output: T)",
    shape=_grad_grad_shape(4),
    allocates_output=True,
)


@max_pool_grad_grad.kernel
def _(xp: Any, x: Any, y: Any, ddx: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    return _max_grad_grad(xp, x, y, ddx, pool_spec(4, data_format, ksize, strides, padding))


max_pool_grad_grad_v2 = op(
    f"MaxPoolGradGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32; {VALID_SAME}, "
    f"{FORMAT_2D}, T: type in {REAL_NUMBERS}) -> (output: T)",
    shape=_grad_grad_shape(4),
    allocates_output=True,
)


@max_pool_grad_grad_v2.kernel
def _(xp: Any, x: Any, y: Any, ddx: Any, ksize: Any, strides: Any, *, padding: str, data_format: str) -> Any:
    return _max_grad_grad(xp, x, y, ddx, spec_from_inputs(ksize, strides, data_format, padding))


max_pool_3d = op(
    f"MaxPool3D(input: T; {ATTRS_3D}, T: type in {_TYPES_3D}) -> (output: T)",
    shape=lambda c: infer_output_shape(c, 5),
    allocates_output=True,
)


@max_pool_3d.kernel
def _(xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    pool = pool_spec(5, data_format, ksize, strides, padding)
    fit_spatial_window(pool, x.shape)
    return _max_pool(xp, x, pool)


max_pool_3d_grad = op(
    f"MaxPool3DGrad(orig_input: TInput, orig_output: TInput, grad: T; {ATTRS_3D}, T: type in "
    f"{_TYPES_3D} = float, "
    f"TInput: type in {_TYPES_3D} = float) -> (output: T)",
    shape=lambda c: c.with_rank(0, 5),
    allocates_output=True,
)


@max_pool_3d_grad.kernel
def _(xp: Any, x: Any, y: Any, dy: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    pool = pool_spec(5, data_format, ksize, strides, padding)
    win = _fit_max_grad(x, y, dy, pool)
    x, y, dy = (to_channels_last(xp, part, pool.spec) for part in (x, y, dy))
    return from_channels_last(xp, pooling.max_pool_grad_of_ties(xp, x, y, dy, win), pool.spec)


max_pool_3d_grad_grad = op(
    f"MaxPool3DGradGrad(orig_input: T, orig_output: T, grad: T; {ATTRS_3D}, T: type in "
    f"{REAL_NUMBERS}) -> (output: T)",
    shape=_grad_grad_shape(5),
    allocates_output=True,
)


@max_pool_3d_grad_grad.kernel
def _(xp: Any, x: Any, y: Any, ddx: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    return _max_grad_grad(xp, x, y, ddx, pool_spec(5, data_format, ksize, strides, padding))


def _max_gradients(forward: Op, grad: Op, grad_grad: Op) -> None:
    """Registers the gradients of a maximum and of its gradient. Ksize and strides may be inputs."""

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
        x, *sizes = node.inputs
        return [
            g.add_op(grad.name, x, node.outputs[0], dy, *sizes, **shared_attrs(node)),
            *(None for _ in sizes),
        ]

    @grad.gradient
    def _(g: GraphBuilder, node: NodeView, ddx: Tensor) -> list[Any]:
        x, y, _, *sizes = node.inputs
        if node.attr("padding") == "EXPLICIT":
            raise unimplemented("the second gradient of MaxPool is not defined for explicit padding")
        ddy = g.add_op(grad_grad.name, x, y, ddx, *sizes, **shared_attrs(node, "explicit_paddings"))
        return [g.zeros_like(x), g.zeros_like(y), ddy, *(None for _ in sizes)]


def _grad_grad_gradient(grad_grad: Op, grad: Op) -> None:
    @grad_grad.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
        x, y, _ = node.inputs
        return [g.zeros_like(x), g.zeros_like(y), g.add_op(grad.name, x, y, dy, **shared_attrs(node))]


_max_gradients(max_pool, max_pool_grad, max_pool_grad_grad)
_max_gradients(max_pool_v2, max_pool_grad_v2, max_pool_grad_grad_v2)
_max_gradients(max_pool_3d, max_pool_3d_grad, max_pool_3d_grad_grad)
_grad_grad_gradient(max_pool_grad_grad, max_pool_grad)
_grad_grad_gradient(max_pool_3d_grad_grad, max_pool_3d_grad)


# Maxima and their positions.


def _argmax_shape(c: ShapeContext) -> tuple[Shape, Shape]:
    shape = infer_output_shape(c, 4)
    return shape, shape


max_pool_with_argmax = op(
    f"MaxPoolWithArgmax(input: T; {SIZES_2D}, Targmax: type in {{int32, int64}} = int64, {VALID_SAME}, "
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
    win = fit_spatial_window(pool_spec(4, "NHWC", ksize, strides, padding), x.shape)
    return pooling.max_pool_with_argmax(xp, x, win, include_batch_in_index, Targmax.numpy)


@max_pool_with_argmax.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor, _: Any) -> Any:
    batch = node.attr("include_batch_in_index")
    return g.MaxPoolGradWithArgmax(
        node.inputs[0], dy, node.outputs[1], include_batch_in_index=batch, **shared_attrs(node)
    )


max_pool_grad_with_argmax = op(
    f"MaxPoolGradWithArgmax(input: T, grad: T, argmax: Targmax; {SIZES_2D}, {VALID_SAME}, "
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
    pool = pool_spec(4, "NHWC", ksize, strides, padding)
    win = fit_spatial_window(pool, x.shape)
    check_output_shape(pool, win, x.shape, dy.shape, "grad")
    check_output_shape(pool, win, x.shape, argmax.shape, "argmax")
    dx = xp.zeros(x.size, x.dtype)
    per_image = math.prod(x.shape[1:])
    index = argmax.astype("int64")
    if not include_batch_in_index:
        index = index + (xp.arange(x.shape[0]) * per_image).reshape(-1, 1, 1, 1)
    if index.size and (int(index.min()) < 0 or int(index.max()) >= x.size):
        raise invalid(
            f"argmax must be in [0, {x.size}), but lies in [{int(index.min())}, {int(index.max())}]"
        )
    xp.add.at(dx, index.reshape(-1), dy.reshape(-1))
    return dx.reshape(x.shape)
