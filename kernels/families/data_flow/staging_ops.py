"""Stage, MapStage and OrderedMapStage with what takes from them (stage_op.cc and map_stage_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments
from .staging import OrderedStagingMap, StageBuffer, StagingMap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from .attempts import Done

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_LIMITS = "capacity: int >= 0 = 0, memory_limit: int >= 0 = 0"
_NAMES = 'container: string = "", shared_name: string = ""'
_SOME, _ANY = "dtypes: list(type) >= 1", "dtypes: list(type)"
_WAITS: dict[str, Any] = {"stateful": True, "asynchronous": True, "state": StateAccess.CHANGES}
_READS: dict[str, Any] = {"stateful": True, "state": StateAccess.READS}


class Area(NamedTuple):
    """A kind of staging area: the first word of its operations, its class, and the function that makes one from its
    name, capacity and memory limit."""

    prefix: str
    resource: type[Any]
    make: Callable[[str, int, int], Any]

    def find(
        self, ctx: Any, container: str, shared_name: str, node_name: str, capacity: int, limit: int
    ) -> Any:
        """Returns the area that a node names, made on first use."""
        name = shared_name or node_name
        return ctx.resource(container, name, self.resource, lambda: self.make(name, capacity, limit))


def _waiting(area: Area, attempt: Callable[..., Any], skip: int = 0) -> Callable[..., Any]:
    """Returns the kernel of an operation that may wait. ``attempt`` takes the staging area, the number of dtypes, and
    the values; what it returns, but for the first ``skip`` tensors, must have the dtypes of the node, if it has any."""

    def kernel(
        ctx: Any, xp: Any, *values: Any, node_name: str, capacity: int, memory_limit: int,
        dtypes: Sequence[DType], container: str, shared_name: str, done: Done,
    ) -> Any:  # fmt: skip
        found = area.find(ctx, container, shared_name, node_name, capacity, memory_limit)

        def checked() -> Any:
            result = attempt(found, len(dtypes), *values)
            if isinstance(result, list) and result:
                _check_types(result[skip:], dtypes)
            return result

        return found.begin(checked, done)

    return kernel


def _immediate(area: Area, use: Callable[[Any], Any]) -> Callable[..., Any]:
    """Returns the kernel of an operation that never waits."""

    def kernel(
        ctx: Any,
        xp: Any,
        *,
        node_name: str,
        capacity: int,
        memory_limit: int,
        container: str,
        shared_name: str,
    ) -> Any:
        return use(area.find(ctx, container, shared_name, node_name, capacity, memory_limit))

    return kernel


def _check_types(values: Sequence[Any], types: Sequence[DType]) -> None:
    """Raises INVALID_ARGUMENT for staged tensors of other dtypes than a node takes out."""
    if len(values) != len(types):
        raise invalid(f"Mismatch stage/unstage: {len(values)} vs. {len(types)}")
    for value, dtype in zip(values, types):
        staged = np.asarray(value).dtype
        if staged != dtype.numpy:
            raise invalid(f"a tensor of {dtype} is to be taken, but one of {staged} is staged")


def _key(key: Any) -> int:
    if np.ndim(key):
        raise invalid(f"Key must be an int64 scalar, but has shape {Shape(tuple(key.shape))}")
    return int(key)


def _indices(indices: Any) -> tuple[int, ...]:
    return int_arguments.int_vector(indices, "indices")


def _size(area: Any) -> Any:
    return np.int32(area.size)


def _incomplete_size(area: Any) -> Any:
    return np.int32(area.incomplete_size)


def _clear(area: Any) -> Any:
    area.clear()
    return []


def _stage(area: StageBuffer, width: int, values: Sequence[Any]) -> Any:
    return area.put(values)


def _unstage(area: StageBuffer, width: int) -> Any:
    return area.get()


def _stage_peek(area: StageBuffer, width: int, index: Any) -> Any:
    if np.ndim(index):
        raise invalid(f"index must be scalar, but has shape {Shape(tuple(index.shape))}")
    place = int(index)
    if place < 0:
        raise invalid(f"the index of a staged element must not be negative, but is {place}")
    return area.peek(place)


def _map_stage(area: StagingMap, width: int, key: Any, indices: Any, values: Sequence[Any]) -> Any:
    places = _indices(indices)
    if len(places) != len(values):
        raise invalid(f"there are {len(places)} indices, but {len(values)} values")
    return area.put(_key(key), width, places, values)


def _map_unstage(area: StagingMap, width: int, key: Any, indices: Any) -> Any:
    return area.get(_key(key), _indices(indices), removes=True)


def _map_peek(area: StagingMap, width: int, key: Any, indices: Any) -> Any:
    return area.get(_key(key), _indices(indices), removes=False)


def _map_unstage_no_key(area: StagingMap, width: int, indices: Any) -> Any:
    return area.get_next(_indices(indices))


_TAKEN = f"; {_LIMITS}, {_SOME}, {_NAMES}) -> (values: *dtypes)"
_UNIFORM = f"; {_LIMITS}, {_ANY}, {_NAMES})"

_BUFFER = Area("Stage", StageBuffer, StageBuffer)
op(f"Stage(values: *dtypes; {_LIMITS}, {_SOME}, {_NAMES})", shape=shapes.no_outputs, **_WAITS).kernel(
    _waiting(_BUFFER, _stage)
)
op(f"Unstage({_TAKEN}", shape=shapes.unknown, **_WAITS).kernel(_waiting(_BUFFER, _unstage))
op(f"StagePeek(index: int32{_TAKEN}", shape=shapes.unknown, **_WAITS).kernel(_waiting(_BUFFER, _stage_peek))


def _declare_uniform(area: Area) -> None:
    """Declares what all staging areas have: Size and Clear."""
    op(f"{area.prefix}Size({_UNIFORM} -> (size: int32)", shape=shapes.scalar, **_READS).kernel(
        _immediate(area, _size)
    )
    op(f"{area.prefix}Clear({_UNIFORM}", shape=shapes.no_outputs, stateful=True).kernel(
        _immediate(area, _clear)
    )


def _declare_map(area: Area) -> None:
    """Declares the operations of a staging map."""
    prefix = area.prefix
    place = "key: int64, indices: int32"
    op(
        f"{prefix}Stage({place}, values: *fake_dtypes; {_LIMITS}, {_ANY}, fake_dtypes: list(type) >= 1, {_NAMES})",
        shape=shapes.no_outputs,
        **_WAITS,
    ).kernel(_waiting(area, _map_stage))
    for name, attempt in (("Unstage", _map_unstage), ("Peek", _map_peek)):
        op(f"{prefix}{name}({place}{_TAKEN}", shape=shapes.unknown, **_WAITS).kernel(_waiting(area, attempt))
    op(
        f"{prefix}UnstageNoKey(indices: int32; {_LIMITS}, {_SOME}, {_NAMES}) -> (key: int64, values: *dtypes)",
        shape=shapes.unknown,
        **_WAITS,
    ).kernel(_waiting(area, _map_unstage_no_key, skip=1))
    op(f"{prefix}IncompleteSize({_UNIFORM} -> (size: int32)", shape=shapes.scalar, **_READS).kernel(
        _immediate(area, _incomplete_size)
    )
    _declare_uniform(area)


_declare_uniform(_BUFFER)
_declare_map(Area("Map", StagingMap, StagingMap))
_declare_map(Area("OrderedMap", OrderedStagingMap, OrderedStagingMap))
