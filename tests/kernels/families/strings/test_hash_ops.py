"""Strings dealt into buckets by their hash."""

from __future__ import annotations

import numpy as np

from ...harness import case, table_tests

# Every length that the hashes treat differently, with bytes of every kind.
TEXT = np.array(
    [bytes((i * 37 + n * 11) % 256 for i in range(n)) for n in [*range(70), 127, 128, 129, 192, 1000]], object
)

CASES = [
    *(
        case(op, TEXT, num_buckets=n)
        for op in ("StringToHashBucketFast", "StringToHashBucket")
        for n in (1, 10, 2**62 + 1)
    ),
    case("StringToHashBucketStrong", TEXT, num_buckets=2**62 + 1, key=[98765, -132]),
    case("StringToHashBucketStrong", np.array("a"), num_buckets=7, key=[1, 2]),
    case(
        "StringToHashBucketStrong",
        np.array("a"),
        num_buckets=7,
        key=[1],
        error="INVALID_ARGUMENT: key must have 2 elements",
    ),
    case(
        "StringToHashBucketFast",
        np.array("a"),
        num_buckets=0,
        error="INVALID_ARGUMENT: less than the minimum",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
