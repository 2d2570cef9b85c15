"""What every kernel may do with memory, over the rows of all tables: it leaves its inputs alone, and where
its operation is declared fresh, what it returns is nobody else's. And what it returns is of the inferred
dtypes, whether scalars come as numpy scalars or as arrays, and whether shapes were known or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Node
from tfg.graphfmt.shapes import UNKNOWN, Shape
from tfg.kernels.core import binding, registry
from tfg.kernels.core.facts import Fact, constant_fact
from tfg.kernels.core.inference import infer_node

from tests import reference

from ..kernels.harness import Case, families, graph_of, table_module
from ..kernels.state_harness import StateCase


@cache
def rows(table: str) -> list[Case]:
    """The rows of a table that neither fail nor need a variable."""
    return [
        row
        for row in table_module(table).CASES
        if row.error is None and row.build is None and not isinstance(row, StateCase)
    ]


def _allocates(row: Case) -> bool:
    return registry.get(row.op).allocates_output


def _is_stateless(row: Case) -> bool:
    return not registry.get(row.op).stateful


# The families with such rows, and those among them with operations whose outputs are always new arrays, or that are
# stateless.
FAMILIES = [family for family in families() if rows(family)]
ALLOCATING = [family for family in FAMILIES if any(map(_allocates, rows(family)))]
STATELESS = [family for family in FAMILIES if any(map(_is_stateless, rows(family)))]


class Call:
    """One row's node, with its kernel bound to what is known of its inputs."""

    def __init__(self, row: Case, *, known: str) -> None:
        graph, _, self.feeds = graph_of(row)
        self.node: Node = graph["out"]
        self.op = registry.get(row.op)
        self.bound = self.op.signature.bind(self.node)
        self.values = [self.feeds[e.node] for e in self.node.data_inputs]
        facts = [_fact(v, known) for v in self.values]
        self.outputs = infer_node(self.op, self.node, self.bound, facts)
        self.function = binding.bind(self.op, self.node, self.bound, facts, np)

    def run(self, values: Sequence[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            given = (reference.Context(), *values) if self.op.takes_context else tuple(values)
            result = self.function(*given)
        flat = len(self.bound.output_types) != 1 or any(a.is_list for a in self.op.signature.outputs)
        return list(result) if flat else [result]


def _fact(value: Any, known: str) -> Fact:
    dtype = dtypes.of_numpy(value.dtype)
    if known == "value":
        return constant_fact(value, dtype)
    return Fact(dtype, Shape(value.shape) if known == "shape" else UNKNOWN)


@cache
def calls(table: str) -> list[tuple[Case, Call]]:
    """The rows with their kernels, which run with inputs that cannot be written to."""
    found: list[tuple[Case, Call]] = []
    for row in rows(table):
        call = Call(row, known="shape")
        call.run([_frozen(v) for v in call.values])
        found.append((row, call))
    return found


def _frozen(value: Any) -> Any:
    """A copy that cannot be written to, as constants and fed arrays are to be treated."""
    array = value.copy()
    array.flags.writeable = False
    return array


def _scalar(value: Any) -> Any:
    return value if value.ndim or value.dtype == object else value[()]


def _bits(value: Any) -> Any:
    array = np.asarray(value)
    return array.tolist() if array.dtype == object else array.tobytes()


def _arrays(outputs: Sequence[Any]) -> list[Any]:
    return [out for out in outputs if isinstance(out, np.ndarray)]


def test_fresh_operations_take_no_variable() -> None:
    for op in registry.all_ops():
        if op.allocates_output:
            kept = [a.name for a in op.signature.inputs if a.is_ref or a.dtype is dtypes.resource]
            assert not kept, f"{op.name} takes {kept}"


@pytest.mark.parametrize("table", ALLOCATING)
def test_outputs_of_fresh_operations_are_nobody_elses(table: str) -> None:
    for row, call in calls(table):
        if not call.op.allocates_output:
            continue
        values = [v.copy() for v in call.values]
        earlier, outputs = _arrays(call.run(values)), _arrays(call.run(values))
        for place, out in enumerate(outputs):
            assert out.flags.writeable, f"{row}: output {place} cannot be written to"
            for other in [*values, *earlier, *outputs[:place]]:
                assert not np.shares_memory(out, other), f"{row}: output {place} shares memory"


@pytest.mark.parametrize("table", FAMILIES)
def test_no_kernel_writes_into_its_inputs(table: str) -> None:
    for row, call in calls(table):
        values = [v.copy() for v in call.values]
        call.run(values)
        for value, original in zip(values, call.values):
            assert _bits(value) == _bits(original), f"{row} changed an input"


@pytest.mark.parametrize("table", FAMILIES)
def test_outputs_are_of_the_inferred_dtypes_and_shapes(table: str) -> None:
    for row, call in calls(table):
        for scalars in (False, True):
            outputs = call.run([_scalar(v) if scalars else v for v in call.values])
            assert len(outputs) == len(call.outputs), str(row)
            for place, (out, fact) in enumerate(zip(outputs, call.outputs)):
                if fact.dtype.name in ("resource", "variant"):
                    continue
                assert isinstance(out, np.ndarray | np.generic), f"{row}: output {place} is {type(out)}"
                assert out.dtype == fact.dtype.numpy, f"{row}: output {place} is {out.dtype}"
                assert fact.shape.is_compatible(Shape(out.shape)), f"{row}: output {place} is {out.shape}"


@pytest.mark.parametrize("table", STATELESS)
def test_what_is_known_beforehand_changes_no_result(table: str) -> None:
    for row, call in calls(table):
        if call.op.stateful:
            continue
        expected = [_bits(v) for v in call.run(call.values)]
        scalars = [_scalar(v) for v in call.values]
        assert [_bits(v) for v in call.run(scalars)] == expected, f"{row}: scalars differ from arrays"
        for known in ("value", "nothing"):
            other = Call(row, known=known)
            found = [_bits(v) for v in other.run(scalars)]
            assert found == expected, f"{row}: with its {known} known, the result is another"
