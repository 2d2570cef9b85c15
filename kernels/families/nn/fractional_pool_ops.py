"""FractionalMaxPool and FractionalAvgPool with their gradients: pooling whose windows have two sizes in a random order
(fractional_pool_common.cc in TensorFlow; Graham, Fractional Max-Pooling, 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Dim, Shape, unknown_of_rank, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import distributions
from ...numeric.int_arguments import check_allocation
from ...numeric.pooling import lowest_finite
from ..random.generators import reserve_node_stream
from ..random.random_ops import permutation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext
    from ...numeric.philox import Philox

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_ATTRS = (
    "pooling_ratio: list(float) >= 4, pseudo_random: bool = false, overlapping: bool = false, "
    "deterministic: bool = false, seed: int = 0, seed2: int = 0, T: type in {float, double, int32, int64}"
)
_OUTPUTS = "output: T, row_pooling_sequence: int64, col_pooling_sequence: int64"
_SEQUENCES = "row_pooling_sequence: int64, col_pooling_sequence: int64"
_TYPES = "overlapping: bool = false, T: type in {float, double, int32, int64}"


def _check_ratio(ratio: Sequence[float]) -> None:
    if len(ratio) != 4:
        raise invalid(f"pooling_ratio field must specify 4 dimensions, but has {len(ratio)}")
    for place, value in enumerate(ratio):
        if not 1 <= value < inf:
            raise invalid(
                f"pooling_ratio must be finite and cannot be smaller than 1, got: {value} for dimension {place}"
            )
    if ratio[0] != 1 or ratio[3] != 1:
        raise TfgError(
            Status.UNIMPLEMENTED,
            f"fractional pooling of the batch or channels is not supported, but pooling_ratio is {list(ratio)}",
        )


def _output_size(size: int, ratio: float) -> int:
    if not 0 < ratio < inf:
        raise invalid(f"pooling_ratio must be positive and finite, but is {ratio}")
    return floor(np.float32(size) / np.float32(ratio))


def _pool_shape(c: ShapeContext) -> list[Shape]:
    shape, ratio = c.with_rank(0, 4), c.attr("pooling_ratio")
    if len(ratio) != 4:
        raise invalid(f"pooling_ratio field must specify 4 dimensions, but has {len(ratio)}")
    sizes: list[Dim] = [None if n is None else _output_size(n, r) for n, r in zip(shape.dims or (), ratio)]
    rows, columns = (None if n is None else n + 1 for n in sizes[1:3])
    return [Shape(tuple(sizes)), vector(rows), vector(columns)]


@dataclass(frozen=True, slots=True)
class _Cells:
    """The windows along one axis of ``size`` elements, each from its start up to its end (exclusive), as arrays."""

    starts: Any
    ends: Any
    size: int

    @property
    def lengths(self) -> Any:
        return self.ends - self.starts


def _cells(sequence: Any, size: int, outputs: int, overlapping: bool) -> _Cells:
    """Reads the windows from the sequence of their starts. Raises INVALID_ARGUMENT for one that does not fit."""
    if sequence.ndim != 1 or len(sequence) <= outputs:
        raise invalid(
            f"a pooling sequence must have {outputs + 1} elements, but has shape {Shape(sequence.shape)}"
        )
    bounds = sequence[: outputs + 1]
    if outputs and (bounds[0] or bounds[-1] != size or (np.diff(bounds) <= 0).any()):
        raise invalid(f"a pooling sequence must increase from 0 to {size}, but is {bounds.tolist()[:20]}")
    return _Cells(bounds[:-1], np.minimum(bounds[1:] + int(overlapping), size), size)


def _pseudo_random_lengths(size: int, outputs: int, stream: Philox) -> Any:
    alpha, least = size / outputs, size // outputs
    limit = min((least + 2) / alpha - 1, (size + 1 - least) / alpha - (outputs - 1))
    offset = float(distributions.uniform_double(stream.words(1)[:2])[0]) * limit
    inner = np.ceil(alpha * (np.arange(1, outputs) + offset)).astype(np.int64)
    return np.diff(np.concatenate([[1], inner, [size + 1]]))


def _random_lengths(size: int, outputs: int, stream: Philox) -> Any:
    lengths = np.full(outputs, size // outputs, np.int64)
    lengths[: size % outputs] += 1
    return lengths[permutation(outputs, stream)]


def _sequence(size: int, outputs: int, stream: Philox, pseudo_random: bool) -> tuple[Any, Philox]:
    """Returns the starts of the windows along an axis, with the end of the last, and the stream after them."""
    draw = _pseudo_random_lengths if pseudo_random else _random_lengths
    bounds = np.concatenate([[0], np.cumsum(draw(size, outputs, stream))]).astype(np.int64)
    return bounds, stream.skip(_groups(outputs, pseudo_random))


def _groups(outputs: int, pseudo_random: bool) -> int:
    return 1 if pseudo_random else -(-outputs // 4)


def _reduce(combine: Any, values: Any, cells: _Cells, axis: int) -> Any:
    """Reduces each window along an axis with a binary function of numpy."""
    reduced = combine.reduceat(values, cells.starts, axis=axis)
    # The first element of an overlapping window is the last of the one before.
    shared = np.flatnonzero(cells.ends[:-1] > cells.starts[1:])
    lead = (slice(None),) * axis
    reduced[(*lead, shared)] = combine(reduced[(*lead, shared)], values[(*lead, cells.starts[shared + 1])])
    return reduced


def _max_pool(x: Any, rows: _Cells, columns: _Cells) -> Any:
    # As in TensorFlow, NaN and minus infinity are less than every number.
    x = np.fmax(x, x.dtype.type(lowest_finite(x.dtype)))
    return _reduce(np.maximum, _reduce(np.maximum, x, rows, 1), columns, 2)


def _avg_pool(x: Any, rows: _Cells, columns: _Cells) -> Any:
    total = _reduce(np.add, _reduce(np.add, x, rows, 1), columns, 2)
    counts = (rows.lengths[:, None] * columns.lengths)[..., None]
    if x.dtype.kind == "f":
        return total / counts.astype(x.dtype)
    return np.trunc(total / counts).astype(x.dtype) if x.dtype.itemsize < 8 else _divide(total, counts)


def _divide(total: Any, counts: Any) -> Any:
    """Divides integers, rounding towards zero."""
    quotient = np.abs(total) // counts
    return np.where(total < 0, -quotient, quotient)


def _declare_pool(name: str, pool: Callable[[Any, _Cells, _Cells], Any]) -> Any:
    declared = op(f"{name}(value: T; {_ATTRS}) -> ({_OUTPUTS})", shape=_pool_shape, allocates_output=True)

    @declared.kernel
    def _(
        ctx: Any,
        xp: Any,
        value: Any,
        *,
        node_name: str,
        pooling_ratio: Any,
        pseudo_random: bool,
        overlapping: bool,
        deterministic: bool,
        seed: int,
        seed2: int,
    ) -> tuple[Any, Any, Any]:
        """Pools [batch, rows, columns, channels]; a deterministic pool draws the same windows in every step."""
        _check_ratio(pooling_ratio)
        if not deterministic and (seed or seed2):
            raise invalid(
                f"Both seed and seed2 should be 0 if deterministic is false, but are {seed} and {seed2}"
            )
        if value.ndim != 4 or not value.size:
            raise invalid(
                f"tensor_in must be 4-dimensional with elements, but has shape {Shape(value.shape)}"
            )
        sizes = value.shape[1:3]
        outputs = [_output_size(n, r) for n, r in zip(sizes, pooling_ratio[1:3])]
        for size, count, ratio in zip(sizes, outputs, pooling_ratio[1:3]):
            if not count:
                raise invalid(f"Pooling ratio {ratio} is higher than the input dimension size {size}")
        groups = 0 if deterministic else sum(_groups(n, pseudo_random) for n in outputs)
        stream = reserve_node_stream(ctx, node_name, seed, seed2, groups)
        rows, stream = _sequence(sizes[0], outputs[0], stream, pseudo_random)
        columns, _ = _sequence(sizes[1], outputs[1], stream, pseudo_random)
        down = _cells(rows, sizes[0], outputs[0], overlapping)
        across = _cells(columns, sizes[1], outputs[1], overlapping)
        return pool(value, down, across), rows, columns

    return declared


max_pool = _declare_pool("FractionalMaxPool", _max_pool)
avg_pool = _declare_pool("FractionalAvgPool", _avg_pool)


def _max_grad_shape(c: ShapeContext) -> Shape:
    return c.with_rank(0, 4)


max_pool_grad = op(
    f"FractionalMaxPoolGrad(orig_input: T, orig_output: T, out_backprop: T, {_SEQUENCES}; {_TYPES}) -> (output: T)",
    shape=_max_grad_shape,
    allocates_output=True,
)


@max_pool_grad.kernel
def _(xp: Any, x: Any, y: Any, dy: Any, rows: Any, columns: Any, *, overlapping: bool) -> Any:
    """Gives each gradient to the first largest element of its window."""
    if x.ndim != 4 or y.ndim != 4 or dy.shape != y.shape or y.shape[::3] != x.shape[::3]:
        raise invalid(
            "orig_input, orig_output and out_backprop must have rank 4 and fit, but have shapes "
            f"{Shape(x.shape)}, {Shape(y.shape)} and {Shape(dy.shape)}"
        )
    down = _cells(rows, x.shape[1], y.shape[1], overlapping)
    across = _cells(columns, x.shape[2], y.shape[2], overlapping)
    dx = np.zeros_like(x)
    if dy.size:
        if not np.array_equal(_max_pool(x, down, across), y):
            raise invalid("orig_output is not what orig_input gives with these pooling sequences")
        batch, channel = np.arange(x.shape[0])[:, None, None, None], np.arange(x.shape[3])
        np.add.at(dx, (batch, *_places_of_maxima(x, down, across), channel), dy)
    return dx


def _places_of_maxima(x: Any, down: _Cells, across: _Cells) -> tuple[Any, Any]:
    """Returns the row and the column of each window's first largest element, as [batch, rows, columns, channels]."""
    height, width = int(down.lengths.max()), int(across.lengths.max())
    rows = down.starts[:, None] + np.arange(height)
    columns = across.starts[:, None] + np.arange(width)
    inside = (rows < down.ends[:, None])[:, None, :, None] & (columns < across.ends[:, None])[:, None]
    rows, columns = np.minimum(rows, down.size - 1), np.minimum(columns, across.size - 1)
    windows = x[:, rows[:, None, :, None], columns[None, :, None, :]]
    windows = windows.reshape(*windows.shape[:3], height * width, x.shape[3])
    least = x.dtype.type(-np.inf) if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    is_number = inside.reshape(*inside.shape[:2], -1)[None, ..., None] & (windows == windows)
    place = np.where(is_number, windows, least).argmax(axis=3)
    # A NaN is the largest if it is the first, and else none.
    place = np.where(windows[:, :, :, 0] == windows[:, :, :, 0], place, 0)
    return down.starts[:, None, None] + place // width, across.starts[:, None] + place % width


