"""Split and SplitV: a tensor cut along an axis into equal parts, or into parts of given sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...numeric.int_arguments import int_scalar, int_vector, normalize_axis, static_axis
from .concat_ops import with_size
from .pack_ops import gradients_or_zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="size_splits split_dim")
op = family.op


def _split_shape(c: ShapeContext) -> list[Shape]:
    count, dims, axis = c.attr("num_split"), c.input(1).dims, static_axis(c, 0)
    if dims is None:
        return [UNKNOWN] * count
    if not dims:
        raise invalid("a scalar cannot be split")
    if axis is None and len(dims) > 1:
        return [Shape((None,) * len(dims))] * count
    at = normalize_axis(axis or 0, len(dims), "split_dim")
    size = dims[at]
    if size is not None and size % count:
        raise invalid(f"axis {at} of shape {c.input(1)} cannot be split into {count} equal parts")
    return [with_size(dims, at, None if size is None else size // count)] * count


split = op(
    "Split(split_dim: int32, value: T; num_split: int >= 1, T: type) -> (output: num_split*T)",
    shape=_split_shape,
)


@split.kernel
def _(xp: Any, split_dim: Any, value: Any, *, num_split: int) -> list[Any]:
    if value.ndim == 0:
        raise invalid("a scalar cannot be split")
    at = normalize_axis(_split_axis(split_dim), value.ndim, "split_dim")
    size = value.shape[at]
    if size % num_split:
        raise invalid(f"axis {at} of shape {Shape(value.shape)} cannot be split into {num_split} equal parts")
    return _slice_parts(value, at, [size // num_split] * num_split)


def _split_axis(split_dim: Any) -> int:
    return int_scalar(split_dim, "split_dim")


def _slice_parts(value: Any, at: int, sizes: Sequence[int]) -> list[Any]:
    """Returns views of consecutive parts of these sizes along an axis."""
    before = (slice(None),) * at
    parts: list[Any] = []
    start = 0
    for size in sizes:
        parts.append(value[(*before, slice(start, start + size))])
        start += size
    return parts


@split.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> tuple[None, Tensor]:
    return None, _concat_parts(g, gradients_or_zeros(g, node, dys), node.inputs[0])


def _concat_parts(g: GraphBuilder, parts: Sequence[Tensor], axis: Tensor) -> Tensor:
    """Concatenates gradients along the axis of the split."""
    return parts[0] if len(parts) == 1 else g.ConcatV2(list(parts), axis)


def _split_v_shape(c: ShapeContext) -> list[Shape]:
    count, dims, axis = c.attr("num_split"), c.input(0).dims, static_axis(c, 2)
    c.input(1).merge(Shape((count,)))
    if dims is None:
        return [UNKNOWN] * count
    if not dims:
        raise invalid("a scalar cannot be split")
    if axis is None and len(dims) > 1:
        return [Shape((None,) * len(dims))] * count
    at = normalize_axis(axis or 0, len(dims), "split_dim")
    sizes = c.elements(1)
    if sizes is None or None in sizes:
        constant = c.constant(1)
        if constant is None:
            return [with_size(dims, at, dims[at] if count == 1 else None)] * count
        sizes = tuple(constant.tolist())
    known = [size for size in sizes if size is not None]
    total = dims[at]
    if total is None:
        return [with_size(dims, at, None if size == -1 else size) for size in known]
    return [with_size(dims, at, size) for size in _resolve_sizes(known, total)]


def _resolve_sizes(sizes: Sequence[int], total: int) -> list[int]:
    """Replaces a single -1 by the size that remains. Raises INVALID_ARGUMENT where sizes do not add up."""
    if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
        raise invalid(f"size_splits {list(sizes)} may have a single -1, and no other negative number")
    rest = total - sum(size for size in sizes if size != -1)
    if rest < 0 or (rest and -1 not in sizes):
        raise invalid(f"size_splits {list(sizes)} do not add up to {total}")
    return [rest if size == -1 else size for size in sizes]


split_v = op(
    "SplitV(value: T, size_splits: Tlen, split_dim: int32; num_split: int >= 1, T: type, "
    "Tlen: type in {int8, int32, int64} = int64) -> (output: num_split*T)",
    shape=_split_v_shape,
)


@split_v.kernel
def _(xp: Any, value: Any, size_splits: Any, split_dim: Any, *, num_split: int) -> list[Any]:
    if value.ndim == 0:
        raise invalid("a scalar cannot be split")
    if size_splits.shape != (num_split,):
        raise invalid(
            f"size_splits must have {num_split} elements, but is of shape {Shape(size_splits.shape)}"
        )
    at = normalize_axis(_split_axis(split_dim), value.ndim, "split_dim")
    return _slice_parts(value, at, _resolve_sizes(int_vector(size_splits, "size_splits"), value.shape[at]))


@split_v.gradient
def _(g: GraphBuilder, node: NodeView, *dys: Tensor | None) -> tuple[Tensor, None, None]:
    return _concat_parts(g, gradients_or_zeros(g, node, dys), node.inputs[2]), None, None
