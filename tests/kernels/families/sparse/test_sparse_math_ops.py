from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, i64, rand, table_tests

A = (i64([[0, 1], [1, 0], [2, 2]]), f32([1, -2, 3]), i64([3, 3]))
B = (i64([[0, 0], [1, 0], [2, 2]]), f32([4, 5, -3]), i64([3, 3]))
NONE = (np.zeros((0, 2), np.int64), f32([]), i64([3, 3]))
LONGER = (i64([[0, 0]]), f32([1]), i64([4, 3]))
CUBE = (i64([[0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0]]), f32([1, 2, 3, -4]), i64([2, 2, 2]))
TYPES = ("float", "double", "int32", "int64", "half", "bfloat16", "complex64")


def typed(tensor: tuple[object, ...], dtype: str) -> tuple[object, ...]:
    return tensor[0], cast(dtype, tensor[1]), tensor[2]


CASES = [
    case("SparseAdd", *A, *B, f32(0), grad=True),
    case("SparseAdd", *A, *B, f32(2.5), grad=True),
    case("SparseAdd", *A, *NONE, f32(0)),
    case("SparseAdd", *typed(A, "int32"), *typed(B, "int32"), i32(1)),
    case("SparseAdd", *typed(A, "complex64"), *typed(B, "complex64"), f32(0.5)),
    case("SparseAdd", *A, *LONGER, f32(0), error="INVALID_ARGUMENT: do not fit"),
    case("SparseAdd", *A, *B, f32([0]), error="INVALID_ARGUMENT: thresh must be a scalar"),
    case("SparseAddGrad", f32([1, 2, 3, 4]), A[0], B[0], i64([[0, 0], [0, 1], [1, 0], [2, 2]])),
    *(case("SparseTensorDenseAdd", *typed(A, t), rand(3, 3, dtype=t), grad=t == "float") for t in TYPES),
    case("SparseTensorDenseAdd", i32([[0], [0]]), f32([1, 2]), i32([2]), f32([5, 6])),
    case("SparseTensorDenseAdd", *A, f32([[1]]), error="INVALID_ARGUMENT: cannot be added"),
    case(
        "SparseTensorDenseAdd",
        i64([[0, 7]]),
        f32([1]),
        i64([3, 3]),
        rand(3, 3),
        error="INVALID_ARGUMENT: outside of a tensor",
    ),
    *(case(f"SparseDenseCwise{o}", *A, rand(3, 3, low=1), grad=o != "Add") for o in ("Add", "Mul", "Div")),
    *(case(f"SparseDenseCwise{o}", *A, rand(3, low=1), grad=o != "Add") for o in ("Add", "Mul", "Div")),
    *(case(f"SparseDenseCwise{o}", *A, rand(3, 1, low=1), grad=o != "Add") for o in ("Add", "Mul", "Div")),
    case("SparseDenseCwiseMul", *A, f32(3)),
    case("SparseDenseCwiseMul", *A, rand(1, 3, 3), error="INVALID_ARGUMENT: cannot be broadcast"),
    case("SparseDenseCwiseMul", *A, rand(2, 3), error="INVALID_ARGUMENT: cannot be broadcast"),
    *(case("SparseReduceSum", *CUBE, i32(axes), grad=True) for axes in ([0], [1, 2], [-1], [], 1, [0, 1, 2])),
    *(case("SparseReduceSum", *CUBE, i32(axes), keep_dims=True, grad=True) for axes in ([0], [1, 2], [])),
    *(case("SparseReduceSum", *typed(CUBE, t), i32([1])) for t in TYPES),
    *(
        case("SparseReduceMax", *CUBE, i32(axes), keep_dims=k)
        for axes in ([0], [1, 2], [])
        for k in (True, False)
    ),
    case("SparseReduceMax", *NONE, i32([0])),
    case("SparseReduceSum", *CUBE, i32([3]), error="INVALID_ARGUMENT: not in [-3, 3)"),
    *(
        case("SparseReduceSumSparse", *CUBE, i32(a), keep_dims=k)
        for a in ([0], [1, 2], [])
        for k in (True, False)
    ),
    *(
        case("SparseReduceMaxSparse", *CUBE, i32(a), keep_dims=k)
        for a in ([0], [1, 2])
        for k in (True, False)
    ),
    case("SparseSoftmax", *CUBE, grad=True),
    case("SparseSoftmax", *A, grad=True),
    case("SparseSoftmax", *NONE),
    case("SparseSoftmax", i64([[0]]), f32([1]), i64([2]), error="INVALID_ARGUMENT: rank 2 or more"),
    case("SparseSparseMaximum", *A, *B),
    case("SparseSparseMinimum", *A, *B),
    case("SparseSparseMinimum", *typed(A, "int32"), *typed(B, "int32")),
    case("SparseSparseMaximum", *A, *LONGER, error="INVALID_ARGUMENT: do not fit"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
