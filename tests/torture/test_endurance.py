"""Memory stays flat over many steps, signatures and sessions."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt import load
from tfg.graphfmt.graph import Graph
from tfg.runtime.execution.session import MAX_PLANS, Session

from ..cli.command import write
from ..cli.graphs import FLOAT, node, placeholder
from . import SCALE

# Bytes that the second half of a trial may keep: caches of the allocator, not something for every step.
_SLACK = 4 << 20
NODES = 40


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    text = placeholder("x", shape="") + "".join(node(f"y{i}", "Neg", "x", T=FLOAT) for i in range(NODES))
    return load.load(write(tmp_path, "g.pbtxt", text))


def growth(act: Callable[[int], object], count: int) -> int:
    """Returns the bytes by which the process grows over the second half of so many calls."""
    used = [0, 0]
    for half in range(2):
        for number in range(count // 2):
            act(half * (count // 2) + number)
        gc.collect()
        used[half] = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return used[1] - used[0]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
class TestMemoryIsFlat:
    def test_over_many_steps(self, graph: Graph) -> None:
        with Session(graph) as session:
            x = np.float32([1, 2, 3])
            assert growth(lambda i: session.run(["y0"], {"x": x}), 10_000 * SCALE) < _SLACK

    def test_over_many_signatures(self, graph: Graph) -> None:
        """Each step fetches another set of outputs; the least recently used plans are dropped."""
        with Session(graph) as session:

            def step(number: int) -> None:
                fetches = [f"y{i}" for i in range(NODES) if (number + 1) * 7919 >> (i % 13) & 1] or ["y0"]
                session.run([*fetches, f"y{number % NODES}"], {"x": np.float32(1)})

            assert growth(step, 2 * MAX_PLANS + 200 * SCALE) < 2 * _SLACK

    def test_over_many_sessions(self, graph: Graph) -> None:
        def session(number: int) -> None:
            with Session(graph) as opened:
                opened.run(["y1"], {"x": np.float32(number)})

        assert growth(session, 100 * SCALE) < _SLACK
