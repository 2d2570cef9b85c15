"""Matrix products."""

from __future__ import annotations

import numpy as np
import pytest

from ...harness import case, cast, f32, f64, rand, table_tests

INTEGERS = ("int32", "int64")


def c64(*shape: int) -> object:
    return (rand(*shape) + 1j * rand(*shape, seed=5)).astype(np.complex64)


def c128(*shape: int) -> object:
    return (rand(*shape, dtype="double") + 1j * rand(*shape, seed=5, dtype="double")).astype(np.complex128)


CASES = [
    case("MatMul", rand(2, 3), rand(3, 4), grad=True),
    case("MatMul", rand(3, 2), rand(3, 4), transpose_a=True, grad=True),
    case("MatMul", rand(2, 3), rand(4, 3), transpose_b=True, grad=True),
    case("MatMul", rand(3, 2), rand(4, 3), transpose_a=True, transpose_b=True, grad=True),
    case("MatMul", rand(2, 3, dtype="double"), rand(3, 4, dtype="double"), grad=True),
    *(
        case("MatMul", x, y, transpose_a=ta, transpose_b=tb, grad=True)
        for ta, x in ((False, c64(2, 3)), (True, c64(3, 2)))
        for tb, y in ((False, c64(3, 4)), (True, c64(4, 3)))
    ),
    case("MatMul", c128(2, 3), c128(3, 4), grad=True),
    *(case("MatMul", cast(t, [[1, 2], [2**30, 4]]), cast(t, [[2**30, 2], [3, 40]])) for t in INTEGERS),
    *(case("MatMul", rand(2, 3, dtype=t), rand(3, 4, dtype=t), grad=True) for t in ("half", "bfloat16")),
    case("MatMul", rand(0, 3), rand(3, 4), grad=True),
    case("MatMul", rand(2, 0), rand(0, 4), grad=True),
    case("MatMul", rand(2, 3), rand(3, 0)),
    case("MatMul", f32([[1, np.inf], [np.nan, 0]]), f32([[1, 2], [3, 4]])),
    case("MatMul", rand(2, 3), rand(4, 3), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("MatMul", f32(3), rand(4, 3), error="INVALID_ARGUMENT: 'a' must be of rank"),
    case("MatMul", rand(1, 2, 3), rand(1, 3, 3), error="INVALID_ARGUMENT: 'a' must be of rank"),
    # Stacks of matrices.
    *(
        case(name, x, y, adj_x=ax, adj_y=ay, grad=True)
        for name in ("BatchMatMul", "BatchMatMulV2")
        for ax, x in ((False, c64(2, 2, 3)), (True, c64(2, 3, 2)))
        for ay, y in ((False, c64(2, 3, 4)), (True, c64(2, 4, 3)))
    ),
    case("BatchMatMul", rand(2, 3), rand(3, 4), grad=True),
    case("BatchMatMul", rand(2, 1, 2, 3), rand(2, 1, 3, 4), grad=True),
    case("BatchMatMul", rand(1, 2, 3), rand(2, 3, 4), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BatchMatMul", rand(2, 2, 3), rand(3, 4), error="INVALID_ARGUMENT: must be equal rank"),
    case("BatchMatMul", rand(3), rand(3, 4), error="INVALID_ARGUMENT: 'x' must be of rank"),
    *(
        case("BatchMatMul", cast(t, [[[1, 2], [3, 4]]]), cast(t, [[[5, 6], [7, 8]]]))
        for t in ("int32", "int64")
    ),
    case("BatchMatMulV2", rand(2, 2, 3), rand(3, 4), grad=True),
    case("BatchMatMulV2", rand(2, 3), rand(5, 3, 4), grad=True),
    case("BatchMatMulV2", rand(2, 1, 2, 3), rand(5, 3, 4), grad=True),
    case("BatchMatMulV2", rand(2, 1, 3, 2), rand(5, 4, 3), adj_x=True, adj_y=True, grad=True),
    case("BatchMatMulV2", rand(0, 2, 3), rand(3, 4), grad=True),
    case("BatchMatMulV2", rand(3, 2, 0), rand(0, 4), grad=True),
    case("BatchMatMulV2", rand(2, 2, 3), rand(3, 3, 4), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BatchMatMulV2", rand(2, 2, 3), rand(2, 4, 4), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BatchMatMulV2", rand(2, 2, 3), rand(3), error="INVALID_ARGUMENT: 'y' must be of rank"),
    *(
        case("BatchMatMulV2", rand(2, 2, 3, dtype=t), rand(3, 4, dtype=t), grad=True)
        for t in ("half", "bfloat16")
    ),
    *(case("BatchMatMulV2", cast(t, [[1, 2], [2**30, 4]]), cast(t, [[2**30, 2], [3, 40]])) for t in INTEGERS),
    case("BatchMatMulV3", rand(2, 2, 3), rand(3, 4), Tout="float", grad=True),
    case("BatchMatMulV3", rand(2, 3, 2), rand(3, 4), adj_x=True, Tout="float", grad=True),
    case("BatchMatMulV3", cast("int8", [[100, 2]]), cast("int8", [[100], [3]]), Tout="int32"),
    case("BatchMatMulV3", cast("uint8", [[200, 2]]), cast("int8", [[100], [3]]), Tout="int32"),
    case("SparseMatMul", f32([[1, 0], [0, 2]]), rand(2, 3), a_is_sparse=True, grad=True),
    case("SparseMatMul", rand(3, 2), rand(4, 3), transpose_a=True, transpose_b=True, grad=True),
    case("SparseMatMul", rand(2, 3, dtype="bfloat16"), rand(3, 4), Ta="bfloat16", grad=True),
    case("SparseMatMul", rand(2, 3), rand(4, 3), error="INVALID_ARGUMENT: Dimensions must be equal"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("dtype", ["half", "bfloat16"])
def test_halfs_are_added_up_as_floats(dtype: str) -> None:
    from ...harness import run_tfg

    ones = cast(dtype, np.ones((1, 5000)))
    (product,) = run_tfg(case("MatMul", ones, ones, transpose_b=True))
    assert f64(product)[0, 0] == pytest.approx(5000, rel=2**-8)


def test_unsigned_integers_wrap() -> None:
    from ...harness import run_tfg

    (product,) = run_tfg(
        case("MatMul", cast("uint8", [[1, 2], [200, 4]]), cast("uint8", [[100, 2], [3, 40]]))
    )
    np.testing.assert_array_equal(product, np.array([[106, 82], [44, 48]], np.uint8))
