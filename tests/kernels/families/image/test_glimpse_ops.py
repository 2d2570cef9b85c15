"""Windows of images, filled up with noise."""

from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, rand, run_tfg, table_tests

IMAGES = rand(4, 6, 8, 2)
OFFSETS = f32([[0, 0], [0.2, 0.3], [-1.5, 2], [1, -0.7]])

CASES = [
    *(
        case(name, IMAGES, i32(size), OFFSETS, centered=c, normalized=n, uniform_noise=False, noise="zero")
        for name in ("ExtractGlimpse", "ExtractGlimpseV2")
        for c in (True, False)
        for n in (True, False)
        for size in ([2, 3], [5, 5], [9, 11])
    ),
    case("ExtractGlimpse", IMAGES, i32([2, 3]), f32(np.zeros((4, 2)))),
    case("ExtractGlimpse", IMAGES[:0], i32([2, 3]), OFFSETS[:0]),
    case("ExtractGlimpse", IMAGES, i32([0, 3]), OFFSETS),
    case("ExtractGlimpse", IMAGES[0], i32([2, 3]), OFFSETS, error="INVALID_ARGUMENT: rank 4"),
    case("ExtractGlimpse", IMAGES, i32([2]), OFFSETS, error="INVALID_ARGUMENT: equal"),
    case("ExtractGlimpse", IMAGES, i32([2, 3]), OFFSETS[:2], error="INVALID_ARGUMENT: equal"),
    case("ExtractGlimpse", IMAGES, i32([2, 3]), OFFSETS[:, :1], error="INVALID_ARGUMENT: equal"),
    case("ExtractGlimpse", IMAGES, i32([-2, 3]), OFFSETS, error="INVALID_ARGUMENT: negative"),
    case("ExtractGlimpse", IMAGES, i32([2, 3]), OFFSETS, noise="pink", uniform_noise=False,
         error="INVALID_ARGUMENT: only be"),
    case("ExtractGlimpse", IMAGES, i32([2, 3]), OFFSETS, noise="gaussian", error="INVALID_ARGUMENT: same time"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_noise_has_the_range_of_the_image() -> None:
    for noise in ("uniform", "gaussian"):
        (found,) = run_tfg(
            case("ExtractGlimpse", IMAGES, i32([40, 40]), 0 * OFFSETS, uniform_noise=False, noise=noise)
        )
        assert not np.array_equal(found[0], found[1])
        for image, window in zip(IMAGES, found):
            assert image.min() <= window.min() < window.max() <= image.max()
            assert window.std() > 0.3
