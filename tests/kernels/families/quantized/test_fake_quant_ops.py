"""Rounding for quantised inference."""

from __future__ import annotations

from ...harness import case, f32, rand, table_tests

X = rand(4, 3, low=-8, high=8)
LOW, HIGH = f32([-1, -2.3, 0]), f32([1.5, 0.7, 6])

CASES = [
    case("FakeQuantWithMinMaxArgs", X, grad=True),
    case("FakeQuantWithMinMaxArgs", X, min=-0.3, max=5.1, num_bits=4, narrow_range=True, grad=True),
    case("FakeQuantWithMinMaxArgs", X, min=0.5, max=5.1, num_bits=3, grad=True),
    case("FakeQuantWithMinMaxArgs", X, min=-5.0, max=-0.1, num_bits=16, grad=True),
    case("FakeQuantWithMinMaxArgs", rand(0, 3)),
    case("FakeQuantWithMinMaxArgs", f32(0.3)),
    case("FakeQuantWithMinMaxArgs", X, min=1.0, max=1.0, error="INVALID_ARGUMENT: below max"),
    case("FakeQuantWithMinMaxArgs", X, num_bits=1, error="INVALID_ARGUMENT: num_bits"),
    case("FakeQuantWithMinMaxArgs", X, num_bits=17, error="INVALID_ARGUMENT: num_bits"),
    case("FakeQuantWithMinMaxArgsGradient", X, X + 1, min=-1.0, max=4.0),
    case(
        "FakeQuantWithMinMaxArgsGradient", X, rand(3, 4), error="INVALID_ARGUMENT: Dimensions must be equal"
    ),
    case("FakeQuantWithMinMaxVars", X, f32(-1), f32(3.3), grad=True),
    case("FakeQuantWithMinMaxVars", X, f32(0), f32(0), grad=True),
    case("FakeQuantWithMinMaxVars", X, f32(-2), f32(3.3), num_bits=5, narrow_range=True, grad=True),
    case(
        "FakeQuantWithMinMaxVars", X, f32([-1]), f32([3.3]), error="INVALID_ARGUMENT: 'min' must be of rank"
    ),
    case("FakeQuantWithMinMaxVarsPerChannel", X, LOW, HIGH, grad=True),
    case("FakeQuantWithMinMaxVarsPerChannel", X, LOW, HIGH, num_bits=3, narrow_range=True, grad=True),
    case("FakeQuantWithMinMaxVarsPerChannel", rand(3, low=-3, high=3), LOW, HIGH, grad=True),
    case("FakeQuantWithMinMaxVarsPerChannel", rand(2, 2, 2, 3), LOW, HIGH, grad=True),
    case(
        "FakeQuantWithMinMaxVarsPerChannel",
        X,
        f32([1, 2]),
        HIGH,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
