"""Datasets whose elements functions of the graph compute or choose: Map, Filter, TakeWhile, Scan, FlatMap, Interleave
and what combines them (map_dataset_op.cc and its relatives in TensorFlow).

The parallel forms give the same elements in the same order; elements are computed when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments
from . import cardinalities
from .batch_ops import BatchPass, stacked
from .cardinalities import UNKNOWN
from .datasets import (
    Element,
    Pass,
    Reading,
    State,
    Transformation,
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
)
from .element_states import load_elements, save_elements
from .signature_parts import DETERMINISTIC, METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ...core.context import Callee

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_ARGUMENTS = "Targuments: list(type) >= 0"
_PRESERVED = "preserve_cardinality: bool = false"
_INPUTS = "input_dataset: variant, other_arguments: *Targuments"


class ElementFunction:
    """A function of the graph with the arguments that follow an element's components."""

    __slots__ = ("_callee", "_others", "_reading")

    def __init__(self, callee: Callee, others: Sequence[Any], reading: Reading) -> None:
        self._callee = callee
        self._others = tuple(others)
        self._reading = reading

    def __call__(self, *values: Any) -> Sequence[Any]:
        return self._callee(self._reading.ctx, *values, *self._others)

    def is_true(self, element: Element) -> bool:
        """Returns the only result, a boolean. Raises INVALID_ARGUMENT if it is something else."""
        results = self(*element)
        if len(results) != 1 or np.ndim(results[0]) or np.asarray(results[0]).dtype != np.bool_:
            raise invalid("The predicate function must return a scalar bool.")
        return bool(results[0])


class Map(Transformation):
    def __init__(self, source: Pass, function: ElementFunction) -> None:
        super().__init__(source)
        self._function = function

    def next(self) -> Element | None:
        element = self.source.next()
        return None if element is None else tuple(self._function(*element))


def _declare_map(name: str, arguments: str, attrs: str) -> None:
    declared = op(f"{name}({_INPUTS}{arguments}; f: func, {attrs}, {METADATA}", shape=shapes.scalar)

    @declared.kernel
    def _(
        xp: Any, input_dataset: Any, other_arguments: Any, *parallel_calls: Any, f: Callee,
        output_types: Sequence[DType], output_shapes: Sequence[Shape],
        preserve_cardinality: bool,
    ) -> Any:  # fmt: skip
        source = to_dataset(input_dataset)
        check_parallel_calls(parallel_calls)

        def begin(reading: Reading) -> Pass:
            return Map(source.begin(reading), ElementFunction(f, other_arguments, reading))

        count = source.cardinality if preserve_cardinality else UNKNOWN
        return new_variant(output_types, output_shapes, begin, count)


def check_parallel_calls(values: Sequence[Any]) -> None:
    """Raises INVALID_ARGUMENT unless each number is positive, or -1 for one that TensorFlow chooses."""
    for value in values:
        number = int_arguments.int_scalar(value, "num_parallel_calls")
        if number < 1 and number != -1:
            raise invalid("num_parallel_calls must be greater than zero.")


_declare_map(
    "MapDataset",
    "",
    f"{_ARGUMENTS}, {OUTPUTS}, use_inter_op_parallelism: bool = true, {_PRESERVED}, force_synchronous: bool = false",
)
_declare_map(
    "ParallelMapDataset",
    ", num_parallel_calls: int32",
    f"{_ARGUMENTS}, {OUTPUTS}, use_inter_op_parallelism: bool = true, sloppy: bool = false, {_PRESERVED}",
)
_declare_map(
    "ParallelMapDatasetV2",
    ", num_parallel_calls: int64",
    f"{_ARGUMENTS}, {OUTPUTS}, use_inter_op_parallelism: bool = true, {DETERMINISTIC}, {_PRESERVED}, "
    "use_unbounded_threadpool: bool = false",
)


map_and_batch = op(
    f"MapAndBatchDataset({_INPUTS}, batch_size: int64, num_parallel_calls: int64, drop_remainder: bool; f: func, "
    f"{_ARGUMENTS}, {OUTPUTS}, {_PRESERVED}, {METADATA}",
    shape=shapes.scalar,
)


