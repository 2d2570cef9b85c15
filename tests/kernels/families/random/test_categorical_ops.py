"""Drawing classes by their logarithmic probabilities."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, i32, rand, table_tests

FLOATS = ("half", "bfloat16", "float", "double")

CASES = [
    *(case("Multinomial", rand(5, 7, dtype=d), i32(n), seed=3, seed2=4)
      for d in FLOATS for n in (0, 1, 2, 9, 50)),
    case("Multinomial", rand(3, 4), i32(5), seed=3, output_dtype="int32"),
    case("Multinomial", f32([[1, -np.inf, 2], [np.nan, 3, np.inf], [-1e30, 0, 1e30]]), i32(20), seed=3),
    case("Multinomial", f32([[-np.inf, -np.inf]]), i32(4), seed=3),
    case("Multinomial", f32([[88.0, 800.0, -900.0]]), i32(4), seed=3),
    case("Multinomial", rand(1, 1000), i32(2000), seed=5),
    case("Multinomial", rand(40, 300), i32(3), seed=5),
    case("Multinomial", rand(0, 3), i32(2), seed=5),
    case("Multinomial", rand(3, 0), i32(2), seed=5, error="INVALID_ARGUMENT: logits have shape"),
    case("Multinomial", rand(3), i32(2), seed=5, error="INVALID_ARGUMENT: 'logits' must be of rank"),
    case("Multinomial", rand(3, 2), i32([2]), seed=5,
         error="INVALID_ARGUMENT: 'num_samples' must be of rank"),
    case("Multinomial", rand(3, 2), i32(-2), seed=5,
         error="INVALID_ARGUMENT: num_samples must not be negative"),
    *(case("StatelessMultinomial", rand(5, 7, dtype=d), i32(6), i32([1, 2])) for d in FLOATS),
    case("StatelessMultinomial", rand(5, 7), i32(6), cast("int64", [1, 2]), output_dtype="int32"),
    case("StatelessMultinomial", rand(5, 7), i32(6), i32([1, 2, 3]),
         error="INVALID_ARGUMENT: Dimensions must be equal"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