def _avg_grad_shape(c: ShapeContext) -> Shape:
    c.with_rank(1, 4)
    stated = c.as_shape(0)
    if stated.rank not in (None, 4):
        raise invalid(f"orig_input_tensor_shape must have 4 elements, but states {stated}")
    return unknown_of_rank(4) if stated.rank is None else stated


avg_pool_grad = op(
    f"FractionalAvgPoolGrad(orig_input_tensor_shape: int64, out_backprop: T, {_SEQUENCES}; {_TYPES}) -> (output: T)",
    shape=_avg_grad_shape,
    allocates_output=True,
)


@avg_pool_grad.kernel
def _(xp: Any, sizes: Any, dy: Any, rows: Any, columns: Any, *, overlapping: bool) -> Any:
    """Gives each gradient in equal parts to the elements of its window."""
    if sizes.shape != (4,) or dy.ndim != 4 or (sizes < 0).any() or not dy.size:
        raise invalid(
            f"orig_input_tensor_shape must have 4 elements and out_backprop rank 4, but they are {sizes.tolist()} "
            f"and of shape {Shape(dy.shape)}"
        )
    shape = tuple(sizes.tolist())
    if shape[::3] != dy.shape[::3]:
        raise invalid(f"out_backprop of shape {Shape(dy.shape)} does not fit an input of shape {list(shape)}")
    check_allocation(shape, 8, "orig_input_tensor_shape")
    down = _cells(rows, shape[1], dy.shape[1], overlapping)
    across = _cells(columns, shape[2], dy.shape[2], overlapping)
    shares = dy / (down.lengths[:, None] * across.lengths).astype(np.float64)[..., None]
    return _spread(_spread(shares, down, 1), across, 2).astype(dy.dtype)


