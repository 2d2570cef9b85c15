"""Datasets, and passes over them.

A dataset is a description; what it holds is computed by a *pass*, which gives one element after the other. The passes
of a pipeline are nested like its datasets: each asks the one before it. A pass saves its whole state as arrays and
takes it back, so that an iterator goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from .cardinalities import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ....graphfmt.tensors import Array

# One array per component.
Element = tuple[Any, ...]
State = dict[str, "Array"]


class Reading:
    """The state that the passes of one iterator share: the step that asks for elements, in which functions run."""

    __slots__ = ("ctx",)

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx


class Pass:
    """One pass over a dataset."""

    def next(self) -> Element | None:
        """Returns the next element, None at the end. After an error the pass goes on behind the element that failed."""
        raise NotImplementedError

    def save(self) -> State:
        """Returns the state as arrays that never change afterwards."""
        raise NotImplementedError

    def load(self, state: State) -> None:
        """Takes a state back; called on a new pass over the same dataset."""
        raise NotImplementedError


class Dataset:
    """The description of a sequence of elements.

    Attributes:
        types, shapes: of the components of every element.
        begin: begins a pass.
        cardinality: the number of elements, INFINITE or UNKNOWN, as TensorFlow derives it without computing any.
        elements: all elements, if they are not computed.
    """

    __slots__ = ("begin", "cardinality", "elements", "shapes", "types")

    def __init__(
        self,
        types: Sequence[DType],
        shapes: Sequence[Shape],
        begin: Callable[[Reading], Pass],
        cardinality: int = UNKNOWN,
    ) -> None:
        if len(types) != len(shapes):
            raise invalid(f"there are {len(types)} output types, but {len(shapes)} output shapes")
        self.types = tuple(types)
        self.shapes = tuple(shapes)
        self.begin = begin
        self.cardinality = cardinality
        self.elements: Sequence[Element] | None = None


def to_variant(dataset: Dataset) -> Any:
    """Wraps a dataset in a variant tensor of rank 0."""
    array = np.empty((), object)
    array[()] = dataset
    return array


def to_dataset(value: Any) -> Dataset:
    """Returns the dataset of a variant tensor. Raises INVALID_ARGUMENT if it holds something else."""
    element = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(element, Dataset):
        raise invalid("the variant is not a dataset")
    return element


def new_variant(
    types: Sequence[DType],
    shapes: Sequence[Shape],
    begin: Callable[[Reading], Pass],
    cardinality: int = UNKNOWN,
) -> Any:
    """Returns a dataset as a variant."""
    return to_variant(Dataset(types, shapes, begin, cardinality))


def prefixed(prefix: str, state: State) -> State:
    """Returns the state of a part, to be put into that of the whole."""
    return {f"{prefix}/{key}": value for key, value in state.items()}


def part(prefix: str, state: State) -> State:
    """Returns the state of a part from that of the whole."""
    start = f"{prefix}/"
    return {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}


def save_numbers(**numbers: int) -> State:
    return {name: np.array(number, np.int64) for name, number in numbers.items()}


class Transformation(Pass):
    """A pass whose elements come from those of another one; the state besides it is in ``counts``."""

    # The attributes that are the state, all of them integers.
    counts: tuple[str, ...] = ()

    def __init__(self, source: Pass) -> None:
        self.source = source

    def save(self) -> State:
        numbers = {name: int(getattr(self, name)) for name in self.counts}
        return {**save_numbers(**numbers), **prefixed("source", self.source.save())}

    def load(self, state: State) -> None:
        for name in self.counts:
            setattr(self, name, int(state[name]))
        self.source.load(part("source", state))


class Counted(Pass):
    """Gives a known number of elements, each from its number."""

    def __init__(self, count: int, element: Callable[[int], Element]) -> None:
        self._count = count
        self._element = element
        self._position = 0

    def next(self) -> Element | None:
        position = self._position
        if position >= self._count:
            return None
        self._position = position + 1
        return self._element(position)

    def save(self) -> State:
        return save_numbers(position=self._position)

    def load(self, state: State) -> None:
        self._position = int(state["position"])


def literal(types: Sequence[DType], shapes: Sequence[Shape], elements: Sequence[Element]) -> Dataset:
    """Returns the dataset of these elements."""
    kept = list(elements)
    made = Dataset(types, shapes, lambda reading: Counted(len(kept), kept.__getitem__), len(kept))
    made.elements = kept
    return made
