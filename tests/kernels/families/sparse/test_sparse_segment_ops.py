"""Segment sums of chosen rows."""

from __future__ import annotations

from ...harness import case, cast, f32, i32, i64, rand, table_tests

NAMES = ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")
CHOSEN = i32([2, 0, 0, 3, 1])
IDS = i32([0, 0, 2, 2, 2])

CASES = [
    *(case(n, rand(4, 3), make(CHOSEN), i32(IDS), grad=True) for n in NAMES for make in (i32, i64)),
    *(case(n, rand(4, 3), CHOSEN, IDS, sparse_gradient=True, grad=True) for n in NAMES),
    *(case(n, rand(4, 2, 2), CHOSEN, i64(IDS), grad=True) for n in NAMES),
    *(case(n, rand(4), CHOSEN, IDS) for n in NAMES),
    *(
        case(n, rand(4, 3, dtype=t), CHOSEN, IDS, grad=True)
        for n in NAMES
        for t in ("double", "half", "bfloat16")
    ),
    *(case(n, rand(4, 3), i32([]), i32([])) for n in NAMES),
    *(
        case(n, rand(3, 2), i32(indices), i32(ids), error=f"INVALID_ARGUMENT: {words}")
        for n in NAMES
        for indices, ids, words in (
            ([0, 1, 3], [0, 0, 2], "indices[2] = 3 is not in"),
            ([0, 1, -1], [0, 0, 2], "indices[2] = -1 is not in"),
            ([0, 1, 1], [0, 2, 1], "must not decrease"),
            ([0, 1, 1], [-1, 0, 1], "must not be negative"),
            ([0, 1], [0, 0, 1], "Dimensions must be equal"),
        )
    ),
    *(case(n, f32(3), i32([0]), i32([0]), error="INVALID_ARGUMENT: 'data' must be of rank") for n in NAMES),
    *(
        case("SparseSegmentSum", cast(t, [[3], [100]]), i32([0, 1, 1]), i32([0, 1, 1]))
        for t in ("int8", "int64", "uint8")
    ),
    *(
        case(f"{n}WithNumSegments", rand(4, 3), CHOSEN, IDS, make(count), grad=True)
        for n in NAMES
        for make in (i32, i64)
        for count in (3, 6)
    ),
    *(
        case(f"{n}WithNumSegments", rand(4, 3), CHOSEN, IDS, i32(bad), error=f"INVALID_ARGUMENT: {words}")
        for n in NAMES
        for bad, words in (
            (2, "must be below num_segments"),
            (0, "must be below num_segments"),
            (-1, "num_segments must not be negative"),
            ([3], "num_segments must be a scalar"),
        )
    ),
    *(case(f"{n}WithNumSegments", rand(4, 3), i32([]), i32([]), i32(2)) for n in NAMES),
    *(
        case(f"{n}Grad", rand(3, 2), i32([0, 1, 3, 3]), i32(ids), i32(height))
        for n in NAMES
        for ids, height in (([0, 0, 2, 2], 4), ([0, 2, 2, 1], 5))
    ),
    *(
        case(f"{n}Grad", rand(3, 2), i32(indices), i32(ids), i32(height), error=f"INVALID_ARGUMENT: {words}")
        for n in NAMES
        for indices, ids, height, words in (
            ([0, 1, 3, 3], [0, 0, 2, 2], 2, "indices[2] = 3 is not in"),
            ([0, 1, 3, 3], [0, 0, 2, 2], [4], "output_dim0 must be a scalar"),
            ([0, 1, 3, 3], [0, 0, 2, 2], -1, "output_dim0 must not be negative"),
            ([0, 1, 3, 3], [0, 0, 2, 3], 4, "segment_ids[3] = 3 is not in"),
            ([0, 1, 3], [0, 2, 2, 1], 4, "Dimensions must be equal"),
        )
    ),
    *(
        case(f"{n}GradV2", rand(3, 2), i32(indices), i32(ids), i32(4))
        for n in NAMES
        for indices, ids in (([3, 1, 0, 3], [0, 0, 2, 2]), ([], []))
    ),
    *(
        case(
            f"{n}GradV2",
            rand(3, 2),
            i32([3, 1, 0, 3]),
            i32([0, 0, 2, 2]),
            i32(height),
            error=f"INVALID_ARGUMENT: {words}",
        )
        for n in NAMES
        for height, words in ((2, "indices[0] = 3 is not in"), ([4], "dense_output_dim0 must be a scalar"))
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
