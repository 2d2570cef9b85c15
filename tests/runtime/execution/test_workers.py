"""Several steps at a time."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution.batches import make_batches
from tfg.runtime.execution.runner import StepLoop
from tfg.runtime.execution.session import Session
from tfg.runtime.execution.workers import run_concurrently


def adder() -> Session:
    """``add`` adds a batch's sum to a variable, ``fail`` cannot."""
    g = GraphBuilder()
    x = g.placeholder("double", [None], name="x")
    v = g.VariableV2(dtype="double", shape=[], name="v")
    g.Assign(v, g.constant(0.0, "double"), name="init")
    g.AssignAdd(v, g.Sum(x, [0]), name="add")
    g.Assert(g.Less(g.Sum(x, [0]), g.constant(0.0, "double")), [x], name="fail")
    session = Session(g.graph())
    session.run(targets=["init"])
    return session


def test_every_batch_is_taken_once_whoever_takes_it() -> None:
    session, rows = adder(), np.arange(100.0)
    work = StepLoop(targets=("add",), batches=make_batches({"x": rows}, 5), epochs=3)
    results = list(run_concurrently(session, [work] * 4))
    assert session.run(["v"])[0] == 3 * rows.sum()
    assert [result.progress.step for result in results] == list(range(1, 61))
    assert {result.worker for result in results} <= {0, 1, 2, 3}


def test_the_first_failure_ends_all() -> None:
    session = adder()
    works = [StepLoop(targets=(target,), feeds={"x": [1.0]}, steps=10**6) for target in ("add", "fail")]
    with pytest.raises(TfgError, match="assertion"):
        list(run_concurrently(session, works))


def test_no_step_begins_once_it_is_to_stop() -> None:
    session = adder()
    done: list[int] = []
    work = StepLoop(targets=("add",), feeds={"x": [1.0]}, steps=10**6)
    for result in run_concurrently(session, [work, work], stop=lambda: len(done) >= 5):
        done.append(result.progress.step)
    assert session.run(["v"])[0] == len(done) < 10**6
