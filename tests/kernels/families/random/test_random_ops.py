"""Random numbers by seed attributes: first runs here, later runs and long streams in test_random_streams."""

from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, i64, rand, table_tests

FLOATS = ("half", "bfloat16", "float", "double")

CASES = [
    *(case("RandomUniform", i32([n]), seed=s, seed2=t, dtype=d, tol=0)
      for d in FLOATS for n in (0, 1, 3, 4, 5, 1000) for s, t in ((1, 0), (87654321, 5))),
    case("RandomUniform", i64([2, 3, 4]), seed=-1, seed2=-(2**62), dtype="float", tol=0),
    case("RandomUniform", i32(np.zeros(0)), seed=3, dtype="float", tol=0),
    case("RandomUniform", i32([3, 0, 2]), seed=3, dtype="float"),
    case("RandomUniform", i32([3, -1]), seed=3, dtype="float",
         error="INVALID_ARGUMENT: shape must not have negative dimensions"),
    case("RandomUniform", i64([2**40, 2**40]), seed=3, dtype="float",
         error="INVALID_ARGUMENT: too many elements"),
    case("RandomUniform", i32([[3]]), seed=3, dtype="float",
         error="INVALID_ARGUMENT: 'shape' must be of rank"),
    case("RandomUniform", i32(3), seed=3, dtype="float", error="INVALID_ARGUMENT: 'shape' must be of rank"),
    *(case("RandomStandardNormal", i32([n]), seed=7, seed2=9, dtype=d)
      for d in FLOATS for n in (0, 1, 3, 5, 1001)),
    *(case("TruncatedNormal", i32([n]), seed=7, seed2=9, dtype=d)
      for d in FLOATS for n in (0, 1, 3, 5, 1001)),
    case("TruncatedNormal", i32([40, 70]), seed=11, seed2=2, dtype="float"),
    *(case("RandomUniformInt", i32([n]), low, high, seed=7, seed2=9)
      for n in (0, 1, 3, 5, 1000)
      for low, high in ((i32(-5), i32(17)), (i32(-(2**31)), i32(2**31 - 1)), (i64(-9), i64(2**40)),
                        (i64(-(2**63)), i64(2**63 - 1)))),
    case("RandomUniformInt", i32([2]), i32(5), i32(5), seed=7, error="INVALID_ARGUMENT: Need minval"),
    case("RandomUniformInt", i32([0]), i32(5), i32(5), seed=7),
    case("RandomUniformInt", i32([2]), i32([5]), i32(7), seed=7,
         error="INVALID_ARGUMENT: 'minval' must be of rank"),
    *(case("RandomShuffle", i32(np.arange(n)), seed=5, seed2=6) for n in (0, 1, 2, 5, 100)),
    case("RandomShuffle", rand(7, 2, 3), seed=1),
    case("RandomShuffle", rand(7, 0), seed=1),
    case("RandomShuffle", rand(1, 4), seed=1),
    case("RandomShuffle", f32(3), seed=1),
    case("RandomShuffle", np.array([b"a", b"b", b"c"], object), seed=3, seed2=1),
    *(case("StatelessShuffle", i32(np.arange(n)), np.uint64([5]), np.uint64([1, 2]), i32(1))
      for n in (0, 1, 9)),
    case("StatelessShuffle", rand(5, 2), np.uint64([5]), np.uint64([1, 2]), i32(3)),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
