"""Pad, PadV2, MirrorPad and Tile, with their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, unknown_dims
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import check_allocation, int_vector, static_elements

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="multiples paddings")
op = family.op

PADDINGS = f"paddings: Tpaddings; T: type, Tpaddings: type in {INDEX} = int32"

Pairs = Sequence[tuple[int, int]]


def padding_pairs(paddings: Any, rank: int, what: str = "paddings") -> list[tuple[int, int]]:
    """Returns (before, after) for each axis. Raises INVALID_ARGUMENT unless of shape [rank, 2] and not negative."""
    if paddings.shape != (rank, 2):
        raise invalid(f"{what} must be of shape [{rank},2], but are of shape {Shape(paddings.shape)}")
    pairs = [(before, after) for before, after in paddings.tolist()]
    if any(before < 0 or after < 0 for before, after in pairs):
        raise invalid(f"{what} must not be negative, but are {pairs}")
    return pairs


def _pad_shape(c: ShapeContext) -> Shape:
    return _resized_shape(c, 1)


def _unpad_shape(c: ShapeContext) -> Shape:
    return _resized_shape(c, -1)


def _resized_shape(c: ShapeContext, sign: int) -> Shape:
    c.with_rank(1, 2)
    rows = Shape((None, 2)).merge(c.input(1))[0]
    shape = c.input(0)
    if rows is not None:
        shape = shape.merge(Shape(unknown_dims(rows)))
    if shape.dims is None:
        return UNKNOWN
    paddings = c.constant(1)
    if paddings is None:
        if rows not in (None, len(shape.dims)):
            raise invalid(f"paddings must have {len(shape.dims)} rows, but are of shape {c.input(1)}")
        return Shape((None,) * len(shape.dims))
    pairs = padding_pairs(paddings, len(shape.dims))
    return Shape(tuple(_resize(size, sign * sum(pair)) for size, pair in zip(shape.dims, pairs)))


def _resize(size: Dim, by: int) -> Dim:
    if size is not None and size + by < 0:
        raise invalid(f"paddings of {-by} cannot be removed from an axis of size {size}")
    return None if size is None else size + by


def pad_with(xp: Any, x: Any, around: Pairs, value: Any) -> Any:
    """Returns x with a border of one value."""
    dims = [before + size + after for size, (before, after) in zip(x.shape, around)]
    output = xp.full(check_allocation(dims, x.dtype.itemsize, "padded shape"), value, x.dtype)
    output[_interior(around, x.shape)] = x
    return output


def _interior(around: Pairs, dims: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(before, before + size) for (before, _), size in zip(around, dims))


pad = op(f"Pad(input: T, {PADDINGS}) -> (output: T)", shape=_pad_shape, allocates_output=True, expands=True)


@pad.kernel
def _(xp: Any, x: Any, paddings: Any) -> Any:
    return pad_with(xp, x, padding_pairs(paddings, x.ndim), b"" if x.dtype == np.dtype(object) else 0)


pad_v2 = op(
    "PadV2(input: T, paddings: Tpaddings, constant_values: T; T: type, "
    f"Tpaddings: type in {INDEX} = int32) -> "
    "(output: T)",
    shape=_pad_shape,
    allocates_output=True,
    expands=True,
)


@pad_v2.kernel
def _(xp: Any, x: Any, paddings: Any, value: Any) -> Any:
    if value.ndim:
        raise invalid(f"constant_values must be a scalar, but has shape {Shape(value.shape)}")
    return pad_with(xp, x, padding_pairs(paddings, x.ndim), value)


@pad.gradient
@pad_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    x, paddings, *rest = node.inputs
    size = g.cast(g.shape_of(x), paddings.dtype)
    return [g.Slice(dy, _first_column(g, paddings), size), *[None] * (1 + len(rest))]


def _first_column(g: GraphBuilder, paddings: Tensor) -> Tensor:
    known = paddings.fact.constant
    if known is not None:
        return g.constant(known[:, 0], paddings.dtype)
    return g.StridedSlice(paddings, [0, 0], [0, 1], [1, 1], begin_mask=1, end_mask=1, shrink_axis_mask=2)


# Mirrored borders. They are written one axis after the other, and their gradients in the opposite order.


def _mirror_slices(
    around: Pairs, dims: Sequence[int], mode: str
) -> Iterator[tuple[int, list[tuple[slice, slice]]]]:
    """Returns, for each axis, the pairs of slices of the padded tensor that mirror each other.

    ``dims`` are the dimensions without padding. Raises INVALID_ARGUMENT where a border is wider than what it
    mirrors.
    """
    skip = 1 if mode == "REFLECT" else 0
    for axis, ((before, after), size) in enumerate(zip(around, dims)):
        if max(before, after) > max(size - skip, 0):
            raise invalid(
                f"mirrored paddings {before} and {after} are too wide for axis {axis} of size {size} "
                f"with mode {mode}"
            )
        end = before + size
        left = (slice(0, before), _reversed_slice(before + skip, before + skip + before))
        right = (slice(end, end + after), _reversed_slice(end - skip - after, end - skip))
        yield axis, [left, right]


def _reversed_slice(start: int, stop: int) -> slice:
    return slice(stop - 1, start - 1 if start else None, -1) if stop > start else slice(0, 0)


mirror_pad = op(
    f"MirrorPad(input: T, {PADDINGS}, mode: string in {{'REFLECT', 'SYMMETRIC'}}) -> (output: T)",
    shape=_pad_shape,
    allocates_output=True,
    expands=True,
)


@mirror_pad.kernel
def _(xp: Any, x: Any, paddings: Any, *, mode: str) -> Any:
    around = padding_pairs(paddings, x.ndim)
    dims = [before + size + after for size, (before, after) in zip(x.shape, around)]
    steps = list(_mirror_slices(around, x.shape, mode))
    output = xp.empty(check_allocation(dims, x.dtype.itemsize, "padded shape"), x.dtype)
    middle = _interior(around, x.shape)
    output[middle] = x
    for axis, mirrored in steps:
        done = (slice(None),) * axis
        for to, source in mirrored:
            output[(*done, to, *middle[axis + 1 :])] = output[(*done, source, *middle[axis + 1 :])]
    return output


@mirror_pad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.MirrorPadGrad(dy, node.inputs[1], mode=node.attr("mode")), None


mirror_pad_grad = op(
    f"MirrorPadGrad(input: T, {PADDINGS}, mode: string in {{'REFLECT', 'SYMMETRIC'}}) -> (output: T)",
    shape=_unpad_shape,
    allocates_output=True,
)


@mirror_pad_grad.kernel
def _(xp: Any, x: Any, paddings: Any, *, mode: str) -> Any:
    around = padding_pairs(paddings, x.ndim)
    dims = [size - before - after for size, (before, after) in zip(x.shape, around)]
    if min(dims, default=0) < 0:
        raise invalid(f"paddings {around} cannot be removed from a tensor of shape {Shape(x.shape)}")
    middle = _interior(around, dims)
    copy = xp.array(x)
    for axis, mirrored in reversed(list(_mirror_slices(around, dims, mode))):
        open_axes = (slice(None),) * axis
        for border, source in mirrored:
            copy[(*open_axes, source, *middle[axis + 1 :])] += copy[(*open_axes, border, *middle[axis + 1 :])]
    return xp.ascontiguousarray(copy[middle]) if x.ndim else copy


@mirror_pad_grad.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.MirrorPad(dy, node.inputs[1], mode=node.attr("mode")), None


# Tile


def _tile_shape(c: ShapeContext) -> Shape:
    dims, counts = c.input(0).dims, static_elements(c, 1)
    width = c.with_rank(1, 1)[0]
    if dims is None:
        if width is None:
            return UNKNOWN
        dims = unknown_dims(width)
    if width not in (None, len(dims)):
        raise invalid(f"multiples must have one element per axis of {c.input(0)}, but have {width}")
    if counts is None:
        return Shape((None,) * len(dims))
    return Shape(tuple(_tiled_size(size, count) for size, count in zip(dims, counts)))


def _tiled_size(size: Dim, count: Dim) -> Dim:
    if count is not None and count < 0:
        raise invalid(f"multiples must not be negative, but one is {count}")
    if count == 0 or size == 0:
        return 0
    return None if size is None or count is None else size * count


tile = op(
    f"Tile(input: T, multiples: Tmultiples; T: type, Tmultiples: type in {INDEX} = int32) -> (output: T)",
    shape=_tile_shape,
    allocates_output=True,
    expands=True,
)


def _check_multiples(multiples: Any, rank: int) -> tuple[int, ...]:
    counts = int_vector(multiples, "multiples")
    if multiples.ndim != 1 or len(counts) != rank:
        raise invalid(f"multiples {list(counts)} must have one element per axis of a tensor of rank {rank}")
    if min(counts, default=0) < 0:
        raise invalid(f"multiples must not be negative, but are {list(counts)}")
    return counts


@tile.kernel
def _(xp: Any, x: Any, multiples: Any) -> Any:
    counts = _check_multiples(multiples, x.ndim)
    dims = check_allocation(
        [size * count for size, count in zip(x.shape, counts)], x.dtype.itemsize, "tiled shape"
    )
    output = xp.empty(dims, x.dtype)
    wide = output.reshape([d for size, count in zip(x.shape, counts) for d in (count, size)])
    wide[...] = x.reshape([d for size in x.shape for d in (1, size)])
    return output


def _interleaved(g: GraphBuilder, counts: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the shape ``[count, size, count, size …]`` and the axes of the counts."""
    rank = x.shape.rank
    known = counts.fact.constant
    if known is not None and x.shape.is_fully_known:
        dims = np.stack([known, np.array(x.shape.known(), known.dtype)], 1).reshape(-1)
        return g.constant(dims), g.constant(np.arange(0, dims.size, 2, dtype=np.int32))
    dims = g.Reshape(g.Pack([counts, g.cast(g.shape_of(x), counts.dtype)], axis=1), [-1])
    if rank is not None:
        return dims, g.constant(np.arange(0, 2 * rank, 2, dtype=np.int32))
    return dims, g.Range(0, g.Size(dims), 2)


@tile.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    x, counts = node.inputs
    dims, axes = _interleaved(g, counts, x)
    return g.Sum(g.Reshape(dy, dims), axes), None


def _tile_grad_shape(c: ShapeContext) -> Shape:
    dims, counts = c.input(0).dims, static_elements(c, 1)
    if dims is None or counts is None or len(dims) != len(counts):
        return UNKNOWN if dims is None else Shape((None,) * len(dims))
    return Shape(tuple(None if not size or not count else size // count for size, count in zip(dims, counts)))


tile_grad = op("TileGrad(input: T, multiples: int32; T: type) -> (output: T)", shape=_tile_grad_shape)


@tile_grad.kernel
def _(xp: Any, x: Any, multiples: Any) -> Any:
    counts = _check_multiples(multiples, x.ndim)
    if any(count == 0 or size % count for size, count in zip(x.shape, counts)):
        raise invalid(f"shape {Shape(x.shape)} is not divisible by multiples {list(counts)}")
    wide = x.reshape([d for size, count in zip(x.shape, counts) for d in (count, size // count)])
    return wide.sum(axis=tuple(range(0, 2 * x.ndim, 2)), dtype=x.dtype)
