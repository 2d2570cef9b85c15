"""Selection, extremes, clipping."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference

from ...harness import Case, assert_same, case, cast, f32, f64, graph_of, i32, rand, recorded, table_tests

INF, NAN = np.inf, np.nan
T, F = np.array(True), np.array(False)
ROWS = np.array([True, False])
A, B = rand(2, 3), rand(2, 3, seed=1)
REAL = (
    "half",
    "bfloat16",
    "float",
    "double",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
)

CASES: list[Case] = [
    *(case(name, A > 0, A, B, grad=True) for name in ("Select", "SelectV2")),
    *(case(name, T, A, B, grad=True) for name in ("Select", "SelectV2")),
    *(case(name, F, f32(1), f32(2), grad=True) for name in ("Select", "SelectV2")),
    *(case(name, ROWS, np.array(["a", "b"]), np.array(["c", "d"])) for name in ("Select", "SelectV2")),
    *(case(name, F, "a", "b") for name in ("Select", "SelectV2")),
    *(
        case(name, ROWS, cast(t, [1, 0]), cast(t, [0, 1]))
        for name in ("Select", "SelectV2")
        for t in ("bool", "bfloat16", "half", "complex128", "int8", "uint64")
    ),
    *(case(name, ROWS[:0], f32([]), f32([])) for name in ("Select", "SelectV2")),
    case("Select", ROWS, A, B, grad=True),
    case("Select", ROWS, rand(2, 2, 2), rand(2, 2, 2, seed=3), grad=True),
    case("Select", ROWS, rand(3, 2), rand(3, 2), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Select", ROWS, f32(1), f32(2), error="INVALID_ARGUMENT: cannot choose"),
    case("Select", ROWS, A, f32(2), error="INVALID_ARGUMENT: must be equal rank"),
    case("Select", np.array([[True], [False]]), A, B, error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("SelectV2", ROWS.reshape(2, 1), A, B, grad=True),
    case("SelectV2", ROWS.reshape(2, 1), f32([1, 2, 3]), f32(7), grad=True),
    case("SelectV2", ROWS, A, B, error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("SelectV2", rand(100, 100) > 0, rand(100, 100), rand(100, 1), tol=0),
    *(case(name, cast(t, [1, 5, 3]), cast(t, [[2], [5]])) for name in ("Maximum", "Minimum") for t in REAL),
    *(
        case(
            name,
            cast(t, [NAN, 1, NAN, 2, 2, INF]),
            cast(t, [1, NAN, NAN, 2, 3, -INF]),
            grad=t in ("float", "double"),
        )
        for name in ("Maximum", "Minimum")
        for t in ("float", "double", "half", "bfloat16")
    ),
    *(case(name, f32(1), f32(1), grad=True) for name in ("Maximum", "Minimum")),
    *(case(name, f32([[1], [3]]), f32([1, 2, 3]), grad=True) for name in ("Maximum", "Minimum")),
    *(case(name, f32([]), f32([1]), grad=True) for name in ("Maximum", "Minimum")),
    *(
        case(name, f32([1, 2]), f32([1, 2, 3]), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in ("Maximum", "Minimum")
    ),
    case("ClipByValue", f32([-5, 0, 1, 2, 9, NAN]), f32(0), f32(2), grad=True),
    case("ClipByValue", f32([-5, 1, 9]), f32([0, 0, 0]), f32([1, 2, 3]), grad=True),
    case("ClipByValue", f32([-5, 1, 9]), f32(0), f32([1, 2, 3]), grad=True),
    case("ClipByValue", f32([[-5, 1, 9]]), f32([[0, 2, 0]]), f32(3), grad=True),
    case("ClipByValue", f32([1, 5, -5, NAN]), f32(2), f32(-2)),
    case("ClipByValue", f32([1, 5, -5, 1]), f32([NAN, NAN, 0, 0]), f32([1, 1, NAN, 1])),
    case("ClipByValue", f64(3), f64(0), f64(1), grad=True),
    case("ClipByValue", f32([]), f32(0), f32(1)),
    case("ClipByValue", i32([-5, 1, 9]), i32(0), i32(3)),
    case("ClipByValue", cast("uint8", [0, 1, 9]), cast("uint8", 1), cast("uint8", 3)),
    *(case("ClipByValue", cast(t, [-5, 1, 9]), cast(t, 0), cast(t, 3)) for t in ("half", "bfloat16")),
    case(
        "ClipByValue",
        f32([1, 5]),
        f32([0]),
        f32([3]),
        error="INVALID_ARGUMENT: clip_value_max must be scalars",
    ),
    case("ClipByValue", A, f32([0, 0, 0]), f32(3), error="INVALID_ARGUMENT: clip_value_max must be scalars"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize(
    "row", [c for c in CASES if c.op == "ClipByValue" and c.inputs[1].ndim == 0], ids=str
)
def test_constant_bounds(row: Case) -> None:
    """Known bounds are looked at when a plan is built, to the same effect."""
    graph, outputs, _ = graph_of(row, constants=True)
    (found,) = reference.run(graph, outputs, {})
    assert_same(found, recorded("math.select_ops", row).values[0], 0, str(row))
