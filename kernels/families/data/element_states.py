"""Elements of datasets as arrays, for the state of an iterator: tensors, and variants that hold tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError
from ....graphfmt.shapes import Shape
from ...numeric.string_tensors import to_value
from ...numeric.variants import NO_VALUE, Variant
from .datasets import Dataset, literal, part, prefixed, save_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ....graphfmt.dtypes import DType
    from .datasets import Element, State


def save_elements(name: str, elements: Sequence[Element]) -> State:
    """Returns elements as arrays: components of one shape are stacked.

    Raises UNIMPLEMENTED if a component is a dataset whose elements are computed, or a variant of another kind.
    """
    state = save_numbers(**{f"{name}_count": len(elements)})
    for place, values in enumerate(zip(*elements)):
        arrays = [_as_array(value) for value in values]
        if any(map(_holds_variants, arrays)):
            for number, array in enumerate(arrays):
                state |= prefixed(f"{name}/{place}/{number}", _save_variants(array))
        elif all(array.shape == arrays[0].shape for array in arrays):
            state[f"{name}/{place}"] = np.stack(arrays)
        else:
            state |= {f"{name}/{place}/{number}": np.array(array) for number, array in enumerate(arrays)}
    return state


def load_elements(name: str, state: State) -> list[Element]:
    """Returns the elements that ``save_elements`` has saved."""
    count = int(state[f"{name}_count"])
    columns: list[Iterable[Any]] = []
    while True:
        key = f"{name}/{len(columns)}"
        if key in state:
            columns.append([to_value(row) for row in state[key]])
        elif f"{key}/0/dims" in state:
            columns.append([_load_variants(part(f"{key}/{number}", state)) for number in range(count)])
        elif f"{key}/0" in state:
            columns.append([state[f"{key}/{number}"] for number in range(count)])
        else:
            return list(zip(*columns)) if columns else [()] * count


def _as_array(value: Any) -> Any:
    return value.reshape(()) if isinstance(value, Variant) else np.asarray(to_value(value))


def _holds_variants(array: Any) -> bool:
    return array.dtype == object and not all(isinstance(item, bytes | str) for item in array.reshape(-1))


def _save_variants(array: Any) -> State:
    state: State = {"dims": np.array(array.shape, np.int64)}
    for number, item in enumerate(array.reshape(-1).tolist()):
        state |= prefixed(str(number), _save_variant(item))
    return state


def _load_variants(state: State) -> Any:
    array = np.empty(tuple(state["dims"].tolist()), object)
    items = [_load_variant(part(str(number), state)) for number in range(array.size)]
    for number, item in enumerate(items):
        array.reshape(-1)[number] = item
    return items[0] if not array.ndim and isinstance(items[0], Variant) else array


_NOTHING, _DATASET, _TENSOR, _RAGGED, _NO_OPTIONAL, _OPTIONAL = range(6)


def _save_variant(item: Any) -> State:
    from ..data_flow.optional_ops import Optional
    from ..ragged.ragged_variant_ops import RaggedVariant
    from ..sparse.sparse_serialization_ops import TensorVariant

    if isinstance(item, Dataset) and item.elements is not None:
        return {**save_numbers(kind=_DATASET), **save_elements("elements", item.elements)}
    if isinstance(item, TensorVariant):
        return {
            **save_numbers(kind=_TENSOR, type=item.dtype_of_tensor.number),
            **save_elements("tensor", [(item.tensor,)]),
        }
    if isinstance(item, RaggedVariant):
        return {**save_numbers(kind=_RAGGED), **save_elements("parts", [(*item.nested, item.values)])}
    if isinstance(item, Optional):
        if item.components is None:
            return save_numbers(kind=_NO_OPTIONAL)
        return {**save_numbers(kind=_OPTIONAL), **save_elements("components", [item.components])}
    if item is NO_VALUE or item is None:
        return save_numbers(kind=_NOTHING)
    what = "datasets that are computed" if isinstance(item, Dataset) else type(item).__name__
    raise TfgError(
        Status.UNIMPLEMENTED,
        f"the position of an iterator over elements that hold {what} cannot be saved within one of them",
    )


def _load_variant(state: State) -> Any:
    from ..data_flow.optional_ops import Optional
    from ..ragged.ragged_variant_ops import RaggedVariant
    from ..sparse.sparse_serialization_ops import TensorVariant

    kind = int(state["kind"])
    if kind == _DATASET:
        return _load_dataset(state)
    if kind == _TENSOR:
        ((tensor,),) = load_elements("tensor", state)
        return TensorVariant(tensor, dtypes.of_number(int(state["type"])))
    if kind == _RAGGED:
        (parts,) = load_elements("parts", state)
        return RaggedVariant(parts[:-1], parts[-1])
    if kind == _OPTIONAL:
        (components,) = load_elements("components", state)
        return Optional(tuple(components))
    return Optional(None) if kind == _NO_OPTIONAL else NO_VALUE


def _load_dataset(state: State) -> Dataset:
    elements = load_elements("elements", state)
    types = [_type_of(_as_array(value)) for value in elements[0]] if elements else []
    return literal(types, [Shape(None)] * len(types), elements)


def _type_of(array: Any) -> DType:
    if _holds_variants(array):
        return dtypes.variant
    return dtypes.string if array.dtype == object else dtypes.of_numpy(array.dtype)
