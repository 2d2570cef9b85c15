"""Segment sums of chosen rows."""

from __future__ import annotations

from ...harness import case, f32, i32, i64, of, rand, table_tests

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
        case(n, rand(3, 2), i32(indices), i32(ids))
        for n in NAMES
        for indices, ids in (
            ([0, 1, 3], [0, 0, 2]),
            ([0, 1, -1], [0, 0, 2]),
            ([0, 1, 1], [0, 2, 1]),
            ([0, 1, 1], [-1, 0, 1]),
            ([0, 1], [0, 0, 1]),
        )
    ),
    *(case(n, f32(3), i32([0]), i32([0])) for n in NAMES),
    *(
        case("SparseSegmentSum", of(t, [[3], [100]]), i32([0, 1, 1]), i32([0, 1, 1]))
        for t in ("int8", "int64", "uint8")
    ),
    *(
        case(f"{n}WithNumSegments", rand(4, 3), CHOSEN, IDS, make(count), grad=True)
        for n in NAMES
        for make in (i32, i64)
        for count in (3, 6)
    ),
    *(
        case(f"{n}WithNumSegments", rand(4, 3), CHOSEN, IDS, i32(bad))
        for n in NAMES
        for bad in (2, 0, -1, [3])
    ),
    *(case(f"{n}WithNumSegments", rand(4, 3), i32([]), i32([]), i32(2)) for n in NAMES),
    *(
        case(f"{n}Grad", rand(3, 2), i32(indices), i32(ids), i32(height))
        for n in NAMES
        for indices, ids, height in (
            ([0, 1, 3, 3], [0, 0, 2, 2], 4),
            ([0, 1, 3, 3], [0, 2, 2, 1], 5),
            ([0, 1, 3, 3], [0, 0, 2, 2], 2),
            ([0, 1, 3, 3], [0, 0, 2, 2], [4]),
            ([0, 1, 3, 3], [0, 0, 2, 2], -1),
            ([0, 1, 3, 3], [0, 0, 2, 3], 4),
            ([0, 1, 3], [0, 2, 2, 1], 4),
        )
    ),
    *(
        case(f"{n}GradV2", rand(3, 2), i32(indices), i32(ids), i32(height))
        for n in NAMES
        for indices, ids, height in (
            ([3, 1, 0, 3], [0, 0, 2, 2], 4),
            ([3, 1, 0, 3], [0, 0, 2, 2], 2),
            ([3, 1, 0, 3], [0, 0, 2, 2], [4]),
            ([], [], 4),
        )
    ),
]

test_values, test_shapes, test_gradients = table_tests(CASES)
