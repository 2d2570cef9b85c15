"""Colours of images: RGB against HSV, contrast, hue and saturation."""

from __future__ import annotations

from typing import Any

from ...harness import case, cast, f32, graph_case, rand, table_tests

PRIMARY = f32(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0.2, 0.2, 0.5]]
)
DISTINCT = rand(4, 5, 3, low=0.05, high=1)


def _contrast(g: Any, images: Any) -> Any:
    """The form that clips, which graphs of version 1 have."""
    factor, low, high = (g.constant(f32(number)) for number in (2, 10, 90))
    return g.AdjustContrast(images, factor, low, high)


CASES = [
    case("RGBToHSV", PRIMARY, tol=1e-5),
    case("RGBToHSV", DISTINCT, tol=1e-5, grad=True),
    case("RGBToHSV", rand(3, low=0, high=1), tol=1e-5),
    case("RGBToHSV", rand(0, 3)),
    case("RGBToHSV", rand(2, 4), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("RGBToHSV", f32(1), error="INVALID_ARGUMENT: 'images' must be of rank"),
    case("HSVToRGB", rand(4, 5, 3, low=0, high=1), tol=1e-5),
    case("HSVToRGB", PRIMARY, tol=1e-5),
    case("HSVToRGB", rand(2, 2), error="INVALID_ARGUMENT: Dimensions must be equal"),
    *(
        case(op, rand(4, 3, dtype=t, low=0.1, high=1), tol=tol)
        for op in ("RGBToHSV", "HSVToRGB")
        for t, tol in (("double", 1e-12), ("half", 5e-3), ("bfloat16", 4e-2))
    ),
    *(
        case(op, images, f32(amount), tol=2e-5)
        for images in (rand(2, 4, 5, 3, low=0, high=1), rand(4, 5, 3, low=0, high=1), PRIMARY[None, :8])
        for op, amounts in (
            ("AdjustContrastv2", (0.5, 2, -1)),
            ("AdjustHue", (0.25, -0.3, 0, 0.9)),
            ("AdjustSaturation", (0.5, 0, 3)),
        )
        for amount in amounts
    ),
    *(
        row
        for op in ("AdjustContrastv2", "AdjustHue", "AdjustSaturation")
        for row in (
            case(op, rand(4, 3), f32(0.5), error="INVALID_ARGUMENT: 'images' must be of rank"),
            case(op, rand(2, 4, 3), f32([0.5]), error="INVALID_ARGUMENT: amount must be a scalar"),
            case(op, rand(0, 4, 3), f32(0.5)),
        )
    ),
    case("AdjustContrastv2", rand(2, 4, 4), f32(0.5), tol=1e-5),
    *(
        graph_case(
            f"AdjustContrast {dtype}", _contrast, cast(dtype, rand(2, 3, 4, 2, low=0, high=100)), producer=1
        )
        for dtype in ("uint8", "int8", "int16", "int32", "float", "double")
    ),
    graph_case("AdjustContrast empty", _contrast, rand(0, 3, 3), producer=1),
    *(
        case(op, rand(2, 4, 4), f32(0.5), error="INVALID_ARGUMENT: have 3 channels")
        for op in ("AdjustHue", "AdjustSaturation")
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
