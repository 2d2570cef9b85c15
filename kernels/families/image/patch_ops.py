"""ExtractImagePatches and ExtractVolumePatches: patches laid out as channels (extract_image_patches_op.cc,
extract_volume_patches_op.cc in TensorFlow)."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Dim, Shape
from ...core.cancellation import checked
from ...core.registry import Family, Op
from ...numeric.int_arguments import check_allocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _window(values: Sequence[int], name: str, count: int) -> tuple[int, ...]:
    """Returns the sizes along the spatial axes. Raises UNIMPLEMENTED unless those of batch and channels are 1, and,
    as TensorFlow does, INVALID_ARGUMENT or OUT_OF_RANGE for sizes below 1."""
    if len(values) != count + 2 or values[0] != 1 or values[-1] != 1:
        raise TfgError(
            Status.UNIMPLEMENTED, f"{name} must be 1 for the batch and the channels, but is {list(values)}"
        )
    if min(values) < 1:
        status = Status.INVALID_ARGUMENT if name == "strides" else Status.OUT_OF_RANGE
        raise TfgError(status, f"{name} must be positive, but is {list(values)}")
    return tuple(values[1:-1])


def _extent(size: int, reach: int, stride: int, padding: str) -> tuple[int, int]:
    """Returns the number of patches along an axis and the padding before it, in pixels. Raises INVALID_ARGUMENT if
    the axis is too short for TensorFlow's computation of the output size."""
    if padding == "VALID":
        room = size - reach + stride
        if room <= -stride:
            raise invalid(f"a patch that reaches over {reach} does not fit into an axis of size {size}")
        return max(room, 0) // stride, 0
    count = -(-size // stride)
    return count, max(0, (count - 1) * stride + reach - size) // 2


def _patches(
    xp: Any, x: Any, sizes: Sequence[int], strides: Sequence[int], rates: Sequence[int], padding: str
) -> Any:
    count = len(sizes)
    if x.ndim != count + 2:
        raise invalid(f"the input must be of rank {count + 2}, but has shape {Shape(x.shape)}")
    space, channels = x.shape[1:-1], x.shape[-1]
    reach = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates)]
    fits = [_extent(*item, padding) for item in zip(space, reach, strides)]
    many = [n for n, _ in fits]
    ends = [
        max((n - 1) * stride + far, before + size)
        for (n, before), stride, far, size in zip(fits, strides, reach, space)
    ]
    padded = x
    if padding == "SAME":
        padded = xp.zeros((x.shape[0], *ends, channels), x.dtype)
        inner = [slice(before, before + size) for (_, before), size in zip(fits, space)]
        padded[(slice(None), *inner)] = x
    found = xp.empty(check_allocation((x.shape[0], *many, *sizes, channels), x.dtype.itemsize), x.dtype)
    for offset in checked(product(*map(range, sizes))):
        starts = [at * rate for at, rate in zip(offset, rates)]
        taken = [
            slice(start, start + (n - 1) * stride + 1 if n else start, stride)
            for start, n, stride in zip(starts, many, strides)
        ]
        found[(slice(None), *[slice(None)] * count, *offset)] = padded[(slice(None), *taken)]
    return found.reshape((x.shape[0], *many, prod(sizes) * channels))


def _shape(c: ShapeContext, count: int) -> Shape:
    sizes, strides = (_window(c.attr(name), name, count) for name in ("ksizes", "strides"))
    rates = _window(c.attr("rates"), "rates", count) if "rates" in c.attrs else (1,) * count
    dims: list[Dim] = list(c.with_rank(0, count + 2).dims or [])
    reach = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates)]
    space: list[Dim] = []
    for size, far, stride in zip(dims[1:-1], reach, strides):
        space.append(None if size is None else _extent(size, far, stride, c.attr("padding"))[0])
    channels = dims[-1]
    return Shape((dims[0], *space, None if channels is None else channels * prod(sizes)))


def _gradient(declared: Op, count: int) -> None:
    """Declares the gradient: a segment sum over the pixels. The operation, applied to an image of pixel
    numbers, tells which pixel each patch element was taken from."""

    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
        (x,) = node.inputs
        names = ("ksizes", "strides", "padding") if count == 3 else ("ksizes", "strides", "rates", "padding")
        batch, space, channels = _parts(g, g.cast(g.shape_of(x), dtypes.int64), count)
        total = g.Prod(space, [0])
        numbers = g.Range(g.constant(np.int64(1)), total + np.int64(1), g.constant(np.int64(1)))
        image = g.Reshape(numbers, g.ConcatV2([[1], space, [1]], 0))
        # Position 0 is the padding, and is dropped.
        places = g.Reshape(g.add_op(node.node.op, image, **{name: node.attr(name) for name in names}), [-1])
        rows = g.Reshape(dy, g.Pack([batch, np.int64(-1), channels]))
        count_all = g.cast(total + np.int64(1), dtypes.int32)
        sums = g.UnsortedSegmentSum(g.Transpose(rows, [1, 0, 2]), places, count_all)
        inner = g.Transpose(g.StridedSlice(sums, [1], [0], [1], end_mask=1), [1, 0, 2])
        return g.Reshape(inner, g.shape_of(x))


def _parts(g: GraphBuilder, shape: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the batch size, the spatial sizes and the number of channels of a shape tensor."""
    batch = g.StridedSlice(shape, [0], [1], [1], shrink_axis_mask=1)
    space = g.StridedSlice(shape, [1], [count + 1], [1])
    channels = g.StridedSlice(shape, [count + 1], [count + 2], [1], shrink_axis_mask=1)
    return batch, space, channels


image_patches = op(
    "ExtractImagePatches(images: T; ksizes: list(int) >= 4, strides: list(int) >= 4, rates: list(int) >= 4, "
    "T: type in {bfloat16, half, float, double, int8, int16, int32, int64, uint8, uint16, uint32, uint64, "
    "complex64, complex128, bool}, padding: string in {'SAME', 'VALID'}) -> (patches: T)",
    shape=lambda c: _shape(c, 2),
    allocates_output=True,
)


@image_patches.kernel
def _(xp: Any, x: Any, *, ksizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    sizes = _window(ksizes, "ksizes", 2)
    return _patches(xp, x, sizes, _window(strides, "strides", 2), _window(rates, "rates", 2), padding)


_gradient(image_patches, 2)


volume_patches = op(
    "ExtractVolumePatches(input: T; ksizes: list(int) >= 5, strides: list(int) >= 5, T: type in {float, "
    "double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}, "
    "padding: string in {'SAME', 'VALID'}) -> (patches: T)",
    shape=lambda c: _shape(c, 3),
    allocates_output=True,
)


@volume_patches.kernel
def _(xp: Any, x: Any, *, ksizes: Any, strides: Any, padding: str) -> Any:
    sizes = _window(ksizes, "ksizes", 3)
    return _patches(xp, x, sizes, _window(strides, "strides", 3), (1, 1, 1), padding)


_gradient(volume_patches, 3)