@map_and_batch.kernel
def _(
    xp: Any, input_dataset: Any, other_arguments: Any, batch_size: Any, num_parallel_calls: Any,
    drop_remainder: Any, *, f: Callee, output_types: Sequence[DType], output_shapes: Sequence[Shape],
    preserve_cardinality: bool,
) -> Any:  # fmt: skip
    source, size = to_dataset(input_dataset), int_arguments.int_scalar(batch_size, "batch_size")
    if size <= 0:
        raise invalid("batch_size must be greater than zero.")
    check_parallel_calls([num_parallel_calls])
    drops = int_arguments.bool_scalar(drop_remainder, "drop_remainder")

    def begin(reading: Reading) -> Pass:
        mapped = Map(source.begin(reading), ElementFunction(f, other_arguments, reading))
        return BatchPass(mapped, size, stacked, drops=drops)

    count = cardinalities.batched(source.cardinality, size, drops=drops) if preserve_cardinality else UNKNOWN
    return new_variant(output_types, output_shapes, begin, count)


class Filter(Transformation):
    def __init__(self, source: Pass, predicate: ElementFunction) -> None:
        super().__init__(source)
        self._predicate = predicate

    def next(self) -> Element | None:
        while True:
            element = self.source.next()
            if element is None or self._predicate.is_true(element):
                return element


class TakeWhile(Transformation):
    counts = ("has_ended",)

    def __init__(self, source: Pass, predicate: ElementFunction) -> None:
        super().__init__(source)
        self._predicate = predicate
        self.has_ended = 0

    def next(self) -> Element | None:
        element = None if self.has_ended else self.source.next()
        if element is not None and self._predicate.is_true(element):
            return element
        self.has_ended = 1
        return None


def _declare_choice(
    name: str, arguments: str, attrs: str, kind: Callable[[Pass, ElementFunction], Pass]
) -> None:
    declared = op(
        f"{name}({_INPUTS}{arguments}; predicate: func, {attrs}{_ARGUMENTS}, {OUTPUTS}, {METADATA}",
        shape=shapes.scalar,
    )

    @declared.kernel
    def _(
        xp: Any, input_dataset: Any, other_arguments: Any, *parallel_calls: Any, predicate: Callee,
        output_types: Sequence[DType], output_shapes: Sequence[Shape],
    ) -> Any:  # fmt: skip
        source = to_dataset(input_dataset)
        check_parallel_calls(parallel_calls)

        def begin(reading: Reading) -> Pass:
            return kind(source.begin(reading), ElementFunction(predicate, other_arguments, reading))

        return new_variant(output_types, output_shapes, begin)


_declare_choice("FilterDataset", "", "", Filter)
_declare_choice("ParallelFilterDataset", ", num_parallel_calls: int64", f"{DETERMINISTIC}, ", Filter)
_declare_choice("TakeWhileDataset", "", "", TakeWhile)


