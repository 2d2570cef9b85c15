"""Datasets that cut batches anew, and batches that overlap or are sparse: Rebatch, SlidingWindow, DenseToSparseBatch
(rebatch_dataset_op.cc and its relatives in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments
from ..sparse.sparse_serialization_ops import sparse_variant
from . import cardinalities
from .batch_ops import BatchPass, Windows, checked_size, stacked, window_layout
from .datasets import (
    Element,
    Pass,
    State,
    Transformation,
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
)
from .element_states import load_elements, save_elements
from .signature_parts import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class BatchRows:
    """The rows of batches that come from a pass, given out in pieces of at most the rest of a batch."""

    def __init__(self, source: Pass) -> None:
        self._source = source
        self._batch: Element | None = None
        self._row = 0
        # A batch of no rows, for pieces of none.
        self.empty: Element = ()

    def take(self, count: int) -> Element | None:
        """Returns at most ``count`` rows, None at the end. Raises INVALID_ARGUMENT for an element without rows."""
        if self._batch is None and not self._read():
            return None
        batch: Any = self._batch
        first, last = self._row, min(self._row + count, self.left)
        self._row = last
        if last == self.left:
            self._batch = None
        return tuple(value[first:last] for value in batch)

    def _read(self) -> bool:
        batch = self._source.next()
        if batch is None:
            return False
        sizes = {np.shape(value)[:1] for value in batch}
        if () in sizes or len(sizes) > 1:
            raise invalid(
                "Input element must have a non-scalar value in each component, all with the same batch size; the "
                f"shapes are {[list(np.shape(value)) for value in batch]}"
            )
        self._batch, self._row = batch, 0
        self.empty = tuple(value[:0] for value in batch)
        return True

    @property
    def left(self) -> int:
        """The number of rows of the batch."""
        return 0 if self._batch is None else len(self._batch[0])

    def save(self) -> State:
        batch = [self._batch] if self._batch is not None else []
        own = {**save_numbers(row=self._row), **save_elements("batch", batch)}
        own |= save_elements("empty", [self.empty] if self.empty else [])
        return {**own, **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        self._row = int(state["row"])
        batch, empty = load_elements("batch", state), load_elements("empty", state)
        self._batch = batch[0] if batch else None
        self.empty = empty[0] if empty else ()
        self._source.load(part("source", state))


class Rebatch(Pass):
    """Gives batches of the given sizes, over and over."""

    def __init__(self, source: Pass, sizes: Sequence[int], empty: Element, *, drops: bool) -> None:
        self._rows = BatchRows(source)
        self._rows.empty = empty
        self._sizes = sizes
        self._drops = drops
        self._place = 0
        self._has_ended = False

    def next(self) -> Element | None:
        if self._has_ended:
            return None
        wanted = self._sizes[self._place]
        self._place = (self._place + 1) % len(self._sizes)
        if not wanted:
            return self._rows.empty
        pieces: list[Element] = []
        while wanted:
            piece = self._rows.take(wanted)
            if piece is None:
                self._has_ended = True
                break
            pieces.append(piece)
            wanted -= len(piece[0])
        if not pieces or (wanted and self._drops):
            return None
        return pieces[0] if len(pieces) == 1 else tuple(map(_joined, zip(*pieces)))

    def save(self) -> State:
        own = save_numbers(place=self._place, has_ended=self._has_ended)
        return {**own, **prefixed("rows", self._rows.save())}

    def load(self, state: State) -> None:
        self._place, self._has_ended = int(state["place"]), bool(state["has_ended"])
        self._rows.load(part("rows", state))


def _joined(pieces: Sequence[Any]) -> Any:
    if any(piece.shape[1:] != pieces[0].shape[1:] for piece in pieces):
        raise invalid(
            f"batches with rows of shapes {[list(piece.shape[1:]) for piece in pieces]} cannot be joined"
        )
    return np.concatenate(pieces)


rebatch = op(
    f"RebatchDatasetV2(input_dataset: variant, batch_sizes: int64, drop_remainder: bool; {OUTPUTS}) "
    "-> (handle: variant)",
    shape=shapes.scalar,
)


@rebatch.kernel
def _(
    xp: Any, input_dataset: Any, batch_sizes: Any, drop_remainder: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    if np.ndim(batch_sizes) > 1:
        raise invalid("`batch_sizes` must be a scalar or a vector.")
    sizes = np.reshape(batch_sizes, -1).tolist()
    if not sizes or min(sizes) < 0 or not any(sizes):
        raise invalid(f"`batch_sizes` must not be negative, and one greater than zero, but are {sizes}")
    drops = int_arguments.bool_scalar(drop_remainder, "drop_remainder")
    empty = tuple(
        np.empty((0, *(dim or 0 for dim in (shape.dims or ())[1:])), dtype.numpy)
        for dtype, shape in zip(output_types, output_shapes)
    )
    return new_variant(
        output_types, output_shapes, lambda reading: Rebatch(source.begin(reading), sizes, empty, drops=drops)
    )


class Split(Pass):
    """Gives each batch in a number of pieces, the last of which may be smaller or empty."""

    def __init__(self, source: Pass, pieces: int) -> None:
        self._source = source
        self._pieces = pieces
        self._batch: Element | None = None
        self._place = 0

    def next(self) -> Element | None:
        if self._batch is None:
            self._batch, self._place = self._source.next(), 0
            if self._batch is None:
                return None
            if any(not np.ndim(value) for value in self._batch):
                self._batch = None
                raise invalid("Cannot rebatch dataset: All components must have at least one dimension.")
        batch, place = self._batch, self._place
        self._place += 1
        if self._place == self._pieces:
            self._batch = None
        return tuple(self._piece(value, place) for value in batch)

    def _piece(self, value: Any, place: int) -> Any:
        size = -(-len(value) // self._pieces)
        return value[place * size : (place + 1) * size]

    def save(self) -> State:
        batch = [self._batch] if self._batch is not None else []
        own = {**save_numbers(place=self._place), **save_elements("batch", batch)}
        return {**own, **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        batch = load_elements("batch", state)
        self._batch, self._place = (batch[0] if batch else None), int(state["place"])
        self._source.load(part("source", state))


split = op(
    f"RebatchDataset(input_dataset: variant, num_replicas: int64; {OUTPUTS}, use_fallback: bool = true) "
    "-> (handle: variant)",
    shape=shapes.scalar,
)


@split.kernel
def _(
    xp: Any, input_dataset: Any, num_replicas: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source, pieces = to_dataset(input_dataset), int_arguments.int_scalar(num_replicas, "num_replicas")
    if pieces <= 0:
        raise invalid("num_replicas must be greater than zero.")
    return new_variant(output_types, output_shapes, lambda reading: Split(source.begin(reading), pieces))


sliding = op(
    "SlidingWindowDataset(input_dataset: variant, window_size: int64, window_shift: int64, window_stride: int64; "
    f"drop_remainder: bool = true, {OUTPUTS}) -> (handle: variant)",
    shape=shapes.scalar,
)


@sliding.kernel
def _(
    xp: Any, input_dataset: Any, window_size: Any, window_shift: Any, window_stride: Any, *, drop_remainder: bool,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    layout = window_layout(window_size, window_shift, window_stride)
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Windows(source.begin(reading), stacked, layout, drops=drop_remainder),
        # As TensorFlow has it, with the last, smaller windows.
        source.cardinality if source.cardinality < 0 else source.cardinality // layout[1],
    )


class RowsWithin(Transformation):
    """Passes on rows that fit into a shape."""

    def __init__(self, source: Pass, shape: Shape) -> None:
        super().__init__(source)
        self._shape = shape

    def next(self) -> Element | None:
        element = self.source.next()
        if element is not None:
            self._check(np.shape(element[0]))
        return element

    def _check(self, dims: tuple[int, ...]) -> None:
        stated = self._shape.dims or ()
        if len(dims) != len(stated):
            raise invalid(
                f"Input element had shape ({list(dims)}) that is incompatible with the row shape ({self._shape})."
            )
        if any(dim is not None and size > dim for size, dim in zip(dims, stated)):
            raise TfgError(
                Status.DATA_LOSS,
                f"Input element had shape ({list(dims)}) that is larger than the row shape ({self._shape}).",
            )


def _sparse(row_shape: Shape, dtype: DType) -> Callable[[Sequence[Element]], Element]:
    """Returns the function from dense rows to the three variants of their sparse batch."""

    def join(elements: Sequence[Element]) -> Element:
        rows = [np.asarray(value) for (value,) in elements]
        longest = np.array([row.shape for row in rows], np.int64).reshape(len(rows), -1).max(axis=0).tolist()
        dims = [most if dim is None else dim for most, dim in zip(longest, row_shape.dims or ())]
        places = [np.indices(row.shape, np.int64).reshape(row.ndim, -1).T for row in rows]
        numbers = np.repeat(np.arange(len(rows), dtype=np.int64), [row.size for row in rows])
        indices = np.column_stack([numbers, np.concatenate(places)])
        values = np.concatenate([row.reshape(-1) for row in rows])
        return (sparse_variant(dtype, indices, values, np.array([len(rows), *dims], np.int64)),)

    return join


sparse = op(
    f"DenseToSparseBatchDataset(input_dataset: variant, batch_size: int64, row_shape: int64; {OUTPUTS}) "
    "-> (handle: variant)",
    shape=shapes.scalar,
)


@sparse.kernel
def _(
    xp: Any, input_dataset: Any, batch_size: Any, row_shape: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source, size = to_dataset(input_dataset), checked_size(batch_size)
    if len(source.types) != 1:
        raise invalid(
            f"DenseToSparseBatchDataset only supports inputs with a single component, not {len(source.types)}"
        )
    shape = int_arguments.partial_shape(row_shape)
    if shape.dims is None:
        raise invalid("row_shape must be a vector")
    int_arguments.check_dims([dim or 0 for dim in shape.dims], "row_shape")
    join = _sparse(shape, source.types[0])
    return new_variant(
        (dtypes.variant,) * len(output_types),
        output_shapes,
        lambda reading: BatchPass(RowsWithin(source.begin(reading), shape), size, join, drops=False),
        cardinalities.batched(source.cardinality, size, drops=False),
    )
