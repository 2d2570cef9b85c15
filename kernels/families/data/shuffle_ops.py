"""Shuffled and random datasets, in TensorFlow's order (shuffle_dataset_op.cc and random_dataset_op.cc in TensorFlow).

A generator of seeds belongs to a dataset, or is a resource; every pass takes two words of it as its own seeds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments
from ...numeric.philox import Philox
from ..random.word_streams import WordStream
from . import cardinalities
from .cardinalities import INFINITE
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
)
from .element_states import load_elements, save_elements
from .signature_parts import METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# TensorFlow's number for "as many as there are".
_ALL = -2


class SeedGenerator:
    """Gives every pass its seeds: always the same ones, or new ones if it ``varies``. Seeds of 0 and 0 are replaced by
    entropy of the operating system."""

    def __init__(self, seed: int, seed2: int, *, varies: bool) -> None:
        if seed == 0 and seed2 == 0:
            seed, seed2 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))
        self._words = WordStream(Philox.from_seeds(seed, seed2))
        self._varies = varies

    def next(self) -> WordStream:
        """Returns the words of a pass."""
        if not self._varies:
            return self._words.copy()
        first = self._words.next()
        return WordStream(Philox.from_seeds(first, self._words.next()))

    def save(self) -> State:
        return self._words.save()

    def load(self, state: State) -> None:
        self._words.load(state)


class ShuffledSlice:
    """The elements of one pass over the input that are in the buffer."""

    def __init__(self, elements: Sequence[Element] = ()) -> None:
        self._elements: list[Any] = list(elements)
        self._start = 0

    def __len__(self) -> int:
        return len(self._elements) - self._start

    def add(self, element: Element) -> None:
        self._elements.append(element)

    def take(self, word: int) -> Element:
        """Removes and returns the element that a random word chooses; the first one takes its place."""
        start = self._start
        place = start + word % len(self)
        element, self._elements[place] = self._elements[place], self._elements[start]
        self._elements[start] = None
        self._start += 1
        if 2 * self._start > len(self._elements):
            del self._elements[: self._start]
            self._start = 0
        return element

    def all(self) -> list[Element]:
        return self._elements[self._start :]


class Shuffle(Pass):
    """Gives a random element of a buffer that is kept full; with ``count`` it passes over the input so often, -1 for
    ever, and begins to fill the buffer from the next pass while it empties that of the last."""

    def __init__(
        self, dataset: Dataset, size: int, generator: SeedGenerator, reading: Reading, count: int = 1
    ) -> None:
        self._dataset = dataset
        self._size = size
        self._generator = generator
        self._reading = reading
        self._left = count
        self._words = generator.next()
        self._slices = [ShuffledSlice()]
        self._source: Pass | None = dataset.begin(reading)
        self._is_empty_pass = True

    def next(self) -> Element | None:
        self._fill()
        if not any(map(len, self._slices)):
            return None
        while not self._slices[0]:
            del self._slices[0]
            self._words = self._generator.next()
        return self._slices[0].take(self._words.next())

    def _fill(self) -> None:
        while self._source is not None and (self._size == _ALL or sum(map(len, self._slices)) < self._size):
            element = self._source.next()
            if element is not None:
                self._is_empty_pass = False
                self._slices[-1].add(element)
                continue
            self._left -= self._left > 0
            if self._left == 0 or self._is_empty_pass:
                self._source = None
            else:
                self._source, self._is_empty_pass = self._dataset.begin(self._reading), True
                self._slices.append(ShuffledSlice())

    def save(self) -> State:
        state = save_numbers(left=self._left, is_empty_pass=self._is_empty_pass, slices=len(self._slices))
        state |= {**prefixed("words", self._words.save()), **prefixed("generator", self._generator.save())}
        for place, one in enumerate(self._slices):
            state |= save_elements(f"slice{place}", one.all())
        source = self._source
        return {**state, **(prefixed("source", {"begun": np.array(1), **source.save()}) if source else {})}

    def load(self, state: State) -> None:
        self._left, self._is_empty_pass = int(state["left"]), bool(state["is_empty_pass"])
        self._words.load(part("words", state))
        self._generator.load(part("generator", state))
        self._slices = [
            ShuffledSlice(load_elements(f"slice{place}", state)) for place in range(int(state["slices"]))
        ]
        inner = part("source", state)
        if not inner:
            self._source = None
        elif self._source is not None:
            self._source.load(inner)


def _number(value: Any, what: str) -> int:
    return int_arguments.int_scalar(value, what)


def _checked_size(value: Any) -> int:
    size = _number(value, "buffer_size")
    if size < 1 and size != _ALL:
        raise invalid("buffer_size must be greater than zero or UNKNOWN_CARDINALITY")
    return size


def _shuffled(
    source: Dataset,
    size: int,
    generator: SeedGenerator,
    types: Sequence[DType],
    stated: Sequence[Shape],
    count: int = 1,
) -> Any:
    return new_variant(
        types,
        stated,
        lambda reading: Shuffle(source, size, generator, reading, count),
        cardinalities.repeated(source.cardinality, count),
    )


def _declare_seeded(name: str, arguments: str, *, repeats: bool) -> None:
    """Declares a shuffle with seeds; the generator behind its last input, if there is one, takes their place."""
    declared = op(
        f"{name}(input_dataset: variant, buffer_size: int64, seed: int64, seed2: int64{arguments}; "
        f"reshuffle_each_iteration: bool = true, {OUTPUTS}, {METADATA}",
        shape=shapes.scalar,
        stateful=_HANDLE in arguments,
    )

    @declared.kernel
    def _(
        xp: Any, input_dataset: Any, buffer_size: Any, seed: Any, seed2: Any, *rest: Any,
        reshuffle_each_iteration: bool, output_types: Sequence[DType], output_shapes: Sequence[Shape],
    ) -> Any:  # fmt: skip
        source, size = to_dataset(input_dataset), _checked_size(buffer_size)
        count = _number(rest[0], "count") if repeats else 1
        if count < 1 and count != -1:
            raise invalid("count must be greater than zero or equal to -1 (repeat indefinitely).")
        generator = rest[-1] if rest and isinstance(rest[-1], SeedGenerator) else None
        if generator is None:
            seeds = _number(seed, "seed"), _number(seed2, "seed2")
            generator = SeedGenerator(*seeds, varies=reshuffle_each_iteration)
        return _shuffled(source, size, generator, output_types, output_shapes, count)


_HANDLE = ", seed_generator: resource"
_declare_seeded("ShuffleDataset", "", repeats=False)
_declare_seeded("ShuffleDatasetV3", _HANDLE, repeats=False)
_declare_seeded("ShuffleAndRepeatDataset", ", count: int64", repeats=True)
_declare_seeded("ShuffleAndRepeatDatasetV2", f", count: int64{_HANDLE}", repeats=True)

shuffle = op(
    f"ShuffleDatasetV2(input_dataset: variant, buffer_size: int64{_HANDLE}; {OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
    stateful=True,
)


@shuffle.kernel
def _(
    xp: Any, input_dataset: Any, buffer_size: Any, seed_generator: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source, size = to_dataset(input_dataset), _checked_size(buffer_size)
    if not isinstance(seed_generator, SeedGenerator):
        raise invalid(f"the handle must be of a seed generator, but is of a {type(seed_generator).__name__}")
    return _shuffled(source, size, seed_generator, output_types, output_shapes)


generator = op(
    "AnonymousSeedGenerator(seed: int64, seed2: int64, reshuffle: bool) -> (handle: resource, deleter: variant)",
    shape=lambda c: [shapes.scalar(c)] * 2,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@generator.kernel
def _(xp: Any, seed: Any, seed2: Any, reshuffle: Any) -> Any:
    made = SeedGenerator(
        _number(seed, "seed"),
        _number(seed2, "seed2"),
        varies=int_arguments.bool_scalar(reshuffle, "reshuffle"),
    )
    return made, np.empty((), object)


random_generator = op(
    "AnonymousRandomSeedGenerator(seed: int64, seed2: int64) -> (handle: resource, deleter: variant)",
    shape=lambda c: [shapes.scalar(c)] * 2,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@random_generator.kernel
def _(xp: Any, seed: Any, seed2: Any) -> Any:
    made = SeedGenerator(_number(seed, "seed"), _number(seed2, "seed2"), varies=True)
    return made, np.empty((), object)


class NoGenerator:
    """The handle in place of a generator that a dataset makes for itself."""


no_generator = op(
    "DummySeedGenerator() -> (handle: resource)",
    shape=shapes.scalar,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@no_generator.kernel
def _(xp: Any) -> Any:
    return NoGenerator()


def _forget(xp: Any, handle: Any, deleter: Any) -> Any:
    return []


for _name in ("DeleteSeedGenerator", "DeleteRandomSeedGenerator"):
    op(
        f"{_name}(handle: resource, deleter: variant)",
        shape=shapes.no_outputs,
        stateful=True,
        state=StateAccess.PER_STEP,
    ).kernel(_forget)


class RandomNumbers(Pass):
    """Random words, for ever."""

    def __init__(self, generator: SeedGenerator) -> None:
        self._generator = generator
        self._words = generator.next()

    def next(self) -> Element | None:
        return (np.int64(self._words.next()),)

    def save(self) -> State:
        return {**prefixed("words", self._words.save()), **prefixed("generator", self._generator.save())}

    def load(self, state: State) -> None:
        self._words.load(part("words", state))
        self._generator.load(part("generator", state))


random = op(
    f"RandomDataset(seed: int64, seed2: int64; {OUTPUTS}, {METADATA}", shape=shapes.scalar, stateful=True
)


@random.kernel
def _(
    xp: Any, seed: Any, seed2: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    generator = SeedGenerator(_number(seed, "seed"), _number(seed2, "seed2"), varies=False)
    return new_variant(output_types, output_shapes, lambda reading: RandomNumbers(generator), INFINITE)


random_v2 = op(
    "RandomDatasetV2(seed: int64, seed2: int64, seed_generator: resource; rerandomize_each_iteration: bool = false, "
    f"{OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
    stateful=True,
)


@random_v2.kernel
def _(
    xp: Any, seed: Any, seed2: Any, seed_generator: Any, *, rerandomize_each_iteration: bool,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    generator = seed_generator
    if not isinstance(generator, SeedGenerator):
        seeds = _number(seed, "seed"), _number(seed2, "seed2")
        generator = SeedGenerator(*seeds, varies=rerandomize_each_iteration)
    return new_variant(output_types, output_shapes, lambda reading: RandomNumbers(generator), INFINITE)


class Sample(Transformation):
    """Gives every element with the same probability."""

    def __init__(self, source: Pass, rate: float, words: WordStream) -> None:
        super().__init__(source)
        self._rate = rate
        self._words = words

    def next(self) -> Element | None:
        while True:
            element = self.source.next()
            # The 23 lowest bits of a word as a number in [0, 1), TensorFlow's Uint32ToFloat.
            if element is None or (self._words.next() & 0x7FFFFF) / 0x800000 < self._rate:
                return element

    def save(self) -> State:
        return {**super().save(), **prefixed("words", self._words.save())}

    def load(self, state: State) -> None:
        super().load(state)
        self._words.load(part("words", state))


sampling = op(
    f"SamplingDataset(input_dataset: variant, rate: float, seed: int64, seed2: int64; {OUTPUTS}) "
    "-> (handle: variant)",
    shape=shapes.scalar,
)


@sampling.kernel
def _(
    xp: Any, input_dataset: Any, rate: Any, seed: Any, seed2: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    generator = SeedGenerator(_number(seed, "seed"), _number(seed2, "seed2"), varies=False)
    if np.ndim(rate):
        raise invalid(f"rate must be a scalar, but has shape {list(np.shape(rate))}")
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Sample(source.begin(reading), float(rate), generator.next()),
    )
