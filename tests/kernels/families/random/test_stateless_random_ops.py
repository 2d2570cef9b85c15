"""Random numbers from seeds, keys and counters."""

from __future__ import annotations

import numpy as np

from ...harness import case, i32, i64, table_tests

FLOATS = ("half", "bfloat16", "float", "double")
INTS = ("int32", "int64", "uint32", "uint64")
SEEDS = (i32([1, 2]), i32([-1, 7]), i64([2**40, -(2**33)]))
STREAM = (np.uint64([2**64 - 5]), np.uint64([2**64 - 2, 2**63]), i32(1))


def u64(value: object) -> object:
    return np.asarray(value, np.uint64)


CASES = [
    *(case(f"Stateless{name}", i32([n]), seed, dtype=d, tol=0 if name == "RandomUniform" else None)
      for name in ("RandomUniform", "RandomNormal", "TruncatedNormal")
      for d in FLOATS for n, seed in zip((0, 1, 5, 203), (SEEDS[0], *SEEDS))),
    *(case(f"Stateless{name}V2", i64([n]), *STREAM, dtype=d, tol=0 if name == "RandomUniform" else None)
      for name in ("RandomUniform", "RandomNormal", "TruncatedNormal") for d in FLOATS for n in (0, 3, 206)),
    *(case("StatelessRandomUniformFullInt", i32([n]), seed, dtype=d) for d in INTS
      for n, seed in zip((0, 3, 101), SEEDS)),
    *(case("StatelessRandomUniformFullInt", i32([3]), np.array([5, 6], s),
         error="INVALID_ARGUMENT: seed must be int32 or int64") for s in (np.uint32, np.uint64)),
    *(case("StatelessRandomUniformFullIntV2", i32([n]), *STREAM, dtype=d) for d in INTS for n in (0, 3, 101)),
    *(case("StatelessRandomUniformInt", i32([n]), seed, low, high)
      for n, seed in zip((0, 3, 101), SEEDS)
      for low, high in ((i32(-5), i32(17)), (i32(-(2**31)), i32(2**31 - 1)), (i64(-9), i64(2**40)))),
    *(case("StatelessRandomUniformIntV2", i32([n]), *STREAM, low, high)
      for n in (0, 3, 101) for low, high in ((i32(-5), i32(17)), (i64(-9), i64(2**40)))),
    case("StatelessRandomUniformInt", i32([2]), i32([1, 2]), i32(4), i32(4),
         error="INVALID_ARGUMENT: Need minval"),
    case("StatelessRandomUniformInt", i32([0]), i32([1, 2]), i32(4), i32(4)),
    case("StatelessRandomUniformInt", i32([2]), i32([1, 2]), i32([4]), i32(5),
         error="INVALID_ARGUMENT: 'minval' must be of rank"),
    case("StatelessRandomUniformIntV2", i32([2]), *STREAM, i32(4), i32(-4),
         error="INVALID_ARGUMENT: Need minval"),
    case("StatelessRandomUniform", i32([2, 3]), i32([1, 2, 3]), dtype="float",
         error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("StatelessRandomUniform", i32([2, 3]), i32(1), dtype="float",
         error="INVALID_ARGUMENT: 'seed' must be of rank"),
    case("StatelessRandomUniform", i32([2, -3]), i32([1, 2]), dtype="float",
         error="INVALID_ARGUMENT: shape must not have negative dimensions"),
    case("StatelessRandomUniform", i32([2, 3, 4]), i32([1, 2]), dtype="float", tol=0),
    case("StatelessRandomUniformV2", i32([5]), *STREAM[:2], i32(3), dtype="float", tol=0),
    case("StatelessRandomUniformV2", i32([5]), *STREAM[:2], i32(2), dtype="float",
         error="INVALID_ARGUMENT: Unsupported algorithm"),
    case("StatelessRandomUniformV2", i32([5]), *STREAM[:2], i32([1]), dtype="float",
         error="INVALID_ARGUMENT: 'alg' must be of rank"),
    case("StatelessRandomUniformV2", i32([5]), u64([1, 2]), *STREAM[1:], dtype="float",
         error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("StatelessRandomUniformV2", i32([5]), u64(1), *STREAM[1:], dtype="float",
         error="INVALID_ARGUMENT: 'key' must be of rank"),
    case("StatelessRandomUniformV2", i32([5]), u64([1]), u64([1, 2, 3]), i32(1), dtype="float"),
    *(case(f"StatelessRandomGetKeyCounter{alg}", seed) for seed in SEEDS for alg in ("", "Alg")),
    case("StatelessRandomGetKeyCounter", i32([1]), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("StatelessRandomGetAlg"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