def _spread(shares: Any, cells: _Cells, axis: int) -> Any:
    """Sums for each element along an axis the shares of the windows that it is in."""
    shares = np.moveaxis(shares, axis, 0)
    spread = np.zeros((cells.size, *shares.shape[1:]), shares.dtype)
    bounds = np.append(cells.starts, cells.ends[-1])
    spread[bounds[0] : bounds[-1]] = np.repeat(shares, np.diff(bounds), axis=0)
    shared = np.flatnonzero(cells.ends[:-1] > cells.starts[1:])
    spread[cells.starts[shared + 1]] += shares[shared]
    return np.moveaxis(spread, 0, axis)


@max_pool.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor | None, *unused: Tensor | None) -> Tensor | None:
    if dy is None:
        return None
    y, rows, columns = node.outputs
    return g.add_op(
        max_pool_grad.name, node.inputs[0], y, dy, rows, columns, overlapping=node.attr("overlapping")
    )


@avg_pool.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor | None, *unused: Tensor | None) -> Tensor | None:
    if dy is None:
        return None
    _, rows, columns = node.outputs
    shape = g.add_op("Shape", node.inputs[0], out_type="int64")
    return g.add_op(avg_pool_grad.name, shape, dy, rows, columns, overlapping=node.attr("overlapping"))
