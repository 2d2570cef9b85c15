"""SpaceToBatch, SpaceToDepth and their inverses: blocks of space moved into the batch or into the channels."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, merge_dim, unknown_dims
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import int_vector
from .pad_ops import Pairs, pad_with, padding_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="block_shape crops paddings")
op = family.op

# Space and batch. Both directions take the sizes of blocks, and paddings or crops per spatial axis.


def _check_block(values: Any) -> tuple[int, ...]:
    sizes = int_vector(values, "block_shape")
    if min(sizes, default=1) < 1:
        raise invalid(f"block_shape must be positive, but is {list(sizes)}")
    return sizes


def _space_shape(c: ShapeContext, block: Sequence[int], key: int, to_batch: bool) -> Shape:
    """The static shape with space moved into the batch or back; ``key`` is the input of paddings or crops."""
    dims, borders = c.input(0).dims, c.constant(key)
    if dims is None:
        return UNKNOWN
    count = len(block)
    if len(dims) < count + 1:
        raise invalid(
            f"the input must be of rank {count + 1} or more for {count} block sizes, but has shape {c.input(0)}"
        )
    around = None if borders is None else padding_pairs(borders, count)
    batch, whole = dims[0], prod(block)
    if batch is not None:
        batch = batch * whole if to_batch else _quotient(batch, whole, "the batch")
    space = [
        _space_dim(dims[i + 1], None if around is None else sum(around[i]), block[i], to_batch)
        for i in range(count)
    ]
    return Shape((batch, *space, *dims[count + 1 :]))


def _space_dim(size: Dim, border: int | None, block: int, to_batch: bool) -> Dim:
    if size is None or border is None:
        return None
    if to_batch:
        return _quotient(size + border, block, "a padded axis")
    if size * block < border:
        raise invalid(f"an axis of size {size * block} cannot be cropped by {border}")
    return size * block - border


def _quotient(size: int, by: int, what: str) -> int:
    if size % by:
        raise invalid(f"the size {size} of {what} is not a multiple of {by}")
    return size // by


def _space_to_batch(xp: Any, x: Any, block: Sequence[int], around: Pairs) -> Any:
    count = len(block)
    if x.ndim < count + 1:
        raise invalid(
            f"the input must be of rank {count + 1} or more for {count} block sizes, but has {Shape(x.shape)}"
        )
    padded = pad_with(
        xp, x, [(0, 0), *around, *[(0, 0)] * (x.ndim - count - 1)], b"" if x.dtype.kind == "O" else 0
    )
    space = [_quotient(padded.shape[i + 1], block[i], "a padded axis") for i in range(count)]
    rest = padded.shape[count + 1 :]
    apart = padded.reshape([x.shape[0], *_interleave(space, block), *rest])
    order = [*range(2, 2 * count + 1, 2), 0, *range(1, 2 * count, 2), *range(2 * count + 1, apart.ndim)]
    return apart.transpose(order).reshape((x.shape[0] * prod(block), *space, *rest))


def _batch_to_space(xp: Any, x: Any, block: Sequence[int], around: Pairs) -> Any:
    count = len(block)
    if x.ndim < count + 1:
        raise invalid(
            f"the input must be of rank {count + 1} or more for {count} block sizes, but has {Shape(x.shape)}"
        )
    batch = _quotient(x.shape[0], prod(block), "the batch")
    space, rest = x.shape[1 : count + 1], x.shape[count + 1 :]
    apart = x.reshape([*block, batch, *space, *rest])
    order = [
        count,
        *_interleave(range(count + 1, 2 * count + 1), range(count)),
        *range(2 * count + 1, apart.ndim),
    ]
    whole = [size * by for size, by in zip(space, block)]
    joined = apart.transpose(order).reshape((batch, *whole, *rest))
    for size, (before, after) in zip(whole, around):
        if size < before + after:
            raise invalid(f"an axis of size {size} cannot be cropped by {before} and {after}")
    crops = [slice(before, size - after) for size, (before, after) in zip(whole, around)]
    return joined[(slice(None), *crops)]


def _interleave(first: Sequence[int], second: Sequence[int]) -> list[int]:
    return [item for pair in zip(first, second) for item in pair]


def _declare_batch(name: str, borders: str, other: str, to_batch: bool) -> None:
    """Declares SpaceToBatch or BatchToSpace, and its variant for any number of axes."""
    move = _space_to_batch if to_batch else _batch_to_space
    kind = f"T{borders}"

    def flat_shape(c: ShapeContext) -> Shape:
        c.with_rank(0, 4)
        size = c.attr("block_size")
        return _space_shape(c, (size, size), 1, to_batch)

    flat_attrs = (
        f"T: type, {kind}: type in {INDEX} = int32, block_size: int >= 2"
        if to_batch
        else f"T: type, block_size: int >= 2, Tidx: type in {INDEX} = int32"
    )
    flat = op(
        f"{name}(input: T, {borders}: {kind if to_batch else 'Tidx'}; {flat_attrs}) -> (output: T)",
        shape=flat_shape,
    )

    @flat.kernel
    def _(xp: Any, x: Any, around: Any, *, block_size: int) -> Any:
        if x.ndim != 4:
            raise invalid(f"the input must be of rank 4, but has shape {Shape(x.shape)}")
        return move(xp, x, (block_size, block_size), padding_pairs(around, 2, borders))

    @flat.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
        return g.add_op(other, dy, node.inputs[1], block_size=node.attr("block_size")), None

    def shape(c: ShapeContext) -> Shape:
        count = merge_dim(c.with_rank(1, 1)[0], c.with_rank(2, 2)[0])
        if count is not None and c.input(0).rank is not None and (c.input(0).rank or 0) < count + 1:
            raise invalid(
                f"the input must be of rank {count + 1} or more for {count} block sizes, but has shape {c.input(0)}"
            )
        block, dims = c.constant(1), c.input(0).dims
        if block is not None:
            return _space_shape(c, _check_block(block), 2, to_batch)
        if dims is None or count is None:
            return UNKNOWN if dims is None else Shape((None,) * len(dims))
        return Shape(unknown_dims(count + 1) + dims[count + 1 :])

    full = op(
        f"{name}ND(input: T, block_shape: Tblock_shape, {borders}: {kind}; T: type, "
        f"Tblock_shape: type in {INDEX} = int32, {kind}: type in {INDEX} = int32) -> (output: T)",
        shape=shape,
    )

    @full.kernel
    def _(xp: Any, x: Any, block_shape: Any, around: Any) -> Any:
        if block_shape.ndim != 1:
            raise invalid(f"block_shape must be a vector, but has shape {Shape(block_shape.shape)}")
        block = _check_block(block_shape)
        return move(xp, x, block, padding_pairs(around, len(block), borders))

    @full.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None]:
        return g.add_op(f"{other}ND", dy, *node.inputs[1:]), None, None


_declare_batch("SpaceToBatch", "paddings", "BatchToSpace", True)
_declare_batch("BatchToSpace", "crops", "SpaceToBatch", False)

# Space and depth. Format NCHW_VECT_C holds four channels in the last axis.


def _depth_axes(layout: str) -> tuple[int, int, int]:
    """Returns the axes of height, width and channels."""
    return (1, 2, 3) if layout == "NHWC" else (2, 3, 1)


def _depth_rank(layout: str) -> int:
    return 5 if layout == "NCHW_VECT_C" else 4


def _depth_shape(c: ShapeContext, to_depth: bool) -> Shape:
    layout, size = c.attr("data_format"), c.attr("block_size")
    dims = list(c.with_rank(0, _depth_rank(layout)).dims or ())
    height, width, channels = _depth_axes(layout)
    for axis in (height, width):
        dims[axis] = _scaled(dims[axis], size, not to_depth)
    dims[channels] = _scaled(dims[channels], size * size, to_depth)
    return Shape(tuple(dims))


def _scaled(size: Dim, by: int, up: bool) -> Dim:
    if size is None:
        return None
    return size * by if up else _quotient(size, by, "an axis")


def _space_to_depth(x: Any, size: int) -> Any:
    """Moves blocks into the channels, in the layout [batch, height, width, channels …]."""
    batch, height, width, *channels = x.shape
    high, wide = _quotient(height, size, "the height"), _quotient(width, size, "the width")
    apart = x.reshape([batch, high, size, wide, size, *channels])
    order = [0, 1, 3, 2, 4, *range(5, apart.ndim)]
    return apart.transpose(order).reshape([batch, high, wide, size * size * channels[0], *channels[1:]])


def _depth_to_space(x: Any, size: int) -> Any:
    """Moves channels into blocks, in the layout [batch, height, width, channels …]."""
    batch, height, width, *channels = x.shape
    left = _quotient(channels[0], size * size, "the depth")
    apart = x.reshape([batch, height, width, size, size, left, *channels[1:]])
    order = [0, 1, 3, 2, 4, *range(5, apart.ndim)]
    return apart.transpose(order).reshape([batch, height * size, width * size, left, *channels[1:]])


def _declare_depth(name: str, other: str, to_depth: bool) -> None:
    move = _space_to_depth if to_depth else _depth_to_space

    def shape(c: ShapeContext) -> Shape:
        return _depth_shape(c, to_depth)

    declared = op(
        f"{name}(input: T; T: type, block_size: int >= 2, "
        "data_format: string in {'NHWC', 'NCHW', 'NCHW_VECT_C'} = "
        '"NHWC") -> (output: T)',
        shape=shape,
    )

    @declared.kernel
    def _(xp: Any, x: Any, *, block_size: int, data_format: str) -> Any:
        if x.ndim != _depth_rank(data_format):
            raise invalid(f"a {data_format} tensor cannot have shape {Shape(x.shape)}")
        if data_format == "NHWC":
            return move(x, block_size)
        return xp.moveaxis(move(xp.moveaxis(x, 1, 3), block_size), 3, 1)

    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
        where = {"block_size": node.attr("block_size"), "data_format": node.attr("data_format")}
        return g.add_op(other, dy, **where)


_declare_depth("SpaceToDepth", "DepthToSpace", True)
_declare_depth("DepthToSpace", "SpaceToDepth", False)
