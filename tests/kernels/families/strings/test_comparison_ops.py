from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, i32, i64, table_tests


def text(*items: bytes) -> Any:
    return np.array(items, object)


def sparse(rows: list[list[Any]], dtype: Any) -> list[Any]:
    """A sparse matrix with the values of each row, from its first column on."""
    places = [[r, c] for r, row in enumerate(rows) for c in range(len(row))]
    values = np.array([value for row in rows for value in row], dtype)
    return [np.array(places, np.int64).reshape(-1, 2), values, i64([len(rows), max(map(len, rows))])]


HYPOTHESIS = sparse([[1, 2, 3], [4], [], [7, 7]], np.int32)
TRUTH = sparse([[1, 3], [], [], [7, 8, 7, 9]], np.int32)
WORDS = [sparse([[b"a", b"b"]], object), sparse([[b"b", b"a", b"c"]], object)]

CASES = [
    case("EditDistance", *HYPOTHESIS, *TRUTH),
    case("EditDistance", *HYPOTHESIS, *TRUTH, normalize=False),
    case("EditDistance", *WORDS[0], *WORDS[1]),
    case("EditDistance", *sparse([[1], [2], [3]], np.int64), *sparse([[1]], np.int64)),
    case("Fingerprint", f32([[1, 2], [3, 4]]), np.array(b"farmhash64", object)),
    case("Fingerprint", text(b"a", b"", b"long" * 40), np.array(b"farmhash64", object)),
    case("Fingerprint", np.array([[b"a", b"b"], [b"c", b"d"]], object), np.array(b"farmhash64", object)),
    case("Fingerprint", np.zeros((3, 0), np.int32), np.array(b"farmhash64", object)),
    case("UnsortedSegmentJoin", text(b"a", b"b", b"c", b"d"), i32([1, 0, 1, 3]), i32(4), separator="-"),
    case("UnsortedSegmentJoin", text(b"a", b"b", b"c"), i64([1, 0, 1]), i64(2)),
    case(
        "UnsortedSegmentJoin", text(b"a", b"b", b"c", b"d").reshape(2, 2), i32([0, 0]), i32(2), separator=":"
    ),
    case("UnsortedSegmentJoin", text(b"a", b"b", b"c", b"d").reshape(2, 2), i32([[0, 1], [1, 0]]), i32(2)),
]

CASES += [
    case(
        "Fingerprint", f32([1]), np.array(b"md5", object), error="INVALID_ARGUMENT: Unsupported fingerprint"
    ),
    case("Fingerprint", f32(1), np.array(b"farmhash64", object), error="INVALID_ARGUMENT: rank 1"),
    case(
        "UnsortedSegmentJoin",
        text(b"a", b"b"),
        i32([0, 2]),
        i32(2),
        error="INVALID_ARGUMENT: less than num_segments",
    ),
    case("UnsortedSegmentJoin", text(b"a", b"b"), i32([0]), i32(2), error="INVALID_ARGUMENT: shape"),
    case(
        "EditDistance", i64([[0, 0]]), i32([1, 2]), i64([1, 1]), *TRUTH, error="INVALID_ARGUMENT: hypothesis"
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
