"""TensorMap operations: immutable maps from tensors to tensors, as variants (map_kernels.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import list_elements
from ...numeric.variants import NO_VALUE, Variant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# A key as a hashable: dtype, shape and elements, of which those with equal bits are equal.
_Key = tuple[str, tuple[int, ...], Any]


class TensorMap(Variant):
    """A map that is never changed; ``entries`` are pairs of tensors by key."""

    __slots__ = ("entries",)

    def __init__(self, entries: Mapping[_Key, tuple[Any, Any]]) -> None:
        self.entries = entries

    def zeros_like(self) -> TensorMap:
        """Returns a map of zeros under the same keys."""
        return TensorMap({k: (key, _zeros_like(value)) for k, (key, value) in self.entries.items()})

    def __add__(self, other: Any) -> Any:
        """Returns the entries of both; the values of a key that both have are added."""
        if other is NO_VALUE:
            return self
        if not isinstance(other, TensorMap):
            return NotImplemented
        result = dict(self.entries)
        for k, (key, value) in other.entries.items():
            result[k] = (key, result[k][1] + value) if k in result else (key, value)
        return TensorMap(result)

    def __repr__(self) -> str:
        return f"<TensorMap of {len(self.entries)}>"


def _zeros_like(value: Any) -> Any:
    return value.zeros_like() if hasattr(value, "zeros_like") else list_elements.zeros_like(value)


def _map_of(value: Any) -> TensorMap:
    """The map in a variant. Raises INVALID_ARGUMENT if it holds something else."""
    element = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(element, TensorMap):
        raise invalid("Input handle is not a map. Saw: " + repr(type(element).__name__))
    return element


def _key_of(key: Any) -> _Key:
    array = np.asarray(key)
    elements = tuple(array.reshape(-1).tolist()) if array.dtype.kind == "O" else array.tobytes()
    return array.dtype.str, array.shape, elements


def _shown(key: Any) -> str:
    return " ".join(map(str, np.asarray(key).reshape(-1)[:8].tolist()))


empty = op("EmptyTensorMap() -> (handle: variant)", shape=shapes.scalar)


@empty.kernel
def _(xp: Any) -> Any:
    return TensorMap({})


size = op("TensorMapSize(input_handle: variant) -> (size: int32)", shape=shapes.scalar)


@size.kernel
def _(xp: Any, input_handle: Any) -> Any:
    return np.int32(len(_map_of(input_handle).entries))


_ENTRY = "key_dtype: type, value_dtype: type"

insert = op(
    f"TensorMapInsert(input_handle: variant, key: key_dtype, value: value_dtype; {_ENTRY}) "
    "-> (output_handle: variant)",
    shape=lambda c: SCALAR,
)


@insert.kernel
def _(xp: Any, input_handle: Any, key: Any, value: Any) -> Any:
    return TensorMap({**_map_of(input_handle).entries, _key_of(key): (key, value)})


@insert.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    _, key, value = node.inputs
    # Where the gradient lacks the key, the value's is zero.
    zero = g.TensorMapInsert(g.EmptyTensorMap(), key, g.ZerosLike(value))
    whole = g.AddN([dy, zero])
    types = {"value_dtype": value.dtype}
    return [g.TensorMapErase(whole, key, **types), None, g.TensorMapLookup(whole, key, **types)]


lookup = op(
    f"TensorMapLookup(input_handle: variant, key: key_dtype; {_ENTRY}) -> (value: value_dtype)",
    shape=lambda c: UNKNOWN,
)


@lookup.kernel
def _(xp: Any, input_handle: Any, key: Any, *, value_dtype: DType) -> Any:
    entry = _map_of(input_handle).entries.get(_key_of(key))
    if entry is None:
        raise invalid(f'Trying to lookup non-existent key. Could not find key "{_shown(key)}".')
    value = entry[1]
    if not isinstance(value, Variant) and np.asarray(value).dtype != value_dtype.numpy:
        raise invalid(f"Type mismatch: actual {np.asarray(value).dtype} vs. expect {value_dtype}")
    return value


@lookup.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    return [g.TensorMapInsert(g.EmptyTensorMap(), node.inputs[1], dy), None]


erase = op(
    f"TensorMapErase(input_handle: variant, key: key_dtype; {_ENTRY}) -> (output_handle: variant)",
    shape=lambda c: SCALAR,
)


@erase.kernel
def _(xp: Any, input_handle: Any, key: Any) -> Any:
    entries, gone = dict(_map_of(input_handle).entries), _key_of(key)
    if gone not in entries:
        raise invalid(f'Trying to erase non-existent item. Could not find key "{_shown(key)}".')
    del entries[gone]
    return TensorMap(entries)


@erase.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
    return [dy, None]


has_key = op(
    "TensorMapHasKey(input_handle: variant, key: key_dtype; key_dtype: type) -> (has_key: bool)",
    shape=shapes.scalar,
)


@has_key.kernel
def _(xp: Any, input_handle: Any, key: Any) -> Any:
    return np.bool_(_key_of(key) in _map_of(input_handle).entries)


stack_keys = op(
    "TensorMapStackKeys(input_handle: variant; key_dtype: type) -> (keys: key_dtype)", shape=lambda c: UNKNOWN
)


@stack_keys.kernel
def _(xp: Any, input_handle: Any, *, key_dtype: DType) -> Any:
    keys = [np.asarray(key) for key, _ in _map_of(input_handle).entries.values()]
    if not keys:
        raise invalid("TensorMapStackKeys cannot be called on empty map.")
    if any(key.dtype != key_dtype.numpy for key in keys):
        raise invalid("Key does not match requested dtype.")
    if len({Shape(key.shape) for key in keys}) > 1:
        raise invalid("Keys must all have the same shape.")
    return np.stack(keys)
