"""Datasets that join the elements of several: Concatenate, Zip, DirectedInterleave (zip_dataset_op.cc and its
relatives in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from . import cardinalities
from .cardinalities import INFINITE, UNKNOWN
from .datasets import (
    Dataset,
    Element,
    Pass,
    Reading,
    State,
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
)
from .signature_parts import METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class Concatenation(Pass):
    def __init__(self, datasets: Sequence[Dataset], reading: Reading) -> None:
        self._datasets = datasets
        self._reading = reading
        self._place = 0
        self._source = datasets[0].begin(reading)

    def next(self) -> Element | None:
        while True:
            element = self._source.next()
            if element is not None or self._place + 1 == len(self._datasets):
                return element
            self._place += 1
            self._source = self._datasets[self._place].begin(self._reading)

    def save(self) -> State:
        return {**save_numbers(place=self._place), **prefixed("source", self._source.save())}

    def load(self, state: State) -> None:
        self._place = int(state["place"])
        self._source = self._datasets[self._place].begin(self._reading)
        self._source.load(part("source", state))


concatenate = op(
    f"ConcatenateDataset(input_dataset: variant, another_dataset: variant; {OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
)


@concatenate.kernel
def _(
    xp: Any, input_dataset: Any, another_dataset: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    both = (to_dataset(input_dataset), to_dataset(another_dataset))
    if both[0].types != both[1].types:
        raise invalid(
            "input dataset and dataset to concatenate have different output types: "
            f"{list(map(str, both[0].types))} and {list(map(str, both[1].types))}"
        )
    count = cardinalities.concatenated([one.cardinality for one in both])
    return new_variant(output_types, output_shapes, lambda reading: Concatenation(both, reading), count)


class Zip(Pass):
    def __init__(self, sources: Sequence[Pass]) -> None:
        self._sources = sources
        self._has_ended = False

    def next(self) -> Element | None:
        if self._has_ended:
            return None
        elements: list[Any] = []
        for source in self._sources:
            element = source.next()
            if element is None:
                self._has_ended = True
                return None
            elements.extend(element)
        return tuple(elements)

    def save(self) -> State:
        state = save_numbers(has_ended=self._has_ended)
        for place, source in enumerate(self._sources):
            state |= prefixed(str(place), source.save())
        return state

    def load(self, state: State) -> None:
        self._has_ended = bool(state["has_ended"])
        for place, source in enumerate(self._sources):
            source.load(part(str(place), state))


zipped = op(f"ZipDataset(input_datasets: N*variant; {OUTPUTS}, N: int >= 1, {METADATA}", shape=shapes.scalar)


@zipped.kernel
def _(
    xp: Any, input_datasets: Sequence[Any], *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    sources = [to_dataset(value) for value in input_datasets]
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Zip([source.begin(reading) for source in sources]),
        cardinalities.zipped([source.cardinality for source in sources]),
    )


class DirectedInterleave(Pass):
    """Takes the next element from the source whose number a pass over a dataset of numbers gives."""

    def __init__(self, selector: Pass, sources: Sequence[Pass], *, stops: bool) -> None:
        self._selector = selector
        self._sources: list[Pass | None] = list(sources)
        self._stops = stops

    def next(self) -> Element | None:
        while any(self._sources):
            chosen = self._selector.next()
            if chosen is None:
                break
            number = int(chosen[0])
            if not 0 <= number < len(self._sources):
                raise invalid(f"Selector index out of range: {number} >= {len(self._sources)}")
            source = self._sources[number]
            element = source.next() if source is not None else None
            if element is not None:
                return element
            self._sources[number] = None
            if self._stops:
                break
        self._sources = [None] * len(self._sources)
        return None

    def save(self) -> State:
        state = prefixed("selector", self._selector.save())
        for place, source in enumerate(self._sources):
            state |= save_numbers(**{f"open_{place}": source is not None})
            state |= prefixed(str(place), source.save()) if source is not None else {}
        return state

    def load(self, state: State) -> None:
        self._selector.load(part("selector", state))
        for place, source in enumerate(self._sources):
            if not state[f"open_{place}"]:
                self._sources[place] = None
            elif source is not None:
                source.load(part(str(place), state))


directed = op(
    "DirectedInterleaveDataset(selector_input_dataset: variant, data_input_datasets: N*variant; "
    f"{OUTPUTS}, N: int >= 1, stop_on_empty_dataset: bool = false) -> (handle: variant)",
    shape=shapes.scalar,
)


@directed.kernel
def _(
    xp: Any, selector_input_dataset: Any, data_input_datasets: Sequence[Any], *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape], stop_on_empty_dataset: bool,
) -> Any:  # fmt: skip
    selector, sources = to_dataset(selector_input_dataset), [to_dataset(x) for x in data_input_datasets]
    if selector.types != (dtypes.int64,):
        raise invalid("The selector input must be a dataset of scalar int64 elements.")

    def begin(reading: Reading) -> Pass:
        passes = [source.begin(reading) for source in sources]
        return DirectedInterleave(selector.begin(reading), passes, stops=stop_on_empty_dataset)

    # As TensorFlow has it, even where the dataset of numbers ends.
    endless = any(one.cardinality == INFINITE for one in sources)
    return new_variant(output_types, output_shapes, begin, INFINITE if endless else UNKNOWN)
