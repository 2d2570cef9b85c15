"""Accumulators: means and sums of dense gradients and of slices, stale steps, shapes, shared names."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import tfg

from ...harness import cast, f32, graph_case, i32, i64, table_tests
from .sequences import in_order


def _dense(
    g: Any, *gradients: Any, steps: tuple[int, ...] = (), shape: Any = None, required: int = 0, **attrs: Any
) -> list[Any]:
    """Applies gradients, of step 0 or those given, counts them, takes them and counts again."""
    prefix = attrs.pop("prefix", "")
    dtype = gradients[0].dtype
    handle = g.add_op(f"{prefix}ConditionalAccumulator", dtype=dtype, shape=shape, **attrs)
    applied = [
        partial(g.add_op, f"{prefix}AccumulatorApplyGradient", handle, g.constant(i64(step)), gradient)
        for gradient, step in zip(gradients, steps or (0,) * len(gradients))
    ]
    count = partial(g.add_op, f"{prefix}AccumulatorNumAccumulated", handle)
    number = g.constant(i32(required or len(gradients)))
    take = partial(g.add_op, f"{prefix}AccumulatorTakeGradient", handle, number, dtype=dtype)
    return in_order(g, *applied, count, take, count)


def _steps(g: Any, gradient: Any, new_step: Any, next_step: Any) -> list[Any]:
    """Sets the global step twice; gradients of earlier steps are dropped."""
    handle = g.ConditionalAccumulator(dtype="float", shape=None)
    apply = [
        partial(g.AccumulatorApplyGradient, handle, g.constant(i64(step)), gradient) for step in range(6)
    ]
    count = partial(g.AccumulatorNumAccumulated, handle)
    first = partial(g.AccumulatorSetGlobalStep, handle, new_step)
    second = partial(g.AccumulatorSetGlobalStep, handle, next_step)
    return in_order(g, first, *apply, count, second, *apply, count)


def _required(g: Any, gradient: Any, number: Any) -> Any:
    handle = g.ConditionalAccumulator(dtype="float", shape=None)
    with g.control_dependencies([g.AccumulatorApplyGradient(handle, g.constant(i64(0)), gradient)]):
        return g.AccumulatorTakeGradient(handle, number, dtype="float")


def _shared(g: Any, gradient: Any, **other: Any) -> Any:
    made = {"dtype": "float", "shape": [2], "shared_name": "shared"}
    first, second = g.ConditionalAccumulator(**made), g.ConditionalAccumulator(**{**made, **other})
    apply = partial(g.AccumulatorApplyGradient, first, g.constant(i64(0)), gradient)
    return in_order(g, apply, partial(g.AccumulatorNumAccumulated, second))


def _sparse(g: Any, *parts: Any, shape: Any, knows: bool = True, reduction: str = "MEAN") -> list[Any]:
    """Applies slices, given as indices, values and dense shape one after the other, and takes their mean."""
    dtype = parts[1].dtype
    handle = g.SparseConditionalAccumulator(dtype=dtype, shape=shape, reduction_type=reduction)
    slices = [parts[i : i + 3] for i in range(0, len(parts), 3)]
    step = g.constant(i64(0))
    applied = [
        partial(g.SparseAccumulatorApplyGradient, handle, step, *part, has_known_shape=knows)
        for part in slices
    ]
    number = g.constant(i32(len(slices)))
    return in_order(g, *applied, partial(g.SparseAccumulatorTakeGradient, handle, number, dtype=dtype))


_ROWS = (i64([0, 2]), f32([[1, 2], [3, 4]]), i64([5, 2]), i64([2, 3]), f32([[10, 20], [30, 40]]), i64([5, 2]))
_UNSORTED = (
    *(i64([4, 1, 1]), f32([[1, 1], [2, 2], [4, 4]]), i64([5, 2])),
    *(i64([1, 4, 2]), f32([[1, 1], [2, 2], [4, 4]]), i64([5, 2])),
)


def _bad(indices: Any, values: Any, shape: Any, words: str) -> Any:
    build = partial(_sparse, shape=[5, 2])
    return graph_case(
        "sparse", build, i64(indices), f32(values), i64(shape), error=f"INVALID_ARGUMENT: {words}"
    )


CASES = [
    *(
        graph_case("mean", _dense, *(cast(kind, [1, row]) for row in (2, 5, 9)))
        for kind in ("half", "float", "double")
    ),
    graph_case("sum", partial(_dense, reduction_type="SUM"), f32([1, 2]), f32([3, 5])),
    graph_case("resource", partial(_dense, prefix="Resource"), f32([1, 2]), f32([3, 5])),
    graph_case("fewer", partial(_dense, required=1), f32([1, 2]), f32([3, 5])),
    graph_case("special", _dense, f32([np.nan, np.inf, np.inf]), f32([1, np.inf, -np.inf])),
    graph_case("scalar", _dense, f32(1), f32(4)),
    graph_case("empty", _dense, f32(np.zeros((0, 3))), f32(np.zeros((0, 3)))),
    graph_case("overflow", _dense, cast("half", [60000]), cast("half", [60000])),
    graph_case("partial", partial(_dense, shape=[None, 2]), f32([[1, 2]]), f32([[3, 4]])),
    graph_case("stale", partial(_dense, steps=(0, -1, 3), required=2), f32([1]), f32([2]), f32([4])),
    graph_case(
        "wrong", partial(_dense, shape=[3]), f32([1, 2]), error="INVALID_ARGUMENT: expected [3], got [2]"
    ),
    graph_case("differ", _dense, f32([1, 2]), f32([1]), error="INVALID_ARGUMENT: expected [2], got [1]"),
    graph_case("steps", _steps, f32([1]), i64(2), i64(4)),
    graph_case("steps", _steps, f32([1]), i64(4), i64(2)),
    graph_case("steps", _steps, f32([1]), i64([4]), i64(2), error="INVALID_ARGUMENT: scalar"),
    graph_case("required", _required, f32([1]), i32(0), error="INVALID_ARGUMENT: must be positive"),
    graph_case("required", _required, f32([1]), i32(-1), error="INVALID_ARGUMENT: must be positive"),
    graph_case("shared", _shared, f32([1, 2])),
    graph_case(
        "shared", partial(_shared, shape=[3]), f32([1, 1]), error="INVALID_ARGUMENT: shape [3] is requested"
    ),
    graph_case("sparse", partial(_sparse, shape=[5, 2]), *_ROWS),
    graph_case("sparse-sum", partial(_sparse, shape=[5, 2], reduction="SUM"), *_ROWS),
    graph_case("sparse-unknown", partial(_sparse, shape=None, knows=False), *_ROWS),
    graph_case("sparse-partial", partial(_sparse, shape=[None, 2]), *_ROWS),
    graph_case("sparse-unsorted", partial(_sparse, shape=[5, 2]), *_UNSORTED),
    graph_case("sparse-half", partial(_sparse, shape=[3]), i64([1]), cast("half", [2]), i64([3])),
    graph_case(
        "sparse-empty", partial(_sparse, shape=[5, 2]), i64([]), f32(np.zeros((0, 2))), i64([5, 2]), *_ROWS
    ),
    graph_case("sparse-none", partial(_sparse, shape=[5, 2]), i64([]), f32(np.zeros((0, 2))), i64([5, 2])),
    _bad([2], [[1, 2, 3]], [5, 2], "values dim 1 to be 2, got 3"),
    _bad([2], [[1, 2]], [5, 3], "shape dim 1 to be 2, got 3"),
    _bad([2], [[1, 2]], [5], "shape rank at least 2, got 1"),
    _bad([7], [[1, 2]], [5, 2], "index is 7 exceeded 5"),
    _bad([2, 3], [[1, 2]], [5, 2], "Expected 2 non-empty input values, got 1"),
    _bad([[2]], [[1, 2]], [5, 2], "should be vector"),
    _bad([2], 5, [5, 2], "cannot be 0-dimensional"),
    _bad([2], [5], [5, 2], "rank at least 2, got 1"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_refuses_what_crashes_tensorflow() -> None:
    """A gradient of another dtype, and a number of gradients that is a vector."""
    g = tfg.GraphBuilder()
    handle = g.ConditionalAccumulator(dtype="float", shape=None)
    other = g.AccumulatorApplyGradient(handle, i64(0), g.constant(cast("double", [1])))
    session = tfg.Session(g.graph())
    with pytest.raises(tfg.TfgError, match="Expected gradient of type float, got double"):
        session.run(targets=[other])
