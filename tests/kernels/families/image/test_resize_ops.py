"""Images made larger and smaller."""

from __future__ import annotations

from ...harness import case, cast, i32, rand, table_tests

CORNERS = ({}, {"align_corners": True}, {"half_pixel_centers": True})
SIZES = ((4, 3, 6, 7), (7, 9, 3, 2), (3, 4, 3, 4), (1, 1, 3, 2), (5, 6, 1, 1), (2, 2, 5, 4))
BOTH = {"align_corners": True, "half_pixel_centers": True}

CASES = [
    *(
        case(f"Resize{how}", rand(2, h, w, 3), i32([oh, ow]), tol=2e-5, grad=True, **corners)
        for how in ("Bilinear", "NearestNeighbor", "Bicubic")
        for corners in CORNERS
        for h, w, oh, ow in SIZES
    ),
    *(
        case("ResizeArea", rand(2, h, w, 3), i32([oh, ow]), tol=2e-5, align_corners=align)
        for align in (False, True)
        for h, w, oh, ow in SIZES
    ),
    *(
        case(f"Resize{how}", cast(t, rand(1, 3, 4, 2, low=0, high=9)), i32([5, 3]), tol=1e-5)
        for how in ("Bilinear", "NearestNeighbor", "Bicubic", "Area")
        for t in ("uint8", "int32", "half", "double", "bfloat16", "int64", "uint16")
    ),
    *(
        case(f"Resize{how}", cast(t, rand(1, 3, 4, 2)), i32([5, 3]), grad=True, tol=tol)
        for how in ("Bilinear", "NearestNeighbor")
        for t, tol in (("half", 2e-3), ("bfloat16", 2e-2), ("double", 1e-5))
    ),
    case("ResizeBicubic", rand(1, 3, 4, 2, dtype="double"), i32([5, 3]), grad=True, tol=1e-5),
    case("ResizeNearestNeighborGrad", cast("int32", rand(1, 5, 4, 1, high=9)), i32([2, 3])),
    case("ResizeNearestNeighborGrad", cast("uint8", rand(1, 5, 4, 1, low=0, high=200)), i32([2, 3])),
    *(
        row
        for how in ("Bilinear", "NearestNeighbor", "Bicubic")
        for row in (
            case(
                f"Resize{how}", rand(3, 4, 2), i32([5, 3]), error="INVALID_ARGUMENT: 'images' must be of rank"
            ),
            case(
                f"Resize{how}",
                rand(1, 3, 4, 2),
                i32([5, 3, 1]),
                error="INVALID_ARGUMENT: size must have 2 elements",
            ),
            case(
                f"Resize{how}", rand(1, 3, 4, 2), i32([5, 0]), error="INVALID_ARGUMENT: but must be positive"
            ),
            case(
                f"Resize{how}", rand(1, 3, 4, 2), i32([5, -3]), error="INVALID_ARGUMENT: but must be positive"
            ),
            case(f"Resize{how}", rand(1, 0, 4, 2), i32([5, 3]), error="INVALID_ARGUMENT: have no pixels"),
            case(f"Resize{how}", rand(0, 3, 4, 2), i32([5, 3])),
            case(
                f"Resize{how}",
                rand(1, 3, 4, 2),
                i32([5, 3]),
                **BOTH,
                error="INVALID_ARGUMENT: half_pixel_centers exclude",
            ),
        )
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
