"""AddSparseToTensorsMap, AddManySparseToTensorsMap and TakeManySparseFromTensorsMap: sparse tensors kept under numbers
(sparse_tensors_map_ops.cc in TensorFlow), so that queues of dense tensors can carry them."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, matrix, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from .coo import Coo, check_static, coo
from .sparse_serialization_ops import rows_of, stacked

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.context import StepContext
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class TensorsMap:
    """Sparse tensors under numbers that are never used again."""

    kind = "TensorsMap"

    def __init__(self) -> None:
        self._lock = Lock()
        self._next = 0
        self._tensors: dict[int, Coo] = {}

    def add(self, tensors: list[Coo]) -> Any:
        """Keeps tensors and returns their numbers, int64[count]."""
        with self._lock:
            numbers = range(self._next, self._next + len(tensors))
            self._next += len(tensors)
            self._tensors.update(zip(numbers, tensors))
        return np.array(numbers, np.int64)

    def take(self, numbers: list[int]) -> list[Coo]:
        """Removes tensors and returns them. Raises INVALID_ARGUMENT for a number that is not there."""
        with self._lock:
            for place, number in enumerate(numbers):
                if number not in self._tensors or number in numbers[:place]:
                    raise invalid(f"Unable to find SparseTensor: {number} in map")
            return [self._tensors.pop(number) for number in numbers]

    def save(self) -> dict[str, Any]:
        """Returns the next number and the parts of each tensor by its number."""
        with self._lock:
            state: dict[str, Any] = {"next": np.array(self._next, np.int64)}
            for number, tensor in self._tensors.items():
                state[f"{number}/indices"] = tensor.indices
                state[f"{number}/values"] = tensor.values
                state[f"{number}/shape"] = np.array(tensor.dims, np.int64)
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what ``save`` returned."""
        numbers = sorted({int(key.partition("/")[0]) for key in state if key != "next"})
        with self._lock:
            self._next = int(state["next"])
            self._tensors = {
                n: coo(state[f"{n}/indices"], state[f"{n}/values"], state[f"{n}/shape"]) for n in numbers
            }


def _map(ctx: StepContext, container: str, name: str) -> TensorsMap:
    return ctx.resource(container, name, TensorsMap, TensorsMap)


_ATTRS = 'container: string = "", shared_name: string = ""'


def _handle_shape(c: ShapeContext) -> Shape:
    check_static(c, 0, 1, 2)
    return Shape(())


add = op(
    f"AddSparseToTensorsMap(sparse_indices: int64, sparse_values: T, sparse_shape: int64; T: type, {_ATTRS}) "
    "-> (sparse_handle: int64)",
    shape=_handle_shape,
    stateful=True,
)


@add.kernel
def _(
    ctx: StepContext,
    xp: Any,
    indices: Any,
    values: Any,
    shape: Any,
    *,
    container: str,
    shared_name: str,
    node_name: str,
) -> Any:
    given = coo(indices, values, shape)
    return _map(ctx, container, shared_name or node_name).add([given])[0]


def _handles_shape(c: ShapeContext) -> Shape:
    check_static(c, 0, 1, 2)
    return vector(None)


add_many = op(
    f"AddManySparseToTensorsMap(sparse_indices: int64, sparse_values: T, sparse_shape: int64; T: type, {_ATTRS}) "
    "-> (sparse_handles: int64)",
    shape=_handles_shape,
    stateful=True,
)


@add_many.kernel
def _(
    ctx: StepContext,
    xp: Any,
    indices: Any,
    values: Any,
    shape: Any,
    *,
    container: str,
    shared_name: str,
    node_name: str,
) -> Any:
    rows = rows_of(coo(indices, values, shape))
    return _map(ctx, container, shared_name or node_name).add(rows)


take_many = op(
    f"TakeManySparseFromTensorsMap(sparse_handles: int64; dtype: type, {_ATTRS}) "
    "-> (sparse_indices: int64, sparse_values: dtype, sparse_shape: int64)",
    shape=lambda c: [matrix(None, None), vector(None), vector(None)] if c.with_rank(0, 1) else [],
    stateful=True,
)


@take_many.kernel
def _(
    ctx: StepContext, xp: Any, handles: Any, *, dtype: DType, container: str, shared_name: str, node_name: str
) -> list[Any]:
    if handles.ndim != 1:
        raise invalid(f"sparse_handles should be a vector but received shape {Shape(handles.shape)}")
    parts = _map(ctx, container, shared_name or node_name).take(handles.tolist())
    for part in parts:
        if dtypes.of_numpy(part.values.dtype) is not dtype:
            raise invalid(f"Requested SparseTensor of type {dtype} but the values are {part.values.dtype}")
    joined = stacked(parts, (len(parts),))
    return [joined.indices, joined.values, np.array(joined.dims, np.int64)]
