"""Datasets that choose and repeat the elements of another one: Take, Skip, Repeat, Shard, Unique, IgnoreErrors, and
Prefetch, which is its input (take_dataset_op.cc and its relatives in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
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
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
    to_variant,
)
from .element_states import load_elements, save_elements
from .signature_parts import METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class Take(Transformation):
    counts = ("left",)

    def __init__(self, source: Pass, count: int) -> None:
        super().__init__(source)
        self.left = count

    def next(self) -> Element | None:
        if self.left == 0:
            return None
        element = self.source.next()
        self.left = 0 if element is None else self.left - 1
        return element


take = op(f"TakeDataset(input_dataset: variant, count: int64; {OUTPUTS}, {METADATA}", shape=shapes.scalar)


@take.kernel
def _(
    xp: Any, input_dataset: Any, count: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    source, limit = to_dataset(input_dataset), int_arguments.int_scalar(count, "count")
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Take(source.begin(reading), max(limit, -1)),
        cardinalities.taken(source.cardinality, limit),
    )


class Skip(Transformation):
    counts = ("to_skip",)

    def __init__(self, source: Pass, count: int, reading: Reading) -> None:
        super().__init__(source)
        self.to_skip = count
        self._reading = reading

    def next(self) -> Element | None:
        while self.to_skip:
            self._reading.ctx.check_cancelled()
            if self.source.next() is None:
                return None
            self.to_skip -= 1
        return self.source.next()


class Nothing(Pass):
    def next(self) -> Element | None:
        return None

    def save(self) -> State:
        return {}

    def load(self, state: State) -> None:
        pass


skip = op(f"SkipDataset(input_dataset: variant, count: int64; {OUTPUTS}, {METADATA}", shape=shapes.scalar)


@skip.kernel
def _(
    xp: Any, input_dataset: Any, count: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    source, number = to_dataset(input_dataset), int_arguments.int_scalar(count, "count")

    def begin(reading: Reading) -> Pass:
        return Nothing() if number < 0 else Skip(source.begin(reading), number, reading)

    count = cardinalities.skipped(source.cardinality, number)
    return new_variant(output_types, output_shapes, begin, count)


class Repeat(Pass):
    """Passes over a dataset one after the other; an endless one stops at a pass without elements."""

    def __init__(self, dataset: Dataset, count: int, reading: Reading) -> None:
        self._dataset = dataset
        self._count = count
        self._reading = reading
        self._finished = 0
        self._is_first = True
        self._source: Pass | None = None

    def next(self) -> Element | None:
        while self._count < 0 or self._finished < self._count:
            if self._source is None:
                self._source = self._dataset.begin(self._reading)
            element = self._source.next()
            if element is not None:
                self._is_first = False
                return element
            if self._count < 0 and self._is_first:
                return None
            self._finished += 1
            self._source = None
            self._is_first = True
        return None

    def save(self) -> State:
        state = save_numbers(finished=self._finished, is_first=self._is_first)
        return {
            **state,
            **(prefixed("source", {"begun": np.array(1), **self._source.save()}) if self._source else {}),
        }

    def load(self, state: State) -> None:
        self._finished, self._is_first = int(state["finished"]), bool(state["is_first"])
        inner = part("source", state)
        if inner:
            self._source = self._dataset.begin(self._reading)
            self._source.load(inner)


repeat = op(f"RepeatDataset(input_dataset: variant, count: int64; {OUTPUTS}, {METADATA}", shape=shapes.scalar)


@repeat.kernel
def _(
    xp: Any, input_dataset: Any, count: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    source, number = to_dataset(input_dataset), int_arguments.int_scalar(count, "count")
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Repeat(source, number, reading),
        cardinalities.repeated(source.cardinality, number),
    )


class Shard(Transformation):
    counts = ("position",)

    def __init__(self, source: Pass, shards: int, index: int) -> None:
        super().__init__(source)
        self._shards = shards
        self._index = index
        self.position = 0

    def next(self) -> Element | None:
        while True:
            element = self.source.next()
            if element is None:
                return None
            self.position += 1
            if (self.position - 1) % self._shards == self._index:
                return element


shard = op(
    f"ShardDataset(input_dataset: variant, num_shards: int64, index: int64; require_non_empty: bool = false, "
    f"{OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
)


@shard.kernel
def _(
    xp: Any, input_dataset: Any, num_shards: Any, index: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    number, place = (
        int_arguments.int_scalar(num_shards, "num_shards"),
        int_arguments.int_scalar(index, "index"),
    )
    if number <= 0:
        raise invalid(f"Number of shards must be greater than zero (currently num_shards = {number}).")
    if not 0 <= place < number:
        raise invalid(f"Index must be between 0 and {number - 1} (currently index = {place}).")
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Shard(source.begin(reading), number, place),
        cardinalities.sharded(source.cardinality, number, place),
    )


class Unique(Pass):
    """Leaves out elements that came before. They have one component: an integer or a string."""

    def __init__(self, source: Pass) -> None:
        self._source = source
        self._seen: dict[bytes, Element] = {}

    def next(self) -> Element | None:
        while True:
            element = self._source.next()
            if element is None:
                return None
            value = np.asarray(element[0])
            key = repr((value.shape, value.tolist())).encode()
            if key not in self._seen:
                self._seen[key] = element
                return element

    def save(self) -> State:
        return {**save_elements("seen", list(self._seen.values())), **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        for element in load_elements("seen", state):
            value = np.asarray(element[0])
            self._seen[repr((value.shape, value.tolist())).encode()] = element
        self._source.load(part("source", state))


unique = op(f"UniqueDataset(input_dataset: variant; {OUTPUTS}, {METADATA}", shape=shapes.scalar)


@unique.kernel
def _(xp: Any, input_dataset: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]) -> Any:
    source = to_dataset(input_dataset)
    if len(source.types) != 1 or source.types[0] not in (dtypes.int32, dtypes.int64, dtypes.string):
        raise invalid("UniqueDataset takes elements with one component, of int32, int64 or string")
    return new_variant(output_types, output_shapes, lambda reading: Unique(source.begin(reading)))


class IgnoreErrors(Transformation):
    """Leaves out the elements whose computation fails; a step that is cancelled still is."""

    def next(self) -> Element | None:
        while True:
            try:
                return self.source.next()
            except TfgError as error:
                if error.status in (Status.CANCELLED, Status.DEADLINE_EXCEEDED):
                    raise


ignore_errors = op(
    f"IgnoreErrorsDataset(input_dataset: variant; {OUTPUTS}, log_warning: bool = false) -> (handle: variant)",
    shape=shapes.scalar,
)


@ignore_errors.kernel
def _(xp: Any, input_dataset: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]) -> Any:
    source = to_dataset(input_dataset)
    return new_variant(
        output_types, output_shapes, lambda reading: IgnoreErrors(source.begin(reading)), source.cardinality
    )


# What only reads ahead, or is for TensorFlow's optimizers and statistics, is the input.
prefetch = op(
    f"PrefetchDataset(input_dataset: variant, buffer_size: int64; {OUTPUTS}, slack_period: int = 0, "
    f"legacy_autotune: bool = true, buffer_size_min: int = 0, {METADATA}",
    shape=shapes.scalar,
)


@prefetch.kernel
def _(xp: Any, input_dataset: Any, buffer_size: Any) -> Any:
    size = int_arguments.int_scalar(buffer_size, "buffer_size")
    if size < -1:
        raise invalid(f"buffer_size must be >= 0 or set buffer_size to be -1 for auto-tuning, but is {size}")
    return to_variant(to_dataset(input_dataset))


_PLAIN = f"{OUTPUTS}) -> (handle: variant)"
_OPTIMIZATIONS = "optimization_configs: list(string) = []"
for _name, _arguments, _attrs in (
    ("OptionsDataset", "", f"serialized_options: string, {OUTPUTS}, {METADATA}"),
    ("RewriteDataset", ", rewrite_name: string", _PLAIN),
    (
        "ModelDataset",
        "",
        f"algorithm: int = 0, cpu_budget: int = 0, ram_budget: int = 0, {_PLAIN}",
    ),
    ("OptimizeDataset", ", optimizations: string", f"{OUTPUTS}, {_OPTIMIZATIONS}) -> (handle: variant)"),
    (
        "OptimizeDatasetV2",
        ", optimizations_enabled: string, optimizations_disabled: string, optimizations_default: string",
        f"{OUTPUTS}, {_OPTIMIZATIONS}) -> (handle: variant)",
    ),
    ("FinalizeDataset", "", f"has_captured_ref: bool = false, {_PLAIN}"),
    ("NonSerializableDataset", "", _PLAIN),
    ("PrivateThreadPoolDataset", ", num_threads: int64", _PLAIN),
    ("MaxIntraOpParallelismDataset", ", max_intra_op_parallelism: int64", _PLAIN),
    ("LatencyStatsDataset", ", tag: string", _PLAIN),
    ("BytesProducedStatsDataset", ", tag: string", _PLAIN),
    ("AssertNextDataset", ", transformations: string", _PLAIN),
    ("AssertPrevDataset", ", transformations: string", _PLAIN),
):

    @op(f"{_name}(input_dataset: variant{_arguments}; {_attrs}", shape=shapes.scalar).kernel
    def _(xp: Any, input_dataset: Any, *rest: Any) -> Any:
        return to_variant(to_dataset(input_dataset))
