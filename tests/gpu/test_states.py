"""Variables on a GPU: every operation that changes them there does what it does on the host."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import pytest
from tfg.kernels.core import registry
from tfg.runtime.execution.gpu import GpuOptions
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.placement.constraints.kernel_support import has_kernel
from tfg.runtime.passes.placement.machine.machine import parse_devices

from ..kernels import harness
from ..kernels.state_harness import StateCase, state_graph_of
from . import rows

MACHINE = parse_devices("gpu:1")


@cache
def by_operation() -> dict[str, list[tuple[str, StateCase]]]:
    """The rows of operations on variables that a GPU runs without errors, with their families."""
    rows: dict[str, list[tuple[str, StateCase]]] = defaultdict(list)
    for family in harness.families():
        for row in harness.table_module(family).CASES:
            if isinstance(row, StateCase) and row.error is None and _is_for_gpu(row):
                rows[row.op].append((family, row))
    return dict(rows)


def _is_for_gpu(row: StateCase) -> bool:
    if registry.get(row.op).kernel_function is None:
        return False
    return all(has_kernel(node, "GPU") for node in state_graph_of(row).graph.nodes)


@pytest.mark.parametrize("name", sorted(by_operation()))
def test_an_operation_changes_variables_as_tensorflow_does(name: str, xp: Any) -> None:
    for family, row in by_operation()[name]:
        expected = harness.recorded(family, row)
        made = state_graph_of(row)
        with Session(made.graph, devices=MACHINE, gpu=GpuOptions(None, xp)) as session:
            session.run(targets=made.init, feeds=made.feeds)
            has_output = bool(registry.get(row.op).signature.outputs)
            fetches = made.outputs if has_output else []
            found = session.run(fetches, made.feeds, [] if has_output else made.outputs)
            found += session.run(made.reads, made.feeds)
        for place, (actual, value) in enumerate(zip(found, expected.values, strict=True)):
            loose = rows.TOLERANCE.get(harness.dtypes.of_numpy(np.asarray(value).dtype).name)
            limit = max(filter(None, (row.tol, loose)), default=None)
            harness.assert_same(actual, value, limit, f"{row} value {place}")
