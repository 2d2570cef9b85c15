"""Single operations on a million elements, on one thread, beside TensorFlow: ``python -m benchmarks.operations``.

Prints the twenty of the largest ratios, then the quartiles of all. Inputs are fed, and one element is fetched: neither
copies results, nor leaves the operation out because nobody reads them.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tfg
from tfg.kernels.core.parallel import POOL

from .__main__ import restart_without_harmful_settings
from .table import tensorflow, their_step
from .timing import compare

_SIZE = 1_000_000
_SHOWN = 20
_UNARY = [
    "Abs",
    "Acos",
    "Asin",
    "Atan",
    "Ceil",
    "Cos",
    "Cosh",
    "Digamma",
    "Elu",
    "Erf",
    "Erfc",
    "Exp",
    "Expm1",
    "Floor",
    "Inv",
    "IsFinite",
    "Lgamma",
    "Log",
    "Log1p",
    "LogSoftmax",
    "Neg",
    "Reciprocal",
    "Relu",
    "Relu6",
    "Rint",
    "Round",
    "Rsqrt",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Square",
    "Tan",
    "Tanh",
    "ZerosLike",
]
_BINARY = [
    "Add",
    "Atan2",
    "Div",
    "Equal",
    "FloorDiv",
    "FloorMod",
    "Greater",
    "Maximum",
    "Minimum",
    "Mul",
    "Pow",
    "RealDiv",
    "SquaredDifference",
    "Sub",
    "Xdivy",
    "Xlogy",
]
_REDUCTIONS = ["All", "Any", "Max", "Mean", "Min", "Prod", "Sum"]


@dataclass(frozen=True)
class Subject:
    """A node to time: its operation, its inputs (those in ``constants`` by place are constants), its attributes."""

    op: str
    inputs: Sequence[Any]
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    constants: frozenset[int] = frozenset()

    def __str__(self) -> str:
        shapes = ", ".join(f"{x.dtype}{list(x.shape)}" for x in map(np.asarray, self.inputs))
        return f"{self.op}({shapes})"


def subjects() -> Iterator[Subject]:
    """The operations, each on about a million elements."""
    rng = np.random.default_rng(0)
    matrix = (rng.random((1000, 1000)) * 0.9 + 0.05).astype(np.float32)
    other = (rng.random((1000, 1000)) * 0.9 + 0.05).astype(np.float32)
    numbers = rng.integers(0, 1000, _SIZE).astype(np.int32)
    for name in _UNARY:
        yield Subject(name, [matrix])
    for name in _BINARY:
        yield Subject(name, [matrix, other])
    for name in ("Add", "Mul", "FloorDiv", "Maximum", "BitwiseAnd", "LeftShift"):
        yield Subject(name, [numbers, numbers % 7 + 1])
    for axis in (0, 1):
        for name in _REDUCTIONS[2:]:
            yield Subject(name, [matrix, np.int32([axis])], constants=frozenset({1}))
        yield Subject("ArgMax", [matrix, np.int32(axis)], constants=frozenset({1}))
        yield Subject("Cumsum", [matrix, np.int32(axis)], constants=frozenset({1}))
        yield Subject("ReverseV2", [matrix, np.int32([axis])], constants=frozenset({1}))
        yield Subject("Any", [matrix > 0.5, np.int32([axis])], constants=frozenset({1}))
    yield from _moving(matrix, numbers)
    yield from _segments(matrix, numbers)
    yield from _pictures(rng)


def _moving(matrix: Any, numbers: Any) -> Iterator[Subject]:
    rows = numbers[:1000]
    yield Subject("Transpose", [matrix, np.int32([1, 0])], constants=frozenset({1}))
    yield Subject("ConcatV2", [[matrix, matrix], np.int32(1)], constants=frozenset({1}))
    yield Subject("Pack", [[matrix, matrix]])
    yield Subject("Tile", [matrix, np.int32([1, 2])], constants=frozenset({1}))
    yield Subject("Pad", [matrix, np.int32([[1, 1], [1, 1]])], constants=frozenset({1}))
    yield Subject("GatherV2", [matrix, rows, np.int32(0)], constants=frozenset({2}))
    yield Subject("GatherV2", [matrix.reshape(-1), numbers, np.int32(0)], constants=frozenset({2}))
    yield Subject("GatherNd", [matrix, np.stack([rows, rows], 1)])
    yield Subject("Select", [matrix > 0.5, matrix, matrix])
    yield Subject(
        "OneHot", [rows, np.int32(1000), np.float32(1), np.float32(0)], constants=frozenset({1, 2, 3})
    )
    yield Subject("TopKV2", [matrix, np.int32(10)], constants=frozenset({1}))
    yield Subject("Unique", [numbers])
    yield Subject("Where", [matrix > 0.5])
    yield Subject("Cast", [matrix], {"DstT": "int32"})
    yield Subject("Cast", [numbers], {"DstT": "float"})
    yield Subject("Cast", [matrix], {"DstT": "bfloat16"})
    yield Subject("Bincount", [numbers, np.int32(1000), np.zeros(0, np.float32)], constants=frozenset({1, 2}))
    yield Subject("BiasAdd", [matrix, matrix[0]])
    yield Subject("L2Loss", [matrix])
    yield Subject("ClipByValue", [matrix, np.float32(0.2), np.float32(0.8)], constants=frozenset({1, 2}))
    yield Subject("AddN", [[matrix, matrix, matrix]])
    yield Subject("BroadcastTo", [matrix[0], np.int32([1000, 1000])], constants=frozenset({1}))
    yield Subject(
        "ScatterNd", [numbers[:, None], matrix.reshape(-1), np.int32([1000])], constants=frozenset({2})
    )
    yield Subject("SparseSoftmaxCrossEntropyWithLogits", [matrix, rows])


def _segments(matrix: Any, numbers: Any) -> Iterator[Subject]:
    rows, ordered = numbers[:1000] % 100, np.sort(numbers[:1000] % 100)
    count = np.int32(100)
    for name in ("Sum", "Max", "Mean"):
        yield Subject(f"Segment{name}", [matrix, ordered])
    for name in ("Sum", "Max", "Prod"):
        yield Subject(f"UnsortedSegment{name}", [matrix, rows, count], constants=frozenset({2}))
    for name in ("Sum", "Mean", "SqrtN"):
        yield Subject(f"SparseSegment{name}", [matrix, numbers[:1000], ordered])


def _pictures(rng: Any) -> Iterator[Subject]:
    pictures = rng.random((8, 64, 64, 32)).astype(np.float32)
    window = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    yield Subject("MaxPool", [pictures], window)
    yield Subject("AvgPool", [pictures], window)
    yield Subject("LRN", [pictures])
    small = np.int32([32, 32])
    for name in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea"):
        yield Subject(name, [pictures, small], constants=frozenset({1}))
    yield Subject("SpaceToDepth", [pictures], {"block_size": 2})
    yield Subject("DepthToSpace", [pictures], {"block_size": 2})
    yield Subject("RGBToHSV", [rng.random((8, 200, 200, 3)).astype(np.float32)])
    yield Subject("AdjustContrastv2", [pictures, np.float32(2)], constants=frozenset({1}))
    yield Subject("FFT", [rng.random((1000, 512)).astype(np.complex64)])
    yield Subject("RandomUniform", [np.int32([1000, 1000])], {"dtype": "float"}, frozenset({0}))
    yield Subject("RandomStandardNormal", [np.int32([1000, 1000])], {"dtype": "float"}, frozenset({0}))
    yield Subject("TruncatedNormal", [np.int32([1000, 1000])], {"dtype": "float"}, frozenset({0}))
    yield Subject(
        "Multinomial", [rng.random((1000, 100)).astype(np.float32), np.int32(10)], {}, frozenset({1})
    )


def step_of(subject: Subject) -> tuple[Any, dict[str, Any]]:
    """A graph whose node ``first`` is an element of the operation's first output, and its feeds."""
    g = tfg.GraphBuilder()
    feeds: dict[str, Any] = {}

    def argument(value: Any, name: str, *, is_constant: bool) -> Any:
        if isinstance(value, list):
            return [argument(one, f"{name}_{i}", is_constant=is_constant) for i, one in enumerate(value)]
        if is_constant:
            return g.constant(value)
        feeds[name] = value
        return g.placeholder(value.dtype.name.replace("float32", "float"), list(value.shape), name=name)

    inputs = [
        argument(value, f"x{i}", is_constant=i in subject.constants) for i, value in enumerate(subject.inputs)
    ]
    outputs = g.add_op(subject.op, *inputs, **subject.attrs)
    output = outputs[0] if isinstance(outputs, tuple | list) else outputs
    g.StridedSlice(
        g.Reshape(output, np.int32([-1])), np.int32([0]), np.int32([1]), np.int32([1]), name="first"
    )
    return g.graph(), feeds


def main() -> None:
    restart_without_harmful_settings("benchmarks.operations")
    tf = tensorflow()
    if tf is None:
        raise SystemExit("TensorFlow is needed: make bench installs it")
    POOL.limit(1)
    found: list[tuple[float, float, str]] = []
    for subject in subjects():
        graph, feeds = step_of(subject)
        session = tfg.Session(graph)
        theirs = their_step(tf, graph, ["first"], feeds, None, threads=1)
        pair = compare(partial(session.run, ["first"], feeds=feeds), theirs, rounds=3, seconds=0.03)
        assert pair.ratio is not None
        found.append((pair.ratio, pair.ours, str(subject)))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for ratio, seconds, name in sorted(found, reverse=True)[:_SHOWN]:
        print(f"{ratio:6.2f}  {seconds * 1e3:8.2f} ms  {name}")
    quartiles = statistics.quantiles([ratio for ratio, _, _ in found], n=4)
    print(f"{len(found)} operations; quartiles of the ratio: {', '.join(f'{q:.2f}' for q in quartiles)}")


if __name__ == "__main__":
    main()
