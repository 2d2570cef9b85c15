"""Mutexes: one step at a time, freed when the lock is consumed, given up, or dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.kernels.families.state.mutex_ops import Mutex, MutexLock


def counter(*, consumes: bool = True) -> tfg.Session:
    """A variable that each step reads, and then writes with one more, under a mutex."""
    g = tfg.GraphBuilder()
    mutex = g.MutexV2(name="mutex")
    total = g.VarHandleOp(dtype="int64", shape=[], name="total")
    g.AssignVariableOp(total, np.int64(0), name="init")
    lock = g.MutexLock(mutex, name="lock")
    with g.control_dependencies([lock]):
        value = g.ReadVariableOp(total, dtype="int64", name="value")
    write = g.AssignVariableOp(total, value + np.int64(1), name="write")
    if consumes:
        with g.control_dependencies([write]):
            g.ConsumeMutexLock(lock, name="step")
    g.ReadVariableOp(total, dtype="int64", name="read")
    session = tfg.Session(g.graph())
    session.run(targets=["init"])
    return session


@pytest.mark.parametrize("consumes", [True, False])
def test_steps_under_a_mutex_lose_no_update(consumes: bool) -> None:
    session = counter(consumes=consumes)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: session.run(targets=["step" if consumes else "write"]), range(200)))
    assert session.run(["read"])[0] == 200


def test_locks_are_handed_on_in_order() -> None:
    mutex, taken = Mutex("m"), []
    locks: list[Any] = []
    for number in range(3):
        mutex.acquire(lambda lock, number=number: (taken.append(number), locks.append(lock)))
    assert taken == [0]
    assert mutex.describe() == "mutex 'm' (held, 2 wait)"
    locks.pop().free()
    assert taken == [0, 1]
    locks.pop().free()
    locks.pop().free()
    assert mutex.describe() == "mutex 'm' (free, 0 wait)"


def test_one_that_gives_up_is_passed_over_and_a_dropped_lock_is_freed() -> None:
    mutex, locks = Mutex("m"), []
    mutex.acquire(locks.append)
    pending = mutex.acquire(lambda lock: pytest.fail("was given up"))
    assert pending is not None
    pending.cancel()
    mutex.acquire(locks.append)
    locks.pop(0)
    assert [type(lock) for lock in locks] == [MutexLock]


def test_a_step_that_waits_ends_at_its_timeout() -> None:
    g = tfg.GraphBuilder()
    mutex = g.MutexV2(name="mutex")
    locks = [g.MutexLock(mutex), g.MutexLock(mutex)]
    with g.control_dependencies(locks):
        consumed = [g.ConsumeMutexLock(lock) for lock in locks]
    with g.control_dependencies(consumed):
        g.NoOp(name="both")
    single = g.MutexLock(mutex)
    g.ConsumeMutexLock(single, name="one")
    with tfg.Session(g.graph()) as session:
        with pytest.raises(tfg.TfgError, match="DEADLINE_EXCEEDED"):
            session.run(targets=["both"], timeout=0.2)
        # What that step held is free again.
        session.run(targets=["one"], timeout=10)


def test_only_a_mutex_can_be_locked() -> None:
    g = tfg.GraphBuilder()
    handle = g.VarHandleOp(dtype="float", shape=[])
    g.MutexLock(handle, name="lock")
    with tfg.Session(g.graph()) as session, pytest.raises(tfg.TfgError, match=r"INVALID_ARGUMENT.*mutex"):
        session.run(targets=["lock"])
