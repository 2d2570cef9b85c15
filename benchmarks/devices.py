"""``python -m benchmarks.devices``: the speed-up of two devices on matrix products, and the overhead of
transfers in a step without computation."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.runtime.execution.session import Session

from .timing import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfg.graphfmt.graph import Graph

_HARMFUL = ("OPENBLAS_CORETYPE", "PYTHONDONTWRITEBYTECODE")


def branches(devices: Sequence[int], *, size: int = 512, depth: int = 8) -> Graph:
    """Builds a chain of ``depth`` products of ``size`` x ``size`` matrices on each device, and the sum of
    the results."""
    g = GraphBuilder()
    start = g.placeholder("float", [size, size], name="x")
    ends: list[object] = []
    for number, device in enumerate(devices):
        with g.device(f"/cpu:{device}"):
            weights = g.constant(np.eye(size, dtype=np.float32) * (number + 1))
            value = start
            for _ in range(depth):
                value = g.MatMul(value, weights)
            ends.append(g.Sum(value, [0, 1]))
    with g.device("/cpu:0"):
        g.AddN(ends, name="y")
    return g.graph()


def hops(devices: Sequence[int]) -> Graph:
    """Builds a chain of Neg nodes of 4 floats, one on each of the devices in turn."""
    g = GraphBuilder()
    value = g.placeholder("float", [4], name="x")
    for device in devices:
        with g.device(f"/cpu:{device}"):
            value = g.Neg(value)
    g.Identity(value, name="y")
    return g.graph()


def gain(size: int, depth: int) -> float:
    """The speed-up of two branches on two devices over one device, with one BLAS thread per device."""
    x = np.eye(size, dtype=np.float32)
    with (
        Session(branches([0, 0], size=size, depth=depth), devices="cpu:1", threads_per_device=1) as one,
        Session(branches([0, 1], size=size, depth=depth), devices="cpu:2", threads_per_device=1) as two,
    ):
        pair = compare(partial(one.run, ["y"], {"x": x}), partial(two.run, ["y"], {"x": x}), rounds=9)
    assert pair.ratio is not None
    return pair.ratio


def cost(devices: Sequence[int]) -> float:
    """The overhead of a step over these devices compared with one device, in microseconds."""
    x = np.ones(4, np.float32)
    with Session(hops([0] * len(devices))) as one, Session(hops(devices), devices="cpu:2") as two:
        pair = compare(partial(two.run, ["y"], {"x": x}), partial(one.run, ["y"], {"x": x}), rounds=9)
    assert pair.theirs is not None
    return (pair.ours - pair.theirs) * 1e6


def main() -> None:
    harmful = [name for name in _HARMFUL if os.environ.pop(name, None) is not None]
    if harmful:
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.devices"], os.environ)
    for size, depth in ((256, 16), (512, 8), (1024, 4)):
        print(f"two branches of {depth} products of {size}: {gain(size, depth):.2f} times as fast on cpu:2")
    for devices in ([0, 1], [0, 1, 0]):
        print(f"{len(devices) - 1} transfers, no computation: {cost(devices):.0f} µs more than on one device")


if __name__ == "__main__":
    main()
