"""Datasets that group elements by a key: GroupByWindow and GroupByReducer (group_by_window_dataset_op.cc and
group_by_reducer_dataset_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import cancellation, shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from .datasets import (
    Dataset,
    Element,
    Pass,
    Reading,
    State,
    literal,
    new_variant,
    part,
    prefixed,
    save_numbers,
    to_dataset,
    to_variant,
)
from .element_states import load_elements, save_elements
from .function_ops import ElementFunction
from .signature_parts import METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ...core.context import Callee

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _number(results: Sequence[Any], function: str) -> int:
    """Returns the only result of a function, a scalar int64. Raises INVALID_ARGUMENT if it is something else."""
    if len(results) != 1 or np.ndim(results[0]) or np.asarray(results[0]).dtype != np.int64:
        raise invalid(f"`{function}` must return a scalar int64.")
    return int(results[0])


class _Groups:
    """Elements by key."""

    def __init__(self) -> None:
        self.elements: dict[int, list[Element]] = {}

    def save(self) -> State:
        state: State = {"keys": np.array(list(self.elements), np.int64)}
        for place, elements in enumerate(self.elements.values()):
            state |= save_elements(f"group{place}", elements)
        return state

    def load(self, state: State) -> None:
        self.elements = {
            key: load_elements(f"group{place}", state) for place, key in enumerate(state["keys"].tolist())
        }


class WindowsByKey(Pass):
    """Collects elements of a key until they are as many as its window; then gives what ``reduce`` makes of them, a
    dataset. At the end of the input the smaller windows follow, in the order of their keys."""

    def __init__(
        self,
        dataset: Dataset,
        reading: Reading,
        key: ElementFunction,
        reduce: ElementFunction,
        window_size: ElementFunction,
    ) -> None:
        self._types, self._shapes = dataset.types, dataset.shapes
        self._reading = reading
        self._key, self._reduce, self._window_size = key, reduce, window_size
        self._source = dataset.begin(reading)
        self._has_ended = False
        self._groups = _Groups()
        self._sizes: dict[int, int] = {}
        # The window whose dataset is being passed over.
        self._window: tuple[int, list[Element]] | None = None
        self._reduced: Pass | None = None

    def next(self) -> Element | None:
        while True:
            if self._reduced is not None:
                element = self._reduced.next()
                if element is not None:
                    return element
                self._window = self._reduced = None
            key = self._full_key()
            if key is None:
                return None
            self._open(key, self._groups.elements.pop(key))

    def _full_key(self) -> int | None:
        """Reads elements until a window is full, and returns its key; None if nothing is left."""
        while not self._has_ended:
            cancellation.check()
            element = self._source.next()
            if element is None:
                self._has_ended = True
                break
            key = _number(self._key(*element), "key_func")
            size = self._size_of(key)
            group = self._groups.elements.setdefault(key, [])
            group.append(element)
            if len(group) >= size:
                return key
        return min(self._groups.elements, default=None)

    def _size_of(self, key: int) -> int:
        if key not in self._sizes:
            size = _number(self._window_size(np.int64(key)), "window_size_func")
            if size <= 0:
                raise invalid(f"Window size must be greater than zero, but got {size}.")
            self._sizes[key] = size
        return self._sizes[key]

    def _open(self, key: int, window: list[Element]) -> None:
        results = self._reduce(np.int64(key), to_variant(literal(self._types, self._shapes, window)))
        if len(results) != 1:
            raise invalid("`reduce_func` must return a single dataset variant.")
        self._window, self._reduced = (key, window), to_dataset(results[0]).begin(self._reading)

    def save(self) -> State:
        state = save_numbers(has_ended=self._has_ended)
        state |= {**prefixed("groups", self._groups.save()), **prefixed("source", self._source.save())}
        state["sized_keys"] = np.array(list(self._sizes), np.int64)
        state["sizes"] = np.array(list(self._sizes.values()), np.int64)
        if self._window is not None and self._reduced is not None:
            key, window = self._window
            state |= {**save_numbers(key=key), **save_elements("window", window)}
            state |= prefixed("reduced", {"begun": np.array(1), **self._reduced.save()})
        return state

    def load(self, state: State) -> None:
        self._has_ended = bool(state["has_ended"])
        self._groups.load(part("groups", state))
        self._source.load(part("source", state))
        self._sizes = dict(zip(state["sized_keys"].tolist(), state["sizes"].tolist()))
        if "key" in state:
            self._open(int(state["key"]), load_elements("window", state))
            if self._reduced is not None:
                self._reduced.load(part("reduced", state))


by_window = op(
    "GroupByWindowDataset(input_dataset: variant, key_func_other_arguments: *Tkey_func_other_arguments, "
    "reduce_func_other_arguments: *Treduce_func_other_arguments, "
    "window_size_func_other_arguments: *Twindow_size_func_other_arguments; key_func: func, reduce_func: func, "
    "window_size_func: func, Tkey_func_other_arguments: list(type) >= 0, "
    "Treduce_func_other_arguments: list(type) >= 0, Twindow_size_func_other_arguments: list(type) >= 0, "
    f"{OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
)


@by_window.kernel
def _(
    xp: Any, input_dataset: Any, key_others: Any, reduce_others: Any, size_others: Any, *, key_func: Callee,
    reduce_func: Callee, window_size_func: Callee, output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)

    def begin(reading: Reading) -> Pass:
        return WindowsByKey(
            source,
            reading,
            ElementFunction(key_func, key_others, reading),
            ElementFunction(reduce_func, reduce_others, reading),
            ElementFunction(window_size_func, size_others, reading),
        )

    return new_variant(output_types, output_shapes, begin)


class ReducedGroups(Pass):
    """Reduces all elements of each key, and gives the results in the order of the keys."""

    def __init__(
        self,
        source: Pass,
        key: ElementFunction,
        init: ElementFunction,
        reduce: ElementFunction,
        finalize: ElementFunction,
    ) -> None:
        self._source = source
        self._key, self._init, self._reduce, self._finalize = key, init, reduce, finalize
        self._states: dict[int, Element] = {}
        self._has_ended = False

    def next(self) -> Element | None:
        while not self._has_ended:
            cancellation.check()
            element = self._source.next()
            if element is None:
                self._has_ended = True
                self._states = dict(sorted(self._states.items()))
                break
            key = _number(self._key(*element), "key_func")
            state = self._states.get(key)
            if state is None:
                state = tuple(self._init(np.int64(key)))
            self._states[key] = tuple(self._reduce(*state, *element))
        key = next(iter(self._states), None)
        return None if key is None else tuple(self._finalize(*self._states.pop(key)))

    def save(self) -> State:
        state = {**save_numbers(has_ended=self._has_ended), **prefixed("source", self._source.save())}
        state["keys"] = np.array(list(self._states), np.int64)
        return {**state, **save_elements("states", list(self._states.values()))}

    def load(self, state: State) -> None:
        self._has_ended = bool(state["has_ended"])
        self._source.load(part("source", state))
        self._states = dict(zip(state["keys"].tolist(), load_elements("states", state)))


_FUNCTIONS = ("key_func", "init_func", "reduce_func", "finalize_func")


def _reduced_groups(
    xp: Any, input_dataset: Any, *others: Any, key_func: Callee, init_func: Callee, reduce_func: Callee,
    finalize_func: Callee, output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source = to_dataset(input_dataset)
    callees = (key_func, init_func, reduce_func, finalize_func)

    def begin(reading: Reading) -> Pass:
        functions = [ElementFunction(*pair, reading) for pair in zip(callees, others)]
        return ReducedGroups(source.begin(reading), *functions)

    return new_variant(output_types, output_shapes, begin)


for _name in ("GroupByReducerDataset", "ExperimentalGroupByReducerDataset"):
    op(
        f"{_name}(input_dataset: variant, "
        + ", ".join(f"{name}_other_arguments: *T{name}_other_arguments" for name in _FUNCTIONS)
        + "; "
        + ", ".join(f"{name}: func" for name in _FUNCTIONS)
        + ", "
        + ", ".join(f"T{name}_other_arguments: list(type) >= 0" for name in _FUNCTIONS)
        + f", {OUTPUTS}) -> (handle: variant)",
        shape=shapes.scalar,
        stateful=True,
    ).kernel(_reduced_groups)
