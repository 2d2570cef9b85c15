"""Memory, operations and time of a step, from shapes."""

from __future__ import annotations

import numpy as np
import tfg
from tfg.runtime.scan.estimate import estimate_step


def test_memory_is_that_of_the_values_alive_at_once() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 100], name="x")
    chain = x
    for number in range(5):
        chain = g.Exp(chain, name=f"e{number}")
    w = g.constant(np.zeros((100, 10), np.float32), name="w")
    g.MatMul(chain, w, name="y")
    estimate = estimate_step(g.graph(), ["y"], (), batch=50)
    assert estimate.persistent == 4000
    # Two links of the chain at a time.
    assert estimate.memory == 4000 + 2 * 50 * 100 * 4
    assert estimate.flops >= 2 * 50 * 100 * 10
    assert estimate.largest == "e1"


def test_only_what_the_step_needs_counts() -> None:
    g = tfg.GraphBuilder()
    g.Exp(g.placeholder("float", [1000]), name="large")
    g.Exp(g.placeholder("float", [1]), name="small")
    assert estimate_step(g.graph(), ["small"], ()).memory < 100
