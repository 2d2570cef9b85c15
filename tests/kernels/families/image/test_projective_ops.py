"""Images seen through projective transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError

from ...harness import case, f32, i32, rand, run_tfg, table_tests

SECOND, THIRD = "ImageProjectiveTransformV2", "ImageProjectiveTransformV3"
IMAGES = rand(3, 5, 6, 2)
ROTATE = [0.8, 0.6, -1.5, -0.6, 0.8, 2.5, 0, 0]
DEEP = [1.1, 0.1, 0.3, -0.2, 0.9, 0.7, 0.05, -0.1]
FAR = [5, 1, -9, 2, 6, -12, 0, 0.0]
ONE = f32([ROTATE])
EACH = f32([ROTATE, DEEP, FAR])
MODES = ("CONSTANT", "REFLECT", "WRAP", "NEAREST")


def row(
    images: Any = IMAGES, transforms: Any = EACH, size: Any = (5, 6), *, kind: str = "BILINEAR", **more: Any
) -> Any:
    return case(SECOND, images, f32(transforms), i32(size), interpolation=kind, **{"tol": 1e-5, **more})


CASES = [
    *(
        row(size=size, fill_mode=mode, kind=kind)
        for mode in MODES
        for kind in ("NEAREST", "BILINEAR")
        for size in ((5, 6), (4, 11))
    ),
    *(
        case(THIRD, IMAGES, EACH, i32([5, 6]), f32(7.5), interpolation=kind, fill_mode=mode, tol=1e-5)
        for mode in MODES
        for kind in ("NEAREST", "BILINEAR")
    ),
    *(row((30 * IMAGES).astype(kind), ONE) for kind in (np.uint8, np.int32, np.int64, np.float64)),
    *(row(rand(2, 4, 5, 1, dtype=kind), ONE, tol=1e-2) for kind in ("half", "bfloat16")),
    *(row(transforms=f32([DEEP]), kind=kind, grad=True) for kind in ("NEAREST", "BILINEAR")),
    row(IMAGES, EACH[:2].repeat(2, 0)[:3], grad=True),
    case(THIRD, IMAGES, ONE, i32([4, 3]), f32(2), interpolation="BILINEAR", grad=True, tol=1e-5),
    *(row(rand(1, 1, 1, 1), ONE, fill_mode=mode) for mode in MODES),
    row(transforms=f32([[1, 0, 0, 0, 1, 0, -1, 0]])),
    row(IMAGES[:0], ONE),
    row(transforms=EACH[:2], error="INVALID_ARGUMENT: num_images x 8"),
    row(transforms=EACH[:, :7], error="INVALID_ARGUMENT: columns"),
    row(IMAGES[0], error="INVALID_ARGUMENT: rank 4"),
    row(size=(5,), error="INVALID_ARGUMENT: 2 elements"),
    row(size=(0, 4), error="INVALID_ARGUMENT: positive"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_unknown_modes_are_refused() -> None:
    for unknown in (row(kind="CUBIC"), row(fill_mode="ODD")):
        with pytest.raises(TfgError, match="Supported types"):
            run_tfg(unknown)
