"""Native updates against those of numpy, bit for bit: every rule that has one, with each value of its attributes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.codegen.native_loop import compile_loop
from tfg.kernels.families.state.fused_updates import GRADIENTS
from tfg.kernels.families.state.native_updates import compile_update
from tfg.kernels.families.state.optimizer_rules import rules
from tfg.runtime.execution import hot_plans
from tfg.runtime.execution.session import Session

pytest.importorskip("llvmlite")

# Rules whose formula needs powers or exponentials, or depends on the values of hyperparameters.
WITHOUT = {
    "PowerSign", "Ftrl", "FtrlV2", "AdagradDA", "ProximalAdagrad", "ProximalGradientDescent",
}  # fmt: skip
SIZE = 70_001


def _arrays(count: int, dtype: Any) -> list[Any]:
    random = np.random.default_rng(0)
    arrays = [np.abs(random.standard_normal(SIZE)).astype(dtype) for _ in range(count)]
    arrays[-1] *= random.choice([-1, 1], SIZE).astype(dtype)
    for array in arrays:
        array[random.integers(0, SIZE, 200)] = random.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40], 200)
    return arrays


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
@pytest.mark.parametrize("dtype", ["float", "double"])
def test_equals_numpy(rule: Any, dtype: str) -> None:
    kind = dtypes.BY_NAME[dtype].numpy
    for attrs in product((False, True), repeat=len(rule.attrs)):
        for by_rows in (False, True):
            native = compile_update(rule, attrs, dtypes.BY_NAME[dtype], compile_loop, by_rows=by_rows)
            if rule.name in WITHOUT:
                assert native is None
                continue
            assert native is not None
            values = [kind.type(0.9 - 0.1 * i) for i, name in enumerate(rule.inputs) if name not in GRADIENTS]
            *wanted, gradient = _arrays(len(rule.slots) + 2, kind)
            found = [array.copy() for array in wanted]
            with np.errstate(all="ignore"):
                rule.update(attrs + tuple(by_rows for _ in rule.choices)).run(np, wanted, gradient, values)
                native.run(np, found, gradient, values)
            for a, b in zip(found, wanted):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sparse", [False, True])
def test_steps_that_run_often_use_them(sparse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_plans, "HOT_SECONDS", 0)
    monkeypatch.setattr(hot_plans, "HOT_STEPS", 2)
    g = GraphBuilder()
    shape = (300, 100)
    handles = [g.VarHandleOp(dtype="float", shape=shape, shared_name=n, name=n) for n in ("v", "m")]
    inits = [g.AssignVariableOp(h, g.constant(np.ones(shape, "f4"))) for h in handles]
    x = g.Placeholder(dtype="float", name="x")
    rate, momentum = g.constant(np.float32(0.1)), g.constant(np.float32(0.9))
    if sparse:
        rows = g.constant(np.array([1, 5, 1] * 50, "i4"))
        train = g.ResourceSparseApplyMomentum(*handles, rate, x, rows, momentum)
    else:
        train = g.ResourceApplyMomentum(*handles, rate, x, momentum)
    value = np.random.default_rng(0).standard_normal((150 if sparse else 300, 100)).astype("f4")
    names = [one if isinstance(one, str) else one.name for one in (*inits, train)]
    results: list[Any] = []
    for compiled in (False, True):
        with Session(g.graph(), compile=compiled) as session:
            session.run(targets=names[:2])
            for _ in range(8):
                session.run(feeds={"x": value}, targets=names[2:])
                if session._hot is not None:
                    session._hot.wait()
            if session._hot is not None:
                assert session._hot.compiled_loops == 1
            read = [g.ReadVariableOp(h, dtype="float") for h in handles]
            results.append([value.copy() for value in _read(g, session, read)])
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


def _read(g: GraphBuilder, session: Session, tensors: list[Any]) -> list[Any]:
    with Session(g.graph()) as reader:
        reader.take(session.snapshot())
        return reader.run([tensor.name for tensor in tensors])
