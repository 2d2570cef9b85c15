"""Sums, means, products and extremes of the rows of each segment."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.kernels.numeric.segments import combine_sorted, combine_unsorted

from ...harness import case, cast, f32, i32, i64, rand, table_tests

KINDS = ("Sum", "Prod", "Max", "Min")
TYPES = ("float", "double", "half", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "uint64")
UNSORTED = i32([2, 0, 2, -1, 4])
SORTED = i32([0, 0, 2, 3, 3])

CASES = [
    *(
        case(f"UnsortedSegment{k}", rand(5, 3), make(UNSORTED), i32(6), grad=True)
        for k in KINDS
        for make in (i32, i64)
    ),
    *(case(f"UnsortedSegment{k}", rand(5), UNSORTED, i64(6), grad=True) for k in KINDS),
    *(
        case(f"UnsortedSegment{k}", rand(2, 3, 2), i32([[0, 1, 0], [-1, 1, 3]]), i32(4), grad=True)
        for k in KINDS
    ),
    *(case(f"UnsortedSegment{k}", rand(2, 3), i32(1), i32(2), grad=True) for k in KINDS),
    *(case(f"UnsortedSegment{k}", rand(0, 3), i32([]), i32(2), grad=True) for k in KINDS),
    *(case(f"UnsortedSegment{k}", rand(2, 0), i32([0, 1]), i32(2)) for k in KINDS),
    *(case(f"UnsortedSegment{k}", rand(2), i32([-1, -1]), i32(0)) for k in KINDS),
    *(case(f"UnsortedSegment{k}", cast(t, [3, 1, 2, 7, 5]), UNSORTED, i32(6)) for k in KINDS for t in TYPES),
    *(
        case(f"UnsortedSegment{k}", cast("int8", [100, 100, 3]), i32([0, 0, 1]), i32(2))
        for k in ("Sum", "Prod")
    ),
    *(
        case(f"UnsortedSegment{k}", f32([0, 2, 0, 0, 5, 3]), i32([0, 0, 1, 1, 2, -1]), i32(3), grad=True)
        for k in KINDS
    ),
    *(
        case(f"UnsortedSegment{k}", f32([2, 2, 1, 1, 1, 3]), i32([0, 0, 1, 1, 2, -1]), i32(3), grad=True)
        for k in KINDS
    ),
    *(
        case(f"UnsortedSegment{k}", rand(4, 2, dtype=t), i32([0, 0, 1, -1]), i32(2), grad=True)
        for k in KINDS
        for t in ("half", "bfloat16", "double")
    ),
    *(
        case(f"UnsortedSegment{k}", f32([1, np.nan, 3, np.inf]), i32([0, 0, 1, 1]), i32(3))
        for k in ("Sum", "Prod")
    ),
    *(
        case(f"UnsortedSegment{k}", rand(5), i32(ids), i32(count), error=f"INVALID_ARGUMENT: {words}")
        for k in KINDS
        for ids, count, words in (
            ([0, 1, 2, 3, 9], 5, "segment_ids[4] = 9 is not in"),
            ([0, 1], 5, "Dimensions must be equal"),
            ([0, 0, 0, 0, 0], -1, "num_segments must not be negative"),
            ([0, 0, 0, 0, 0], [1], "num_segments must be a scalar"),
        )
    ),
    case(
        "UnsortedSegmentSum",
        (rand(3) + 1j * rand(3, seed=2)).astype(np.complex64),
        i32([1, 1, 0]),
        i32(2),
        grad=True,
    ),
    case("UnsortedSegmentSum", rand(3, 2), i32([0, 1, 3]), i32(3), error="INVALID_ARGUMENT: is not in ["),
    *(
        case(f"Segment{k}", rand(5, 3), make(SORTED), grad=True)
        for k in (*KINDS, "Mean")
        for make in (i32, i64)
    ),
    *(case(f"Segment{k}", rand(5), SORTED, grad=True) for k in (*KINDS, "Mean")),
    *(case(f"Segment{k}", rand(4, 2, 2), i32([0, 1, 1, 1]), grad=True) for k in (*KINDS, "Mean")),
    *(case(f"Segment{k}", rand(0, 3), i32([]), grad=True) for k in (*KINDS, "Mean")),
    *(case(f"Segment{k}", cast(t, [3, 1, 2, 7, 5]), SORTED) for k in (*KINDS, "Mean") for t in TYPES),
    *(case(f"Segment{k}", cast("int8", [-3, 0, -100, 100, 5]), SORTED) for k in (*KINDS, "Mean")),
    *(case(f"Segment{k}", f32([0, 2, 0, 0, 5]), i32([0, 0, 1, 1, 3]), grad=True) for k in (*KINDS, "Mean")),
    *(case(f"Segment{k}", f32([2, 2, 1, 1, 1]), i32([0, 0, 1, 1, 3]), grad=True) for k in (*KINDS, "Mean")),
    *(
        case(f"Segment{k}", rand(4, 2, dtype=t), i32([0, 0, 1, 3]), grad=True)
        for k in (*KINDS, "Mean")
        for t in ("half", "bfloat16", "double")
    ),
    *(
        case(f"Segment{k}", rand(3, 2), i32(ids), error=f"INVALID_ARGUMENT: {words}")
        for k in (*KINDS, "Mean")
        for ids, words in (
            ([0, 1, 0], "must not decrease"),
            ([-1, 0, 0], "must not be negative"),
            ([0, 0], "must be a vector as long as dimension 0"),
            (0, "'segment_ids' must be of rank"),
            ([[0, 0, 0]], "'segment_ids' must be of rank"),
        )
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize("how", ["add", "multiply", "maximum", "minimum"])
@pytest.mark.parametrize("width", [1, 3, 40])
def test_many_rows(how: str, width: int) -> None:
    rows = rand(10000, width, dtype="double", low=0.9, high=1.1)
    ids = np.random.RandomState(1).randint(-1, 50, 10000)
    empty = combine_unsorted(np, how, rows[:0], ids[:0], 50)
    expected = np.array([getattr(np, how).reduce(rows[ids == i], axis=0) for i in range(50)])
    np.testing.assert_allclose(combine_unsorted(np, how, rows, ids, 50), expected, rtol=1e-10)
    ordered, kept = np.sort(ids[ids >= 0]), rows[ids >= 0][np.argsort(ids[ids >= 0], kind="stable")]
    np.testing.assert_allclose(combine_sorted(np, how, kept, ordered, 50, 0), expected, rtol=1e-10)
    assert empty.shape == expected.shape
