"""Streams that go on from run to run, and long ones: against what TensorFlow gave for the same graphs.

``python -m tests.oracle.record_streams`` records it anew. Of exact streams a digest is kept, of others every
so many numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.graph import Graph, Versions
from tfg.kernels.builder.graph_builder import PRODUCER, GraphBuilder, Tensor
from tfg.kernels.families.random.generators import NodeGenerator

from tests import golden, reference

from ...harness import i32, i64

GOLDEN = Path(__file__).parent / "golden" / "random_streams.npz"
RUNS = 3
_KEPT = 50


@dataclass(frozen=True)
class Stream:
    """``build`` returns the tensor to fetch and, perhaps, what to run before the first step."""

    name: str
    build: Callable[[GraphBuilder], tuple[Tensor, str | None]]
    exact: bool = True
    producer: int = PRODUCER

    def graph(self) -> tuple[Graph, str, str | None]:
        g = GraphBuilder(Graph(versions=Versions(producer=self.producer)))
        fetched, init = self.build(g)
        return g.graph(), fetched.name, init


def by_attributes(
    op: str, size: int, exact: bool = True, inputs: tuple[Any, ...] = (), **attrs: Any
) -> Stream:
    def build(g: GraphBuilder) -> tuple[Tensor, None]:
        seeds = {"seed": 12, "seed2": 2**40 + 7}
        return g.add_op(op, i32([size]), *inputs, **{**seeds, **attrs}, name="out"), None

    return Stream(f"{op}-{size}-{attrs}", build, exact)


def by_variable(op: str, size: int, exact: bool = True, inputs: tuple[Any, ...] = (), **attrs: Any) -> Stream:
    def build(g: GraphBuilder) -> tuple[Tensor, str]:
        handle = g.VarHandleOp(dtype="int64", shape=[3])
        init = g.AssignVariableOp(handle, i64([2**63 - 5, -(2**62), 99]))
        fetched = g.add_op(op, handle, i64(1), i32([size]), *inputs, **attrs, name="out")
        return fetched, init

    return Stream(f"{op}-{size}-{attrs}", build, exact)


def shuffled(size: int) -> Stream:
    return Stream(
        f"RandomShuffle-{size}",
        lambda g: (g.RandomShuffle(g.constant(i32(np.arange(size))), seed=3, seed2=4), None),
    )


def after_skip(delta: int) -> Stream:
    def build(g: GraphBuilder) -> tuple[Tensor, str]:
        handle = g.VarHandleOp(dtype="int64", shape=[3])
        init = g.AssignVariableOp(handle, i64([1000, 2, -3]))
        skip = g.RngSkip(handle, i64(1), i64(delta))
        with g.control_dependencies([skip]):
            return g.RngReadAndSkip(handle, np.int32(1), np.uint64(5)), init

    return Stream(f"RngSkip-{delta}", build)


def tagged() -> Stream:
    def build(g: GraphBuilder) -> tuple[Tensor, str]:
        handle = g.VarHandleOp(dtype="int64", shape=[4])
        init = g.AssignVariableOp(handle, i64([1, 5, 6, 7]))
        return g.StatefulStandardNormal(handle, i32([70])), init

    return Stream("StatefulStandardNormal", build, exact=False, producer=28)


def cropped(rows: int, columns: int) -> Stream:
    image = np.arange(20 * 30 * 2, dtype=np.float32).reshape(20, 30, 2)
    return Stream(
        f"RandomCrop-{rows}-{columns}",
        lambda g: (g.RandomCrop(g.constant(image), i64([rows, columns]), seed=3, seed2=4), None),
        producer=7,
    )


def drawn(op: str, *inputs: Any, port: int = 0, exact: bool = True, **attrs: Any) -> Stream:
    """An operation whose first input is no shape; ``port`` says which output counts."""

    def build(g: GraphBuilder) -> tuple[Tensor, None]:
        found = g.add_op(op, *inputs, **{"seed": 5, "seed2": 6, **attrs}, name="out")
        return (found[port] if isinstance(found, list) else found), None

    return Stream(f"{op}-{port}-{attrs}", build, exact)


TRUE = i64([[1, 5], [0, 9], [9, 7]])
SAMPLERS = ("Uniform", "LogUniform", "LearnedUnigram", "ThreadUnsafeUnigram")
SIZES = (0, 1, 3, 4, 5, 1000, 100003)
FLOATS = ("float", "double", "half", "bfloat16")
NORMALS = ("RandomStandardNormal", "TruncatedNormal")
STREAMS = [
    *(by_attributes("RandomUniform", n, dtype=d) for n in SIZES for d in FLOATS),
    *(by_attributes("RandomUniform", 5, dtype="float", seed=a, seed2=b)
      for a, b in ((0, 1), (-1, -1), (2**62, 0))),
    *(by_attributes("RandomUniformInt", n, inputs=(t(-100), t(2**31 - 1)), Tout=d)
      for n in SIZES for t, d in ((i32, "int32"), (i64, "int64"))),
    *(by_attributes(op, n, exact=False, dtype=d)
      for op in NORMALS for n in (5, 100003) for d in ("float", "double")),
    *(by_variable(op, n, exact=op == "StatefulUniform", dtype=d)
      for op in ("StatefulUniform", "StatefulStandardNormalV2", "StatefulTruncatedNormal")
      for n in (0, 5, 1001) for d in FLOATS),
    *(by_variable("StatefulUniformFullInt", n, dtype=d)
      for n in (0, 5, 1001) for d in ("int32", "int64", "uint32", "uint64")),
    *(by_variable("StatefulUniformInt", n, inputs=(t(-100), t(12345)), dtype=d)
      for n in (5, 1001) for t, d in ((i32, "int32"), (i64, "int64"))),
    *(shuffled(n) for n in (0, 1, 2, 3, 5, 6, 100, 100003)),
    *(after_skip(n) for n in (0, 1, 7, -1, -3, -(2**55), 2**62)),
    tagged(),
    drawn("Multinomial", np.float32([[1, 2, 3], [0.5, 0, 0]]), np.int32(7)),
    drawn("RandomGamma", i32([9]), np.float64([0.5, 1.0, 3.0]), exact=False),
    drawn("RandomPoissonV2", i32([9]), np.float64([0.5, 11.0])),
    *(drawn(f"{name}CandidateSampler", TRUE, port=port, exact=port == 0, num_true=2, num_sampled=6,
            unique=True, range_max=10) for name in SAMPLERS for port in range(3)),
    *(cropped(rows, columns) for rows, columns in ((20, 30), (20, 7), (3, 30), (4, 5))),
]  # fmt: skip


def summary(stream: Stream, value: Any) -> Any:
    """What is kept of a run's value."""
    array = np.asarray(value)
    if stream.exact:
        digest = hashlib.sha256(f"{array.dtype.name}{array.shape}".encode() + array.tobytes()).digest()
        return np.frombuffer(digest, np.uint8)
    flat = array.reshape(-1)
    return flat[:: max(1, flat.size // _KEPT)].astype(np.float64)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda s: s.name)
def test_goes_on_as_in_tensorflow(stream: Stream) -> None:
    graph, fetched, init = stream.graph()
    context = reference.Context()
    if init is not None:
        reference.run(graph, [init], {}, context)
    for run in range(RUNS):
        (value,) = reference.run(graph, [fetched], {}, context)
        expected = golden.load(GOLDEN)[f"{stream.name}/{run}"]
        if stream.exact:
            assert np.array_equal(summary(stream, value), expected), f"run {run}"
        else:
            tolerance = {2: 1e-3, 4: 2e-6, 8: 1e-12}[value.dtype.itemsize]
            tolerance = 1e-2 if value.dtype.name == "bfloat16" else tolerance
            np.testing.assert_allclose(summary(stream, value), expected, tolerance, tolerance)


def test_streams_without_seeds_differ() -> None:
    g = GraphBuilder()
    x = g.RandomUniform(i32([9]), dtype="float")
    first, second = (reference.run(g.graph(), [x.name], {})[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_saved_streams_go_on() -> None:
    generator = NodeGenerator(1, 2)
    generator.reserve(2**40)
    saved = generator.save()
    other = NodeGenerator(0, 0)
    other.load(saved)
    assert other.reserve(1) == generator.reserve(1)


def test_non_deterministic_ints() -> None:
    g = GraphBuilder()
    names = [
        g.NonDeterministicInts(i32([4, 5]), dtype=d).name for d in ("int32", "int64", "uint32", "uint64")
    ]
    values = reference.run(g.graph(), names, {})
    assert [v.dtype.name for v in values] == ["int32", "int64", "uint32", "uint64"]
    assert all(v.shape == (4, 5) and np.unique(v).size > 15 for v in values)
