"""Patches of images and volumes."""

from __future__ import annotations

from ...harness import case, cast, i32, rand, table_tests

X = rand(2, 5, 6, 3)
V = rand(2, 4, 5, 3, 2)


def image(
    x: object, sizes: list[int], strides: list[int], rates: list[int], padding: str, **more: object
) -> object:
    attrs = {
        "ksizes": [1, *sizes, 1],
        "strides": [1, *strides, 1],
        "rates": [1, *rates, 1],
        "padding": padding,
    }
    return case("ExtractImagePatches", x, **attrs, **more)  # type: ignore[arg-type]


def volume(x: object, sizes: list[int], strides: list[int], padding: str, **more: object) -> object:
    attrs = {"ksizes": [1, *sizes, 1], "strides": [1, *strides, 1], "padding": padding}
    return case("ExtractVolumePatches", x, **attrs, **more)  # type: ignore[arg-type]


CASES = [
    image(X, [2, 3], [1, 2], [1, 1], "VALID", grad=True),
    image(X, [2, 3], [1, 2], [1, 1], "SAME", grad=True),
    image(X, [2, 2], [2, 1], [2, 3], "VALID", grad=True),
    image(X, [3, 2], [2, 2], [2, 2], "SAME", grad=True),
    image(X, [1, 1], [3, 3], [1, 1], "SAME", grad=True),
    image(i32(X), [2, 2], [1, 1], [1, 1], "SAME"),
    image(cast("bfloat16", X), [2, 2], [1, 1], [1, 1], "VALID"),
    image(X, [7, 2], [1, 1], [1, 1], "VALID", error="INVALID_ARGUMENT: does not fit"),
    image(X, [0, 2], [1, 1], [1, 1], "VALID", error="OUT_OF_RANGE: ksizes must be positive"),
    image(X, [2, 2], [0, 1], [1, 1], "VALID", error="INVALID_ARGUMENT: strides must be positive"),
    image(rand(5, 6, 3), [2, 2], [1, 1], [1, 1], "VALID", error="INVALID_ARGUMENT: 'images' must be of rank"),
    volume(V, [2, 2, 2], [1, 2, 1], "VALID", grad=True),
    volume(V, [2, 3, 2], [2, 2, 1], "SAME", grad=True),
    volume(i32(V), [1, 2, 1], [1, 1, 1], "SAME"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)  # type: ignore[arg-type]
