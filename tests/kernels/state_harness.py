"""Rows for operations that change variables: initial values and inputs to values afterwards.

A row runs three steps: every variable is assigned, the operation runs, every variable is read. Rows are
recorded like those of ``harness``: ``python -m tests.oracle.record optimizer_ops``.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor
from tfg.kernels.core import registry

from tests import reference

from .harness import Case, Record, Test, assert_fails, assert_same, error_tests, family_of, recorded


@dataclass(frozen=True, eq=False)
class StateCase(Case):
    """``inputs`` begin with the initial values of as many variables as the operation takes; the attribute
    ``_uninitialized`` leaves the variables without them. With ``dynamic``, no shape is known before the step
    but those of reference variables."""

    dynamic: bool = False

    @property
    def by_handle(self) -> bool:
        return registry.get(self.op).signature.inputs[0].dtype is dtypes.resource

    @property
    def states(self) -> int:
        """How many variables the operation takes."""
        args = registry.get(self.op).signature.inputs
        return sum(arg.is_ref or arg.dtype is dtypes.resource for arg in args)

    def __str__(self) -> str:
        return super().__str__() + ("!" if self.dynamic else "")


def state_case(
    op: str,
    *inputs: Any,
    tol: float | None = None,
    dynamic: bool = False,
    error: str | None = None,
    **attrs: Any,
) -> StateCase:
    """A row for one operation."""
    return StateCase(
        op,
        tuple(np.asarray(x) for x in inputs),
        # Among the attributes, so that the row's record is another.
        {**attrs, **({"_dynamic": True} if dynamic else {})},
        tol=tol,
        dynamic=dynamic,
        error=error,
    )


def both(op: str, *inputs: Any, **keywords: Any) -> list[StateCase]:
    """Rows for an operation on references and its twin on resource handles."""
    return [state_case(op, *inputs, **keywords), state_case(f"Resource{op}", *inputs, **keywords)]


@dataclass(frozen=True)
class StateGraph:
    """A row's graph, and the names to run: ``init``, then ``outputs``, then ``reads``."""

    graph: Graph
    init: list[str]
    outputs: list[str]
    reads: list[str]
    feeds: dict[str, Any]


def state_graph_of(row: StateCase) -> StateGraph:
    g = GraphBuilder()
    feeds: dict[str, Any] = {}

    def enter(array: Any) -> Tensor:
        tensor = g.placeholder(dtypes.of_numpy(array.dtype), None if row.dynamic else array.shape, name="x")
        feeds[tensor.name] = array
        return tensor

    states: list[Tensor] = []
    init: list[str] = []
    reads: list[str] = []
    for i, array in enumerate(row.inputs[: row.states]):
        shape = None if row.dynamic else array.shape
        dtype = dtypes.of_numpy(array.dtype)
        if row.by_handle:
            handle = g.VarHandleOp(dtype=dtype, shape=shape, shared_name=f"v{i}", name=f"v{i}")
            states.append(handle)
            init.append(g.AssignVariableOp(handle, enter(array), name=f"init{i}"))
            reads.append(g.ReadVariableOp(handle, dtype=dtype, name=f"read{i}").name)
        else:
            ref = g.VariableV2(dtype=dtype, shape=array.shape, name=f"v{i}")
            states.append(ref)
            init.append(g.Assign(ref, enter(array), name=f"init{i}").name)
            reads.append(g.Identity(ref, name=f"read{i}").name)
    signature = registry.get(row.op).signature
    attrs = {k: v for k, v in row.attrs.items() if not k.startswith("_")}
    others = [enter(a) for a in row.inputs[row.states :]]
    value_types = {arg.name for arg in signature.attrs} & {"T", "dtype"}
    for name in value_types:
        attrs.setdefault(name, dtypes.of_numpy(row.inputs[0].dtype))
    node, _ = g.node_for(signature, [*states, *others], "out", attrs)
    graph = g.graph()
    outputs = ["out"]
    if "_uninitialized" in row.attrs:
        init = []
    return StateGraph(graph.with_nodes((*graph.nodes, node)), init, outputs, reads, feeds)


def run_state_tfg(row: StateCase) -> list[Any]:
    """The operation's own output (of resource operations that have one), then every variable."""
    made = state_graph_of(row)
    context = reference.Context()
    reference.run(made.graph, made.init, made.feeds, context)
    found = reference.run(made.graph, made.outputs, made.feeds, context)
    context.step_id += 1
    return [x for x in found if x is not None] + reference.run(made.graph, made.reads, made.feeds, context)


def state_tests(cases: Sequence[StateCase]) -> tuple[Test, Test]:
    """The two tests of a table: states and errors."""
    family = family_of(inspect.stack()[1].filename)

    @pytest.mark.parametrize("row", [row for row in cases if row.error is None], ids=str)
    def test_states(row: StateCase) -> None:
        check_states(row, recorded(family, row))

    return test_states, error_tests(check_error, family, cases)


def check_error(row: StateCase) -> None:
    assert_fails(row, lambda: run_state_tfg(row))


def check_states(row: StateCase, expected: Record) -> None:
    assert expected.status is None, f"recorded is {expected.status}"
    actual = run_state_tfg(row)
    assert len(actual) == len(expected.values)
    for i, (a, e) in enumerate(zip(actual, expected.values)):
        assert_same(a, e, row.tol, f"{row} value {i}")
