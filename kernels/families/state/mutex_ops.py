"""MutexV2, MutexLock and ConsumeMutexLock: critical sections (mutex_ops.cc in TensorFlow)."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.context import Pending
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.tensors import Array

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class Mutex:
    """A lock that one step holds, in the order in which they ask for it. One that waits occupies no thread."""

    kind = "Mutex"

    def __init__(self, name: str) -> None:
        self.name = name
        self._guard = RLock()
        self._is_held = False
        self._waiting: deque[Callable[[Any], None]] = deque()

    def describe(self) -> str:
        """Returns a description for people."""
        return f"mutex {self.name!r} ({'held' if self._is_held else 'free'}, {len(self._waiting)} wait)"

    def acquire(self, done: Callable[[Any], None]) -> Pending | None:
        """Calls ``done`` with a lock as soon as the mutex is free."""
        with self._guard:
            if self._is_held:
                self._waiting.append(done)
                return Pending(lambda: self._cancel(done), self)
            self._is_held = True
        done(MutexLock(self))
        return None

    def release(self) -> None:
        """Frees the mutex, or hands it to the first that waits."""
        with self._guard:
            follower = self._waiting.popleft() if self._waiting else None
            self._is_held = follower is not None
        if follower is not None:
            follower(MutexLock(self))

    def _cancel(self, done: Callable[[Any], None]) -> None:
        with self._guard:
            if done in self._waiting:
                self._waiting.remove(done)

    def save(self) -> dict[str, Array]:
        """A mutex has no state between steps."""
        return {}

    def load(self, state: dict[str, Array]) -> None:
        """Restores nothing."""


class MutexLock(Variant):
    """A held mutex, freed once: when the lock is consumed, at the end of its step, or when its last reference goes."""

    __slots__ = ("__weakref__", "_mutex")

    def __init__(self, mutex: Mutex) -> None:
        self._mutex: Mutex | None = mutex

    def free(self) -> None:
        """Frees the mutex, unless that has happened."""
        mutex, self._mutex = self._mutex, None
        if mutex is not None:
            mutex.release()

    def __del__(self) -> None:
        self.free()


class StepLocks:
    """The locks of one step, freed when it ends: what failed may keep references to them for longer."""

    kind = "StepLocks"

    def __init__(self) -> None:
        self._locks: WeakSet[MutexLock] = WeakSet()

    def add(self, held: MutexLock) -> None:
        """Adds a lock that the step was given."""
        self._locks.add(held)

    def __del__(self) -> None:
        for held in list(self._locks):
            held.free()

    def save(self) -> dict[str, Array]:
        """Nothing: no state is saved within a step."""
        return {}

    def load(self, state: dict[str, Array]) -> None:
        """Restores nothing."""


mutex = op(
    'MutexV2(; container: string = "", shared_name: string = "") -> (resource: resource)',
    shape=shapes.scalar,
    stateful=True,
    state=StateAccess.READS,
)


@mutex.kernel
def _(ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str) -> Mutex:
    name = shared_name or node_name
    return ctx.resource(container, name, Mutex, lambda: Mutex(name))


lock = op(
    "MutexLock(mutex: resource) -> (mutex_lock: variant)",
    shape=shapes.scalar,
    stateful=True,
    asynchronous=True,
    state=StateAccess.PER_STEP,
)


@lock.kernel
def _(ctx: Any, xp: Any, mutex: Any, *, done: Callable[[Any], None]) -> Any:
    if not isinstance(mutex, Mutex):
        raise invalid(f"the handle must be of a mutex, but is of a {type(mutex).__name__}")
    locks = ctx.resource(f"__per_step_{ctx.step_id}", "locks", StepLocks, StepLocks)

    def given(held: Any) -> None:
        locks.add(held)
        done(held)

    return mutex.acquire(given)


consume = op(
    "ConsumeMutexLock(mutex_lock: variant)",
    shape=shapes.no_outputs,
    stateful=True,
    state=StateAccess.PER_STEP,
)


@consume.kernel
def _(xp: Any, mutex_lock: Any) -> tuple[()]:
    held = mutex_lock[()] if isinstance(mutex_lock, np.ndarray) and mutex_lock.ndim == 0 else mutex_lock
    if not isinstance(held, MutexLock):
        raise invalid("Expected input to contain a mutex lock, but it holds something else")
    held.free()
    return ()
