"""Iterators: resources that keep a pass over a dataset between steps (iterator_ops.cc in TensorFlow)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from .datasets import Dataset, Element, Pass, Reading, State, part, prefixed, save_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType


class DatasetIterator:
    """A pass over a dataset, begun with the first element that is asked for.

    State that is loaded before the iterator has a dataset waits for one: the first dataset that it is given then goes
    on where the saved pass was.
    """

    kind = "Iterator"

    def __init__(self, name: str, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        self.name = name
        self.types = tuple(types)
        self.shapes = tuple(shapes)
        self._lock = Lock()
        self._dataset: Dataset | None = None
        self._reading = Reading(None)
        self._pass: Pass | None = None
        self._has_ended = False
        self._loaded: State | None = None
        self._awaits_dataset = False

    def read(self) -> DatasetIterator:
        """Returns the iterator: the value of a reference to it."""
        return self

    def make(self, dataset: Dataset) -> None:
        """Begins anew with a dataset. Raises INVALID_ARGUMENT if its elements are not the iterator's."""
        check_elements(self.types, self.shapes, dataset.types, dataset.shapes)
        with self._lock:
            self._dataset = dataset
            if self._awaits_dataset:
                self._awaits_dataset = False
                return
            self._pass = self._loaded = None
            self._has_ended = False

    def make_once(self, dataset: Callable[[], Dataset]) -> None:
        """Takes the dataset unless there is one already."""
        if self._dataset is None:
            self.make(dataset())

    def next(self, ctx: Any) -> Element | None:
        """Returns the next element, None at the end. Raises FAILED_PRECONDITION without a dataset, and what the
        dataset's functions raise."""
        with self._lock:
            dataset = self.check_initialized()
            if self._has_ended:
                return None
            self._reading.ctx = ctx
            try:
                element = self._begun(dataset).next()
            finally:
                self._reading.ctx = None
            if element is None:
                self._has_ended = True
                self._pass = None
            return element

    def check_initialized(self) -> Dataset:
        """Returns the dataset. Raises FAILED_PRECONDITION without one."""
        if self._dataset is None:
            raise TfgError(
                Status.FAILED_PRECONDITION,
                "GetNext() failed because the iterator has not been initialized. Run the MakeIterator of iterator "
                f"{self.name!r} first (--init)",
            )
        return self._dataset

    def _begun(self, dataset: Dataset) -> Pass:
        if self._pass is None:
            begun = dataset.begin(self._reading)
            if self._loaded is not None:
                loaded, self._loaded = self._loaded, None
                begun.load(loaded)
            self._pass = begun
        return self._pass

    def save(self) -> State:
        with self._lock:
            state = save_numbers(has_ended=self._has_ended)
            if self._loaded is not None:
                return {**state, **prefixed("pass", self._loaded)}
            return {**state, **(prefixed("pass", self._pass.save()) if self._pass is not None else {})}

    def load(self, state: State) -> None:
        with self._lock:
            self._has_ended = bool(state["has_ended"])
            self._pass = None
            self._loaded = part("pass", state) or None
            self._awaits_dataset = self._dataset is None


def check_elements(
    types: Sequence[DType], shapes: Sequence[Shape], given: Sequence[DType], given_shapes: Sequence[Shape]
) -> None:
    """Raises INVALID_ARGUMENT unless elements of these types and shapes fit."""
    if len(types) != len(given):
        raise invalid(
            f"Number of components does not match: expected {len(types)} types but got {len(given)}."
        )
    for place, (wanted, found) in enumerate(zip(types, given)):
        if wanted != found:
            raise invalid(f"Data type mismatch at component {place}: expected {wanted} but got {found}.")
    for place, (shape, other) in enumerate(zip(shapes, given_shapes)):
        if not shape.is_compatible(other):
            raise invalid(f"Incompatible shapes at component {place}: expected {shape} but got {other}.")
