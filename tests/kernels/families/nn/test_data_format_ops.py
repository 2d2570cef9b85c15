"""Data formats."""

from __future__ import annotations

from ...harness import case, i32, i64, table_tests

_5D = {"src_format": "NDHWC", "dst_format": "NCDHW"}

CASES = [
    case("DataFormatDimMap", i32([0, 1, 2, 3, -1, -2, -3, -4])),
    case("DataFormatDimMap", i64([[3], [1]]), src_format="NCHW", dst_format="NHWC"),
    case("DataFormatDimMap", i32(1), src_format="NHWC", dst_format="HWNC"),
    case("DataFormatDimMap", i32([0, 1, 2, 3, 4, -5]), **_5D),
    case("DataFormatDimMap", i32([])),
    case("DataFormatDimMap", i32([0]), src_format="NHW", error="INVALID_ARGUMENT: src_format"),
    case("DataFormatVecPermute", i32([7, 4, 9, 3])),
    case("DataFormatVecPermute", i64([7, 4, 9, 3]), src_format="NCHW", dst_format="NHWC"),
    case("DataFormatVecPermute", i32([[7, 4], [9, 3], [4, 5], [5, 1]])),
    case("DataFormatVecPermute", i32([7, 4])),
    case("DataFormatVecPermute", i32([7, 4]), src_format="NHWC", dst_format="NCWH"),
    case("DataFormatVecPermute", i32([[7, 4], [9, 3]])),
    case("DataFormatVecPermute", i32([1, 2, 3, 4, 5]), **_5D),
    case("DataFormatVecPermute", i32([1, 2, 3]), **_5D),
    case("DataFormatVecPermute", i32([1, 2, 3]), error="INVALID_ARGUMENT: does not fit"),
    case("DataFormatVecPermute", i32([1, 2, 3, 4, 5]), error="INVALID_ARGUMENT: does not fit"),
    case("DataFormatVecPermute", i32(3), error="INVALID_ARGUMENT: 'x' must be of rank"),
    case("DataFormatVecPermute", i32([[1, 2, 3]] * 4), error="INVALID_ARGUMENT: second dimension"),
    case("DataFormatVecPermute", i32([[[1, 2]]]), error="INVALID_ARGUMENT: input must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
