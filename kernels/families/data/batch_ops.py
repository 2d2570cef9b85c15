"""Datasets of batches, and of the elements of batches: BatchDataset, PaddedBatchDataset, UnbatchDataset,
WindowDataset (batch_dataset_op.cc and its relatives in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments
from . import cardinalities
from .datasets import (
    Dataset,
    Element,
    Pass,
    Reading,
    State,
    Transformation,
    literal,
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
    to_variant,
)
from .element_states import load_elements, save_elements
from .signature_parts import DETERMINISTIC, METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class BatchPass(Transformation):
    """Joins every ``size`` elements; the last, smaller batch is given unless ``drops``."""

    counts = ("has_ended",)

    def __init__(
        self, source: Pass, size: int, join: Callable[[Sequence[Element]], Element], *, drops: bool
    ) -> None:
        super().__init__(source)
        self._size = size
        self._join = join
        self._drops = drops
        self.has_ended = 0

    def next(self) -> Element | None:
        elements: list[Element] = []
        while not self.has_ended and len(elements) < self._size:
            element = self.source.next()
            if element is None:
                self.has_ended = 1
            else:
                elements.append(element)
        if not elements or (self._drops and len(elements) < self._size):
            return None
        return self._join(elements)


def stacked(elements: Sequence[Element]) -> Element:
    """Returns a batch. Raises INVALID_ARGUMENT if the elements differ in the shape of a component."""
    return tuple(_stack(place, values) for place, values in enumerate(zip(*elements)))


def _stack(place: int, values: Sequence[Any]) -> Any:
    first = np.shape(values[0])
    for number, value in enumerate(values):
        if np.shape(value) != first:
            raise invalid(
                f"Cannot batch tensors with different shapes in component {place}. First element had shape "
                f"{list(first)} and element {number} had shape {list(np.shape(value))}."
            )
    if isinstance(values[0], np.ndarray | np.generic):
        return np.stack(values)
    batch = np.empty(len(values), object)
    batch[:] = values
    return batch


def checked_size(value: Any) -> int:
    """Returns the size of batches. Raises INVALID_ARGUMENT unless it is positive."""
    size = int_arguments.int_scalar(value, "batch_size")
    if size <= 0:
        raise invalid("Batch size must be greater than zero.")
    return size


def _declare_batch(name: str, arguments: str, attrs: str) -> None:
    batch = op(f"{name}(input_dataset: variant, batch_size: int64{arguments}; {attrs}", shape=shapes.scalar)

    @batch.kernel
    def _(
        xp: Any, input_dataset: Any, batch_size: Any, *rest: Any, output_types: Sequence[DType],
        output_shapes: Sequence[Shape],
    ) -> Any:  # fmt: skip
        source, size = to_dataset(input_dataset), checked_size(batch_size)
        drops = int_arguments.bool_scalar(rest[-1], "drop_remainder") if rest else False
        return new_variant(
            output_types,
            output_shapes,
            lambda reading: BatchPass(source.begin(reading), size, stacked, drops=drops),
            cardinalities.batched(source.cardinality, size, drops=drops),
        )


_declare_batch("BatchDataset", "", f"{OUTPUTS}, {METADATA}")
_declare_batch(
    "BatchDatasetV2", ", drop_remainder: bool", f"parallel_copy: bool = false, {OUTPUTS}, {METADATA}"
)
_declare_batch(
    "ParallelBatchDataset",
    ", num_parallel_calls: int64, drop_remainder: bool",
    f"parallel_copy: bool = false, {OUTPUTS}, {DETERMINISTIC}, {METADATA}",
)


def _padded(wanted: Sequence[Shape], paddings: Sequence[Any]) -> Callable[[Sequence[Element]], Element]:
    def join(elements: Sequence[Element]) -> Element:
        columns = zip(wanted, paddings, zip(*elements))
        return tuple(
            _pad(place, shape, padding, values) for place, (shape, padding, values) in enumerate(columns)
        )

    return join


def _pad(place: int, wanted: Shape, padding: Any, values: Sequence[Any]) -> Any:
    rank = len(wanted.dims or ())
    for value in values:
        if np.ndim(value) != rank:
            raise invalid(
                f"All elements in a batch must have the same rank as the padded shape for component{place}: expected "
                f"rank {rank} but got element with rank {np.ndim(value)}"
            )
    dims: list[int] = []
    for axis, dim in enumerate(wanted.dims or ()):
        longest = max(np.shape(value)[axis] for value in values)
        if dim is not None and longest > dim:
            raise TfgError(
                Status.DATA_LOSS,
                "Attempted to pad to a smaller size than the input element: component "
                f"{place} has {longest} elements along axis {axis}, not at most {dim}",
            )
        dims.append(longest if dim is None else dim)
    int_arguments.check_allocation((len(values), *dims), np.asarray(padding).itemsize)
    batch = np.empty((len(values), *dims), np.asarray(values[0]).dtype)
    batch[...] = padding
    for number, value in enumerate(values):
        batch[(number, *(slice(size) for size in np.shape(value)))] = value
    return batch


def _declare_padded(name: str, arguments: str, attrs: str) -> None:
    batch = op(
        f"{name}(input_dataset: variant, batch_size: int64, padded_shapes: N*int64, padding_values: *Toutput_types"
        f"{arguments}; {attrs}Toutput_types: list(type) >= 1, output_shapes: list(shape) >= 1, N: int >= 1, "
        f"{METADATA}",
        shape=shapes.scalar,
    )

    @batch.kernel
    def _(
        xp: Any, input_dataset: Any, batch_size: Any, padded_shapes: Any, padding_values: Any, *rest: Any,
        Toutput_types: Sequence[DType], output_shapes: Sequence[Shape],
    ) -> Any:  # fmt: skip
        source, size = to_dataset(input_dataset), checked_size(batch_size)
        drops = int_arguments.bool_scalar(rest[0], "drop_remainder") if rest else False
        wanted = [int_arguments.partial_shape(shape) for shape in padded_shapes]
        for number, value in enumerate(padding_values):
            if np.ndim(value):
                raise invalid(
                    f"All padding values must be scalars, but number {number} has shape {list(np.shape(value))}"
                )
        join = _padded(wanted, padding_values)
        return new_variant(
            Toutput_types,
            output_shapes,
            lambda reading: BatchPass(source.begin(reading), size, join, drops=drops),
            cardinalities.batched(source.cardinality, size, drops=drops),
        )


_declare_padded("PaddedBatchDataset", "", "")
_declare_padded("PaddedBatchDatasetV2", ", drop_remainder: bool", "parallel_copy: bool = false, ")


class Rows(Pass):
    """The rows of every element, one after the other."""

    def __init__(self, source: Pass) -> None:
        self._source = source
        self._batch: Element | None = None
        self._row = 0

    def next(self) -> Element | None:
        while self._batch is None or self._row >= len(self._batch[0]):
            self._batch = self._source.next()
            self._row = 0
            if self._batch is None:
                return None
            self._check(self._batch)
        row, self._row = self._row, self._row + 1
        return tuple(value[row, ...] for value in self._batch)

    def _check(self, batch: Element) -> None:
        sizes = {np.shape(value)[:1] for value in batch}
        if () in sizes or len(sizes) > 1:
            self._batch = None
            raise invalid(
                "Input element must have a non-scalar value in each component, all with the same batch size; the "
                f"shapes are {[list(np.shape(value)) for value in batch]}"
            )

    def save(self) -> State:
        batch = [self._batch] if self._batch is not None else []
        own = {**save_numbers(row=self._row), **save_elements("batch", batch)}
        return {**own, **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        self._row = int(state["row"])
        batch = load_elements("batch", state)
        self._batch = batch[0] if batch else None
        self._source.load(part("source", state))


unbatch = op(f"UnbatchDataset(input_dataset: variant; {OUTPUTS}, {METADATA}", shape=shapes.scalar)


@unbatch.kernel
def _(xp: Any, input_dataset: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]) -> Any:
    source = to_dataset(input_dataset)
    known = [shape.dims[0] for shape in source.shapes if shape.dims and shape.dims[0] is not None]
    count = cardinalities.unbatched(source.cardinality, known[0] if known else None)
    return new_variant(output_types, output_shapes, lambda reading: Rows(source.begin(reading)), count)


class Windows(Pass):
    """Gives what ``join`` makes of windows of elements, which may overlap; ``layout`` is size, shift and stride."""

    def __init__(
        self,
        source: Pass,
        join: Callable[[Sequence[Element]], Element],
        layout: tuple[int, int, int],
        *,
        drops: bool,
    ) -> None:
        self._source = source
        self._join = join
        self._size, self._shift, self._stride = layout
        self._drops = drops
        self._buffer: list[Element] = []
        self._to_skip = 0
        self._has_ended = False

    def next(self) -> Element | None:
        span = (self._size - 1) * self._stride + 1
        while not self._has_ended and len(self._buffer) < span:
            element = self._source.next()
            if element is None:
                self._has_ended = True
            elif self._to_skip:
                self._to_skip -= 1
            else:
                self._buffer.append(element)
        if not self._buffer or (self._drops and len(self._buffer) < span):
            return None
        window = self._buffer[: span : self._stride]
        self._to_skip = max(self._shift - len(self._buffer), 0)
        self._buffer = self._buffer[self._shift :]
        return self._join(window)

    def save(self) -> State:
        own = save_numbers(to_skip=self._to_skip, has_ended=self._has_ended)
        return {**own, **save_elements("buffer", self._buffer), **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        self._to_skip, self._has_ended = int(state["to_skip"]), bool(state["has_ended"])
        self._buffer = load_elements("buffer", state)
        self._source.load(part("source", state))


def _datasets(dataset: Dataset) -> Callable[[Sequence[Element]], Element]:
    """Returns the function from elements of a dataset to datasets of their components."""

    def join(elements: Sequence[Element]) -> Element:
        return tuple(component(slice(place, place + 1), elements) for place in range(len(dataset.types)))

    def component(place: slice, elements: Sequence[Element]) -> Any:
        values = [element[place] for element in elements]
        return to_variant(literal(dataset.types[place], dataset.shapes[place], values))

    return join


def window_layout(size: Any, shift: Any, stride: Any) -> tuple[int, int, int]:
    """Returns three positive numbers. Raises INVALID_ARGUMENT."""
    numbers: list[int] = []
    for name, value in (("size", size), ("shift", shift), ("stride", stride)):
        numbers.append(int_arguments.int_scalar(value, name))
        if numbers[-1] <= 0:
            raise invalid(f"Window {name} must be greater than zero.")
    return numbers[0], numbers[1], numbers[2]


window = op(
    "WindowDataset(input_dataset: variant, size: int64, shift: int64, stride: int64, drop_remainder: bool; "
    f"{OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
)


@window.kernel
def _(
    xp: Any, input_dataset: Any, size: Any, shift: Any, stride: Any, drop_remainder: Any, *,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    layout, join = window_layout(size, shift, stride), _datasets(source)
    drops = int_arguments.bool_scalar(drop_remainder, "drop_remainder")

    def begin(reading: Reading) -> Pass:
        return Windows(source.begin(reading), join, layout, drops=drops)

    count = cardinalities.windowed(source.cardinality, layout, drops=drops)
    return new_variant(output_types, output_shapes, begin, count)
