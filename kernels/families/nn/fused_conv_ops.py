"""FusedPadConv2D and FusedResizeAndPadConv2D, and Conv, the convolution of any rank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Dim, Shape
from ...core.registry import Family
from ...numeric.windows import WindowSpec, conv_spec, output_dims
from ..array import pad_ops
from ..image import resize_ops
from . import conv_ops

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="paddings size")
op = family.op

_ONES = (1, 1, 1, 1)
_REST = "mode: string in {'REFLECT', 'SYMMETRIC'}, strides: list(int), padding: string in {'SAME', 'VALID'}"


def _spec(attrs: Any) -> WindowSpec:
    return conv_spec(4, "NHWC", attrs["strides"], _ONES, attrs["padding"])


def _padded_size(size: Dim, pair: tuple[int, int]) -> Dim:
    return None if size is None else size + sum(pair)


def _fused_shape(c: ShapeContext) -> Shape:
    spec = _spec(c.attrs)
    x, w = c.with_rank("input", 4), c.with_rank("filter", 4)
    assert x.dims is not None and w.dims is not None
    dims: list[Dim] = list(x.dims)
    if c.op is fused_resize_and_pad:
        size = c.elements("size")
        dims[1:3] = size if size is not None and len(size) == 2 else (None, None)
    c.input("paddings").merge(Shape((4, 2)))
    paddings = c.constant("paddings")
    if paddings is None:
        dims = [None] * 4
    else:
        around = _around(paddings)
        dims = [_padded_size(size, pair) for size, pair in zip(dims, around)]
    spatial = output_dims(spec, dims[1:3], w.dims[:2])
    return Shape((dims[0], *spatial, w[3]))


def _around(paddings: Any) -> list[tuple[int, int]]:
    around = pad_ops.padding_pairs(paddings, 4)
    if any(around[0]) or any(around[3]):
        raise invalid(f"only height and width can be padded, but paddings are {around}")
    return around


def _pad_and_convolve(xp: Any, x: Any, paddings: Any, w: Any, mode: str, spec: WindowSpec) -> Any:
    _around(paddings)
    kernel = pad_ops.mirror_pad.kernel_function
    assert kernel is not None
    return conv_ops.convolve(xp, spec, kernel(xp, x, paddings, mode=mode), w)


fused_pad = op(
    "FusedPadConv2D(input: T, paddings: int32, filter: T; T: type in "
    f"{{half, bfloat16, float, double}}, {_REST}) "
    "-> (output: T)",
    shape=_fused_shape,
    allocates_output=True,
)


@fused_pad.kernel
def _(xp: Any, x: Any, paddings: Any, w: Any, *, mode: str, strides: Any, padding: str) -> Any:
    return _pad_and_convolve(xp, x, paddings, w, mode, conv_spec(4, "NHWC", strides, _ONES, padding))


fused_resize_and_pad = op(
    "FusedResizeAndPadConv2D(input: T, size: int32, paddings: int32, filter: T; T: type in {half, "
    "float, double}, "
    f"resize_align_corners: bool = false, {_REST}) -> (output: T)",
    shape=_fused_shape,
    allocates_output=True,
)


@fused_resize_and_pad.kernel
def _(
    xp: Any, x: Any, size: Any, paddings: Any, w: Any, *,
    resize_align_corners: bool, mode: str, strides: Any, padding: str,
) -> Any:  # fmt: skip
    _around(paddings)
    kernel = resize_ops.bilinear.kernel_function
    assert kernel is not None
    resized = kernel(xp, x, size, align_corners=resize_align_corners, half_pixel_centers=False)
    spec = conv_spec(4, "NHWC", strides, _ONES, padding)
    return _pad_and_convolve(xp, resized.astype(x.dtype), paddings, w, mode, spec)


def _any_spec(rank: int, attrs: Any) -> WindowSpec:
    data_format = "NHWC" if attrs["data_format"] == "CHANNELS_LAST" else "NCHW"
    dilations = attrs["dilations"] or (1,) * rank
    return conv_spec(
        rank, data_format, attrs["strides"], dilations, attrs["padding"], attrs["explicit_paddings"]
    )


def _any_shape(c: ShapeContext) -> Shape:
    batch_dims = c.attr("batch_dims")
    if batch_dims < 1:
        raise invalid(f"batch_dims must be positive, but is {batch_dims}")
    x, w = c.input(0), c.input(1)
    if x.dims is None or w.dims is None:
        return Shape(None)
    rank = len(w.dims)
    spec = _any_spec(rank, c.attrs)
    c.with_rank(0, rank + batch_dims - 1)
    one = Shape((None, *x.dims[batch_dims:]))
    conv_ops.check_depths(one[spec.channel_axis], w[-2], w[-1])
    assert one.dims is not None
    placed = spec.place(None, output_dims(spec, one.dims[spec.spatial], w.dims[:-2]), w[-1])
    return Shape((*x.dims[:batch_dims], *placed[1:]))


conv = op(
    "Conv(input: T, filter: T; T: type in {half, bfloat16, float, double, int32}, strides: list(int), "
    "padding: string in {'SAME', 'VALID', 'EXPLICIT'}, explicit_paddings: list(int) = [], "
    "data_format: string in {'CHANNELS_FIRST', 'CHANNELS_LAST'} = \"CHANNELS_LAST\", dilations: "
    "list(int) = [], "
    "batch_dims: int = 1, groups: int = 1) -> (output: T)",
    shape=_any_shape,
    allocates_output=True,
)


@conv.kernel
def _(
    xp: Any, x: Any, w: Any, *,
    strides: Any, padding: str, explicit_paddings: Any, data_format: str, dilations: Any, batch_dims: int,
) -> Any:  # fmt: skip
    if x.ndim != w.ndim + batch_dims - 1:
        raise invalid(f"an input of shape {x.shape} does not fit a filter of shape {w.shape}")
    attrs = {
        "strides": strides, "padding": padding, "explicit_paddings": explicit_paddings,
        "data_format": data_format, "dilations": dilations,
    }  # fmt: skip
    batch = x.shape[:batch_dims]
    flat = x.reshape(math.prod(batch), *x.shape[batch_dims:])
    y = conv_ops.convolve(xp, _any_spec(w.ndim, attrs), flat, w)
    return y.reshape(*batch, *y.shape[1:])
