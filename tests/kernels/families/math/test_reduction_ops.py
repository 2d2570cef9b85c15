"""Sums, means, products, extremes and norms over axes."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.numeric.reductions import reduce_over, sum_over
from tfg.runtime.passes.gradients import backpropagation

from tests import reference

from ...harness import (
    TOLERANCE,
    Case,
    assert_same,
    case,
    cast,
    f32,
    graph_of,
    i32,
    i64,
    rand,
    recorded,
    table_tests,
    weights_for,
)

FLOATING = ("Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm")
REAL = ("float", "double", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NAN, INF = np.nan, np.inf


def complex_of(dtype: str, *shape: int) -> object:
    return cast(dtype, rand(*shape, dtype="double") + 1j * rand(*shape, seed=3, dtype="double"))


CASES = [
    *(
        case(name, rand(2, 3, 4), axes, keep_dims=keep, grad=True)
        for name in FLOATING
        for axes in (i32(1), i32([0]), i32([-1]), i32([0, 2]), i32([1, 0]), i32([0, 1, 2]), i32([]))
        for keep in (False, True)
    ),
    *(case(name, f32(-1.5), i32([]), grad=True) for name in FLOATING),
    *(case(name, cast(t, [[7, 3, 5], [1, 2, 4]]), i32(1)) for name in FLOATING for t in REAL),
    *(
        case(name, cast(t, [[-7, 3, -5], [-1, 2, -4]]), i32(0))
        for name in FLOATING
        for t in ("int8", "int64")
    ),
    *(case(name, cast("int8", [100] * 9), i32(0)) for name in FLOATING),
    *(case(name, cast("uint64", [2**63 + 5, 2**63 + 5]), i32(0)) for name in FLOATING),
    *(
        case(name, rand(3, 4, dtype=t, low=0.5), i32(axis), grad=True, tol=tol)
        for name in FLOATING
        for t, tol in (("half", 4e-3), ("bfloat16", 3e-2))
        for axis in (0, 1)
    ),
    *(
        case(name, complex_of(t, 3, 4), i32(axes), grad=name != "EuclideanNorm")
        for name in ("Sum", "Mean", "Prod", "EuclideanNorm")
        for t in ("complex64", "complex128")
        for axes in ([0], [0, 1])
    ),
    *(case(name, rand(0, 3), i32(axis), grad=True) for name in FLOATING for axis in (0, 1)),
    *(case(name, i32(rand(0, 3)), i32(0)) for name in FLOATING),
    *(case(name, f32([[1, NAN, 3], [INF, 2, -INF], [4, INF, 6]]), i32(1), grad=True) for name in FLOATING),
    *(case(name, f32([[0, 2, 3], [0, 0, 3], [2, 2, 2]]), i32(1), grad=True) for name in FLOATING),
    *(case(name, rand(2, 3, 2, 2), i32([1, 3]), grad=True) for name in FLOATING),
    *(case(name, rand(2, 3, 4), i64([-1, 0])) for name in FLOATING),
    *(
        case(name, rand(2, 3), i32(bad), error=f"INVALID_ARGUMENT: {words}")
        for name in FLOATING
        for bad, words in (
            (2, "out of range for rank"),
            (-3, "out of range for rank"),
            ([0, 0], "twice"),
            ([1, -1], "twice"),
            ([0, 5], "out of range for rank"),
        )
    ),
    *(case("Sum", rand(*shape), i32(0), grad=True) for shape in ((300, 3), (130, 5), (129, 1))),
    case("Sum", rand(2, 300, 7), i32(1)),
    case("Sum", rand(5, 4, 3, 2), i32([0, 2])),
    case("Sum", rand(1, 4, 1), i32([0, 2])),
    *(
        case(name, np.array([[True, False, True], [True, True, True]]), axes, keep_dims=keep)
        for name in ("All", "Any")
        for axes in (i32(0), i32(-1), i64([0, 1]), i32([]))
        for keep in (False, True)
    ),
    *(case(name, np.zeros((0, 2), bool), i32(axis)) for name in ("All", "Any") for axis in (0, 1)),
    *(case(name, np.array(True), i32([])) for name in ("All", "Any")),
    *(
        case(name, np.array([True]), i32(1), error="INVALID_ARGUMENT: is out of range for rank")
        for name in ("All", "Any")
    ),
    *(case("L2Loss", rand(2, 3, dtype=t), grad=True) for t in ("float", "double", "half", "bfloat16")),
    case("L2Loss", f32(3), grad=True),
    case("L2Loss", rand(0, 3), grad=True),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("row", [row for row in CASES if row.grad], ids=str)
def test_constant_axes_make_no_difference(row: Case) -> None:
    """With constants, plans reduce directly and gradients need no shape arithmetic."""
    expected = recorded("math.reduction_ops", row)
    graph, names, _ = graph_of(row, constants=True)
    (value,) = reference.run(graph, names, {})
    assert_same(value, expected.values[0], row.tol, str(row))
    g = GraphBuilder(graph)
    x, out = g.tensor("x"), g.tensor("out")
    ramp = weights_for([value])["weights0"]
    (dx,) = backpropagation.add_gradients(g, [g.Mul(out, g.constant(ramp, out.dtype))], [x])
    (found,) = reference.run(g.graph(), [backpropagation.dense(g, dx).name], {})
    tol = 20 * TOLERANCE[x.dtype.name] if row.tol is None else 4 * row.tol
    assert_same(found, expected.gradients[0], tol, str(row))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((100000, 4), (0,)),
        ((100000, 7), (0,)),
        ((20, 5000, 3), (1,)),
        ((4, 30000), (1,)),
        ((300, 7, 500), (0, 2)),
    ],
)
def test_the_error_of_a_sum_does_not_grow_with_its_length(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    x = rand(*shape, low=0, high=1)
    exact = x.astype(np.float64).sum(axis=axes)
    np.testing.assert_allclose(sum_over(np, x, axes), exact, rtol=5e-7)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1,), (3, 1, 4), (130, 3), (2, 200, 3, 5), (257, 33), (5, 0, 3), (64, 1)])
def test_sums_over_every_choice_of_axes(shape: tuple[int, ...], order: str) -> None:
    x = np.array(rand(*shape, dtype="double"), order=order)
    for chosen in range(2 ** len(shape)):
        axes = tuple(axis for axis in range(len(shape)) if chosen >> axis & 1)
        for keep in (False, True):
            found = sum_over(np, x, axes, keep_dims=keep)
            np.testing.assert_allclose(found, x.sum(axis=axes, keepdims=keep), rtol=1e-12, atol=1e-12)
            assert not np.shares_memory(found, x)


@pytest.mark.parametrize("ufunc", ["add", "multiply", "maximum", "minimum", "logical_and", "logical_or"])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "bool", "float16"])
@pytest.mark.parametrize("shape", [(3, 1, 4), (130, 3), (2, 200, 3, 5), (257, 33), (70, 3)])
def test_every_reduction_over_every_choice_of_axes(ufunc: str, dtype: str, shape: tuple[int, ...]) -> None:
    if dtype == "bool" and not ufunc.startswith("logical"):
        return
    x = np.random.RandomState(0).choice([1, 1, 1, 1, 2, 0], shape).astype(dtype)
    x = x.astype(bool) if ufunc.startswith("logical") else x
    for chosen in range(2 ** len(shape)):
        axes = tuple(axis for axis in range(len(shape)) if chosen >> axis & 1)
        expected = getattr(np, ufunc).reduce(x, axis=axes, dtype=x.dtype)
        found = reduce_over(np, ufunc, x, axes, x.dtype)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == x.dtype and not np.shares_memory(found, x)
