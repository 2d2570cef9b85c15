"""Binomial variables."""

from __future__ import annotations

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

from ...harness import case, cast, f32, f64, i32, i64, table_tests

COUNTS = [10, 10, 10, 0, -1, 5, 100, 100, 1e6, 1e6, 10.5, 30]
PROBS = [0.0, 1.0, 1.5, 0.5, 0.5, 0.3, 0.05, 0.95, 0.4, 0.999, 0.4, -0.5]
NUMBERS = ("half", "float", "double", "int32", "int64")
OP = "StatelessRandomBinomial"

CASES = [
    *(case(OP, i32([30, 12]), i32([1, 2]), f64(COUNTS), f64(PROBS), dtype=d) for d in NUMBERS[1:]),
    *(case(OP, i64([30, 7]), i64([3, 4]), cast(d, COUNTS[:7]), cast(d, PROBS[:7]), dtype=d) for d in NUMBERS[:3]),
    case(OP, i32([2, 3, 2]), i32([1, 2]), f32([[3], [30], [300]]), f32([0.2, 0.7])),
    case(OP, i32([5]), i32([1, 2]), f32(20), f32(0.3)),
    case(OP, i32([3]), i32([1, 2]), f64([1, 2]), f64(0.5),
         error="INVALID_ARGUMENT: does not end with that of"),
    case(OP, i32([3]), i32([1, 2]), f64([1, 2]), f64([0.5, 1, 2]),
         error="INVALID_ARGUMENT: Dimensions must be equal"),
    case(OP, i32([0, 2]), i32([1, 2]), f64([1, 2]), f64(0.5)),
    case(OP, i32([3]), i32([1, 2, 3]), f64(1), f64(0.5), error="INVALID_ARGUMENT: Dimensions must be equal"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_from_a_variable() -> None:
    """The numbers are those of a stateless operation at the same place. TensorFlow moves the state on by this
    too, unless the variable shares its memory with somebody: then it forgets to."""
    g = GraphBuilder()
    handle = g.VarHandleOp(dtype="int64", shape=[3])
    init = g.AssignVariableOp(handle, i64([0, 0, 1]))
    counts, probs = f64(np.full(7, 9.0)), f64(0.4)
    drawn = g.StatefulRandomBinomial(handle, i64(1), i32([10, 7]), counts, probs)
    state = g.RngReadAndSkip(handle, i32(1), np.uint64(0))
    context = reference.Context()
    reference.run(g.graph(), [init], {}, context)
    (values,) = reference.run(g.graph(), [drawn.name], {}, context)
    (after,) = reference.run(g.graph(), [state.name], {}, context)
    assert after.tolist() == [4550 * 256, 0, 1]
    assert values.shape == (10, 7)
    assert 2 < values.mean() < 5
