"""Queues: FIFOQueue, RandomShuffleQueue, PaddingFIFOQueue and PriorityQueue with what is done to them, in both versions
(queue_ops.cc and its relatives in TensorFlow).

A handle, a reference to a string or a resource, is the queue itself. What may have to wait is asynchronous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.context import Pending
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments
from ..random.generators import NodeGenerator
from .element_orders import ByPriority, FirstInFirstOut, Shuffled
from .queues import Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext
    from .queues import Done

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_COMPONENTS = "component_types: list(type) >= 1, shapes: list(shape) >= 0 = []"
_NAMES = 'capacity: int = -1, container: string = "", shared_name: string = ""'
_SEEDS = "min_after_dequeue: int = 0, seed: int = 0, seed2: int = 0, "


def _pair(c: ShapeContext) -> Shape:
    """The shape of a V1 handle: container and name."""
    return Shape((2,))


def _declare_queue(kind: str, attrs: str, make: Callable[..., Any]) -> None:
    for version, handle in (("", "Ref(string)"), ("V2", "resource")):
        op(
            f"{kind}{version}(; {attrs}) -> (handle: {handle})",
            shape=shapes.scalar if version else _pair,
            stateful=True,
            state=StateAccess.READS,
        ).kernel(make)


def _shared_queue(ctx: Any, wanted: Queue, container: str, shared_name: str) -> Queue:
    """Returns the queue of that name, which is made on first use. Raises INVALID_ARGUMENT for one made otherwise."""
    queue = ctx.resource(container, shared_name or wanted.name, Queue, lambda: wanted)
    for what in ("op", "capacity", "types", "shapes", "least"):
        has, asked = getattr(queue, what), getattr(wanted, what)
        if has != asked:
            words = {"op": "type", "types": "component types", "least": "min_after_dequeue"}.get(what, what)
            raise invalid(
                f"Shared queue {queue.name!r} has {words} {_shown(has)} that does not match requested {words} "
                f"{_shown(asked)}"
            )
    return queue


def _shown(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _check_shapes(types: Sequence[DType], given: Sequence[Shape]) -> None:
    if given and len(given) != len(types):
        raise invalid(f"there are {len(types)} component types, but {len(given)} shapes")


def _fifo(
    ctx: Any, xp: Any, *, node_name: str, component_types: Sequence[DType], shapes: Sequence[Shape], capacity: int,
    container: str, shared_name: str,
) -> Queue:  # fmt: skip
    _check_shapes(component_types, shapes)
    name = shared_name or node_name
    queue = Queue("FIFOQueue", name, component_types, shapes, capacity, FirstInFirstOut())
    return _shared_queue(ctx, queue, container, shared_name)


def _padding(
    ctx: Any, xp: Any, *, node_name: str, component_types: Sequence[DType], shapes: Sequence[Shape], capacity: int,
    container: str, shared_name: str,
) -> Queue:  # fmt: skip
    if len(shapes) != len(component_types):
        raise invalid(
            f"a PaddingFIFOQueue needs a shape per component: {len(component_types)}, not {len(shapes)}"
        )
    if any(shape.rank is None for shape in shapes):
        raise invalid("a PaddingFIFOQueue needs shapes of known rank")
    name = shared_name or node_name
    queue = Queue("PaddingFIFOQueue", name, component_types, shapes, capacity, FirstInFirstOut())
    return _shared_queue(ctx, queue, container, shared_name)


def _random(
    ctx: Any, xp: Any, *, node_name: str, component_types: Sequence[DType], shapes: Sequence[Shape], capacity: int,
    min_after_dequeue: int, seed: int, seed2: int, container: str, shared_name: str,
) -> Queue:  # fmt: skip
    _check_shapes(component_types, shapes)
    if min_after_dequeue < 0:
        raise invalid(f"min_after_dequeue {min_after_dequeue} must be >= 0")
    if 0 <= capacity <= min_after_dequeue:
        raise invalid(f"min_after_dequeue {min_after_dequeue} must be < capacity {capacity}")
    name = shared_name or node_name
    order = Shuffled(NodeGenerator(seed, seed2).reserve(0))
    queue = Queue("RandomShuffleQueue", name, component_types, shapes, capacity, order, min_after_dequeue)
    return _shared_queue(ctx, queue, container, shared_name)


def _priority(
    ctx: Any, xp: Any, *, node_name: str, component_types: Sequence[DType], shapes: Sequence[Shape], capacity: int,
    container: str, shared_name: str,
) -> Queue:  # fmt: skip
    if shapes and len(shapes) != len(component_types):
        raise invalid(f"there are {len(component_types)} component types, but {len(shapes)} shapes")
    types = (dtypes.int64, *component_types)
    given = (Shape(()), *shapes) if shapes or not component_types else ()
    queue = Queue("PriorityQueue", shared_name or node_name, types, given, capacity, ByPriority())
    return _shared_queue(ctx, queue, container, shared_name)


_declare_queue("FIFOQueue", f"{_COMPONENTS}, {_NAMES}", _fifo)
_declare_queue("PaddingFIFOQueue", f"{_COMPONENTS}, {_NAMES}", _padding)
_declare_queue("RandomShuffleQueue", f"{_COMPONENTS}, {_SEEDS}{_NAMES}", _random)
_declare_queue(
    "PriorityQueue", f"component_types: list(type) >= 0 = [], shapes: list(shape) >= 0, {_NAMES}", _priority
)


def _queue(handle: Any) -> Queue:
    """Returns the queue of a handle. Raises INVALID_ARGUMENT if it is none."""
    if not isinstance(handle, Queue):
        raise invalid(f"the handle must be of a queue, but is of a {type(handle).__name__}")
    return handle


def _check_types(queue: Queue, types: Sequence[DType], verb: str) -> None:
    if tuple(types) != queue.types:
        raise invalid(
            f"cannot {verb} {_shown(tuple(types))}: {queue.op} {queue.name!r} has elements of {_shown(queue.types)}"
        )


def _check_timeout(timeout_ms: int) -> None:
    if timeout_ms != -1:
        raise invalid("Timeout not supported yet.")


def _enqueue(
    ctx: Any,
    xp: Any,
    handle: Any,
    components: Any,
    *,
    Tcomponents: Sequence[DType],
    timeout_ms: int,
    done: Done,
) -> Any:
    return _add(handle, components, Tcomponents, timeout_ms, done, is_batch=False)


def _enqueue_many(
    ctx: Any,
    xp: Any,
    handle: Any,
    components: Any,
    *,
    Tcomponents: Sequence[DType],
    timeout_ms: int,
    done: Done,
) -> Any:
    return _add(handle, components, Tcomponents, timeout_ms, done, is_batch=True)


def _add(
    handle: Any, components: Any, types: Sequence[DType], timeout_ms: int, done: Done, *, is_batch: bool
) -> Any:
    queue = _queue(handle)
    _check_timeout(timeout_ms)
    _check_types(queue, types, "enqueue")
    return _waiting(queue, queue.enqueue(queue.check_components(components, is_batch=is_batch), done))


def _waiting(queue: Queue, attempt: Any) -> Any:
    """Returns an attempt as the executor sees it, None for one that is completed."""
    return None if attempt is None else Pending(lambda: queue.cancel(attempt), queue)


def _dequeue(
    ctx: Any, xp: Any, handle: Any, *, component_types: Sequence[DType], timeout_ms: int, done: Done
) -> Any:
    queue = _queue(handle)
    _check_timeout(timeout_ms)
    _check_types(queue, component_types, "dequeue")
    return _waiting(queue, queue.dequeue(done))


def _dequeue_many(
    ctx: Any, xp: Any, handle: Any, n: Any, *, component_types: Sequence[DType], timeout_ms: int, done: Done
) -> Any:
    return _take_many(handle, n, component_types, timeout_ms, done, takes_fewer=False)


def _dequeue_up_to(
    ctx: Any, xp: Any, handle: Any, n: Any, *, component_types: Sequence[DType], timeout_ms: int, done: Done
) -> Any:
    return _take_many(handle, n, component_types, timeout_ms, done, takes_fewer=True)


def _take_many(
    handle: Any, n: Any, types: Sequence[DType], timeout_ms: int, done: Done, *, takes_fewer: bool
) -> Any:
    queue = _queue(handle)
    _check_timeout(timeout_ms)
    _check_types(queue, types, "dequeue")
    count = int_arguments.int_scalar(n, "n")
    if count < 0:
        raise invalid(f"the number of elements to dequeue must not be negative, but is {count}")
    if not queue.shapes:
        raise invalid(
            f"{queue.op}'s DequeueMany and DequeueUpTo require the components to have specified shapes."
        )
    return _waiting(queue, queue.dequeue_many(count, done, takes_fewer=takes_fewer))


def _close(ctx: Any, xp: Any, handle: Any, *, cancel_pending_enqueues: bool, done: Done) -> Any:
    queue = _queue(handle)
    return _waiting(queue, queue.close(done, cancels_pending=cancel_pending_enqueues))


def _is_closed(xp: Any, handle: Any) -> Any:
    return np.bool_(_queue(handle).is_closed)


def _size(xp: Any, handle: Any) -> Any:
    return np.int32(_queue(handle).size)


def _unknown_components(c: ShapeContext) -> Any:
    return [UNKNOWN] * len(c.bound.output_types)


def _declare_uses(version: str, handle: str) -> None:
    stateful = bool(version)
    changes: dict[str, Any] = {
        "stateful": stateful,
        "differentiable": stateful,
        "asynchronous": True,
        "state": StateAccess.CHANGES,
    }
    for name, kernel in (("QueueEnqueue", _enqueue), ("QueueEnqueueMany", _enqueue_many)):
        op(
            f"{name}{version}(handle: {handle}, components: *Tcomponents; Tcomponents: list(type) >= 1, "
            "timeout_ms: int = -1)",
            shape=shapes.no_outputs,
            **changes,
        ).kernel(kernel)
    taken = "; component_types: list(type) >= 1, timeout_ms: int = -1) -> (components: *component_types)"
    for name, arguments, kernel in (
        ("QueueDequeue", "", _dequeue),
        ("QueueDequeueMany", ", n: int32", _dequeue_many),
        ("QueueDequeueUpTo", ", n: int32", _dequeue_up_to),
    ):
        op(
            f"{name}{version}(handle: {handle}{arguments}{taken}", shape=_unknown_components, **changes
        ).kernel(kernel)
    op(
        f"QueueClose{version}(handle: {handle}; cancel_pending_enqueues: bool = false)",
        shape=shapes.no_outputs,
        **changes,
    ).kernel(_close)
    reads: dict[str, Any] = {"shape": shapes.scalar, "stateful": stateful, "state": StateAccess.READS}
    op(f"QueueIsClosed{version}(handle: {handle}) -> (is_closed: bool)", **reads).kernel(_is_closed)
    op(f"QueueSize{version}(handle: {handle}) -> (size: int32)", differentiable=stateful, **reads).kernel(
        _size
    )


_declare_uses("", "Ref(string)")
_declare_uses("V2", "resource")
