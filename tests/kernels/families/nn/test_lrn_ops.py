"""Local response normalization."""

from __future__ import annotations

from ...harness import case, rand, table_tests

CASES = [
    *[
        case(
            "LRN", rand(2, 3, 2, 6), depth_radius=radius, bias=1.5, alpha=0.3, beta=beta, tol=1e-5, grad=True
        )
        for radius in (0, 1, 2, 9)
        for beta in (0.5, 0.75)
    ],
    case("LRN", rand(1, 2, 2, 4), tol=1e-5, grad=True),
    case("LRN", rand(1, 2, 2, 4, dtype="half"), tol=5e-3),
    case("LRN", rand(0, 2, 2, 4)),
    case("LRN", rand(2, 2, 4), error="INVALID_ARGUMENT: 'input' must be of rank"),
    case(
        "LRNGrad",
        rand(1, 2, 2, 4),
        rand(1, 2, 2, 4, seed=1),
        rand(1, 2, 2, 4, seed=2),
        depth_radius=2,
        tol=1e-5,
    ),
    case(
        "LRNGrad",
        rand(1, 2, 2, 4),
        rand(1, 2, 2, 4),
        rand(1, 2, 2, 3),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
