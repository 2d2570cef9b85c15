"""Barrier with what is done to it (barrier_ops.cc in TensorFlow). A handle is the barrier itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments
from .barriers import Barrier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext
    from .queues import Done

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

barrier = op(
    "Barrier(; component_types: list(type) >= 1, shapes: list(shape) >= 0 = [], capacity: int = -1, "
    'container: string = "", shared_name: string = "") -> (handle: Ref(string))',
    shape=lambda c: Shape((2,)),
    stateful=True,
    state=StateAccess.READS,
)


@barrier.kernel
def _(
    ctx: Any, xp: Any, *, node_name: str, component_types: Sequence[DType], shapes: Sequence[Shape], capacity: int,
    container: str, shared_name: str,
) -> Barrier:  # fmt: skip
    if len(shapes) != len(component_types):
        raise invalid("All of the component shapes must be specified")
    for shape in shapes:
        if not shape.is_fully_known:
            raise invalid(f"Shape {shape} is not fully defined")
    if capacity != -1:
        raise invalid(
            "Barrier only accepts capacity=-1.  Feed the inputs to your Barrier through a queue to enforce a limited "
            "capacity."
        )
    name = shared_name or node_name
    found = ctx.resource(container, name, Barrier, lambda: Barrier(name, component_types, shapes))
    for what, has, asked in (
        ("component types", found.types, tuple(component_types)),
        ("component shapes", found.shapes, tuple(shapes)),
    ):
        if has != asked:
            raise invalid(
                f"Shared barrier {name!r} has {what} [{', '.join(map(str, has))}] but requested {what} were "
                f"[{', '.join(map(str, asked))}]"
            )
    return found


def _barrier(handle: Any) -> Barrier:
    """Returns the barrier of a handle. Raises INVALID_ARGUMENT if it is none."""
    if not isinstance(handle, Barrier):
        raise invalid(f"the handle must be of a barrier, but is of a {type(handle).__name__}")
    return handle


def _insert_shapes(c: ShapeContext) -> Sequence[Shape]:
    keys, values = c.with_rank("keys", 1), c.with_rank_at_least("values", 1)
    if values.dims is not None and not Shape(values.dims[:1]).is_compatible(keys):
        raise invalid(f"there are {keys[0]} keys, but {values[0]} values")
    return []


insert_many = op(
    "BarrierInsertMany(handle: Ref(string), keys: string, values: T; T: type, component_index: int)",
    shape=_insert_shapes,
    asynchronous=True,
    state=StateAccess.CHANGES,
)


@insert_many.kernel
def _(
    ctx: Any, xp: Any, handle: Any, keys: Any, values: Any, *, T: DType, component_index: int, done: Done
) -> Any:
    found = _barrier(handle)
    if not 0 <= component_index < len(found.types):
        raise invalid(
            f"The component ID is out of range {component_index} > num_components (= {len(found.types)})"
        )
    expected = found.types[component_index]
    if expected is not T:
        raise invalid(f"component {component_index} of barrier {found.name!r} is of {expected}, not of {T}")
    names, rows = np.asarray(keys, object), np.asarray(values)
    if names.ndim != 1 or not rows.ndim or len(rows) != len(names):
        raise invalid(
            f"keys must be a vector with one row of values each, but the shapes are {Shape(names.shape)} and "
            f"{Shape(rows.shape)}"
        )
    found.insert(names.tolist(), component_index, rows, done)


def _taken_shapes(c: ShapeContext) -> Sequence[Shape]:
    c.with_rank("num_elements", 0)
    vector = Shape((None,))
    return [vector, vector, *[UNKNOWN] * len(c.attrs["component_types"])]


take_many = op(
    "BarrierTakeMany(handle: Ref(string), num_elements: int32; component_types: list(type) >= 1, "
    "allow_small_batch: bool = false, wait_for_incomplete: bool = false, timeout_ms: int = -1) -> (indices: int64, "
    "keys: string, values: *component_types)",
    shape=_taken_shapes,
    asynchronous=True,
    state=StateAccess.CHANGES,
)


@take_many.kernel
def _(
    ctx: Any, xp: Any, handle: Any, num_elements: Any, *, component_types: Sequence[DType], allow_small_batch: bool,
    timeout_ms: int, done: Done,
) -> Any:  # fmt: skip
    found = _barrier(handle)
    if timeout_ms != -1:
        raise invalid("Timeout not supported yet.")
    if tuple(component_types) != found.types:
        raise invalid(
            f"cannot take [{', '.join(map(str, component_types))}]: barrier {found.name!r} has components of "
            f"[{', '.join(map(str, found.types))}]"
        )
    count = int_arguments.int_scalar(num_elements, "num_elements")
    if count < 0:
        raise invalid(f"the number of elements to take must not be negative, but is {count}")
    return found.take(count, done, takes_fewer=allow_small_batch)


close = op(
    "BarrierClose(handle: Ref(string); cancel_pending_enqueues: bool = false)",
    shape=shapes.no_outputs,
    state=StateAccess.CHANGES,
)


@close.kernel
def _(xp: Any, handle: Any, *, cancel_pending_enqueues: bool) -> Any:
    _barrier(handle).close(cancels_pending=cancel_pending_enqueues)
    return []


def _ready_size(xp: Any, handle: Any) -> Any:
    return np.int32(_barrier(handle).ready_size)


def _incomplete_size(xp: Any, handle: Any) -> Any:
    return np.int32(_barrier(handle).incomplete_size)


for _name, _kernel in (("BarrierReadySize", _ready_size), ("BarrierIncompleteSize", _incomplete_size)):
    op(
        f"{_name}(handle: Ref(string)) -> (size: int32)",
        shape=shapes.scalar,
        state=StateAccess.READS,
    ).kernel(_kernel)
