"""The rows of all operations' tables, run by kernels that are bound for a GPU's arrays."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
from tfg.graphfmt.shapes import Shape
from tfg.kernels.core import device_memory, device_support, registry
from tfg.kernels.core.binding import bind
from tfg.kernels.core.facts import Fact

from ..kernels import harness
from ..kernels.harness import Case

# Sums of single-precision numbers in another order.
TOLERANCE = {"half": 4e-3, "float": 2e-5, "double": 1e-11, "complex64": 4e-5, "complex128": 1e-11}


@cache
def by_operation() -> dict[str, list[tuple[str, Case]]]:
    """The rows of every operation that a GPU runs, with their families: those that succeed, of its dtypes."""
    rows: dict[str, list[tuple[str, Case]]] = defaultdict(list)
    for family in harness.families():
        for row in harness.table_module(family).CASES:
            if row.build is None and row.error is None and is_for_gpu(row):
                rows[row.op].append((family, row))
    return dict(rows)


def is_for_gpu(row: Case) -> bool:
    op = registry.get(row.op)
    if not device_support.supports(op) or op.is_control_flow or op.takes_context or not op.signature.outputs:
        return False
    try:
        bound = op.signature.bind(harness.graph_of(row)[0]["out"])
    except Exception:
        return False
    dtypes = (*bound.input_types, *bound.output_types)
    return all(device_support.is_on_gpu(dtype) and not dtype.is_ref for dtype in dtypes)


def run(row: Case, xp: Any) -> list[Any]:
    """What a row gives on the device, as numpy arrays; every input that may be there is."""
    op = registry.get(row.op)
    graph, _, feeds = harness.graph_of(row)
    node = graph["out"]
    bound = op.signature.bind(node)
    values = [feeds[name] for name in node.inputs]
    facts = [Fact(dtype, Shape(value.shape)) for dtype, value in zip(bound.input_types, values)]
    kernel = bind(op, node, bound, facts, xp)
    on_host = device_support.inputs_on_host(op, bound)
    placed = [value[()] if host else xp.asarray(value) for value, host in zip(values, on_host)]
    with np.errstate(all="ignore"):
        made = kernel(*placed)
    is_one = len(bound.output_types) == 1 and not op.signature.outputs[0].is_list
    return [np.asarray(device_memory.to_host(value)) for value in ([made] if is_one else made)]


def check(family: str, row: Case, xp: Any) -> None:
    """Holds what a row gives against what was recorded for it."""
    expected = harness.recorded(family, row)
    for place, (actual, value) in enumerate(zip(run(row, xp), expected.values, strict=True)):
        if place in row.unset:
            continue
        if actual.dtype != object:
            loose = TOLERANCE.get(harness.dtypes.of_numpy(actual.dtype).name)
            limit = max(filter(None, (row.tol, loose)), default=None)
            harness.assert_same(actual, value, limit, f"{row} output {place}")