class Scan(Pass):
    """Calls the function on the state and an element, for the next state and what it gives."""

    def __init__(self, source: Pass, function: ElementFunction, state: Sequence[Any]) -> None:
        self._source = source
        self._function = function
        self._state = tuple(state)

    def next(self) -> Element | None:
        element = self._source.next()
        if element is None:
            return None
        results = self._function(*self._state, *element)
        width = len(self._state)
        self._state = tuple(results[:width])
        return tuple(results[width:])

    def save(self) -> State:
        return {**save_elements("state", [self._state]), **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        (self._state,) = load_elements("state", state)
        self._source.load(part("source", state))


scan = op(
    "ScanDataset(input_dataset: variant, initial_state: *Tstate, other_arguments: *Targuments; f: func, "
    f"Tstate: list(type) >= 1, {_ARGUMENTS}, {OUTPUTS}, {_PRESERVED}, use_default_device: bool = true, {METADATA}",
    shape=shapes.scalar,
)


@scan.kernel
def _(
    xp: Any, input_dataset: Any, initial_state: Any, other_arguments: Any, *, f: Callee,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
    preserve_cardinality: bool,
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)

    def begin(reading: Reading) -> Pass:
        return Scan(source.begin(reading), ElementFunction(f, other_arguments, reading), initial_state)

    count = source.cardinality if preserve_cardinality else UNKNOWN
    return new_variant(output_types, output_shapes, begin, count)


class _Inner:
    """A pass over the dataset that the function gives for an element."""

    def __init__(self, function: ElementFunction, reading: Reading, element: Element) -> None:
        results = function(*element)
        if len(results) != 1:
            raise invalid("The function must return a single dataset variant.")
        self.element = element
        self.elements = to_dataset(results[0]).begin(reading)

    def save(self) -> State:
        return {**save_elements("element", [self.element]), **prefixed("elements", self.elements.save())}

    @staticmethod
    def loaded(function: ElementFunction, reading: Reading, state: State) -> _Inner:
        (element,) = load_elements("element", state)
        inner = _Inner(function, reading, element)
        inner.elements.load(part("elements", state))
        return inner


class Interleave(Pass):
    """Takes ``block`` elements in turn from ``cycle`` datasets, each computed from an element of the source."""

    def __init__(
        self, source: Pass, function: ElementFunction, reading: Reading, cycle: int, block: int
    ) -> None:
        self._source = source
        self._function = function
        self._reading = reading
        self._block = block
        self._slots: list[_Inner | None] = [None] * cycle
        self._slot = 0
        self._taken = 0
        self._has_ended = False

    def next(self) -> Element | None:
        while not self._has_ended or any(self._slots):
            inner = self._slots[self._slot]
            if inner is None:
                self._open()
                continue
            element = inner.elements.next()
            if element is None:
                self._slots[self._slot] = None
                self._move()
                continue
            self._taken += 1
            if self._taken == self._block:
                self._move()
            return element
        return None

    def _open(self) -> None:
        element = None if self._has_ended else self._source.next()
        if element is None:
            self._has_ended = True
            self._move()
        else:
            self._slots[self._slot] = _Inner(self._function, self._reading, element)

    def _move(self) -> None:
        self._slot = (self._slot + 1) % len(self._slots)
        self._taken = 0

    def save(self) -> State:
        state = save_numbers(slot=self._slot, taken=self._taken, has_ended=self._has_ended)
        for place, inner in enumerate(self._slots):
            state |= prefixed(f"slots/{place}", inner.save()) if inner is not None else {}
        return {**state, **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        self._slot, self._taken = int(state["slot"]), int(state["taken"])
        self._has_ended = bool(state["has_ended"])
        for place in range(len(self._slots)):
            saved = part(f"slots/{place}", state)
            self._slots[place] = _Inner.loaded(self._function, self._reading, saved) if saved else None
        self._source.load(part("source", state))


flat_map = op(f"FlatMapDataset({_INPUTS}; f: func, {_ARGUMENTS}, {OUTPUTS}, {METADATA}", shape=shapes.scalar)


@flat_map.kernel
def _(
    xp: Any, input_dataset: Any, other_arguments: Any, *, f: Callee, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)

    def begin(reading: Reading) -> Pass:
        return Interleave(source.begin(reading), ElementFunction(f, other_arguments, reading), reading, 1, 1)

    return new_variant(output_types, output_shapes, begin)


# The number of datasets that are open where TensorFlow would choose it.
_AUTOMATIC = 16


def _declare_interleave(name: str, arguments: str, attrs: str) -> None:
    declared = op(
        f"{name}({_INPUTS}, cycle_length: int64, block_length: int64{arguments}; f: func, {attrs}{_ARGUMENTS}, "
        f"{OUTPUTS}, {METADATA}",
        shape=shapes.scalar,
    )

    @declared.kernel
    def _(
        xp: Any, input_dataset: Any, other_arguments: Any, cycle_length: Any, block_length: Any, *rest: Any,
        f: Callee, output_types: Sequence[DType], output_shapes: Sequence[Shape],
    ) -> Any:  # fmt: skip
        source = to_dataset(input_dataset)
        cycle = int_arguments.int_scalar(cycle_length, "cycle_length")
        cycle = _AUTOMATIC if cycle == -1 else cycle
        block = int_arguments.int_scalar(block_length, "block_length")
        for what, number in (("cycle_length", cycle), ("block_length", block)):
            if number <= 0:
                raise invalid(f"`{what}` must be > 0")

        def begin(reading: Reading) -> Pass:
            function = ElementFunction(f, other_arguments, reading)
            return Interleave(source.begin(reading), function, reading, cycle, block)

        return new_variant(output_types, output_shapes, begin)


_declare_interleave("InterleaveDataset", "", "")
_declare_interleave(
    "ParallelInterleaveDataset",
    ", sloppy: bool, buffer_output_elements: int64, prefetch_input_elements: int64",
    "",
)
_declare_interleave(
    "LegacyParallelInterleaveDatasetV2",
    ", buffer_output_elements: int64, prefetch_input_elements: int64",
    f"{DETERMINISTIC}, ",
)
_declare_interleave("ParallelInterleaveDatasetV2", ", num_parallel_calls: int64", "sloppy: bool = false, ")
_declare_interleave("ParallelInterleaveDatasetV3", ", num_parallel_calls: int64", f"{DETERMINISTIC}, ")
_declare_interleave(
    "ParallelInterleaveDatasetV4",
    ", buffer_output_elements: int64, prefetch_input_elements: int64, num_parallel_calls: int64",
    f"{DETERMINISTIC}, ",
)
