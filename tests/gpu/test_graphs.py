"""Graphs of several nodes on a GPU: the rows that are graphs, and the gradients of one row of every operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph
from tfg.runtime.execution.session import Session

from ..kernels import harness
from ..kernels.harness import Case, families, table_module
from . import rows
from .test_sessions import on_gpu, session_on


def _rows() -> list[Case]:
    return [row for family in families() for row in table_module(family).CASES]


GRAPHS = [row for row in _rows() if row.build is not None]
WITH_GRADIENTS = list({row.op: row for row in reversed(_rows()) if row.grad and row.build is None}.values())


def check(graph: Graph, fetches: list[str], feeds: dict[str, Any], xp: Any) -> None:
    """Holds what a graph gives with all that can be on the GPU against what it gives on the host."""
    placed = on_gpu(graph)
    try:
        expected = Session(graph).run(fetches, feeds)
    except TfgError as error:
        with pytest.raises(TfgError) as caught:
            session_on(placed, xp).run(fetches, feeds)
        assert caught.value.status == error.status
        return
    with session_on(placed, xp) as session:
        found = session.run(fetches, feeds)
    for name, actual, value in zip(fetches, found, expected):
        limit = None if value.dtype == object else rows.TOLERANCE.get(np.asarray(value).dtype.name, 1e-5)
        harness.assert_same(actual, value, limit, name)


@pytest.mark.parametrize("row", GRAPHS, ids=str)
def test_a_row_that_is_a_graph(row: Case, xp: Any) -> None:
    check(*harness.graph_of(row), xp)


@pytest.mark.parametrize("row", WITH_GRADIENTS, ids=str)
def test_the_gradients_of_an_operation(row: Case, xp: Any) -> None:
    graph, inputs, outputs, feeds = harness.gradient_graph_of(row)
    full, names = harness.with_gradients(graph, inputs)
    wanted = [name for name in names if name is not None]
    if wanted:
        weights = harness.weights_for(Session(graph).run(outputs, feeds))
        check(full, wanted, {**feeds, **weights}, xp)
