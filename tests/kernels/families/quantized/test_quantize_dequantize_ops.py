"""Rounding to few bits."""

from __future__ import annotations

from ...harness import case, f32, f64, i32, rand, table_tests

X = rand(4, 3, low=-3, high=3)
LOW, HIGH = f32([-1, -2.3, 0]), f32([1.5, 0.7, 2])
ZERO = f32(0)

CASES = [
    case("QuantizeAndDequantizeV2", X, ZERO, ZERO, grad=True),
    case("QuantizeAndDequantizeV2", X, f32(-1), f32(2.5), range_given=True, grad=True),
    case("QuantizeAndDequantizeV2", X, f32(-1), f32(2.5), range_given=True, num_bits=4, narrow_range=True),
    case("QuantizeAndDequantizeV2", X, f32(0), f32(2.5), range_given=True, num_bits=4, signed_input=False),
    case("QuantizeAndDequantizeV2", X, f32(-1), f32(2), range_given=True, num_bits=3, round_mode="HALF_UP"),
    case("QuantizeAndDequantizeV2", X, f32([0] * 4), f32([0] * 4), axis=0),
    case("QuantizeAndDequantizeV2", f64(X), f64(0), f64(0)),
    case("QuantizeAndDequantizeV2", f32([0, 0]), ZERO, ZERO),
    case(
        "QuantizeAndDequantizeV2", X, f32(3), f32(2.5), range_given=True, error="INVALID_ARGUMENT: lower end"
    ),
    case(
        "QuantizeAndDequantizeV2",
        X,
        LOW,
        HIGH,
        range_given=True,
        error="INVALID_ARGUMENT: must be equal rank",
    ),
    case(
        "QuantizeAndDequantizeV2",
        X,
        LOW,
        HIGH,
        range_given=True,
        axis=0,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case(
        "QuantizeAndDequantizeV2",
        X,
        LOW,
        HIGH,
        range_given=True,
        axis=2,
        error="INVALID_ARGUMENT: 'input' must be of rank",
    ),
    case("QuantizeAndDequantizeV2", X, ZERO, ZERO, num_bits=0, error="INVALID_ARGUMENT: num_bits"),
    case("QuantizeAndDequantizeV2", X, ZERO, ZERO, num_bits=63, error="INVALID_ARGUMENT: num_bits"),
    case("QuantizeAndDequantizeV3", X, f32(-1), f32(2.5), i32(6), grad=True),
    case("QuantizeAndDequantizeV3", X, f32(-1), f32(2.5), i32(6), range_given=False),
    case("QuantizeAndDequantizeV3", X, LOW, HIGH, i32(6), axis=1),
    case("QuantizeAndDequantizeV3", X, f32(-1), f32(2.5), i32(0), error="INVALID_ARGUMENT: num_bits"),
    case("QuantizeAndDequantizeV4", X, f32(-1), f32(2.5), range_given=True, grad=True),
    case("QuantizeAndDequantizeV4Grad", rand(4, 3, seed=1), X, f32(-1), f32(2.5)),
    case("QuantizeAndDequantizeV4Grad", rand(4, 3, seed=1), X, LOW, HIGH, axis=1),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_a_range_per_channel_is_taken_by_all_variants() -> None:
    """TensorFlow takes it in the third alone."""
    from tests.kernels.harness import run_tfg

    (expected,) = run_tfg(case("QuantizeAndDequantizeV3", X, LOW, HIGH, i32(8), axis=1))
    for name in ("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV4"):
        (found,) = run_tfg(case(name, X, LOW, HIGH, range_given=True, axis=1))
        assert (found == expected).all()
