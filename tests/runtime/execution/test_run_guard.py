"""Runs that meet NaN or an interruption: the node that made it, and the state that is kept."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import tfg
from tfg.runtime.execution import runner
from tfg.runtime.execution.run_guard import NanFoundError, RunGuard
from tfg.runtime.execution.runner import Progress, StepLoop


def descending() -> tuple[tfg.Session, StepLoop]:
    """w = 3, 2.5, 2 …, from which each step takes 0.5; the loss log(w - 1) is NaN from w = 0.5 on. The noise makes
    every step depend on the random numbers before it."""
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[], dtype="float", name="w")
    g.Assign(w, 3.0, name="init")
    noise = g.RandomUniform(g.constant([], "int32"), dtype="float", seed=1, seed2=2)
    g.Log(g.Sub(w, 10.0), name="harmless")  # NaN that the loss does not depend on
    change = g.AssignSub(w, g.AddV2(g.Mul(noise, 1e-3), 0.5), name="up")
    g.Identity(g.Log(g.Sub(change, 1.0, name="shifted"), name="log"), name="loss")
    session = tfg.Session(g.graph())
    session.run(targets=["init"])
    return session, StepLoop(("loss",), ("up", "harmless"), steps=20)


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by so much between two looks at it."""
    looks = count()
    return lambda: seconds * next(looks)


def guarded(session: tfg.Session, loop: StepLoop, ticks: float) -> tuple[RunGuard, list[float]]:
    """Runs until NaN; ``ticks`` seconds pass between two looks at the clock. Returns the variable after each step."""
    guard = RunGuard(session, loop, keeps_state=True, stops_on_nan=True, clock=ticking(ticks))
    values: list[float] = []
    with pytest.raises(NanFoundError):
        for result in runner.run(session, loop, before_step=guard.before_step):
            guard.check(result)
            values.append(float(session.run(["w"])[0]))
    return guard, values


@pytest.mark.parametrize("ticks", [1e-9, 0.1, 1.0], ids=["old snapshot", "few steps", "each step"])
def test_nan_names_its_node_and_restores_the_state_before_the_step(ticks: float) -> None:
    session, loop = descending()
    guard, values = guarded(session, loop, ticks)
    error, progress = guard.explain_nan()
    assert error.status == "INVALID_ARGUMENT"
    assert error.message == "step 4: NaN in loss; the first node that made it is 'log' (Log)"
    assert error.node == "log"
    assert progress is not None
    assert progress.step == len(values) == 3
    assert session.run(["w"])[0] == np.float32(values[-1])


def test_nan_in_a_variable_is_found_before_the_state_is_saved() -> None:
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[], dtype="float", name="w")
    g.Assign(w, -1.0, name="init")
    g.AssignAdd(w, g.Mul(g.Sqrt(w, name="root"), 2.0), name="up")
    session = tfg.Session(g.graph())
    session.run(targets=["init"])
    loop = StepLoop((), ("up",), steps=1)
    guard = RunGuard(session, loop, keeps_state=True, stops_on_nan=True)
    for result in runner.run(session, loop, before_step=guard.before_step):
        guard.check(result)
    assert not guard.is_good(session.snapshot())
    with pytest.raises(NanFoundError):
        guard.check_state()
    error, progress = guard.explain_nan()
    assert error.message == "step 1: NaN in variable 'w'; the first node that made it is 'root' (Sqrt)"
    assert progress == Progress(0)
    assert session.run(["w"])[0] == -1


def test_nan_that_is_fed_names_the_feed() -> None:
    g = tfg.GraphBuilder()
    g.Neg(g.placeholder("float", [], name="x"), name="y")
    session = tfg.Session(g.graph())
    loop = StepLoop(("y",), (), {"x": np.float32("nan")})
    guard = RunGuard(session, loop, keeps_state=True, stops_on_nan=True)
    with pytest.raises(NanFoundError):
        for result in runner.run(session, loop, before_step=guard.before_step):
            guard.check(result)
    assert guard.explain_nan()[0].message == "step 1: NaN in y; the feed 'x' has NaN"


def test_variables_with_nan_at_the_start_are_not_looked_at() -> None:
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[], dtype="float", name="w")
    g.Assign(w, float("nan"), name="init")
    session = tfg.Session(g.graph())
    session.run(targets=["init"])
    guard = RunGuard(session, StepLoop((), ("init",)), keeps_state=True, stops_on_nan=True)
    guard.before_step(Progress())
    guard.check_state()


@pytest.mark.parametrize("ticks", [1e-9, 1.0], ids=["old snapshot", "each step"])
def test_an_interrupted_run_returns_to_its_last_whole_step(ticks: float) -> None:
    session, loop = descending()
    values: list[float] = []
    guard = RunGuard(session, loop, keeps_state=True, stops_on_nan=False, clock=ticking(ticks))
    progress = Progress()
    steps = runner.run(session, loop, before_step=guard.before_step)
    for _ in range(3):
        progress = next(steps).progress
        values.append(float(session.run(["w"])[0]))
    session.run(targets=["up"])  # a part of a step that was cancelled
    guard.return_to(progress)
    assert session.run(["w"])[0] == np.float32(values[-1])
    continued = float(next(runner.run(session, loop, progress)).values[0])
    repeated, same = descending()
    losses = [float(result.values[0]) for result in runner.run(repeated, same._replace(steps=4))]
    np.testing.assert_equal(continued, losses[-1])
