# ruff: noqa: E501
"""Rows, slices and elements of variables, written and read."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError

from ...harness import cast, f32, i32, i64, rand
from ...state_harness import StateCase, both, run_state_tfg, state_case, state_tests

NAMES = ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max")
ND_NAMES = ("Update", "Add", "Sub", "Min", "Max")
KINDS = "double int32 uint8 int16 int8 int64 bfloat16 uint16 half uint32 uint64"
T = rand(4, 3)
BIG = cast("int32", [10, 20, 30, 40])

CASES = [
    *(row for n in NAMES for row in both(f"Scatter{n}", T, i32([2, 0, 2]), rand(3, 3, low=0.5))),
    *(row for n in NAMES for row in both(f"Scatter{n}", T, i64([[2, 0], [1, 3]]), rand(2, 2, 3, low=0.5))),
    *(row for n in NAMES for row in both(f"Scatter{n}", T, i32([2, 2]), f32(0.5))),
    *(row for n in NAMES for row in both(f"Scatter{n}", T, i32(1), rand(3, low=0.5))),
    *(row for n in NAMES for row in both(f"Scatter{n}", BIG, i32([3, 3, 1]), i32([3, 2, 7]))),
    *(row for n in NAMES for row in both(f"Scatter{n}", BIG, i32([3, 3, 1]), i32([-3, 7, 7]))),
    *(state_case(f"ResourceScatter{n}", cast(k, [10, 20, 30]), i32([1, 1]), cast(k, [3, 2])) for n in NAMES for k in KINDS.split()),
    *(row for n in ("Add", "Div") for row in both(f"Scatter{n}", cast("complex64", [1, 2]), i32([1, 1]), cast("complex64", [3, 2j]))),
    *(row for n in ("Update", "Add") for row in both(f"Scatter{n}", f32([1, 2]), i32([0, 1]), f32([np.nan, np.inf]))),
    *(row for n in ND_NAMES for row in both(f"ScatterNd{n}", T, i32([[2], [0], [2]]), rand(3, 3))),
    *(row for n in ND_NAMES for row in both(f"ScatterNd{n}", T, i64([[2, 1], [0, 0], [2, 1]]), rand(3))),
    *(row for n in ND_NAMES for row in both(f"ScatterNd{n}", T, i64([2, 1]), f32(3),
         error="INVALID_ARGUMENT: updates must be of rank")),
    *(state_case(f"ResourceScatterNd{n}", cast(k, [10, 20, 30]), i32([[1], [1]]), cast(k, [3, 2])) for n in ND_NAMES for k in KINDS.split()),
    *(row for n in ND_NAMES for row in both(f"ScatterNd{n}", T, i32([[5], [0]]), rand(2, 3), bad_indices_policy="IGNORE")),
    # Wrong indices, wrong shapes, known before the step and not.
    *(
        row
        for dynamic, misfit in ((False, "Dimensions must be equal"), (True, "updates must be of shape"))
        for inputs, words in [
            ((i32([4]), rand(1, 3)), "indices[0] = 4 is not in"), ((i32([-1]), rand(1, 3)), "indices[0] = -1 is not in"),
            ((i32([1]), rand(2, 3)), misfit),
        ]
        for row in both("ScatterAdd", T, *inputs, dynamic=dynamic, error=f"INVALID_ARGUMENT: {words}")
    ),
    *(row for dynamic in (False, True) for row in both("ScatterAdd", T, i32([]), rand(0, 3), dynamic=dynamic)),
    *(
        row
        for dynamic, misfit in ((False, "Dimensions must be equal"), (True, "updates must be of shape"))
        for inputs, words in [
            ((i32([[4]]), rand(1, 3)), "does not index into"), ((i32([[-1]]), rand(1, 3)), "does not index into"),
            ((i32([[1]]), rand(1, 2)), misfit), ((i32([[1]]), rand(2, 3)), misfit),
            ((i32([[1, 1, 1]]), rand(1)), "index vectors"), ((i32(1), rand(3)), "must be of rank 1 or more"),
        ]
        for row in both("ScatterNdAdd", T, *inputs, dynamic=dynamic, error=f"INVALID_ARGUMENT: {words}")
    ),
    *(row for dynamic in (False, True)
      for row in both("ScatterNdAdd", T, i32(np.zeros((0, 1))), rand(0, 3), dynamic=dynamic)),
    *both("ScatterAdd", T, i32([1]), rand(1, 2), error="INVALID_ARGUMENT: Dimensions must be equal"),
    state_case("ScatterAdd", T, i32([1]), rand(1, 2), dynamic=True, error="INVALID_ARGUMENT: are of shape"),
    *both("ScatterAdd", f32(3), i32([0]), f32([1]), error="INVALID_ARGUMENT: not a scalar"),
    *both("ScatterAdd", f32(3), i32([0]), f32([1]), dynamic=True, error="INVALID_ARGUMENT: not a scalar"),
    state_case("ScatterUpdate", T, i32([0]), rand(1, 3), _uninitialized=True,
         error="FAILED_PRECONDITION: uninitialized value"),
    state_case("ScatterNdUpdate", T, i32([[0]]), rand(1, 3), _uninitialized=True,
         error="FAILED_PRECONDITION: uninitialized value"),
    # Gathers.
    *(
        state_case("ResourceGather", rand(4, 3, 2), *inputs, dynamic=dynamic, **attrs)
        for dynamic in (False, True)
        for inputs, attrs in [
            ((i32([2, 0, 2]),), {}), ((i64([[1], [3]]),), {}), ((i32(1),), {}),
            ((i32([[2, 0], [1, 1], [0, 0], [2, 2]]),), {"batch_dims": 1}), ((i32([2, 0, 1, 1]),), {"batch_dims": 1}),
            ((i32([]),), {}),
        ]
    ),
    *(
        state_case("ResourceGather", rand(4, 3, 2), i32([index]), dynamic=dynamic,
                   error=f"INVALID_ARGUMENT: indices[0] = {index} is not in")
        for dynamic in (False, True)
        for index in (4, -1)
    ),
    *(
        state_case("ResourceGatherNd", rand(4, 3, 2), i32(indices), dynamic=dynamic)
        for dynamic in (False, True)
        for indices in ([[2], [0]], [[1, 2], [3, 0]], [[1, 2, 1]], [3, 2])
    ),
    *(
        state_case("ResourceGatherNd", rand(4, 3, 2), i32(indices), dynamic=dynamic, error=f"INVALID_ARGUMENT: {words}")
        for dynamic, too_long in ((False, "index vectors of 4 elements"), (True, "no longer than the params' rank"))
        for indices, words in (
            ([[4]], "does not index into"), ([[-1]], "does not index into"), ([[0, 0, 0, 0]], too_long),
        )
    ),
    state_case("ResourceGather", f32(3), i32([0]), error="INVALID_ARGUMENT: 'resource' must be of rank"),
]  # fmt: skip

test_states, test_errors = state_tests(CASES)


@pytest.mark.parametrize(
    "row",
    [
        state_case("ResourceScatterUpdate", T, i32([0]), rand(1, 3), _uninitialized=True),
        state_case("ResourceScatterNdAdd", T, i32([[0]]), rand(1, 3), _uninitialized=True),
        state_case("ResourceGather", T, i32([0]), _uninitialized=True),
        state_case("ResourceGatherNd", T, i32([[0]]), _uninitialized=True),
        state_case("ResourceApplyGradientDescent", T, f32(0.1), T, _uninitialized=True),
        state_case("AssignAddVariableOp", T, T, _uninitialized=True),
        state_case("VariableShape", T, _uninitialized=True),
    ],
    ids=str,
)
def test_uninitialized(row: StateCase) -> None:
    """TensorFlow says NOT_FOUND or INTERNAL here, depending on the operation."""
    with pytest.raises(TfgError) as caught:
        run_state_tfg(row)
    assert caught.value.status is Status.FAILED_PRECONDITION


def test_integer_division_by_zero() -> None:
    """It ends TensorFlow's process."""
    with pytest.raises(TfgError) as caught:
        run_state_tfg(state_case("ScatterDiv", BIG, i32([3]), i32([0])))
    assert caught.value.status is Status.INVALID_ARGUMENT
