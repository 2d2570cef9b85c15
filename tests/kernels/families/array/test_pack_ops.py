"""Packing and unpacking."""

from __future__ import annotations

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder

from ...harness import case, cast, f32, i32, rand, table_tests

STRINGS = np.array([b"a", b"b"], object)

CASES = [
    case("Pack", [rand(2, 3), rand(2, 3, seed=1)], grad=True),
    case("Pack", [rand(2, 3), rand(2, 3, seed=1)], axis=-1, grad=True),
    case("Pack", [rand(2, 3), rand(2, 3, seed=1)], axis=1, grad=True),
    case("Pack", [rand(2, 3)], axis=-3),
    case("Pack", [f32(1), f32(2)], grad=True),
    case("Pack", [i32(1), i32(2)]),
    case("Pack", [cast("bfloat16", 1), cast("bfloat16", 2)]),
    case("Pack", [np.array(b"a", object), np.array(b"b", object)]),
    case("Pack", [STRINGS, STRINGS], axis=1),
    case("Pack", [rand(0, 2)]),
    case("Pack", [rand(2), rand(3)], error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Pack", [rand(2), rand(2)], axis=2, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Pack", [rand(2), rand(2)], axis=-3, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Unpack", rand(2, 3), num=2, grad=True),
    case("Unpack", rand(2, 3), num=3, axis=-1, grad=True),
    case("Unpack", rand(2), num=2, grad=True),
    case("Unpack", STRINGS, num=2),
    case("Unpack", rand(2, 3), num=3, error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Unpack", rand(2, 3), num=2, axis=2, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Unpack", f32(1), num=1, error="INVALID_ARGUMENT: cannot be unpacked"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_sizes_taken_out_of_a_shape_stay_known() -> None:
    g = GraphBuilder()
    x = g.placeholder("float", [None, 28, 28])
    batch, height, width = g.Unpack(g.Shape(x), num=3)
    assert str(g.Reshape(x, g.Pack([batch, width, height, 1])).shape) == "[?,28,28,1]"
