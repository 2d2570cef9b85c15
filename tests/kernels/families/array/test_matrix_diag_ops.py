"""Diagonals of matrices."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, i32, rand, run_tfg, table_tests

X = rand(2, 3, 4)


ALIGNS = ("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT")


def _aligned() -> list[Case]:
    rows: list[Case] = []
    for align in ALIGNS:
        for k in ([-1, 2], [1, 2], [-2, -1], [-2, 3]):
            count, width = k[1] - k[0] + 1, min(3 + min(k[1], 0), 4 - max(k[0], 0))
            packed = rand(2, count, width)
            rows += [
                case("MatrixDiagPartV3", X, i32(k), f32(7), align=align, grad=True),
                case("MatrixDiagV3", packed, i32(k), i32(3), i32(4), f32(7), align=align, grad=True),
                case("MatrixSetDiagV3", X, packed, i32(k), align=align, grad=True),
            ]
    return rows


CASES = [
    case("MatrixDiag", rand(2, 3), grad=True),
    case("MatrixDiag", cast("bfloat16", [1, 2])),
    case("MatrixDiag", rand(2, 0)),
    case("MatrixDiag", f32(3), error="INVALID_ARGUMENT: 'diagonal' must be of rank"),
    case("MatrixDiagPart", X, grad=True),
    case("MatrixDiagPart", rand(4, 2), grad=True),
    case("MatrixDiagPart", rand(4), error="INVALID_ARGUMENT: 'input' must be of rank"),
    case("MatrixSetDiag", X, rand(2, 3), grad=True),
    case("MatrixSetDiag", rand(4, 2), rand(2), grad=True),
    case("MatrixSetDiag", X, rand(2, 4), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("MatrixSetDiag", X, rand(3), error="INVALID_ARGUMENT: must be equal rank"),
    case("MatrixDiagV2", rand(2, 3), i32(1), i32(-1), i32(-1), f32(0), grad=True),
    case("MatrixDiagV2", rand(2, 3), i32([-1, 0]), i32(-1), i32(-1), f32(2), grad=True),
    case("MatrixDiagV2", rand(3), i32([-2]), i32(5), i32(4), f32(2), grad=True),
    case("MatrixDiagV2", rand(3), i32(-2), i32(-1), i32(4), f32(2)),
    case("MatrixDiagV2", rand(3), i32(1), i32(4), i32(-1), f32(2)),
    case("MatrixDiagV2", rand(3), i32(1), i32(2), i32(4), f32(2), error="INVALID_ARGUMENT: do not fit"),
    case("MatrixDiagV2", rand(3), i32(1), i32(5), i32(5), f32(2), error="INVALID_ARGUMENT: do not fit"),
    case(
        "MatrixDiagV2",
        rand(2, 3),
        i32([0, 2]),
        i32(-1),
        i32(-1),
        f32(2),
        error="INVALID_ARGUMENT: cannot hold diagonals",
    ),
    case(
        "MatrixDiagV2",
        rand(2, 3),
        i32([1, 0]),
        i32(-1),
        i32(-1),
        f32(2),
        error="INVALID_ARGUMENT: lower diagonal",
    ),
    case(
        "MatrixDiagV2",
        rand(2, 3),
        i32([0, 1, 2]),
        i32(-1),
        i32(-1),
        f32(2),
        error="INVALID_ARGUMENT: one number",
    ),
    case(
        "MatrixDiagV2",
        rand(3),
        i32([0, 1]),
        i32(-1),
        i32(-1),
        f32(2),
        error="INVALID_ARGUMENT: cannot hold diagonals",
    ),
    case("MatrixDiagPartV2", X, i32([-1, 1]), f32(3), grad=True),
    case("MatrixDiagPartV2", X, i32(2), f32(3), grad=True),
    case("MatrixDiagPartV2", X, i32([-2]), f32(3)),
    case("MatrixDiagPartV2", X, i32(4), f32(3), error="INVALID_ARGUMENT: is not within a matrix"),
    case("MatrixDiagPartV2", X, i32(-3), f32(3), error="INVALID_ARGUMENT: is not within a matrix"),
    case("MatrixDiagPartV2", X, i32([2, 1]), f32(3), error="INVALID_ARGUMENT: lower diagonal"),
    case(
        "MatrixDiagPartV2",
        X,
        i32([1, 2]),
        f32([3, 3]),
        error="INVALID_ARGUMENT: padding_value must be a scalar",
    ),
    case("MatrixDiagPartV3", i32([[1, 2], [3, 4]]), i32([0, 1]), i32(9)),
    case("MatrixSetDiagV2", X, rand(2, 2, 3), i32([0, 1]), grad=True),
    case("MatrixSetDiagV2", X, rand(2, 2), i32(2), grad=True),
    case("MatrixSetDiagV2", X, rand(2, 3), i32(2), error="INVALID_ARGUMENT: are of shape"),
    case("MatrixSetDiagV2", X, rand(2, 3, 3), i32([0, 1]), error="INVALID_ARGUMENT: are of shape"),
    *_aligned(),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_the_deprecated_names_do_the_same() -> None:
    for row in (
        case("MatrixDiag", rand(2, 3)),
        case("MatrixDiagPart", X),
        case("MatrixSetDiag", X, rand(2, 3)),
    ):
        (expected,) = run_tfg(row)
        (found,) = run_tfg(Case(f"Batch{row.op}", row.inputs))
        np.testing.assert_array_equal(found, expected)
