"""DynamicPartition, DynamicStitch and OneHot."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import MAX_ELEMENTS, UNKNOWN, Shape
from ...core.registry import Family
from ...numeric.scatter import check_indices, on_host, zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="depth")
op = family.op


def _partition_shape(c: ShapeContext) -> list[Shape]:
    data, partitions = c.input(0), c.input(1)
    part = UNKNOWN
    if data.dims is not None and partitions.dims is not None:
        rank = len(partitions.dims)
        if rank > len(data.dims):
            raise invalid(f"partitions of shape {partitions} must be a prefix of the data's shape {data}")
        Shape(data.dims[:rank]).merge(partitions)
        part = Shape((None, *data.dims[rank:]))
    return [part] * c.attr("num_partitions")


dynamic_partition = op(
    "DynamicPartition(data: T, partitions: int32; num_partitions: int >= 1, T: type) -> "
    "(outputs: num_partitions*T)",
    shape=_partition_shape,
)


@dynamic_partition.kernel
def _(xp: Any, data: Any, partitions: Any, *, num_partitions: int) -> list[Any]:
    rank = partitions.ndim
    if data.shape[:rank] != partitions.shape:
        raise invalid(
            f"partitions of shape {Shape(partitions.shape)} must be a prefix of the data's shape "
            f"{Shape(data.shape)}"
        )
    check_indices(partitions, num_partitions, "partitions")
    rows = xp.asarray(data).reshape(partitions.size, *data.shape[rank:])
    chosen = xp.asarray(partitions).reshape(-1)
    if num_partitions <= 4:
        return [rows[chosen == part] for part in range(num_partitions)]
    # numpy sorts short integers by radix.
    short = chosen.astype(np.int16) if num_partitions <= 2**15 else chosen
    ordered = rows.take(xp.argsort(short, kind="stable"), 0)
    ends = np.cumsum(on_host(xp.bincount(chosen, minlength=num_partitions))).tolist()
    return [ordered[start:end] for start, end in zip([0, *ends], ends)]


@dynamic_partition.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> tuple[Tensor, None]:
    data, partitions = node.inputs
    parts = [g.zeros_like(out) if dy is None else dy for out, dy in zip(node.outputs, dys)]
    shape = g.shape_of(partitions)
    numbers = g.Reshape(g.Range(0, g.Prod(shape, g.constant([0])), 1), shape)
    positions = g.DynamicPartition(numbers, partitions, num_partitions=node.attr("num_partitions"))
    return g.Reshape(g.ParallelDynamicStitch(positions, parts), g.shape_of(data)), None


def _stitch_shape(c: ShapeContext) -> Shape:
    count: int = c.attr("N")
    inner, largest = UNKNOWN, -1
    known = True
    for i in range(count):
        indices, data = c.input(i), c.input(count + i)
        constant = c.constant(i)
        if constant is None:
            known = False
        elif constant.size:
            largest = max(largest, int(constant.max()))
        if indices.dims is None or data.dims is None:
            continue
        rank = len(indices.dims)
        if rank > len(data.dims):
            raise invalid(f"the shape of data[{i}], {data}, must begin with that of indices[{i}], {indices}")
        Shape(data.dims[:rank]).merge(indices)
        inner = inner.merge(Shape(data.dims[rank:]))
    if inner.dims is None:
        return UNKNOWN
    return Shape((largest + 1 if known else None, *inner.dims))


def _stitch(name: str) -> Any:
    declared = op(
        f"{name}(indices: N*int32, data: N*T; N: int >= 1, T: type) -> (merged: T)",
        shape=_stitch_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, indices: Sequence[Any], data: Sequence[Any]) -> Any:
        inner = data[0].shape[indices[0].ndim :]
        for i, (at, values) in enumerate(zip(indices, data)):
            if values.shape != (*at.shape, *inner):
                raise invalid(
                    f"data[{i}] must have shape {Shape((*at.shape, *inner))}, that of indices[{i}] followed by the "
                    f"row shape of data[0], but has shape {Shape(values.shape)}"
                )
        size = max([0, *(int(at.max()) + 1 for at in indices if at.size)])
        # Rows without an index are zero.
        merged = zeros(xp, (size, *inner), data[0].dtype)
        for i, (at, values) in enumerate(zip(indices, data)):
            check_indices(at, size, f"indices[{i}]")
            merged[xp.asarray(at)] = values
        return merged

    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
        indices = node.inputs[: node.attr("N")]
        return [*(None for _ in indices), *(g.GatherV2(dy, at, g.constant(0)) for at in indices)]

    return declared


dynamic_stitch = _stitch("DynamicStitch")
parallel_dynamic_stitch = _stitch("ParallelDynamicStitch")


def _one_hot_shape(c: ShapeContext) -> Shape:
    for i, name in ((1, "depth"), (2, "on_value"), (3, "off_value")):
        if c.input(i).rank not in (None, 0):
            raise invalid(f"{name} must be a scalar, but has shape {c.input(i)}")
    depth, axis = c.elements(1), c.attr("axis")
    if axis < -1:
        raise invalid(f"axis is {axis}, but must be -1 or more")
    size = depth[0] if depth else None
    if size is not None and size < 0:
        raise invalid(f"depth is {size}, but must not be negative")
    dims = c.input(0).dims
    if dims is None:
        return UNKNOWN
    position = _one_hot_axis(axis, len(dims))
    return Shape((*dims[:position], size, *dims[position:]))


def _one_hot_axis(axis: int, rank: int) -> int:
    if axis != -1 and not 0 <= axis <= rank:
        raise invalid(f"axis is {axis}, but must be in [-1, {rank}], for indices of rank {rank}")
    return rank if axis == -1 else axis


one_hot = op(
    "OneHot(indices: TI, depth: int32, on_value: T, off_value: T; axis: int = -1, T: type, "
    "TI: type in {uint8, int8, int32, int64} = int64) -> (output: T)",
    shape=_one_hot_shape,
    differentiable=False,
    allocates_output=True,
    expands=True,
)


@one_hot.kernel
def _(xp: Any, indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int) -> Any:
    for name, value in (("depth", depth), ("on_value", on_value), ("off_value", off_value)):
        if getattr(value, "ndim", 0):
            raise invalid(f"{name} must be a scalar, but has shape {Shape(value.shape)}")
    size = int(depth)
    if size < 0:
        raise invalid(f"depth is {size}, but must not be negative")
    position = _one_hot_axis(axis, indices.ndim)
    shape = (*indices.shape[:position], size, *indices.shape[position:])
    if prod(shape) > MAX_ELEMENTS:
        raise invalid(f"OneHot: the output shape {Shape(shape)} has too many elements")
    output = _filled(xp, shape, off_value)
    outer, inner = prod(indices.shape[:position]), prod(indices.shape[position:])
    flat = xp.asarray(indices).reshape(-1)
    slots = flat.astype(np.int64)
    slots *= inner
    slots += xp.arange(flat.size) % inner if inner > 1 else 0
    slots += (xp.arange(flat.size) // max(inner, 1)) * (size * inner)
    valid = (flat >= 0) & (flat < size)
    if outer and not bool(valid.all()):
        slots = slots[valid]
    output.reshape(-1)[slots] = on_value[()] if hasattr(on_value, "shape") else on_value
    return output


def _filled(xp: Any, shape: tuple[int, ...], value: Any) -> Any:
    """Returns an array of this shape filled with a scalar; zeros are allocated without being written."""
    dtype: Any = getattr(value, "dtype", np.dtype(object))
    if not dtype.hasobject and not bool(value.any()):
        return xp.zeros(shape, dtype)
    return xp.full(shape, value[()] if hasattr(value, "shape") else value, dtype)
