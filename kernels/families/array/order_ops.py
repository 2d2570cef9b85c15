"""Reverse, ReverseSequence and Roll: elements in another order along axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim, unknown_dims
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import int_vector, normalize_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="axis shift")
op = family.op

_REVERSIBLE = (
    "uint8, int8, uint16, int16, uint32, int32, uint64, int64, bool, bfloat16, half, float, double, "
    "complex64, complex128, string"
)


def _flip(x: Any, axes: Sequence[int]) -> Any:
    backwards = slice(None, None, -1)
    return x[tuple(backwards if axis in axes else slice(None) for axis in range(x.ndim))]


def _reverse_shape(c: ShapeContext) -> Shape:
    count = c.with_rank(1, 1)[0]
    shape = c.input(0) if count is None else c.input(0).merge(Shape(unknown_dims(count)))
    if shape.rank is not None and shape.rank > 8:
        raise invalid(f"a tensor of shape {shape} has more than 8 axes")
    return shape


reverse = op(
    f"Reverse(tensor: T, dims: bool; T: type in {{{_REVERSIBLE}}}) -> (output: T)", shape=_reverse_shape
)


@reverse.kernel
def _(xp: Any, x: Any, dims: Any) -> Any:
    if x.ndim == 0:
        return x
    if dims.shape != (x.ndim,):
        raise invalid(
            f"dims must have one element per axis of {Shape(x.shape)}, but is of shape {Shape(dims.shape)}"
        )
    return _flip(x, [axis for axis, wanted in enumerate(dims.tolist()) if wanted])


@reverse.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.Reverse(dy, node.inputs[1]), None


def _check_axes(values: Sequence[int], rank: int) -> set[int]:
    seen: set[int] = set()
    for axis in values:
        at = normalize_axis(axis, rank)
        if at in seen:
            raise invalid(f"axis {axis} is given twice in {list(values)}")
        seen.add(at)
    return seen


def _reverse_v2_shape(c: ShapeContext) -> Shape:
    c.with_rank(1, 1)
    shape, axes = c.input(0), c.constant(1)
    if shape.rank is not None and shape.rank > 8:
        raise invalid(f"a tensor of shape {shape} has more than 8 axes")
    if axes is not None and shape.rank is not None:
        _check_axes(axes.tolist(), shape.rank)
    return shape


reverse_v2 = op(
    f"ReverseV2(tensor: T, axis: Tidx; Tidx: type in {INDEX} = int32, T: type in {{{_REVERSIBLE}}}) -> "
    "(output: T)",
    shape=_reverse_v2_shape,
)


@reverse_v2.kernel
def _(xp: Any, x: Any, axis: Any) -> Any:
    return _flip(x, list(_check_axes(int_vector(axis, "axis"), x.ndim))) if x.ndim else x


@reverse_v2.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    return g.ReverseV2(dy, node.inputs[1]), None


# ReverseSequence


def _sequence_shape(c: ShapeContext) -> Shape:
    shape, lengths = c.input(0), c.with_rank(1, 1)
    batch, sequence = c.attr("batch_dim"), c.attr("seq_dim")
    if shape.dims is None:
        return shape
    rank = len(shape.dims)
    for axis, name in ((batch, "batch_dim"), (sequence, "seq_dim")):
        if not 0 <= axis < rank:
            raise invalid(f"{name} {axis} must be an axis of a tensor of shape {shape}")
    size = merge_dim(shape.dims[batch], lengths[0])
    return Shape(tuple(size if axis == batch else d for axis, d in enumerate(shape.dims)))


reverse_sequence = op(
    "ReverseSequence(input: T, seq_lengths: Tlen; seq_dim: int, batch_dim: int = 0, T: type, "
    f"Tlen: type in {INDEX} = int64) -> (output: T)",
    shape=_sequence_shape,
    allocates_output=True,
)


@reverse_sequence.kernel
def _(xp: Any, x: Any, seq_lengths: Any, *, seq_dim: int, batch_dim: int) -> Any:
    for axis in (seq_dim, batch_dim):
        if not 0 <= axis < x.ndim:
            raise invalid(f"axis {axis} is out of range for a tensor of shape {Shape(x.shape)}")
    if seq_dim == batch_dim:
        raise invalid(f"seq_dim and batch_dim must differ, but both are {seq_dim}")
    if seq_lengths.shape != (x.shape[batch_dim],):
        raise invalid(
            f"seq_lengths must be of shape [{x.shape[batch_dim]}], but is of shape {Shape(seq_lengths.shape)}"
        )
    steps = x.shape[seq_dim]
    if seq_lengths.size and not 0 <= int(seq_lengths.min()) <= int(seq_lengths.max()) <= steps:
        raise invalid(f"seq_lengths must be between 0 and {steps}, but are {seq_lengths.tolist()[:32]}")
    moved = xp.moveaxis(x, (batch_dim, seq_dim), (0, 1))
    time = xp.arange(steps)
    mirrored = seq_lengths[:, None] - 1 - time
    source = xp.where(mirrored >= 0, mirrored, time)
    reversed_rows = moved[xp.arange(moved.shape[0])[:, None], source]
    return xp.ascontiguousarray(xp.moveaxis(reversed_rows, (0, 1), (batch_dim, seq_dim)))


@reverse_sequence.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None]:
    where = {"seq_dim": node.attr("seq_dim"), "batch_dim": node.attr("batch_dim")}
    return g.ReverseSequence(dy, node.inputs[1], **where), None


# Roll


def _roll_shape(c: ShapeContext) -> Shape:
    shape = c.with_rank_at_least(0, 1)
    for key in (1, 2):
        if c.input(key).rank not in (None, 0, 1):
            raise invalid(f"shift and axis must be scalars or vectors, but one has shape {c.input(key)}")
    return shape


roll = op(
    f"Roll(input: T, shift: Tshift, axis: Taxis; T: type, Tshift: type in {INDEX}, "
    f"Taxis: type in {INDEX}) -> "
    "(output: T)",
    shape=_roll_shape,
    allocates_output=True,
)


@roll.kernel
def _(xp: Any, x: Any, shift: Any, axis: Any) -> Any:
    if x.ndim == 0:
        raise invalid("a scalar cannot be rolled")
    if shift.shape != axis.shape:
        raise invalid(
            f"shift and axis must be of one shape, but are of {Shape(shift.shape)} and {Shape(axis.shape)}"
        )
    axes = [normalize_axis(at, x.ndim) for at in int_vector(axis, "axis")]
    return xp.roll(x, int_vector(shift, "shift"), tuple(axes)) if axes else x.copy()


@roll.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None]:
    _, shift, axis = node.inputs
    return g.Roll(dy, -shift, axis), None, None
