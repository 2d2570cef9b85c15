"""Snapshots of a state that other threads are changing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution.session import Session
from tfg.runtime.execution.state_lock import Access, StateLock


@contextmanager
def busy(work: Callable[[], object], threads: int = 3) -> Iterator[None]:
    """Threads that do some work over and over."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            work()

    started = [threading.Thread(target=loop) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in started:
            thread.join()


def value_of(state: SavedState, name: str) -> np.ndarray:
    return state.resources["", "Variable", name]["value"]


def twins() -> Session:
    """Two variables that a step ``both`` always changes together."""
    g = GraphBuilder()
    a = g.VariableV2(shape=[256], dtype="float", name="a")
    b = g.VariableV2(shape=[256], dtype="float", name="b")
    zeros = g.constant(np.zeros(256, np.float32))
    g.group(g.Assign(a, zeros), g.Assign(b, zeros), name="init")
    first = g.AssignAdd(a, g.constant(np.ones(256, np.float32)), name="first")
    with g.control_dependencies([first]):
        second = g.AssignAdd(b, g.constant(np.ones(256, np.float32)), name="second")
    g.group(first, second, name="both")
    session = Session(g.graph())
    session.run(targets=["init"])
    return session


def test_variables_that_change_together_never_differ_in_a_snapshot() -> None:
    session = twins()
    with busy(lambda: session.run(targets=["both"])):
        for _ in range(1000):
            state = session.snapshot()
            a, b = value_of(state, "a"), value_of(state, "b")
            np.testing.assert_array_equal(a, b)
            assert (a == a[0]).all()


def test_a_snapshot_does_not_change_afterwards() -> None:
    session = twins()
    before = session.snapshot()
    kept = value_of(before, "a").copy()
    for _ in range(3):
        session.run(targets=["both"])
    np.testing.assert_array_equal(value_of(before, "a"), kept)
    assert value_of(session.snapshot(), "a")[0] == kept[0] + 3


def test_no_step_runs_beside_an_exclusive_one() -> None:
    gate, inside = StateLock(), [0]

    def never() -> None:
        pass

    def step() -> None:
        gate.enter(Access.CHANGE, never)
        inside[0] += 1
        inside[0] -= 1
        gate.leave(Access.CHANGE)

    with busy(step):
        for _ in range(200):
            with gate.exclusive(never):
                assert inside[0] == 0


def test_who_waits_at_the_gate_may_give_up() -> None:
    gate = StateLock()

    def give_up() -> None:
        raise TfgError(Status.CANCELLED, "enough")

    gate.enter(Access.CHANGE, give_up)
    with pytest.raises(TfgError, match="enough"), gate.exclusive(give_up):
        pass
    # A step that gave up waiting to be alone keeps no other waiting.
    gate.enter(Access.CHANGE, give_up)


def test_a_step_that_reads_the_state_does_not_wait() -> None:
    gate = StateLock()
    with gate.exclusive(lambda: None):
        gate.enter(Access.READ, lambda: None)
        gate.leave(Access.READ)
